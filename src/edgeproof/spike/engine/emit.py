"""The C of a program in float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edgeproof.spike.engine.activity import methods
from edgeproof.spike.engine.conv_dense import dense_convolution
from edgeproof.spike.engine.conv_events import events_added, events_summed
from edgeproof.spike.engine.dense import DEPTHWISE, WINDOW, dense_sums
from edgeproof.spike.engine.frame import File, Source, check_name
from edgeproof.spike.engine.groups import group_loop
from edgeproof.spike.engine.kernels import ADD, GIVE, NONZERO, VECTORS, event_sums
from edgeproof.spike.engine.layers import Method, Span, delay, each_step, linear
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.pooling import pool
from edgeproof.spike.engine.runs import SIGHT, run_sums
from edgeproof.spike.engine.schedule import Delay, Group, Layer, Schedule, schedule
from edgeproof.spike.engine.summary import layer_table
from edgeproof.spike.program import Convolution, Linear, Node, Program

__all__ = ["Source", "emit"]

CONVOLUTIONS: Mapping[Method, Callable[[Names, Convolution], list[str]]] = {
    "events": events_added,
    "windows": events_summed,
    "dense": dense_convolution,
}


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

    def _layers(self) -> list[str]:
        return layer_table(self._schedule, self._methods, self._activity)

    def _types(self) -> str:
        types = {
            kind: any(function.startswith(kind) for function in self._names.functions) for kind in ("dense", "runs")
        }
        return (WINDOW if types["dense"] else "") + (SIGHT if types["runs"] else "")

    def _functions(self) -> str:
        wanted = self._names.functions
        widths = {
            kind: [int(function.removeprefix(kind)) for function in wanted if function.startswith(kind)]
            for kind in ("sum", "dense", "runs")
        }
        parts = [
            VECTORS if wanted - {"nonzero", "weigh"} else "",
            NONZERO if "nonzero" in wanted else "",
            ADD if "add" in wanted else "",
            DEPTHWISE if "weigh" in wanted else "",
            event_sums(widths["sum"]),
            GIVE if widths["dense"] or widths["runs"] else "",
            dense_sums(widths["dense"]),
            run_sums(widths["runs"]),
        ]
        return "".join(parts)

    def _kernel(self, kernel: Layer | Group, span: Span) -> list[str]:
        names = self._names
        if isinstance(kernel, Group):
            return each_step(span, group_loop(names, kernel))
        node = kernel.node
        if isinstance(node, Linear):
            return linear(names, node, self._methods[node], span)
        if isinstance(node, Convolution):
            return each_step(span, CONVOLUTIONS[self._methods[node]](names, node))
        return each_step(span, pool(names, node))

    def _delay(self, kernel: Delay) -> list[str]:
        return delay(self._names, kernel)
