"""The C of a program in float32."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from edgeproof.spike.engine.activity import methods
from edgeproof.spike.engine.conv_dense import dense_convolution
from edgeproof.spike.engine.conv_events import events_added, events_summed
from edgeproof.spike.engine.dense import DEPTHWISE, WINDOW, dense_sums
from edgeproof.spike.engine.frame import File, Source, check_name
from edgeproof.spike.engine.groups import group_loop
from edgeproof.spike.engine.kernels import ADD, FILL, GIVE, VECTORS
from edgeproof.spike.engine.layers import Method, Span, by_trains, delay, each_step, linear
from edgeproof.spike.engine.lists import BEGINS, EVEN, LEVEL, LISTED, NONZERO, PACKED, PLACED
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.neuron_vectors import can_be_vectors, neuron_vectors
from edgeproof.spike.engine.pooling import HIGHEST, pool
from edgeproof.spike.engine.runs import SIGHT, run_sums
from edgeproof.spike.engine.schedule import Delay, Group, Layer, Schedule, schedule
from edgeproof.spike.engine.summary import layer_table
from edgeproof.spike.engine.sums import event_sums, many_sums, near_sums
from edgeproof.spike.engine.trains import TOLD, train_sums
from edgeproof.spike.engine.truths import TRUTHS
from edgeproof.spike.engine.windows import windows_seen
from edgeproof.spike.engine.writing import block
from edgeproof.spike.program import Convolution, Linear, Node, Program, Reshape, storage, walk

__all__ = ["Source", "emit"]

CONVOLUTIONS: Mapping[Method, Callable[[Names, Convolution], list[str]]] = {
    "events": events_added,
    "windows": events_summed,
    "dense": dense_convolution,
}

SILENT = 0.2
"""The share of an input below which it is quicker to look for what is not zero than to move all of it."""


def emit(program: Program, name: str, activity: Mapping[Node, float] | None = None) -> Source:
    """Write a program down in C.

    Args:
        program: what is computed.
        name: C identifier; the files must be called so too.
        activity: of layers that were measured (``activity.measure_activity``); how a layer takes its input depends on
            it, what it computes does not.

    Raises:
        ConversionError: numbers that C cannot write, or a name that is no identifier.
    """
    check_name(name)
    scheduled = schedule(program)
    return _Floats(scheduled, name, methods(program, activity or {}, scheduled.binary), activity or {}).source()


class _Floats(File):
    """In float32."""

    def __init__(
        self, scheduled: Schedule, name: str, chosen: Mapping[Node, Method], activity: Mapping[Node, float]
    ) -> None:
        super().__init__(Names(scheduled, name), chosen)
        self._activity = activity
        self._names.activity = activity
        self._names.told = _told(self._names, chosen)
        self._names.quiet = _quiet(scheduled, chosen, activity)

    def _layers(self) -> list[str]:
        return layer_table(self._schedule, self._methods, self._activity)

    def _types(self) -> str:
        wanted = self._names.functions
        dense = any(function.startswith("dense") for function in wanted)
        return (WINDOW if dense else "") + (SIGHT if "begins" in wanted else "")

    def _functions(self) -> str:
        wanted = self._names.functions
        widths = {
            kind: [int(function.removeprefix(kind)) for function in wanted if re.fullmatch(rf"{kind}\d+", function)]
            for kind in ("sum", "many", "seen", "near", "dense", "runs", "train")
        }
        parts = [
            VECTORS if wanted - {"nonzero", "weigh"} else "",
            PACKED if wanted & {"nonzero", "begins"} else "",
            LISTED if wanted & {"nonzero", "placed", "begins"} else "",
            NONZERO if "nonzero" in wanted else "",
            PLACED if "placed" in wanted else "",
            BEGINS if "begins" in wanted else "",
            TRUTHS if "truth" in wanted else "",
            HIGHEST if "highest" in wanted else "",
            LEVEL if "even" in wanted or widths["seen"] else "",
            windows_seen(widths["seen"]),
            EVEN if "even" in wanted else "",
            FILL if "fill" in wanted else "",
            ADD if "add" in wanted else "",
            DEPTHWISE if "weigh" in wanted else "",
            GIVE if widths["many"] or widths["near"] or widths["dense"] or widths["runs"] else "",
            event_sums(widths["sum"]),
            many_sums(widths["many"]),
            near_sums(widths["near"]),
            TOLD if "told" in wanted else "",
            train_sums(widths["train"]),
            dense_sums(widths["dense"]),
            run_sums(widths["runs"]),
        ]
        return "".join(parts)

    def _kernel(self, kernel: Layer | Group, span: Span) -> list[str]:
        names = self._names
        if isinstance(kernel, Group):
            return self._group(kernel, span)
        node = kernel.node
        if isinstance(node, Linear):
            return linear(names, node, self._methods[node], span)
        if isinstance(node, Convolution):
            return each_step(span, CONVOLUTIONS[self._methods[node]](names, node))
        return each_step(span, pool(names, node))

    def _group(self, group: Group, span: Span) -> list[str]:
        names = self._names
        plain = each_step(span, group_loop(names, group))
        if span != "chunk" or not can_be_vectors(names, group):
            return plain
        step, lines = neuron_vectors(names, group)
        names.before.append(step)
        names.functions.add("truth")
        return ["#if LANES > 1", *block("", lines), "#else", *plain, "#endif"]

    def _delay(self, kernel: Delay) -> list[str]:
        return delay(self._names, kernel)


def _quiet(scheduled: Schedule, chosen: Mapping[Node, Method], activity: Mapping[Node, float]) -> frozenset[Node]:
    """Inputs that only layers take, by events, and that were found to be silent mostly."""
    takers: dict[Node, list[Node]] = {node: [] for node in scheduled.program.inputs}
    for node in walk(scheduled.program.roots()):
        for source in node.sources:
            if not isinstance(node, Reshape) and storage(source) in takers:
                takers[storage(source)].append(node)
    read = {storage(node) for node in scheduled.program.roots()}
    return frozenset(
        node
        for node, found in takers.items()
        if found
        and node not in read
        and all(chosen.get(taker, "dense") != "dense" and activity.get(taker, 1.0) < SILENT for taker in found)
    )


def _told(names: Names, chosen: Mapping[Node, Method]) -> frozenset[Node]:
    """Spikes that neurons in vectors make for one layer alone, which takes them as trains."""
    scheduled = names.schedule
    takers: dict[Node, list[Node]] = {}
    for node in walk(scheduled.program.roots()):
        for source in node.sources:
            if not isinstance(node, Reshape):
                takers.setdefault(storage(source), []).append(node)
    read = {storage(node) for node in scheduled.program.roots()}
    stages = [stage for stage in scheduled.stages if not stage.stepwise and not stage.steady]
    kernels = [kernel for stage in stages for kernel in stage.kernels]
    layers = {kernel.node for kernel in kernels if isinstance(kernel, Layer)}
    found = set()
    for group in kernels:
        if not isinstance(group, Group) or not can_be_vectors(names, group):
            continue
        for node in group.nodes:
            others = [taker for taker in takers.get(node, []) if taker not in group.nodes]
            if node not in scheduled.binary or node in read or len(others) != 1:
                continue
            layer = others[0]
            if isinstance(layer, Linear) and layer in layers and chosen[layer] == "events" and by_trains(names, layer):
                found.add(node)
    return frozenset(found)
