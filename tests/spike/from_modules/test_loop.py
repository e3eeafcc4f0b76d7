"""Modules that loop over time by themselves, as tutorials write them: the loop is found, or it is said what to do."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.spike.from_modules.test_read import exact, snntorch_net
from torch import nn

from edgeproof.errors import ConversionError, SpikeGraphError
from edgeproof.formats.base import Conversion
from edgeproof.formats.sdk_native import FORMAT
from edgeproof.model.model import Model
from edgeproof.model.outputs import flatten_output
from edgeproof.model.resolve import resolve_model
from edgeproof.model.spine import export_spine, load_spine
from edgeproof.model.state import find_hidden_state
from edgeproof.spike.from_modules.loop import Loop
from edgeproof.spike.from_modules.read import Imported, network_of_loop
from edgeproof.spike.graph.primitives import Delay, Neuron
from edgeproof.spike.graph.reference import run
from edgeproof.spike.graph.semantics import Semantics

STEPS = 9


def read(module: nn.Module, samples: list[np.ndarray[Any, Any]]) -> tuple[Imported, Loop, list[dict[str, Any]]]:
    """The network of a module, what was seen of its loop, and its own outputs."""
    exact(module)
    state = find_hidden_state(module, lambda: module(torch.from_numpy(samples[0])))

    def call(inputs: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        with state.fresh():
            return dict(flatten_output(module(inputs["x"])))

    tensors = [{"x": torch.from_numpy(x)} for x in samples]
    found, loop = network_of_loop(module, tensors, call, Semantics())
    with torch.no_grad():
        return found, loop, [{name: tensor.numpy() for name, tensor in call(each).items()} for each in tensors]


def assert_same(module: nn.Module, samples: list[np.ndarray[Any, Any]], **readouts: str) -> tuple[Imported, Loop]:
    """Every output of the module is what the network's Output gives, read out as was found."""
    found, loop, theirs = read(module, samples)
    assert dict(loop.readouts) == readouts
    assert loop.timesteps == found.network.semantics.timesteps == STEPS
    ways: dict[str, Callable[[Any], Any]] = {
        "stack": lambda steps: steps, "sum": lambda steps: steps.sum(0), "mean": lambda steps: steps.mean(0),
        "last": lambda steps: steps[-1],
    }  # fmt: skip
    axis = loop.time_axes["x"]
    alive = set()
    for sample, outputs in zip(samples, theirs, strict=True):
        x = np.repeat(sample, STEPS, axis=0) if axis is None else np.take(sample, 0, axis=1 - axis)
        ours = run(found.network, x).outputs
        for name, readout in loop.readouts.items():
            values = ways[readout](ours[found.outputs[name]])
            np.testing.assert_allclose(values.ravel(), outputs[name].ravel(), rtol=1e-6)
            alive |= set(values.ravel().tolist())
    assert len(alive) > 1
    return found, loop


def drawn(*shape: int) -> list[np.ndarray[Any, Any]]:
    random = np.random.default_rng(4)
    return [(random.integers(0, 9, shape) / 8).astype(np.float32) for _ in range(6)]


class Tutorial(nn.Module):
    """snnTorch's first tutorials: states made before the loop, lists that are stacked after it."""

    def __init__(self) -> None:
        super().__init__()
        import snntorch

        self.fc1, self.lif1 = nn.Linear(5, 8), snntorch.Leaky(0.75)
        self.fc2, self.lif2 = nn.Linear(8, 4), snntorch.Leaky(0.5)

    def forward(self, x: torch.Tensor) -> Any:
        m1, m2 = self.lif1.init_leaky(), self.lif2.init_leaky()
        recorded, membranes = [], []
        for step in range(STEPS):
            spikes, m1 = self.lif1(self.fc1(self.now(x, step)), m1)
            spikes, m2 = self.lif2(self.fc2(spikes), m2)
            recorded.append(spikes)
            membranes.append(m2)
        return self.read_out(torch.stack(recorded), torch.stack(membranes))

    def now(self, x: torch.Tensor, step: int) -> torch.Tensor:
        return x

    def read_out(self, spikes: torch.Tensor, membranes: torch.Tensor) -> Any:
        return {"spikes": spikes, "membranes": membranes}


