"""The C of a program in whole numbers: the same interface as in float32, small enough for a microcontroller."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from edgeproof.spike.engine.frame import File, Source, check_name
from edgeproof.spike.engine.layers import Span, each_step
from edgeproof.spike.engine.layout import PLAIN, Layouts
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import Delay, Group, Layer, Stage, schedule
from edgeproof.spike.engine.summary import layer_summary
from edgeproof.spike.fixed.convolutions import convolution, is_dense
from edgeproof.spike.fixed.dense import GIVE, NARROWED, WIDENED, WINDOW, dense_sums
from edgeproof.spike.fixed.groups import delay, group_loop
from edgeproof.spike.fixed.images import HALVES, STRUCTS, image_functions
from edgeproof.spike.fixed.lanes import INCLUDED, LANES, UNDEFINED, VARIANTS
from edgeproof.spike.fixed.layers import clamp, linear
from edgeproof.spike.fixed.lists import EVENTS, GIVEN, SAME, SPIKES, TAKE
from edgeproof.spike.fixed.names import FixedNumbers, place_type
from edgeproof.spike.fixed.pooling import pool
from edgeproof.spike.fixed.program import Fixed
from edgeproof.spike.fixed.quads import QUADS, QUADS_HERE
from edgeproof.spike.fixed.rows import row_sums
from edgeproof.spike.fixed.straight import is_straight
from edgeproof.spike.fixed.units import FINISH
from edgeproof.spike.fixed.weighed import weighed_sums
from edgeproof.spike.fixed.words import HELPERS
from edgeproof.spike.program import Convolution, Linear, Node, Pool, Reshape, storage, walk

__all__ = ["emit_fixed"]

CHUNK_BYTES = 1 << 18
"""What the buffers of a chunk may take together: 256 KiB, a second-level cache."""


def emit_fixed(fixed: Fixed, name: str) -> Source:
    """Write a program in whole numbers down in C.

    Args:
        fixed: what is computed.
        name: C identifier; the files must be called so too.

    Raises:
        ConversionError: operations that whole numbers do not have, or a name that is no identifier.
    """
    check_name(name)
    scheduled = schedule(fixed.program)
    pooled, listed = _pooled(fixed), _listed(fixed)
    numbers = FixedNumbers(fixed, listed)
    stored = {node: None for node in scheduled.stored if node not in pooled}
    scheduled = replace(
        scheduled,
        stages=tuple(_without(scheduled.stages, set(pooled.values()))),
        stored=stored,
        chunk=_chunk(
            fixed.program.timesteps, [numbers.bytes_of(node) for node in stored if node not in scheduled.steady]
        ),
        layouts=Layouts({**scheduled.layouts.channels, **dict.fromkeys(listed, PLAIN)}),
    )
    return _Whole(Names(scheduled, name, numbers), fixed, pooled).source()


def _chunk(timesteps: int, rows: Iterable[int]) -> int:
    """Time steps at once, of which a step's buffers take so many bytes."""
    most = max(1, CHUNK_BYTES // max(sum(rows), 1))
    return -(-timesteps // -(-timesteps // most))


def _without(stages: Sequence[Stage], done: Collection[Node]) -> Iterator[Stage]:
    """Stages without the layers that others do."""
    for stage in stages:
        kernels = tuple(kernel for kernel in stage.kernels if not (isinstance(kernel, Layer) and kernel.node in done))
        if kernels:
            yield replace(stage, kernels=kernels)


def _readers(fixed: Fixed) -> dict[Node, list[Node]]:
    """What takes each value, reshaped or not."""
    found: dict[Node, list[Node]] = {}
    for node in walk(fixed.program.roots()):
        for source in node.sources:
            if not isinstance(node, Reshape):
                found.setdefault(storage(source), []).append(node)
    for root in fixed.program.roots():
        found.setdefault(storage(root), []).append(root)
    return found


def _listed(fixed: Fixed) -> dict[Node, Node]:
    """Inputs that only one layer takes, by events: what is not zero of them is all that is kept."""
    found: dict[Node, Node] = {}
    readers = _readers(fixed)
    for node in fixed.program.inputs:
        taken = readers.get(node, [])
        if len(taken) == 1 and isinstance(reader := taken[0], (Linear, Convolution)):
            straight = isinstance(reader, Linear) or (is_straight(reader) and clamp(fixed, reader) is not None)
            if straight and not (isinstance(reader, Convolution) and is_dense(fixed, reader)):
                found[node] = reader
    return found


def _pooled(fixed: Fixed) -> dict[Node, Pool]:
    """Convolutions of which nothing is wanted but the maximum over windows that follows, and that."""
    found: dict[Node, Pool] = {}
    for node, (reader, *others) in _readers(fixed).items():
        if not isinstance(node, Convolution) or not isinstance(reader, Pool) or others or reader.x is not node:
            continue
        inside = reader.kind == "max" and reader.padding == (0, 0) and fixed.bits_of(reader) == fixed.bits_of(node)
        if inside and is_straight(node) and not is_dense(fixed, node) and clamp(fixed, node) is not None:
            found[node] = reader
    return found


class _Whole(File):
    def __init__(self, names: Names, fixed: Fixed, pooled: Mapping[Node, Pool]) -> None:
        super().__init__(names, {})
        self._fixed = fixed
        self._pooled = pooled

    def _layers(self) -> list[str]:
        """Each layer, and what a weight and a result of one are worth."""
        return ["int8 weights, int32 sums and membranes", *map(self._summary, self._fixed.layers)]

    def _summary(self, node: Node) -> str:
        assert isinstance(node, (Linear, Convolution))
        return f"{layer_summary(node)}: results in units of 2^-{self._fixed.bits_of(node)}"

    def _types(self) -> str:
        wanted = self._names.functions
        window = WINDOW if any(function.startswith("dense") for function in wanted) else ""
        images = HALVES + STRUCTS if any(function.startswith("added") for function in wanted) else ""
        quads = QUADS_HERE if "quads" in wanted else ""
        return f"{INCLUDED}\n#define PLACE {place_type(self._fixed.program)}\n{HELPERS}{window}{images}{quads}"

    def _variants(self) -> str:
        return VARIANTS

    def _functions(self) -> str:
        wanted = self._names.functions
        widths = {
            kind: {int(function.removeprefix(kind)) for function in wanted if function.startswith(kind)}
            for kind in ("rows", "weighed", "dense")
        }
        parts = {
            "take": TAKE,
            "spikes": SPIKES,
            "events": EVENTS,
            "given": GIVEN,
            "same": SAME,
            "finish": FINISH,
            "narrowed": NARROWED,
            "widened": WIDENED,
        }
        return "".join(
            (
                UNDEFINED,
                LANES,
                *(text for function, text in parts.items() if function in wanted),
                row_sums(widths["rows"]),
                weighed_sums(widths["weighed"]),
                GIVE if any(function.startswith(("dense", "finished")) for function in wanted) else "",
                dense_sums(widths["dense"]),
                image_functions(wanted),
                QUADS if "quads" in wanted else "",
            )
        )

    def _kernel(self, kernel: Layer | Group, span: Span) -> list[str]:
        names, fixed = self._names, self._fixed
        if isinstance(kernel, Group):
            return each_step(span, group_loop(names, fixed, kernel))
        node = kernel.node
        if isinstance(node, Linear):
            return linear(names, fixed, node, span)
        if isinstance(node, Convolution):
            return each_step(span, convolution(names, fixed, node, self._pooled.get(node)))
        return each_step(span, pool(names, fixed, node))

    def _delay(self, kernel: Delay) -> list[str]:
        return delay(self._names, self._fixed, kernel)
