"""The physical limit of an engine's call on this machine: what must be read and added, over what one core does at best.

A call's **work** is counted: the additions of inputs that are not zero, a layer whose input stays the same once in a
call, and the bytes of the weights that they touch. What a core does in a nanosecond is measured by ``limits.c``, a
small loop for each level of the cache. ``limit_us`` is the slower of the two for each layer, as if the other cost
nothing, and neurons, lists and the call itself too: no engine gets there, and the share says what is left to win.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from edgeproof.process import environment as environment_of_children
from edgeproof.spike.counts.operations import fan_out
from edgeproof.spike.engine.schedule import schedule
from edgeproof.spike.interpreter import Trace, interpret
from edgeproof.spike.program import Array, Convolution, Linear, Program, walk
from edgeproof.spike.toolchain.compilers import compiler_for

if TYPE_CHECKING:
    from edgeproof.documents.signature import Form
    from edgeproof.model.subject import Subject

__all__ = ["LayerWork", "Limits", "Work", "exported", "limit_us", "measure_limits", "work_of"]

FLAGS = ("-std=gnu11", "-O3", "-march=native", "-ffp-contract=off")
LEVELS = ((1, 32 << 10), (2, 512 << 10), (3, 8 << 20))
"""Levels of the cache, with their sizes in bytes where the system does not tell: small ones of today."""
CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
FILLED = 0.5
"""How much of a cache the loop reads: what shares it with others is not all there."""


@dataclass(frozen=True)
class Limits:
    """What one core does at best.

    Attributes:
        sizes: bytes of the first, second and third level of the cache.
        bytes_per_ns: read from the first, second and third level, and added.
        floats_per_ns: float32 additions from vectors in the first level of the cache.
        ints_per_ns: int32 additions likewise.
    """

    sizes: tuple[int, ...]
    bytes_per_ns: tuple[float, ...]
    floats_per_ns: float
    ints_per_ns: float

    def read_per_ns(self, size: int) -> float:
        """Bytes in a nanosecond from tables of so many bytes: of the smallest cache that holds them, or the last."""
        fits = (speed for room, speed in zip(self.sizes, self.bytes_per_ns, strict=True) if size <= room)
        return next(fits, self.bytes_per_ns[-1])


@dataclass(frozen=True)
class LayerWork:
    """What a call cannot leave out of a layer, on average over samples.

    Attributes:
        adds: products that are not zero, added to sums.
        weight_bytes: of the weights in these products, each time that one is used.
        distinct_bytes: of those of them that are used at all.
        table_bytes: of all its weights.
    """

    adds: float
    weight_bytes: float
    distinct_bytes: float
    table_bytes: int


@dataclass(frozen=True)
class Work:
    """What a call cannot leave out.

    Attributes:
        layers: in the order of computation.
    """

    layers: tuple[LayerWork, ...]

    @property
    def adds(self) -> float:
        """Of all layers; ``weight_bytes`` and ``table_bytes`` likewise."""
        return sum(layer.adds for layer in self.layers)

    @property
    def weight_bytes(self) -> float:
        return sum(layer.weight_bytes for layer in self.layers)

    @property
    def table_bytes(self) -> int:
        return sum(layer.table_bytes for layer in self.layers)


def measure_limits() -> Limits:
    """Compile ``limits.c`` for this processor and run it, some seconds.

    Raises:
        ConversionError: there is no compiler. CalledProcessError: it failed.
    """
    sizes = tuple(_told(level) or size for level, size in LEVELS)
    with tempfile.TemporaryDirectory(prefix="edgeproof-limits-") as folder:
        program = Path(folder) / "limits"
        compiler_for(None).compile([*FLAGS, str(Path(__file__).with_suffix(".c")), "-o", str(program)])
        # The third level is shared and may be larger than memory that a process should fill: its second size will do.
        filled = [min(int(FILLED * size), 16 << 20) for size in sizes]
        done = subprocess.run(
            [program, *map(str, filled)],
            env=environment_of_children(),
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
    *speeds, floats, ints = map(float, done.stdout.split())
    return Limits(sizes, tuple(speeds), floats, ints)


def _told(level: int) -> int | None:
    """The size of a level of the first core's cache, as Linux tells it."""
    for folder in CACHES.glob("index*"):
        try:
            told = {name: (folder / name).read_text().strip() for name in ("level", "type", "size")}
        except OSError:
            continue
        if told["level"] == str(level) and told["type"] != "Instruction" and told["size"].endswith("K"):
            return int(told["size"][:-1]) << 10
    return None


def work_of(program: Program, samples: Sequence[Mapping[str, Array]], *, weight_bytes: int = 4) -> Work:
    """Count the work of a call.

    Args:
        program: what is run, in numpy.
        samples: inputs of one call each.
        weight_bytes: of one weight.
    """
    steady = schedule(program).steady
    layers = [node for node in walk(program.roots()) if isinstance(node, (Linear, Convolution))]
    fans = {node: fan_out(node, np.ones(node.weight.shape, bool)) for node in layers}
    adds, distinct = dict.fromkeys(layers, 0), dict.fromkeys(layers, 0)
    for sample in samples:
        trace: Trace = {node.x: [] for node in layers}
        interpret(program, sample, trace=trace)
        for node in layers:
            events = np.stack(trace[node.x][:1] if node in steady else trace[node.x]) != 0
            adds[node] += int(np.sum(fans[node] * events))
            distinct[node] += min(int(np.sum(fans[node] * events.any(axis=0))), node.weight.size)
    each = weight_bytes / len(samples)
    return Work(
        tuple(
            LayerWork(
                adds[node] / len(samples), adds[node] * each, distinct[node] * each, node.weight.size * weight_bytes
            )
            for node in layers
        )
    )


def exported(subject: Subject, samples: Mapping[str, Array]) -> Program:
    """A model as the engine has it.

    Args:
        subject: the model, loaded.
        samples: some inputs, sample axis first.

    Raises:
        EdgeProofError: it cannot be exported, or has operations that the engine does not take.
    """
    from edgeproof.model.spine import export_spine, load_spine
    from edgeproof.model.step_program import program_of

    form: Form = "step" if "step" in subject.forms else "whole"
    with tempfile.TemporaryDirectory(prefix="edgeproof-program-") as folder:
        export_spine(subject, form, samples, Path(folder) / "spine", address=subject.name)
        return program_of(load_spine(Path(folder) / "spine", samples))


def limit_us(work: Work, limits: Limits, *, whole: bool = False) -> float:
    """µs that the additions of the layers take, one after the other, or reading their weights where that takes longer.

    A weight is read from where the layer's weights fit, and each further time from the first level of the cache.

    Args:
        work: of a call.
        limits: of this machine.
        whole: whether the additions are of int32.
    """
    speed = limits.ints_per_ns if whole else limits.floats_per_ns

    def layer_ns(layer: LayerWork) -> float:
        first = layer.distinct_bytes / limits.read_per_ns(layer.table_bytes)
        again = (layer.weight_bytes - layer.distinct_bytes) / limits.bytes_per_ns[0]
        return max(layer.adds / speed, first + again)

    return sum(map(layer_ns, work.layers)) / 1e3


if __name__ == "__main__":
    found = measure_limits()
    for size, speed in zip(found.sizes, found.bytes_per_ns, strict=True):
        print(f"cache of {size} bytes: {speed:.1f} bytes/ns", file=sys.stdout)
    print(f"float32 additions: {found.floats_per_ns:.1f}/ns, int32 additions: {found.ints_per_ns:.1f}/ns")
