"""Ring buffers: a state that is read and written at a place which a whole number says, one further at every step.

Seen from that place the buffer is moved on by one at every step, as one that is shifted is; so it becomes the same
chain of states (``parts``), and the whole number is gone.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from edgeproof.errors import UnsupportedError
from edgeproof.spike.from_torch.graph import name_of, unknown, without_batch
from edgeproof.spike.from_torch.parts import Parts, passes_on
from edgeproof.spike.program import Node
from edgeproof.spike.simplify import Argument, reshape

if TYPE_CHECKING:
    import torch

__all__ = ["Mask", "Position", "Turn", "moved_on", "ring_axis", "turned", "turning", "with_position"]

SAME = frozenset(
    f"aten.{name}"
    for name in (
        "clone",
        "detach",
        "alias",
        "view",
        "reshape",
        "flatten",
        "squeeze",
        "unsqueeze",
        "slice",
        "select",
        "expand",
    )
)
OTHER_USE = "a whole number carried from step to step that is no position in a ring buffer"


@dataclass(eq=False)
class Turn:
    """A whole number that a module carries, and what is known of its use.

    Attributes:
        name: of the state.
        initial: before the first step.
        lengths: what it was divided by, with the remainder taken.
        unbounded: lengths of buffers in which it is a place without that.
    """

    name: str
    initial: int
    lengths: set[int] = field(default_factory=set)
    unbounded: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Position:
    """The number of a turn, plus ``offset``; with ``bound``, the remainder of that by it; with ``congruent``, a number
    of the same remainder."""

    turn: Turn
    offset: int = 0
    bound: int | None = None
    congruent: int | None = None

    def place(self, node: torch.fx.Node, length: int) -> int:
        """Where it is in a buffer of this length, seen from the turn's own number.

        Raises:
            UnsupportedError: it may lie outside, or somewhere else.
        """
        if self.bound is None and self.offset == 0 and self.congruent is None:
            self.turn.unbounded.add(length)
        elif self.bound != length:
            raise unknown(node, f"a position that is no remainder by {length}, the length of the buffer")
        return self.offset % length


@dataclass(frozen=True)
class Mask:
    """Truth values along an axis of ``shape``, true at one position."""

    position: Position
    shape: tuple[int, ...]
    axis: int


def turning(placeholders: Mapping[torch.fx.Node, Turn]) -> Mapping[torch.fx.Node, Turn]:
    """Every value of the graph that follows from a whole number that is carried: positions and masks."""
    found = dict(placeholders)
    for start in placeholders:
        for node in start.graph.nodes:
            kind = getattr(node.meta.get("val"), "dtype", None)
            if node.op == "call_function" and str(kind).removeprefix("torch.") in ("int64", "int32", "bool"):
                of = next((found[source] for source in node.all_input_nodes if source in found), None)
                if of is not None:
                    found[node] = of
    return found


def ring_axis(placeholder: torch.fx.Node, turns: Mapping[torch.fx.Node, Turn]) -> tuple[int, Turn] | None:
    """Along which axis a state is read or written at a position, and whose; None where it is not."""
    shape = tuple(placeholder.meta["val"].shape)
    seen, waiting = {placeholder}, [placeholder]
    while waiting:
        node = waiting.pop(0)
        for user in node.users:
            name = name_of(user.target)
            of = next((source for source in user.all_input_nodes if source in turns), None)
            given: Any = user.args[1] if len(user.args) > 1 else None
            if of is not None and name == "aten.index_select":
                return int(given) % len(shape), turns[of]
            if of is not None and name == "aten.index":
                return list(given).index(of), turns[of]
            if of is not None and name == "aten.where":
                own = tuple(of.meta["val"].shape)
                axis = next((at for at, size in enumerate(own) if size > 1), None)
                if axis is not None:
                    return axis + len(shape) - len(own), turns[of]
            if user not in seen and passes_on(user):
                seen.add(user)
                waiting.append(user)
    return None


def with_position(node: torch.fx.Node, args: list[Any]) -> Any:
    """The value of a call that is given a position, or a mask of one.

    Raises:
        UnsupportedError: it is used as something else.
    """
    import torch

    name, shape = name_of(node.target), tuple(getattr(node.meta.get("val"), "shape", ()))
    first = args[0]
    if name == "aten.index_select":
        return _read(node, first, args[1], args[2])
    if name == "aten.index":
        places = [(axis, place) for axis, place in enumerate(args[1]) if place is not None]
        if len(places) == 1:
            return _read(node, first, *places[0])
    if name == "aten.where":
        return _where(node, args, shape)
    if isinstance(first, Mask) and name in SAME:
        axis = next((at for at, size in enumerate(shape) if size == first.shape[first.axis]), None)
        if axis is not None and math.prod(shape) == math.prod(first.shape):
            return replace(first, shape=shape, axis=axis)
    if name == "aten.eq":
        position = next(argument for argument in args if isinstance(argument, Position))
        every = next((argument for argument in args if hasattr(argument, "detach")), None)
        if every is not None and torch.equal(every.reshape(-1), torch.arange(every.numel())):
            axis = max(range(len(shape)), key=lambda at: shape[at])
            return Mask(position, shape, axis)
    if isinstance(first, Position) and math.prod(shape) == 1:
        number = args[1] if len(args) > 1 and isinstance(args[1], int) else None
        if name in SAME or name in ("aten.to", "aten._to_copy"):
            if "int" in str(node.meta["val"].dtype):
                return first
        elif name in ("aten.add", "aten.sub") and number is not None and node.kwargs.get("alpha", 1) == 1:
            by = number if name == "aten.add" else -number
            return Position(first.turn, first.offset + by, None, first.bound or first.congruent)
        elif name == "aten.remainder" and number is not None and number > 0:
            if (first.bound or first.congruent or number) != number:
                raise unknown(node, "a position that goes round in buffers of different lengths")
            first.turn.lengths.add(number)
            return Position(first.turn, first.offset, number)
        elif (
            name in ("aten.lt", "aten.ge")
            and number == 0
            and first.congruent is None
            and (first.bound is not None or first.offset >= 0)
        ):
            return torch.full(shape, name == "aten.ge")
    raise unknown(node, OTHER_USE)


def _read(node: torch.fx.Node, x: Any, dim: int, position: Any) -> Parts:
    if not isinstance(x, Parts) or x.turn is not position.turn or dim % len(x.shape) != x.axis:
        raise unknown(node, "values read at a position that is no place in a ring buffer")
    return replace(x.of([x.items[position.place(node, len(x.items))]]), turn=None)


def _where(node: torch.fx.Node, args: list[Any], shape: tuple[int, ...]) -> Any:
    condition, value, other = args
    if isinstance(condition, Mask) and isinstance(other, Parts) and other.turn is condition.position.turn:
        axis = condition.axis + len(shape) - len(condition.shape)
        if axis == other.axis and condition.shape[condition.axis] == len(other.items):
            items = list(other.items)
            items[condition.position.place(node, len(items))] = _item(node, value, other)
            return other.of(items)
    if hasattr(condition, "detach") and isinstance(other, Position):
        chosen = value if bool(condition.all()) else other
        if isinstance(chosen, Position) and bool(condition.all()) == bool(condition.any()):
            return chosen
    raise unknown(node, "a choice by a position that writes no place of a ring buffer")


def _item(node: torch.fx.Node, value: Any, ring: Parts) -> Argument:
    to = without_batch(ring.rest)
    if isinstance(value, Parts) and len(value.items) == 1:
        (value,) = value.items
    if isinstance(value, (bool, int, float)):
        return float(value)
    if isinstance(value, Node) and value.size == math.prod(to):
        return reshape(value, to)
    raise unknown(node, "a value of another shape written into a ring buffer")


def turned(items: list[Any], turn: Turn) -> list[Any]:
    """A buffer's places before the first step, seen from the turn's number."""
    return [items[(turn.initial + at) % len(items)] for at in range(len(items))]


def moved_on(after: Any, turn: Turn, node: torch.fx.Node) -> int:
    """By how many places a turn goes on in a step.

    Raises:
        UnsupportedError: it does not, or not round the buffers that it is a position in.
    """
    if not isinstance(after, Position) or after.turn is not turn:
        raise unknown(node, OTHER_USE)
    wrapped = after.bound or after.congruent
    lengths = turn.lengths | turn.unbounded
    held = after.bound is not None and 0 <= turn.initial < after.bound
    if (
        (turn.unbounded and not held)
        or (wrapped is not None and lengths != {wrapped})
        or turn.initial < 0
        or (after.bound is None and after.offset < 0)
    ):
        raise UnsupportedError(
            f"the engine does not know the position {turn.name}, which leaves a buffer of {sorted(lengths)} places",
            hint="take it by the remainder of the buffer's length: position = (position + 1) % length",
        )
    return after.offset
