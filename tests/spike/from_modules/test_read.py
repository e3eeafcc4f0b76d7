"""Modules of snnTorch, SpikingJelly and Norse as networks: spike for spike what the library computes, or refused.

Weights and inputs are multiples of 1/64, so that sums are exact in any order: PyTorch's own order is not ours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from edgeproof.errors import EdgeProofError, SpikeGraphError
from edgeproof.model.model import Model
from edgeproof.model.outputs import flatten_output
from edgeproof.model.state import find_hidden_state
from edgeproof.model.subject import make_subject
from edgeproof.spike.from_modules.read import Imported, network_of
from edgeproof.spike.graph.divergence import explain_divergence
from edgeproof.spike.graph.primitives import Affine, Conv2d, Delay, Flatten, Neuron
from edgeproof.spike.graph.reference import run

F = np.float32
STEPS = 40


def exact(module: nn.Module) -> nn.Module:
    """Weights of layers as multiples of 1/64, and three times as large, so that neurons fire."""
    with torch.no_grad():
        for part in module.modules():
            for name in ("weight", "bias", "input_weights", "recurrent_weights"):
                value = getattr(part, name, None)
                if isinstance(value, torch.Tensor) and not isinstance(part, nn.BatchNorm2d):
                    value.copy_((value * 192).round() / 64)
    return module.eval()


def spikes(shape: tuple[int, ...], seed: int) -> np.ndarray[Any, Any]:
    random = np.random.default_rng(seed)
    return (random.random((STEPS, *shape)) < 0.4).astype(F) * random.integers(1, 4, (STEPS, *shape)).astype(F)


def read(module: nn.Module, x: np.ndarray[Any, Any], *, explicit: bool = False) -> tuple[Imported, dict[str, Any]]:
    """The network, and the module's own outputs over all steps."""
    now = torch.zeros(1, *x.shape[1:])

    def from_the_start() -> Callable[[torch.Tensor], dict[str, torch.Tensor]]:
        carried: Any = None

        def step(given: torch.Tensor) -> dict[str, torch.Tensor]:
            nonlocal carried
            if explicit:
                output, carried = module(given, carried)
            else:
                output = module(given)
            return dict(flatten_output(output))

        return step

    state = find_hidden_state(module, lambda: from_the_start()(now))
    with state.fresh():
        step = from_the_start()
        found = network_of(module, {"x": now}, lambda: step(now))
    with state.fresh(), torch.no_grad():
        step = from_the_start()
        steps = [step(torch.from_numpy(now)[None]) for now in x]
    return found, {name: np.stack([step[name][0].numpy() for step in steps]) for name in steps[0]}


def assert_same(module: nn.Module, x: np.ndarray[Any, Any], *, explicit: bool = False) -> Imported:
    """Every output of the network is the module's, at every step."""
    found, theirs = read(module, x, explicit=explicit)
    ours = run(found.network, x).outputs
    fired = 0.0
    for name, node in found.outputs.items():
        parted = explain_divergence(ours[node], theirs[name])
        assert parted is None, parted.text
        fired += float(np.abs(theirs[name]).sum())
    assert fired > 0
    return found


# --- random networks of each library ---------------------------------------------------------------------------------


def snntorch_net(seed: int) -> nn.Module:
    import snntorch

    random = np.random.default_rng(seed)
    common: dict[str, Any] = {"reset_mechanism": str(random.choice(["subtract", "zero", "none"])), "init_hidden": True}
    width = int(random.integers(6, 20))
    neurons: list[Callable[[int], nn.Module]] = [
        lambda n: snntorch.Leaky(float(random.uniform(0.3, 1)), reset_delay=bool(random.integers(2)), **common),
        lambda n: snntorch.Synaptic(0.6, float(random.uniform(0.3, 0.9)), **common),
        lambda n: snntorch.Leaky(torch.rand(n), threshold=torch.rand(n) + 0.5, graded_spikes_factor=2.0, **common),
        lambda n: snntorch.RLeaky(0.5, linear_features=n, **common),
        lambda n: snntorch.RLeaky(0.75, V=torch.full((n,), -0.5), all_to_all=False, **common),
        lambda n: snntorch.RSynaptic(0.5, 0.75, linear_features=n, **common),
        lambda n: snntorch.Alpha(0.8, 0.4, **common),
    ]
    first, second = random.choice(len(neurons), 2)
    return nn.Sequential(
        nn.Linear(12, width),
        neurons[first](width),
        nn.Dropout(),
        nn.Linear(width, 7, bias=False),
        neurons[second](7),
    )


@pytest.mark.parametrize("seed", range(24))
def test_random_networks_of_snntorch_spike_for_spike(seed: int) -> None:
    torch.manual_seed(seed)
    found = assert_same(exact(snntorch_net(seed)), spikes((12,), seed))
    assert sum(isinstance(node, Neuron) for node in found.network.nodes.values()) == 2