def test_a_tutorials_loop_with_a_constant_input() -> None:
    torch.manual_seed(0)
    found, loop = assert_same(Tutorial(), drawn(1, 5), spikes="stack")
    assert list(found.network.nodes) == ["x", "fc1", "lif1", "fc2", "lif2", "spikes"]
    assert found.network.semantics.input_coding.kind == "constant"
    assert "membranes" in found.left_out
    assert loop.time_axes == {"x": None}


class TimeFirst(Tutorial):
    def now(self, x: torch.Tensor, step: int) -> torch.Tensor:
        return x[step]

    def read_out(self, spikes: torch.Tensor, membranes: torch.Tensor) -> Any:
        return spikes.sum(0), spikes.mean(dim=0), spikes[-1]


class Iterated(Tutorial):
    """``for now in x``."""

    def forward(self, x: torch.Tensor) -> Any:
        m1, total = self.lif1.init_leaky(), 0
        for now in self.order(x):
            spikes, m1 = self.lif1(self.fc1(now), m1)
            total = total + spikes
        return total

    def order(self, x: torch.Tensor) -> Any:
        return x


class Unbound(Iterated):
    def order(self, x: torch.Tensor) -> Any:
        return x.unbind(1)


class BatchFirst(Tutorial):
    """An image row in each step, flattened."""

    def now(self, x: torch.Tensor, step: int) -> torch.Tensor:
        return torch.flatten(x[:, step], 1)

    def read_out(self, spikes: torch.Tensor, membranes: torch.Tensor) -> Any:
        return spikes.transpose(0, 1).sum(1)


def test_sequences_with_time_first_and_batch_first() -> None:
    torch.manual_seed(1)
    found, loop = assert_same(TimeFirst(), drawn(STEPS, 1, 5), output0="sum", output1="mean", output2="last")
    assert loop.time_axes == {"x": 0}
    assert found.network.semantics.input_coding.kind == "events"
    assert not any(isinstance(node, Delay) for node in found.network.nodes.values())
    assert assert_same(Iterated(), drawn(STEPS, 1, 5), output="sum")[1].time_axes == {"x": 0}
    assert assert_same(Unbound(), drawn(1, STEPS, 5), output="sum")[1].time_axes == {"x": 1}
    found, loop = assert_same(BatchFirst(), drawn(1, STEPS, 5, 1), output="sum")
    assert loop.time_axes == {"x": 1}
    assert found.network.nodes["x"].shape == (5, 1)  # type: ignore[union-attr]


class Counted(nn.Module):
    """SpikingJelly: nodes that keep their state, a convolution before the loop, a running count."""

    def __init__(self) -> None:
        super().__init__()
        from spikingjelly.activation_based import layer, neuron

        self.conv = layer.Conv2d(1, 3, 3)
        self.first, self.flat = neuron.LIFNode(tau=2.0), layer.Flatten()
        self.fc, self.last = layer.Linear(48, 4), neuron.IFNode()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        current = self.conv(x)
        count = torch.zeros(1, 4)
        for _ in range(STEPS):
            count = count + self.last(self.fc(self.flat(self.first(current))))
        return count / STEPS


def test_layers_before_the_loop_belong_to_every_step() -> None:
    torch.manual_seed(2)
    found, _ = assert_same(Counted(), drawn(1, 1, 6, 6), output="mean")
    assert list(found.network.nodes) == ["x", "conv", "first", "flat", "fc", "last", "output"]
    assert found.network.sources("first") == ("conv",)


