"""One time step of a spiking network as a module of PyTorch, so that every converter can take it.

Neurons run the very step functions of the reference; layers are PyTorch's own, so their sums may round otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch.nn import functional

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.graph.network import Network
from edgeproof.spike.graph.prepared import map_numbers, prepare, step
from edgeproof.spike.graph.primitives import (
    Affine,
    Array,
    Conv1d,
    Conv2d,
    Flatten,
    Input,
    Linear,
    MaxPool2d,
    Output,
    Pool,
    Primitive,
    Scale,
    Shape,
    SumPool2d,
    Threshold,
)
from edgeproof.spike.graph.reference import first_state
from edgeproof.spike.lower import even_convolution
from edgeproof.spike.neurons.firing import fires
from edgeproof.spike.program import MAX_HELD

__all__ = ["NetworkModule", "TorchOps"]

F = np.float32
Tensors = tuple[torch.Tensor, ...]


class TorchOps:
    """``neurons.ops.Ops`` on tensors."""

    def where(self, condition: Any, a: Any, b: Any) -> Any:
        return torch.where(condition, a, b)

    def cast(self, condition: Any) -> Any:
        return condition.to(torch.float32)

    def exp(self, x: Any) -> Any:
        return torch.exp(x)

    def maximum(self, a: Any, b: Any) -> Any:
        return torch.maximum(a, b)

    def minimum(self, a: Any, b: Any) -> Any:
        return torch.minimum(a, b)


class NetworkModule(torch.nn.Module):
    """``(*inputs, state) -> ({output: tensor}, state)``, or without the states where the network has no memory.

    Inputs have a batch axis and stand in the order of ``inputs``. ``initial`` is the state before the first step.

    Raises:
        SpikeGraphError: the network cannot run, or its delays hold back more than ``MAX_HELD`` values.
    """

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.ops = TorchOps()
        self.prepared = prepare(network)
        structure = self.prepared.structure
        self.inputs = structure.named(Input)
        self.outputs = structure.named(Output)
        self._place = {name: f"n{number}" for number, name in enumerate(structure.nodes)}
        for name, node in structure.nodes.items():
            for part, array in self._numbers(name, node):
                kept = torch.from_numpy(array.copy())
                if part in ("weight", "bias"):
                    self.register_parameter(
                        f"{self._place[name]}_{part}", torch.nn.Parameter(kept, requires_grad=False)
                    )
                else:
                    self.register_buffer(f"{self._place[name]}_{part}", kept)
        first = first_state(self.prepared)
        held = sum(map(len, first.delayed.values()))
        if held > MAX_HELD:
            raise SpikeGraphError(
                f"the delays hold back {held} values together; a module carries up to {MAX_HELD}",
                hint="choose a longer time step, so that a delay has fewer of them",
            )
        self._first = first
        self.initial: Tensors = tuple(torch.from_numpy(np.array(value, F)).unsqueeze(0) for _, value in first.leaves())

    def forward(self, *given: Any) -> Any:
        state = given[-1] if self.initial else ()
        inputs = dict(zip(self.inputs, given, strict=False))
        values, after = step(self.prepared, self, inputs, self._first.filled(state))
        outputs = {name: values[name] for name in self.outputs}
        return (outputs, tuple(value for _, value in after.leaves())) if self.initial else outputs

    # What ``prepared.step`` asks of a backend.

    def params(self, name: str) -> Any:
        parts = iter(range(1000))
        return map_numbers(self.prepared.neurons[name][1], lambda _: self._kept(name, f"p{next(parts)}"))

    def held_back(self, name: str, steps: int) -> torch.Tensor:
        return self._kept(name, f"held{steps}")

    def full(self, value: Any, shape: Shape) -> torch.Tensor:
        tensor = value if isinstance(value, torch.Tensor) else torch.tensor(value, dtype=torch.float32)
        return tensor if tensor.dim() == len(shape) + 1 else tensor.expand(1, *shape)

    def compute(self, name: str, x: torch.Tensor) -> torch.Tensor:
        structure = self.prepared.structure
        node, shape = structure.nodes[name], structure.shapes[name]
        if isinstance(node, Flatten):
            return x.reshape(x.shape[0], *shape)
        if isinstance(node, Scale):
            return x * self._kept(name, "scale")
        if isinstance(node, Threshold):
            operator = structure.network.semantics.threshold_operator
            return cast(torch.Tensor, self.ops.cast(fires(x, self._kept(name, "threshold"), operator)))
        if isinstance(node, MaxPool2d):
            return functional.max_pool2d(x, node.kernel_size, node.stride, node.padding)
        if isinstance(node, SumPool2d):  # as a convolution with ones: not every converter has a sum
            ones = self._kept(name, "weight")
            return functional.conv2d(x, ones, None, node.stride, node.padding, groups=len(ones))
        if isinstance(node, Pool):
            return functional.avg_pool2d(x, node.kernel_size, node.stride, node.padding)
        if isinstance(node, Linear | Affine | Conv1d | Conv2d):
            return self._layer(name, node, x, shape)
        return x

    def _layer(self, name: str, node: Primitive, x: torch.Tensor, shape: Shape) -> torch.Tensor:
        weight = self._kept(name, "weight")
        bias = None if isinstance(node, Linear) else self._kept(name, "bias")
        if isinstance(node, Conv1d | Conv2d):
            even = even_convolution(node, name)
            if isinstance(node, Conv1d):
                rest = even.stride[1], even.padding[1], even.dilation[1], even.groups
                return functional.conv1d(x, weight, bias, *rest)
            return functional.conv2d(x, weight, bias, even.stride, even.padding, even.dilation, even.groups)
        if len(shape) == 1:
            return functional.linear(x, weight, bias)
        groups = int(np.prod(shape[:-1]))
        return functional.conv1d(x.reshape(x.shape[0], -1, 1), weight, bias, groups=groups).reshape(x.shape[0], *shape)

    def _kept(self, name: str, part: str) -> torch.Tensor:
        return cast(torch.Tensor, getattr(self, f"{self._place[name]}_{part}"))

    def _numbers(self, name: str, node: Primitive) -> Iterator[tuple[str, Array]]:
        """What a node computes with, by part, in the shapes in which it is used."""
        if name in self.prepared.neurons:
            found: list[Array] = []
            map_numbers(self.prepared.neurons[name][1], found.append)
            yield from ((f"p{number}", _least(array)) for number, array in enumerate(found))
        elif name in self.prepared.delays:
            steps = self.prepared.delays[name]
            yield from ((f"held{count}", steps == count) for count in np.unique(steps).tolist())
        elif isinstance(node, Scale):
            yield "scale", _least(np.asarray(node.scale, F))
        elif isinstance(node, Threshold):
            yield "threshold", _least(np.asarray(node.threshold, F))
        elif isinstance(node, SumPool2d):
            channels = self.prepared.structure.shapes[name][0]
            yield "weight", np.ones((channels, 1, *node.kernel_size), F)
        elif isinstance(node, Conv1d | Conv2d):
            even = even_convolution(node, name)
            yield "weight", even.weight[:, :, 0] if isinstance(node, Conv1d) else even.weight
            yield "bias", even.bias
        elif isinstance(node, Linear | Affine):
            weight = np.asarray(node.weight, F)
            side_by_side = weight.ndim > 2
            yield "weight", weight.reshape(-1, weight.shape[-1], 1) if side_by_side else weight
            if isinstance(node, Affine):
                yield "bias", np.asarray(node.bias, F).reshape(-1)


def _least(array: Array) -> Array:
    """One number where all are the same."""
    first = array.reshape(-1)[:1]
    return first.reshape(()) if array.size and np.all(array == first) else array