def spikingjelly_net(seed: int) -> nn.Module:
    from spikingjelly.activation_based import layer, neuron

    random = np.random.default_rng(seed)
    reset: Any = (None, 0.0, -0.25)[seed % 3]
    nodes: list[Callable[[], nn.Module]] = [
        lambda: neuron.IFNode(float(random.uniform(0.5, 2)), reset),
        lambda: neuron.LIFNode(float(random.uniform(1.2, 5)), bool(random.integers(2)), 1.0, reset),
        lambda: neuron.ParametricLIFNode(float(random.uniform(1.2, 5)), bool(random.integers(2)), 1.0, reset),
        lambda: neuron.CUBALIFNode(0.5, 0.75, 1.0, reset),
    ]
    first, second = random.choice(len(nodes), 2)
    return nn.Sequential(
        layer.Conv2d(2, 4, 3, padding=int(random.integers(2)), bias=bool(random.integers(2))),
        nodes[first](),
        layer.AvgPool2d(2),
        layer.Flatten(),
        nn.LazyLinear(9),
        nodes[second](),
    )


@pytest.mark.parametrize("seed", range(18))
def test_random_networks_of_spikingjelly_spike_for_spike(seed: int) -> None:
    torch.manual_seed(seed)
    module = spikingjelly_net(seed)
    with torch.no_grad():
        module(torch.zeros(1, 2, 8, 8))
    exact(module)
    with torch.no_grad():
        module[4].weight[:5].abs_()
    assert_same(module, spikes((2, 8, 8), seed))


def norse_net(seed: int) -> nn.Module:
    import norse.torch as norse
    from norse.torch.functional import reset

    random = np.random.default_rng(seed)

    def between(low: float, high: float) -> torch.Tensor:
        return torch.tensor(float(random.uniform(low, high)))

    lif = norse.LIFParameters(tau_mem_inv=between(100, 400), v_th=between(0.2, 0.8), v_leak=between(-0.1, 0.1))
    rules = reset.reset_subtract if seed % 2 else reset.reset_value
    box = norse.LIFBoxParameters(tau_mem_inv=between(100, 400), v_th=between(0.2, 0.6), reset_method=rules)
    lsnn = norse.LSNNParameters(v_th=torch.tensor(0.3))
    cells: list[Callable[[], nn.Module]] = [
        lambda: norse.LIFCell(lif),
        lambda: norse.LIFRecurrentCell(10, 10, lif),
        lambda: norse.LIFBoxCell(box),
        lambda: norse.IAFCell(),
        lambda: norse.LSNNCell(lsnn),
        lambda: norse.LSNNRecurrentCell(10, 10, lsnn),
    ]
    first, second = random.choice(len(cells), 2)
    return norse.SequentialState(nn.Linear(12, 10), cells[first](), nn.Linear(10, 10), cells[second]())


@pytest.mark.parametrize("seed", range(24))
def test_random_networks_of_norse_spike_for_spike(seed: int) -> None:
    torch.manual_seed(seed)
    module = exact(norse_net(seed))
    with torch.no_grad():
        module[2].weight.abs_()
    assert_same(module, spikes((12,), seed), explicit=True)


def test_norses_integrators_membrane_for_membrane() -> None:
    import norse.torch as norse

    torch.manual_seed(0)
    for last in (norse.LICell(), norse.LIBoxCell(), norse.LILinearCell(10, 5)):
        module = norse.SequentialState(nn.Linear(12, 10), norse.LIFCell(), last)
        found, theirs = read(exact(module), spikes((12,), 3), explicit=True)
        ours = run(found.network, spikes((12,), 3)).outputs
        np.testing.assert_allclose(ours["output"], theirs["output"], rtol=1e-5, atol=1e-6)


# --- wiring ----------------------------------------------------------------------------------------------------------


def leaky(**options: Any) -> nn.Module:
    import snntorch

    return snntorch.Leaky(0.5, init_hidden=True, **options)


