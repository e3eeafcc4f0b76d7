"""A program from an exported step of PyTorch: linear layers, convolutions, pooling, and neurons as their arithmetic.

A neuron needs no name here: whatever its library calls it, what it computes is in the graph.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeproof.errors import UnsupportedError
from edgeproof.spike.from_torch.elementwise import arithmetic, cast
from edgeproof.spike.from_torch.graph import name_of, shape_of, unknown, without_batch
from edgeproof.spike.from_torch.layers import LAYERS
from edgeproof.spike.from_torch.parts import CASTS, Parts, Row, axis_of_moves, with_parts
from edgeproof.spike.from_torch.ring import Mask, Position, Turn, moved_on, ring_axis, turned, turning, with_position
from edgeproof.spike.program import MAX_HELD, Array, Input, Node, Output, Program, Readout, State
from edgeproof.spike.simplify import reshape

if TYPE_CHECKING:
    import torch

__all__ = ["program_from_torch"]

IDENTITIES = frozenset(
    f"aten.{name}" for name in ("clone", "detach", "alias", "contiguous", "lift_fresh_copy", "dropout")
)
ON_ROWS = frozenset(("aten.linear", "aten.addmm", "aten.mm", "aten.matmul"))
SHAPES = frozenset(f"aten.{name}" for name in ("view", "_unsafe_view", "reshape", "flatten", "squeeze", "unsqueeze"))


def program_from_torch(
    exported: torch.export.ExportedProgram,
    *,
    inputs: Sequence[str],
    states: Sequence[tuple[str, Array]],
    outputs: Sequence[tuple[str, Readout]],
    timesteps: int,
    sequence: bool,
) -> Program:
    """Read an exported step ``(inputs…, states…) -> (outputs…, next states…)`` with a batch of one.

    Args:
        exported: static shapes, flat tensors in and out.
        inputs: names, in graph order.
        states: names and initial values, in graph order after the inputs.
        outputs: names and how they are read out over the steps, in graph order.
        timesteps: of one call.
        sequence: whether inputs have a time axis.

    Raises:
        UnsupportedError: an operation that the engine does not know, with its name and the place it comes from.
    """
    module: Any = exported.run_decompositions({}).module(check_guards=False)
    reader = _Reader(module)
    placeholders = [node for node in module.graph.nodes if node.op == "placeholder"]
    given = {node: Input(name, shape_of(node)) for node, name in zip(placeholders, inputs, strict=False)}
    carried = _carried(placeholders[len(inputs) :], states)
    end = next(node for node in module.graph.nodes if node.op == "output")
    results = reader.read({**given, **carried})
    return Program(
        inputs=tuple(given.values()),
        states=_moved_on(list(carried.values()), results[len(outputs) :], end),
        outputs=tuple(
            Output(name, _node(value, end), how) for (name, how), value in zip(outputs, results, strict=False)
        ),
        timesteps=timesteps,
        sequence=sequence,
    )


def _carried(placeholders: Sequence[torch.fx.Node], states: Sequence[tuple[str, Array]]) -> dict[torch.fx.Node, Any]:
    """The states as the graph is given them: values, buffers of time steps in parts, positions in those."""
    initial = {node: (name, value) for node, (name, value) in zip(placeholders, states, strict=True)}
    positions = {
        node: Position(Turn(name, int(value.reshape(-1)[0])))
        for node, (name, value) in initial.items()
        if value.dtype.kind == "i"
    }
    turns = turning({node: position.turn for node, position in positions.items()})
    found: dict[torch.fx.Node, Any] = {}
    held = 0
    for node, (name, value) in initial.items():
        shape = tuple(node.meta["val"].shape)
        ring = ring_axis(node, turns)
        axis, turn = ring if ring is not None else (axis_of_moves(node), None)
        if node in positions:
            found[node] = positions[node]
        elif axis is None:
            found[node] = State(name, value.reshape(shape_of(node)).astype(np.float32))
        else:
            rows = list(np.moveaxis(value.astype(np.float32), axis, 0))
            rows = rows if turn is None else turned(rows, turn)
            rest = without_batch(shape[:axis] + shape[axis + 1 :])
            items = [State(f"{name}.{at}", row.reshape(rest)) for at, row in enumerate(rows)]
            found[node] = Parts(shape, axis, tuple(items), turn)
            held += value.size
    if held > MAX_HELD:
        raise UnsupportedError(
            f"the buffers of time steps hold {held} values together; the engine moves up to {MAX_HELD}",
            hint="choose a longer time step, so that a delay has fewer of them",
        )
    return found


def _moved_on(before: Sequence[Any], after: Sequence[Any], end: torch.fx.Node) -> tuple[tuple[State, Node], ...]:
    """Each state with its value after the step; positions are gone."""
    turns = {
        id(start.turn): moved_on(value, start.turn, end)
        for start, value in zip(before, after, strict=True)
        if isinstance(start, Position)
    }
    found: list[tuple[State, Node]] = []
    for start, value in zip(before, after, strict=True):
        if isinstance(start, State):
            found.append((start, reshape(_node(value, end), start.shape)))
        elif isinstance(start, Parts):
            if not isinstance(value, Parts) or not value.takes_place_of(start):
                raise unknown(end, "a buffer of time steps that is no such buffer after the step")
            by = 0 if start.turn is None else turns[id(start.turn)] % len(value.items)
            items = value.items[by:] + value.items[:by]
            for state, item in zip(start.items, items, strict=True):
                assert isinstance(state, State)
                found.append((state, reshape(_node(item, end), state.shape)))
    return tuple(found)


def _node(value: Any, at: torch.fx.Node) -> Node:
    if isinstance(value, Node):
        return value
    if isinstance(value, Parts):
        if len(value.items) == 1 and isinstance(value.items[0], Node) and value.turn is None:
            return value.items[0]
        raise unknown(at, "an output that is a buffer of time steps")
    raise unknown(at, "an output that no input changes")


class _Reader:
    """Goes through the graph once; values are nodes, in parts or not, numbers, or tensors that depend on weights
    alone."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._values: dict[Any, Any] = {}

    def read(self, given: Mapping[torch.fx.Node, Any]) -> list[Any]:
        import torch

        self._values.update(given)
        for node in self._module.graph.nodes:
            if node.op == "get_attr":
                self._values[node] = operator.attrgetter(str(node.target))(self._module).detach()
            elif node.op == "call_function":
                args = [self._value(argument) for argument in node.args]
                kwargs = {key: self._value(argument) for key, argument in node.kwargs.items()}
                if _has_node([*args, *kwargs.values()]):
                    self._values[node] = self._call(node, args, kwargs)
                else:
                    with torch.no_grad():
                        self._values[node] = node.target(*args, **kwargs)
            elif node.op == "output":
                return [self._value(argument) for argument in node.args[0]]
        return []

    def _value(self, argument: Any) -> Any:
        if isinstance(argument, (list, tuple)):
            return [self._value(part) for part in argument]
        return self._values[argument] if hasattr(argument, "users") else argument

    def _call(self, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Any:
        name = name_of(node.target)
        if name == "aten._assert_tensor_metadata":
            return None
        if _holds(args, (Position, Mask)):
            return with_position(node, args)
        if name in IDENTITIES and isinstance(args[0], Parts):
            return args[0]
        if name in ON_ROWS and _holds(args, (Parts, Row)):
            return LAYERS[name](node, [_in_a_row(node, argument) for argument in args])
        if _holds(args, (Row,)):
            raise unknown(node, "a buffer of time steps in a row, for anything but a linear layer")
        if _holds(args, (Parts,)) or (name == "aten.cat" and len(args[0]) > 1):
            return with_parts(node, args, kwargs)
        if name in IDENTITIES or (name in SHAPES and args[0].shape == shape_of(node)):
            return args[0]
        if name in SHAPES:
            return reshape(args[0], shape_of(node))
        if name in CASTS:
            return cast(node, args[0])
        layer = LAYERS.get(name)
        if layer is not None:
            return layer(node, args)
        return arithmetic(node, args, kwargs)


def _in_a_row(node: torch.fx.Node, value: Any) -> Any:
    """What a linear layer takes of a tensor in parts."""
    if not isinstance(value, Parts):
        return value
    if value.turn is not None or value.shape[-1] != math.prod(value.shape):
        raise unknown(node, "a linear layer on a buffer of time steps that is not in a row")
    return Row(value.shape, value)


def _has_node(values: Sequence[Any]) -> bool:
    return _holds(values, (Node, Parts, Row, Position, Mask))


def _holds(values: Sequence[Any], kinds: tuple[type, ...]) -> bool:
    return any(_holds(value, kinds) if isinstance(value, list) else isinstance(value, kinds) for value in values)
