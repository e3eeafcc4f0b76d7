"""A program from an exported step of PyTorch: linear layers, convolutions, pooling, and neurons as their arithmetic.

A neuron needs no name here: whatever its library calls it, what it computes is in the graph.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeproof.spike.from_torch.elementwise import arithmetic, cast
from edgeproof.spike.from_torch.graph import name_of, shape_of, unknown
from edgeproof.spike.from_torch.layers import LAYERS
from edgeproof.spike.program import Array, Input, Node, Output, Program, Readout, State
from edgeproof.spike.simplify import reshape

if TYPE_CHECKING:
    import torch

__all__ = ["program_from_torch"]

IDENTITIES = frozenset(
    f"aten.{name}" for name in ("clone", "detach", "alias", "contiguous", "lift_fresh_copy", "dropout")
)
SHAPES = frozenset(f"aten.{name}" for name in ("view", "_unsafe_view", "reshape", "flatten", "squeeze", "unsqueeze"))
CASTS = frozenset(("aten.to", "aten._to_copy", "prims.convert_element_type"))


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
    given: list[Node] = []
    placeholders = [node for node in module.graph.nodes if node.op == "placeholder"]
    for node, name in zip(placeholders, inputs, strict=False):
        given.append(Input(name, shape_of(node)))
    for node, (name, initial) in zip(placeholders[len(inputs) :], states, strict=True):
        given.append(State(name, initial.reshape(shape_of(node)).astype(np.float32)))
    results = reader.read(dict(zip(placeholders, given, strict=True)))
    carried = [node for node in given if isinstance(node, State)]
    return Program(
        inputs=tuple(node for node in given if isinstance(node, Input)),
        states=tuple(
            (state, reshape(after, state.shape)) for state, after in zip(carried, results[len(outputs) :], strict=True)
        ),
        outputs=tuple(Output(name, node, how) for (name, how), node in zip(outputs, results, strict=False)),
        timesteps=timesteps,
        sequence=sequence,
    )


class _Reader:
    """Goes through the graph once; values are nodes, numbers, or tensors that depend on weights alone."""

    def __init__(self, module: Any) -> None:
        self._module = module
        self._values: dict[Any, Any] = {}

    def read(self, given: dict[torch.fx.Node, Node]) -> list[Node]:
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
                return [self._node(self._value(argument), node) for argument in node.args[0]]
        return []

    def _value(self, argument: Any) -> Any:
        if isinstance(argument, (list, tuple)):
            return [self._value(part) for part in argument]
        return self._values[argument] if hasattr(argument, "users") else argument

    def _node(self, value: Any, at: torch.fx.Node) -> Node:
        if isinstance(value, Node):
            return value
        raise unknown(at, "an output that no input changes")

    def _call(self, node: torch.fx.Node, args: list[Any], kwargs: dict[str, Any]) -> Any:
        name = name_of(node.target)
        if name in IDENTITIES or (name in SHAPES and args[0].shape == shape_of(node)):
            return args[0]
        if name in SHAPES:
            return reshape(args[0], shape_of(node))
        if name in CASTS:
            return cast(node, args[0])
        if name == "aten._assert_tensor_metadata":
            return None
        layer = LAYERS.get(name)
        if layer is not None:
            return layer(node, args)
        return arithmetic(node, args, kwargs)


def _has_node(values: Sequence[Any]) -> bool:
    return any(_has_node(value) if isinstance(value, list) else isinstance(value, Node) for value in values)