class Looped(nn.Module):
    """Norse: state that is handed on, and a way back that the user wrote."""

    def __init__(self) -> None:
        super().__init__()
        import norse.torch as norse

        self.fc, self.cell, self.back = nn.Linear(5, 6), norse.LIFCell(), nn.Linear(6, 6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state, spikes, total = None, torch.zeros(1, 6), torch.zeros(1, 6)
        for _ in range(STEPS):
            spikes, state = self.cell(self.fc(x) + self.back(spikes), state)
            total += spikes
        return total


def test_a_way_back_through_a_layer_comes_a_step_late() -> None:
    torch.manual_seed(5)
    module = Looped()
    with torch.no_grad():
        module.fc.weight.abs_()
    found, _ = assert_same(module, [8 * x for x in drawn(1, 5)], output="sum")
    assert found.network.sources("back") == ("cell_late",)


class Around(nn.Module):
    """Any module of one time step in a loop."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([self.inner(x[step]) for step in range(STEPS)])


@pytest.mark.parametrize("seed", range(12))
def test_random_networks_in_a_loop(seed: int) -> None:
    torch.manual_seed(seed)
    found, _ = assert_same(Around(snntorch_net(seed)), [2 * x for x in drawn(STEPS, 1, 12)], output="stack")
    assert sum(isinstance(node, Neuron) for node in found.network.nodes.values()) == 2


# --- what is no loop, or none that is understood ---------------------------------------------------------------------


class Once(Tutorial):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        spikes, _ = self.lif1(self.fc1(x), self.lif1.init_leaky())
        return self.fc2(spikes)


class HeadAfter(Tutorial):
    def read_out(self, spikes: torch.Tensor, membranes: torch.Tensor) -> Any:
        return nn.functional.relu(spikes.sum(0) - 0.5) * membranes[-1]


class LayerAfter(Tutorial):
    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Linear(4, 2)

    def read_out(self, spikes: torch.Tensor, membranes: torch.Tensor) -> Any:
        return self.head(spikes.sum(0))


class Skipping(Tutorial):
    """Its first layer is called in every other step only."""

    def forward(self, x: torch.Tensor) -> Any:
        m1, recorded = self.lif1.init_leaky(), []
        for step in range(STEPS):
            current = self.fc1(x) if step % 4 == 0 else torch.zeros(1, 8)
            spikes, m1 = self.lif1(current, m1)
            recorded.append(spikes)
        return torch.stack(recorded)


class Scaled(Tutorial):
    def now(self, x: torch.Tensor, step: int) -> torch.Tensor:
        return x * (step / STEPS)


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (Once, "the same layers in the same order time step after time step by itself; seen were fc1, lif1, fc2"),
        (LayerAfter, "seen were fc1, lif1, fc2, lif2, fc1"),
        (Skipping, "the same layers in the same order"),
        (HeadAfter, "no output of the model is in the network: output: it is not a layer's values over the time steps"),
        (Scaled, "the layer 'fc1' takes the result of mul at test_loop.py:"),
    ],
)
def test_what_is_not_understood_is_said_and_what_to_do(kind: type[nn.Module], message: str) -> None:
    torch.manual_seed(0)
    with pytest.raises(SpikeGraphError) as caught:
        read(kind(), drawn(1, 5))
    assert message in str(caught.value)
    if kind is not Scaled:
        assert "edgeproof.Model(module, timesteps=…)" in str(caught.value)


def test_the_engine_says_how_to_ship_a_module_that_loops(tmp_path: Path) -> None:
    model = Model(exact(Tutorial()), inputs=["x:float32[1,5]"])
    x = {"x": np.stack(drawn(1, 5))}
    export_spine(resolve_model(model).subject, "whole", x, tmp_path / "spine", address="tutorial")
    with pytest.raises(ConversionError) as caught:
        FORMAT.convert(Conversion(FORMAT, load_spine(tmp_path / "spine", x), "fp32", tmp_path, "tutorial"))
    assert "the engine does not know" in caught.value.message
    assert caught.value.hint is not None
    assert "edgeproof.Model(module, timesteps=…), or let `edgeproof nir MODEL --out net.nir`" in caught.value.hint
