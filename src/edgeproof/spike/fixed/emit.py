"""The C of a program in whole numbers: the same interface as in float32, small enough for a microcontroller."""

from __future__ import annotations

from edgeproof.spike.engine.frame import File, Source, check_name
from edgeproof.spike.engine.layers import Span, each_step
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import Delay, Group, Layer, schedule
from edgeproof.spike.engine.summary import layer_summary
from edgeproof.spike.fixed.convolutions import convolution
from edgeproof.spike.fixed.dense import GIVE, NARROWED, WIDENED, WINDOW, dense_sums
from edgeproof.spike.fixed.groups import delay, group_loop
from edgeproof.spike.fixed.lanes import INCLUDED, LANES, UNDEFINED, VARIANTS
from edgeproof.spike.fixed.layers import linear, place_type
from edgeproof.spike.fixed.names import FixedNumbers
from edgeproof.spike.fixed.pooling import pool
from edgeproof.spike.fixed.program import Fixed
from edgeproof.spike.fixed.sums import EVENTS, FINISH, SAME, SPIKES, TAKE, row_sums, weighed_sums
from edgeproof.spike.fixed.words import HELPERS
from edgeproof.spike.program import Convolution, Linear, Node

__all__ = ["emit_fixed"]


def emit_fixed(fixed: Fixed, name: str) -> Source:
    """Write a program in whole numbers down in C.

    Args:
        fixed: what is computed.
        name: C identifier; the files must be called so too.

    Raises:
        ConversionError: operations that whole numbers do not have, or a name that is no identifier.
    """
    check_name(name)
    return _Whole(Names(schedule(fixed.program), name, FixedNumbers(fixed)), fixed).source()


class _Whole(File):
    def __init__(self, names: Names, fixed: Fixed) -> None:
        super().__init__(names, {})
        self._fixed = fixed

    def _layers(self) -> list[str]:
        """Each layer, and what a weight and a result of one are worth."""
        return ["int8 weights, int32 sums and membranes", *map(self._summary, self._fixed.layers)]

    def _summary(self, node: Node) -> str:
        assert isinstance(node, (Linear, Convolution))
        return f"{layer_summary(node)}: results in units of 2^-{self._fixed.bits_of(node)}"

    def _types(self) -> str:
        window = WINDOW if any(function.startswith("dense") for function in self._names.functions) else ""
        return f"{INCLUDED}\n#define PLACE {place_type(self._fixed.program)}\n{HELPERS}{window}"

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
                GIVE if widths["dense"] else "",
                dense_sums(widths["dense"]),
            )
        )

    def _kernel(self, kernel: Layer | Group, span: Span) -> list[str]:
        names, fixed = self._names, self._fixed
        if isinstance(kernel, Group):
            return each_step(span, group_loop(names, fixed, kernel))
        node = kernel.node
        if isinstance(node, Linear):
            return each_step(span, linear(names, fixed, node))
        if isinstance(node, Convolution):
            return each_step(span, convolution(names, fixed, node))
        return each_step(span, pool(names, fixed, node))

    def _delay(self, kernel: Delay) -> list[str]:
        return delay(self._names, self._fixed, kernel)
