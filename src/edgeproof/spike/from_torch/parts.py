"""A tensor as its parts along one axis: how a buffer of the last time steps is written and read.

A buffer that is moved on by one at every step (``roll``, ``cat``, a slice that is written) is a chain of states, each
of which becomes what the one before it was: what a Delay of NIR is too (``lower``). Nothing of that is an operation of
its own in a program.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeproof.spike.from_torch.elementwise import arithmetic_of, cast
from edgeproof.spike.from_torch.graph import array_of, name_of, unknown, without_batch
from edgeproof.spike.program import Array, Constant, Elementwise, Linear, Node
from edgeproof.spike.simplify import Argument, elementwise, reshape

if TYPE_CHECKING:
    import torch

__all__ = ["CASTS", "MOVES", "Parts", "Row", "axis_of_moves", "parts_of", "passes_on", "with_parts"]

Shape = tuple[int, ...]
CASTS = frozenset(("aten.to", "aten._to_copy", "prims.convert_element_type"))
PLACES = {
    "aten.select": 1, "aten.slice": 1, "aten.flip": 1, "aten.unbind": 1, "aten.cat": 1, "aten.gather": 1,
    "aten.index_select": 1, "aten.roll": 2, "aten.select_scatter": 2, "aten.slice_scatter": 2,
}  # fmt: skip
"""Which argument says along which dimension."""
GIVEN_ON = frozenset(
    f"aten.{name}" for name in ("clone", "detach", "alias", "roll", "flip", "select_scatter", "slice_scatter", "where")
)
MOST_PICKED = 256
"""Parts that one element may be picked from: so many choices are made for each."""


@dataclass(frozen=True)
class Parts:
    """A tensor in PyTorch's graph.

    Attributes:
        shape: batch included.
        axis: along which it is taken apart.
        items: one for each place there: a value of the shape without that axis and the batch, or a number.
        turn: whose number the first of them is at, in a ring buffer; None: they stand in order.
    """

    shape: Shape
    axis: int
    items: tuple[Argument, ...]
    turn: object = None

    @property
    def rest(self) -> Shape:
        """The shape without the axis, batch included."""
        return self.shape[: self.axis] + self.shape[self.axis + 1 :]

    def along(self, node: torch.fx.Node, dim: int) -> bool:
        """Whether a dimension is the axis.

        Raises:
            UnsupportedError: it is another one, of more than one place.
        """
        dim %= len(self.shape)
        if dim != self.axis and self.shape[dim] != 1:
            raise unknown(node, "values moved along two axes")
        return dim == self.axis

    def takes_place_of(self, before: Parts) -> bool:
        """Whether it may stand for another one after a step."""
        return (self.shape, self.axis) == (before.shape, before.axis) and self.turn is before.turn

    def of(self, items: Sequence[Argument]) -> Parts:
        """Others at its places, as many as there are."""
        shape = (*self.shape[: self.axis], len(items), *self.shape[self.axis + 1 :])
        return Parts(shape, self.axis, tuple(items), self.turn)


def parts_of(value: Node, shape: Shape, axis: int) -> Parts:
    """A value that has one place along the axis, ``shape`` of PyTorch."""
    return Parts(shape, axis, (reshape(value, without_batch(shape[:axis] + shape[axis + 1 :])),))


def axis_of_moves(placeholder: torch.fx.Node) -> int | None:
    """Along which axis of more than one place a state is moved, read or written; None where it is not."""
    seen, waiting = {placeholder}, [placeholder]
    while waiting:
        node = waiting.pop(0)
        shape = tuple(node.meta["val"].shape)
        for user in node.users:
            name = name_of(user.target)
            moved = user.args[0] if user.args else None
            own = node in moved if isinstance(moved, (list, tuple)) else node is moved
            for dim in _dims(user, name) if own else []:
                if shape and shape[dim] > 1:
                    return int(dim % len(shape))
            if user not in seen and passes_on(user):
                seen.add(user)
                waiting.append(user)
    return None


def passes_on(node: torch.fx.Node) -> bool:
    """Whether a call gives a buffer on, moved or written."""
    return name_of(node.target) in GIVEN_ON


def _dims(node: torch.fx.Node, name: str) -> list[int]:
    """The dimensions that a call moves along; none where it only reads in another shape, or does not say."""
    place = PLACES.get(name)
    if place is None:
        return []
    given: Any = node.args[place] if len(node.args) > place else node.kwargs.get("dim", 0)
    return [int(dim) for dim in given] if isinstance(given, (list, tuple)) else [int(given)]


def with_parts(node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """The value of a call that is given a tensor in parts.

    Raises:
        UnsupportedError: the engine has no such operation on them.
    """
    name = name_of(node.target)
    move = MOVES.get(name)
    turn = next((argument.turn for argument in args if isinstance(argument, Parts)), None)
    if move is not None and turn is not None:
        raise unknown(node, f"{name} on a ring buffer, whose order changes from step to step")
    if move is not None:
        return move(node, [*args, *kwargs.values()] if name in ("aten.roll", "aten.cat") else args)
    if name in ("aten.sum", "aten.mean"):
        return _total(node, args)
    shape = tuple(node.meta["val"].shape)
    given = next(argument for argument in args if isinstance(argument, Parts))
    axis = given.axis + len(shape) - len(given.shape)
    rest = shape[:axis] + shape[axis + 1 :]
    if name in CASTS:
        return replace(given, items=tuple(cast(node, item) if isinstance(item, Node) else item for item in given.items))
    if turn is not None and any(hasattr(argument, "dim") and argument.numel() > 1 for argument in args):
        raise unknown(node, "arithmetic with a ring buffer, whose order changes from step to step")
    args = [_without_axis(node, *pair, axis, shape) for pair in zip(args, node.args, strict=True)]
    items = [
        arithmetic_of(node, [_at(node, argument, place, axis, shape) for argument in args], kwargs, rest)
        for place in range(shape[axis])
    ]
    return Parts(shape, axis, tuple(items), turn)


def _without_axis(node: torch.fx.Node, argument: Any, source: Any, axis: int, shape: Shape) -> Any:
    """A value that is the same at all places along the axis of the result.

    Raises:
        UnsupportedError: it is another one at each, and not in parts.
    """
    if not isinstance(argument, Node):
        return argument
    own = tuple(source.meta["val"].shape)
    at = axis - (len(shape) - len(own))
    if at >= 0 and own[at] != 1:
        raise unknown(node, "arithmetic between a buffer of time steps and a value that is none")
    return reshape(argument, without_batch(own[:at] + own[at + 1 :])) if at >= 0 else argument


def _at(node: torch.fx.Node, argument: Any, place: int, axis: int, shape: Shape) -> Any:
    """An argument of an elementwise operation at one place along the axis of the result."""
    if isinstance(argument, Parts):
        if argument.axis + len(shape) - len(argument.shape) != axis:
            raise unknown(node, "values taken apart along two axes")
        return argument.items[place if len(argument.items) > 1 else 0]
    if isinstance(argument, Node):
        return argument
    if hasattr(argument, "detach") and argument.dim():
        own = axis - (len(shape) - argument.dim())
        return argument.select(own, place if argument.shape[own] > 1 else 0) if own >= 0 else argument
    return argument


def _select(node: torch.fx.Node, args: list[Any]) -> Any:
    x, dim, at = args
    if not x.along(node, dim):
        dim %= len(x.shape)
        shape = x.shape[:dim] + x.shape[dim + 1 :]
        moved = Parts(shape, x.axis - (dim < x.axis), x.items)
        return _reshaped(moved)
    return x.items[at]


def _slice(node: torch.fx.Node, args: list[Any]) -> Any:
    x, dim, *bounds = (*args, 0)[: max(len(args), 2)]
    if tuple(node.meta["val"].shape) == x.shape or not x.along(node, dim):
        return x
    return x.of(x.items[slice(*(*bounds, None, None)[:3])])


def _roll(node: torch.fx.Node, args: list[Any]) -> Any:
    x, shifts, dims = (*args, [])[:3]
    for shift, dim in zip(shifts, dims, strict=False):
        if x.along(node, dim):
            back = -shift % len(x.items)
            x = x.of(x.items[back:] + x.items[:back])
    if not dims:
        raise unknown(node, "a tensor rolled over several axes")
    return x


def _flip(node: torch.fx.Node, args: list[Any]) -> Any:
    x, dims = args
    for dim in dims:
        x = x.of(x.items[::-1]) if x.along(node, dim) else x
    return x


def _unbind(node: torch.fx.Node, args: list[Any]) -> Any:
    x = args[0]
    if not x.along(node, args[1] if len(args) > 1 else 0):
        raise unknown(node, "a buffer taken apart across its places")
    return list(x.items)


def _cat(node: torch.fx.Node, args: list[Any]) -> Any:
    """Put together along the axis; what is no tensor in parts has one place there."""
    shape = tuple(node.meta["val"].shape)
    axis = (args[1] if len(args) > 1 else 0) % len(shape)
    items: list[Argument] = []
    sources: Any = node.args[0]
    for given, source in zip(args[0], sources, strict=True):
        own = tuple(source.meta["val"].shape)
        if isinstance(given, Node) and own[axis] == 1:
            given = parts_of(given, own, axis)
        if hasattr(given, "detach"):
            given = Parts(own, axis, tuple(_constant(part, own, axis) for part in given.unbind(axis)))
        if not isinstance(given, Parts) or given.axis != axis:
            raise unknown(node, "tensors of several elements put together")
        items += given.items
    return Parts(shape, axis, tuple(items))


def _constant(part: torch.Tensor, shape: Shape, axis: int) -> Argument:
    """A part of a tensor that does not change."""
    return Constant(array_of(part).reshape(without_batch(shape[:axis] + shape[axis + 1 :])))


def _select_scatter(node: torch.fx.Node, args: list[Any]) -> Any:
    x, value, dim, at = (*args, 0, 0)[:4]
    if not isinstance(x, Parts) or not x.along(node, dim):
        raise unknown(node, "a part of a tensor that is written")
    items = list(x.items)
    items[at] = _as_item(node, x, value)
    return x.of(items)


def _slice_scatter(node: torch.fx.Node, args: list[Any]) -> Any:
    x, value, dim, *bounds = (*args, 0)[: max(len(args), 3)]
    if not isinstance(x, Parts) or not x.along(node, dim):
        raise unknown(node, "a part of a tensor that is written")
    items, places = list(x.items), range(len(x.items))[slice(*(*bounds, None, None)[:3])]
    given = value.items if isinstance(value, Parts) else [value] * len(places)
    for at, item in zip(places, given, strict=True):
        items[at] = _as_item(node, x, item)
    return x.of(items)


def _as_item(node: torch.fx.Node, x: Parts, value: Any) -> Argument:
    if isinstance(value, Node) and value.size == math.prod(without_batch(x.rest)):
        return reshape(value, without_batch(x.rest))
    raise unknown(node, "a value of another shape written into a buffer")


def _view(node: torch.fx.Node, args: list[Any]) -> Any:
    """In another shape in which the axis is still one, or all in a row for a layer; one place alone is a value."""
    x, shape = args[0], tuple(node.meta["val"].shape)
    if len(x.items) == 1 and isinstance(x.items[0], Node) and x.turn is None:
        return reshape(x.items[0], without_batch(shape))
    before = math.prod(x.shape[: x.axis])
    for axis, size in enumerate(shape):
        if size == len(x.items) and math.prod(shape[:axis]) == before:
            return _reshaped(Parts(shape, axis, x.items))
    if math.prod(shape) == shape[-1]:
        return Row(shape, x)
    raise unknown(node, "a buffer of time steps read in another shape")


def _reshaped(x: Parts) -> Parts:
    to = without_batch(x.rest)
    return replace(x, items=tuple(reshape(item, to) if isinstance(item, Node) else item for item in x.items))


def _picked(node: torch.fx.Node, args: list[Any]) -> Any:
    """Elements by places that do not change, such as a delay of each neuron's own: chosen from among the parts."""
    x = args[0]
    flat = _places(node, args, x.shape)
    shape = tuple(node.meta["val"].shape)
    size = math.prod(x.rest)
    places = np.unravel_index(flat.reshape(-1), x.shape)
    along = places[x.axis]
    across = (
        np.ravel_multi_index(tuple(np.delete(np.stack(places), x.axis, 0)), x.rest) if x.rest else np.zeros_like(along)
    )
    if flat.size != size or not np.array_equal(across, np.arange(size)):
        axis = next((at for at, length in enumerate(shape) if flat.size == size * length), None)
        raise unknown(
            node, "elements picked across the places of a buffer" if axis is None else "several rows picked at once"
        )
    used = sorted(set(along.tolist()))
    if len(used) > MOST_PICKED:
        raise unknown(node, f"elements picked from {len(used)} places")
    to = without_batch(shape)
    chosen = _shaped(x.items[used[0]], to)
    for place in used[1:]:
        chosen = elementwise("where", Constant((along == place).reshape(to)), _shaped(x.items[place], to), chosen)
    return chosen


