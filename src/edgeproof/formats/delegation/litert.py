"""Where LiteRT runs an artifact's operators, in XNNPACK or in its own kernels: from the interpreter and its profile.

An interpreter that was allocated has each delegated stretch as an operator more, ``DELEGATE``, with the tensors that go
in and out of it: what lies between these ran inside.
"""

from __future__ import annotations

import platform
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.delegation import Delegation
from edgeproof.errors import ArtifactError
from edgeproof.formats.base import Array
from edgeproof.formats.delegation.litert_profile import LiteRTProfile, unsupported
from edgeproof.formats.delegation.nodes import Node, delegation_of
from edgeproof.formats.delegation.xnnpack import FLOAT, cause_of, remedy_of

__all__ = ["DELEGATE", "LiteRTGraph", "delegations", "fallen_back"]

DELEGATE = "DELEGATE"
"""What LiteRT calls a stretch that it gave to a delegate."""
FIRST = 0
"""The graph of the signature that is run."""
SECONDS, CALLS = 0.25, 200
"""Of profiling, at most."""
PROCESSORS = ("/sys/devices/system/cpu/possible", "/sys/devices/system/cpu/present")
"""What XNNPACK reads on ARM to know the processor, and does nothing without."""


@dataclass(frozen=True)
class LiteRTGraph:
    """An allocated interpreter's first graph.

    Attributes:
        names: of its own operators, in order.
        inside: which of them a delegate runs.
        partitions: how many stretches it runs.
        dtypes: per operator, of what it computes on and what it gives; constants left out.
    """

    names: tuple[str, ...]
    inside: frozenset[int]
    partitions: int
    dtypes: tuple[frozenset[str], ...]

    @classmethod
    def of(cls, interpreter: Any) -> LiteRTGraph:
        """Read an interpreter, after ``allocate_tensors``."""
        inner = interpreter._interpreter
        every = [inner.NodeName(number) for number in range(inner.NumNodes())]
        stretches = [number for number, name in enumerate(every) if name == DELEGATE]
        own = [number for number, name in enumerate(every) if name != DELEGATE]
        ins = {number: _tensors(inner.NodeInputs(number)) for number in range(len(every))}
        outs = {number: _tensors(inner.NodeOutputs(number)) for number in range(len(every))}
        made_by = {tensor: number for number in own for tensor in outs[number]}
        inside: set[int] = set()
        for stretch in stretches:
            waiting = list(outs[stretch])
            while waiting:
                tensor = waiting.pop()
                maker = made_by.get(tensor)
                if tensor in ins[stretch] or maker is None or maker in inside:
                    continue
                inside.add(maker)
                waiting += ins[maker]
        given = set(made_by) | _tensors(inner.InputIndices())
        dtypes = tuple(
            frozenset(np.dtype(inner.TensorType(tensor, FIRST)).name for tensor in (ins[number] & given) | outs[number])
            for number in own
        )
        return cls(tuple(every[number] for number in own), frozenset(inside), len(stretches), dtypes)


def fallen_back(interpreter: Any) -> str | None:
    """Why XNNPACK, which is always asked for, runs nothing of an allocated interpreter; None where it runs something.

    LiteRT says nothing of it itself.
    """
    inner: Any = getattr(interpreter, "_interpreter", None)
    try:
        count = inner.NumNodes()
        if not count or inner.NodeName(count - 1) == DELEGATE:  # stretches stand behind the graph's own operators
            return None
        names = {inner.NodeName(number) for number in range(count)}
    except AttributeError:  # another version's insides
        return None
    why = "none of this graph's operators is as it takes them"
    if not FLOAT & names:
        why = f"it has none of this graph's operators: {', '.join(sorted(names))}"
    why = _blind() or why
    return f"LiteRT runs every operator on its own kernels, and XNNPACK none: {why}"


def _blind() -> str | None:
    """Why XNNPACK may not know this processor, without which it does nothing; None where it can."""
    if sys.platform != "linux" or not platform.machine().startswith(("aarch64", "arm")):  # others ask the processor
        return None
    lacking = [path for path in PROCESSORS if not Path(path).is_file()]
    return f"it cannot tell the processor here: {' and '.join(lacking)} cannot be read" if lacking else None


def delegations(
    artifact: ArtifactDocument, path: Path, calls: Callable[[], Sequence[Sequence[Array]]], *, threads: int
) -> list[Delegation]:
    """What is seen of an artifact.

    Args:
        artifact: its document.
        path: the ``.tflite``.
        calls: gives inputs in graph order, to profile with.
        threads: of the interpreter; the profile has one.
    """
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=threads)
    interpreter.allocate_tensors()
    graph = LiteRTGraph.of(interpreter)
    degraded = fallen_back(interpreter)
    blind = _blind() if degraded else None
    del interpreter
    no_time, profiled = unsupported(), _Profiled({}, None, 0, 0)
    given = calls()
    if not given:
        no_time = "it was not profiled"
    if no_time is None:
        try:
            profiled = _profiled(artifact, path, given)
        except (ArtifactError, OSError, AttributeError) as error:
            no_time = f"LiteRT's profile could not be read: {error}"
    outside = set(range(len(graph.names))) - graph.inside
    if no_time is None and set(profiled.outside_us) != outside:
        no_time = "the profiled graph was split otherwise than the interpreter's"
    nodes = [
        Node(
            name=name,
            inside=number in graph.inside,
            time_us=profiled.outside_us.get(number) if no_time is None else None,
            cause=None if number in graph.inside else blind or cause_of(name, graph.dtypes[number]),
            remedy=None if number in graph.inside or blind else remedy_of(name, graph.dtypes[number]),
        )
        for number, name in enumerate(graph.names)
    ]
    told = delegation_of(
        "XNNPACK",
        nodes,
        partitions=graph.partitions,
        calls=profiled.calls,
        inside_us=profiled.inside_us if no_time is None else None,
        timed=profiled.events,
        no_time=no_time,
        degraded=degraded,
    )
    return [told]


@dataclass(frozen=True)
class _Profiled:
    """Mean µs of each operator outside and of all inside; how many calls there were, and operators in one."""

    outside_us: dict[int, float]
    inside_us: float | None
    calls: int
    events: int


def _profiled(artifact: ArtifactDocument, path: Path, calls: Sequence[Sequence[Array]]) -> _Profiled:
    profile = LiteRTProfile(path)
    positions = {binding.graph_name: number for number, binding in enumerate(artifact.inputs)}
    known = {name: positions[name] for name in profile.inputs if name in positions}
    for name, position in known.items():
        profile.feed(name, calls[0][position])
    profile.run()
    profile.start()
    count, end = 0, time.monotonic() + SECONDS
    while count < CALLS and time.monotonic() < end:
        for name, position in known.items():
            profile.feed(name, calls[count % len(calls)][position])
        profile.run()
        count += 1
    outside, inside, events = defaultdict[int, float](float), 0.0, profile.stop()
    for event in events:
        if event.delegated:
            inside += event.time_us / count
        else:
            outside[event.index] += event.time_us / count
    delegated = any(event.delegated for event in events)
    return _Profiled(dict(outside), inside if delegated else None, count, len(events) // count)


def _tensors(indices: Any) -> set[int]:
    return {int(index) for index in indices if index >= 0}