class Wired(nn.Module):
    """A shortcut, a layer that is called twice, a change of shape between layers, and a state among the outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(1, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.first, self.fc, self.second = leaky(), nn.Linear(48, 48), leaky()
        self.last = leaky(output=True)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        a = self.first(self.norm(self.conv(x)))
        b = self.fc(torch.flatten(a, 1).detach())
        c = self.drop(self.second(b))
        spikes, membrane = self.last(self.fc(c) + b)
        return {"spikes": spikes, "membrane": membrane, "inner": a}


def test_shortcuts_shared_layers_and_shapes_are_seen() -> None:
    torch.manual_seed(1)
    module = Wired()
    exact(module)
    module.norm.running_mean.fill_(0.25)
    found = assert_same(module, spikes((1, 4, 4), 0))
    assert list(found.network.nodes) == [
        *("x", "conv", "first", "reshape_1", "fc", "second", "fc_2", "last", "spikes", "inner"),
    ]
    assert isinstance(found.network.nodes["reshape_1"], Flatten)
    assert found.network.sources("last") == ("fc_2", "fc")
    assert set(found.left_out) == {"membrane"}
    assert "state of 'last'" in found.left_out["membrane"]


def test_a_batch_norm_goes_into_the_layer_before_it() -> None:
    torch.manual_seed(1)
    module = exact(nn.Sequential(nn.Conv2d(1, 3, 2), nn.BatchNorm2d(3), leaky()))
    module[1].running_var.fill_(4.0 - module[1].eps)
    module[1].running_mean.fill_(0.5)
    conv = assert_same(module, spikes((1, 4, 4), 0)).network.nodes["0"]
    assert isinstance(conv, Conv2d)
    np.testing.assert_allclose(conv.weight, module[0].weight.detach().numpy() / 2)
    np.testing.assert_allclose(conv.bias, (module[0].bias.detach().numpy() - 0.5) / 2)


class Remembers(nn.Module):
    """A loop that the user wrote: spikes of the step before come back through a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.back, self.lif = nn.Linear(6, 5), nn.Linear(5, 5), leaky()
        self.spikes = torch.zeros(1, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.spikes = self.lif(self.into(x) + self.back(self.spikes))
        return self.spikes


def test_what_comes_a_step_late_comes_through_a_delay() -> None:
    torch.manual_seed(3)
    found = assert_same(exact(Remembers()), spikes((6,), 2))
    assert isinstance(found.network.nodes["lif_late"], Delay)
    assert found.network.sources("back") == ("lif_late",)
    assert isinstance(found.network.nodes["back"], Affine)


# --- what has no counterpart -----------------------------------------------------------------------------------------


class With(nn.Module):
    """Computes something of its own between two layers."""

    def __init__(self, between: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.fc, self.between, self.lif = nn.Linear(6, 6), between, leaky()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lif(self.between(self.fc(x)))


def refused(module: nn.Module, *, explicit: bool = False) -> str:
    with pytest.raises(SpikeGraphError) as caught:
        read(module.eval(), spikes((6,), 0), explicit=explicit)
    return str(caught.value)


def test_what_no_layer_computes_is_named_with_its_line() -> None:
    assert "relu at test_read.py:" in refused(With(lambda x: torch.relu(x)))
    assert "'lif' takes the result of mul" in refused(With(lambda x: x * 2))
    assert "no layer gave" in refused(With(lambda x: x + torch.ones(1, 6)))
    assert "twice in a sum" in refused(With(lambda x: x + x))
    assert "lif" in refused(With(lambda x: x.add_(1.0)))
    assert "(2, 3)" in refused(With(lambda x: x.view(1, 2, 3)))


def test_modules_without_a_counterpart_are_named() -> None:
    import snntorch
    from spikingjelly.activation_based import neuron

    assert "'1', a Lapicque, has no counterpart" in refused(nn.Sequential(nn.Linear(6, 6), snntorch.Lapicque(0.9)))
    assert "'0', a GELU" in refused(nn.Sequential(nn.GELU(), leaky()))
    assert "'0', a GRUCell" in refused(nn.Sequential(nn.GRUCell(6, 6), leaky()))
    assert "state_quant" in refused(nn.Sequential(leaky(state_quant=lambda x: x)))
    assert "multi-step mode" in refused(neuron.LIFNode(step_mode="m"))
    assert "'norm', a BatchNorm1d, normalises" in refused(_named(norm=nn.BatchNorm1d(6), lif=leaky()))


def _named(**modules: nn.Module) -> nn.Module:
    module = nn.Sequential()
    for name, part in modules.items():
        module.add_module(name, part)
    return module


class Twice(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lif = leaky()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lif(self.lif(x))


class Foreign(nn.Module):
    """Gives a neuron another's membrane."""

    def __init__(self) -> None:
        super().__init__()
        import snntorch

        self.a, self.b = snntorch.Leaky(0.5), snntorch.Leaky(0.5)

    def forward(self, x: torch.Tensor, state: Any) -> tuple[torch.Tensor, torch.Tensor]:
        spikes, membrane = self.a(x, state)
        spikes, _ = self.b(spikes, membrane)
        return spikes, membrane


def test_states_that_are_not_a_neurons_own_are_refused() -> None:
    assert "called twice" in refused(Twice())
    assert "'b', a Leaky, is given a state of 'a'" in refused(Foreign(), explicit=True)


# --- chance ----------------------------------------------------------------------------------------------------------


class Tossed(nn.Module):
    """A neuron with hidden state that fires with a probability."""

    def __init__(self) -> None:
        super().__init__()
        self.lif = leaky(spike_grad=lambda v: torch.bernoulli(torch.sigmoid(v)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.lif(x)


def test_a_neuron_that_fires_by_chance_is_caught_and_named() -> None:
    torch.manual_seed(0)
    assert "'lif', a Leaky, fires by a function that is not a step" in refused(Tossed())
    subject = make_subject(Model(Tossed(), timesteps=4), Model(Tossed(), inputs=["x:float32[1,600]"]).specs())
    with pytest.raises(EdgeProofError, match="random numbers"):
        subject.step()