def _shaped(item: Argument, to: Shape) -> Argument:
    return reshape(item, to) if isinstance(item, Node) else item


def _places(node: torch.fx.Node, args: list[Any], shape: Shape) -> Array:
    """From which element of the whole tensor each element of the result comes."""
    import torch

    if any(isinstance(argument, (Node, Parts)) for argument in args[1:]):
        raise unknown(node, "elements picked by places that the input decides")
    operator: Any = node.target
    found: Array = operator(torch.arange(math.prod(shape)).reshape(shape), *args[1:]).numpy()
    return found


def _total(node: torch.fx.Node, args: list[Any]) -> Any:
    x, dims = args[0], args[1] if len(args) > 1 else []
    if len(dims) != 1 or not x.along(node, dims[0]):
        raise unknown(node, "a sum over several axes of a buffer")
    found = x.items[0]
    for item in x.items[1:]:
        found = elementwise("add", found, item)
    if name_of(node.target) == "aten.mean":
        found = elementwise("div", found, float(len(x.items)))
    return _shaped(found, without_batch(tuple(node.meta["val"].shape)))


@dataclass(frozen=True)
class Row:
    """A tensor in parts, all of its elements in one row: what a linear layer takes."""

    shape: Shape
    parts: Parts

    def linear(self, weight: Array, bias: Array) -> Node:
        """A layer of ``weight`` [outputs, inputs]: one on each part, added up."""
        x = self.parts
        taps = weight.reshape(len(weight), math.prod(x.shape[: x.axis]), len(x.items), -1)
        layers: list[Node] = []
        for place, item in enumerate(x.items):
            mine = np.ascontiguousarray(taps[:, :, place].reshape(len(weight), -1))
            row = item if isinstance(item, Node) else Constant(np.full(mine.shape[1], item, np.float32))
            layers.append(Linear(reshape(row, (mine.shape[1],)), mine, np.zeros_like(bias) if layers else bias))
        return functools.reduce(lambda before, layer: Elementwise("add", (before, layer)), layers)


MOVES: dict[str, Callable[[torch.fx.Node, list[Any]], Any]] = {
    "aten.select": _select,
    "aten.slice": _slice,
    "aten.roll": _roll,
    "aten.flip": _flip,
    "aten.unbind": _unbind,
    "aten.cat": _cat,
    "aten.select_scatter": _select_scatter,
    "aten.slice_scatter": _slice_scatter,
    "aten.view": _view,
    "aten.reshape": _view,
    "aten.unsqueeze": _view,
    "aten.squeeze": _view,
    "aten.flatten": _view,
    "aten.gather": _picked,
    "aten.index": _picked,
    "aten.index_select": _picked,
}
