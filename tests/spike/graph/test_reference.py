"""What a network computes over time: by hand, against PyTorch, and against recurrent networks of the libraries."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.spike.graphs import DT, lif

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.graph.divergence import explain_divergence
from edgeproof.spike.graph.network import Network, chain
from edgeproof.spike.graph.operators import compute
from edgeproof.spike.graph.primitives import (
    LI,
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    CubaLI,
    CubaLIF,
    Delay,
    Flatten,
    Input,
    Linear,
    MaxPool2d,
    Neuron,
    Output,
    Scale,
    SumPool2d,
    Threshold,
)
from edgeproof.spike.graph.reference import run
from edgeproof.spike.graph.semantics import Semantics
from edgeproof.spike.interpreter import interpret
from edgeproof.spike.lower import lower
from edgeproof.spike.neurons.discrete import LeakyParams, SynapticParams
from edgeproof.spike.neurons.firing import Firing
from edgeproof.spike.neurons.models import MODELS
from edgeproof.spike.neurons.norse import NorseLIFParams

F = np.float32
ROOT = Path(__file__).parents[3]


def test_the_worked_example_of_the_document(capsys: pytest.CaptureFixture[str]) -> None:
    """The code in docs/spiking.md runs and prints the numbers that stand there; the engine's program gives the same."""
    text = (ROOT / "docs" / "spiking.md").read_text()
    code, printed = re.findall(r"```python\n(.*?)```\s+```text\n(.*?)```", text, re.DOTALL)[0]
    found: dict[str, Any] = {}
    exec(compile(code, "docs/spiking.md", "exec"), found)
    assert capsys.readouterr().out == printed
    trains = found["trains"]
    assert len({spikes.tobytes() for spikes in trains.values()}) == 5
    for (reset, delay, operator), spikes in trains.items():
        semantics = Semantics(reset, delay, operator)
        network = chain(Input((1,)), found["weights"], found["lif"], Output((2,)), semantics=semantics)
        np.testing.assert_array_equal(interpret(lower(network, 6), {"input": np.ones((6, 1))})["output"], spikes)


def test_the_document_has_every_model_and_says_what_the_defaults_are() -> None:
    text = (ROOT / "docs" / "spiking.md").read_text()
    assert [name for name in MODELS if f"`{name}`" not in text] == []
    assert Semantics().statement() in text


def test_resets_as_they_are_named() -> None:
    """tau = 2 steps, input 3: v moves half the way to 3 in each step."""
    x = np.full((3, 1), 3.0)

    def membranes(semantics: Semantics) -> list[float]:
        net = chain(Input((1,)), lif(1, v_reset=0.5), Output((1,)), semantics=semantics)
        found, state = [], None
        for now in x:
            done = run(net, now[None], state)
            state = done.state
            found.append(float(state.neurons["lif_1"].v[0]))
        return found

    assert membranes(Semantics("zero")) == [0.5, 0.5, 0.5]
    assert membranes(Semantics("subtract")) == [0.5, 0.75, 0.875]
    assert membranes(Semantics("none")) == [1.5, 2.25, 2.625]
    assert membranes(Semantics("zero", reset_delay=1)) == [1.5, 1.75, 1.75]
    assert membranes(Semantics("subtract", reset_delay=1)) == [1.5, 1.25, 1.125]


def test_the_threshold_operator_decides_at_equality() -> None:
    for operator, expected in ((">", 0.0), (">=", 1.0)):
        semantics = Semantics(threshold_operator=operator)  # type: ignore[arg-type]
        net = chain(Input((1,)), Threshold(np.ones(1)), Output((1,)), semantics=semantics)
        assert run(net, np.ones((1, 1))).outputs["output"].item() == expected
        net = chain(Input((1,)), lif(1), Output((1,)), semantics=semantics)
        assert run(net, np.full((1, 1), 2.0)).outputs["output"].item() == expected


def test_exponential_integration_is_exact_for_a_held_input() -> None:
    tau, x = 3e-4, 2.0
    net = chain(
        Input((1,)),
        LI(np.array([tau]), np.array([1.5]), np.array([-1.0])),
        Output((1,)),
        semantics=Semantics(integration="exponential"),
    )
    found = run(net, np.full((20, 1), x)).outputs["output"].ravel()
    end, times = -1.0 + 1.5 * x, DT * np.arange(1, 21)
    assert found == pytest.approx(end + (-1.0 - end) * np.exp(-times / tau), rel=1e-6)


def test_state_goes_on_where_it_is_given_and_begins_anew_where_not() -> None:
    random = np.random.default_rng(0)
    net = Network(
        {
            "in": Input((3,)),
            "fc": Affine(random.normal(size=(4, 3)), random.normal(size=4)),
            "lif": lif(4),
            "w": Affine(random.normal(size=(4, 4)), random.normal(size=4)),
            "wait": Delay(np.array([0, 1, 2, 5]) * DT),
            "out": Output((4,)),
        },
        (("in", "fc"), ("fc", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "wait"), ("wait", "out")),
    )
    x = random.normal(size=(30, 3)) * 3
    whole = run(net, x)
    assert np.array_equal(run(net, x).outputs["out"], whole.outputs["out"])
    first = run(net, x[:11])
    kept = first.state.neurons["lif"].v.copy()
    second = run(net, x[11:], first.state)
    assert np.array_equal(first.state.neurons["lif"].v, kept)
    assert np.array_equal(np.concatenate([first.outputs["out"], second.outputs["out"]]), whole.outputs["out"])
    assert not np.array_equal(run(net, x[11:]).outputs["out"], second.outputs["out"])
    with pytest.raises(SpikeGraphError, match="not one of this network"):
        run(chain(Input((3,)), lif(3), Output((3,))), x, first.state)


def test_delays_by_element() -> None:
    net = chain(Input((3,)), Delay(np.array([0, 1, 3]) * DT), Output((3,)))
    x = np.arange(1, 6)[:, None] * np.ones(3)
    assert run(net, x).outputs["output"].T.tolist() == [[1, 2, 3, 4, 5], [0, 1, 2, 3, 4], [0, 0, 0, 1, 2]]


def test_a_delay_in_a_loop_takes_as_long_as_it_says() -> None:
    """A pulse goes round a loop of three steps, and of one and three where a neuron's loop has its own step."""
    net = Network(
        {"x": Input((1,)), "s": Scale(np.ones(1)), "wait": Delay(np.array([3 * DT])), "y": Output((1,))},
        (("x", "s"), ("wait", "s"), ("s", "wait"), ("s", "y")),
    )
    pulse = np.zeros((8, 1))
    pulse[0] = 1
    assert run(net, pulse).outputs["y"].ravel().tolist() == [1, 0, 0, 1, 0, 0, 1, 0]
    nodes = {"x": Input((1,)), "n": lif(1, tau=DT, v_threshold=0.5), "s": Scale(np.ones(1)), "y": Output((1,))}
    once = Network(nodes, (("x", "n"), ("n", "s"), ("s", "n"), ("n", "y")))
    assert run(once, pulse).outputs["y"].ravel().tolist() == [1] * 8


def test_before_the_first_step_a_loop_brings_what_silence_gives() -> None:
    """An Affine in a loop gives its bias, as ``recurrent(spk)`` of snnTorch does with spikes of zero."""
    net = Network(
        {
            "x": Input((1,)),
            "n": lif(1, tau=DT, v_threshold=0.5),
            "w": Affine(np.array([[-2.0]]), np.array([1.0])),
            "y": Output((1,)),
        },
        (("x", "n"), ("n", "w"), ("w", "n"), ("n", "y")),
    )
    assert run(net, np.zeros((4, 1))).outputs["y"].ravel().tolist() == [1, 0, 1, 0]


def test_a_nonspiking_neuron_in_a_loop_is_silent_at_rest() -> None:
    li = LI(np.array([DT]), np.ones(1), np.array([0.25]))
    net = Network({"x": Input((1,)), "n": li, "y": Output((1,))}, (("x", "n"), ("n", "n"), ("n", "y")))
    assert run(net, np.zeros((3, 1))).outputs["y"].ravel().tolist() == [0.5, 0.75, 1.0]


def test_several_inputs_and_the_order_of_a_sum() -> None:
    """1e8 + 1 - 1e8 is 0 or 1 in float32: the order of the edges says which."""
    nodes = {name: Input((1,)) for name in "abc"}
    x = {"a": np.full((1, 1), 1e8), "b": np.ones((1, 1)), "c": np.full((1, 1), -1e8)}
    for order, expected in (("abc", 0.0), ("acb", 1.0)):
        net = Network({**nodes, "y": Output((1,))}, tuple((name, "y") for name in order))
        assert run(net, x).outputs["y"].item() == expected


def test_the_time_axis_is_where_the_semantics_say() -> None:
    net = chain(Input((2, 3)), Scale(np.ones((2, 3))), Output((2, 3)), semantics=Semantics(time_axis=-1))
    x = np.arange(24.0).reshape(2, 3, 4)
    assert np.array_equal(run(net, x).outputs["output"], np.moveaxis(x, -1, 0))


def test_traces_and_inputs_that_do_not_fit() -> None:
    net = chain(Input((2,)), Linear(np.eye(2)), lif(2), Output((2,)))
    done = run(net, np.ones((3, 2)), trace=["linear_1"])
    assert np.array_equal(done.traces["linear_1"], np.ones((3, 2)))
    assert done.semantics == Semantics().statement()
    for x, text in (
        (np.ones((3, 3)), r"given \(3, 3\); expected \(2,\)"),
        (np.ones(3), "expected"),
        ({"x": np.ones((3, 2))}, r"expected \['input'\]"),
        (np.full((1, 2), np.nan), "NaN"),
    ):
        with pytest.raises(SpikeGraphError, match=text):
            run(net, x)
    with pytest.raises(SpikeGraphError, match="no node 'ghost'"):
        run(net, np.ones((3, 2)), trace=["ghost"])
    assert run(net, np.ones((0, 2))).outputs["output"].shape == (0, 2)


# --- nodes without memory, against PyTorch ---------------------------------------------------------------------------


def close(ours: np.ndarray[Any, Any], theirs: torch.Tensor) -> None:
    assert ours.dtype == F
    np.testing.assert_allclose(ours, theirs.numpy(), rtol=2e-5, atol=2e-5)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel:UserWarning")
@pytest.mark.parametrize("seed", range(12))
def test_convolutions_are_pytorchs(seed: int) -> None:
    random = np.random.default_rng(seed)
    groups = int(random.choice([1, 2]))
    x = random.normal(size=(4, 9, 8)).astype(F)
    weight = random.normal(size=(6, 4 // groups, *random.integers(1, 4, 2))).astype(F)
    bias = random.normal(size=6).astype(F)
    stride, dilation = ((int(left), int(right)) for left, right in random.integers(1, 3, (2, 2)))
    padding: Any = tuple(map(int, random.integers(0, 3, 2)))
    if seed % 3 == 0:
        stride, padding = (1, 1), "same"
    ours = compute(Conv2d(weight, bias, stride, padding, dilation, groups), x)
    args = [torch.from_numpy(array) for array in (x, weight, bias)]
    close(ours, torch.nn.functional.conv2d(*args, stride, padding, dilation, groups))
    line = [args[0][:, 0], args[1][:, :, 0], args[2]]
    pad = padding if isinstance(padding, str) else padding[1]
    ours = compute(Conv1d(weight[:, :, 0], bias, stride[1], pad, dilation[1], groups), x[:, 0])
    close(ours, torch.nn.functional.conv1d(*line, stride[1], pad, dilation[1], groups))


@pytest.mark.parametrize("seed", range(6))
def test_poolings_are_pytorchs(seed: int) -> None:
    random = np.random.default_rng(seed)
    x = random.normal(size=(3, 9, 8)).astype(F)
    kernel, stride = ((int(left), int(right)) for left, right in random.integers(2, 4, (2, 2)))
    padding = tuple(map(int, random.integers(0, 2, 2)))
    image = torch.from_numpy(x)
    average = torch.nn.functional.avg_pool2d(image, kernel, stride, padding)
    close(compute(AvgPool2d(kernel, stride, padding), x), average)
    close(compute(SumPool2d(kernel, stride, padding), x), average * (kernel[0] * kernel[1]))
    close(
        compute(MaxPool2d(kernel, stride, padding), x), torch.nn.functional.max_pool2d(image, kernel, stride, padding)
    )


def test_flatten_and_linear_are_pytorchs() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(2, 3, 4)).astype(F)
    for first, last in ((0, -1), (1, 2), (0, 1), (-2, -1)):
        assert np.array_equal(compute(Flatten(first, last), x), torch.from_numpy(x).flatten(first, last).numpy())
    weight, bias = random.normal(size=(5, 4)).astype(F), random.normal(size=5).astype(F)
    close(compute(Affine(weight, bias), x[0, 0]), torch.from_numpy(weight @ x[0, 0] + bias))
    batched = random.normal(size=(2, 3, 5, 4)).astype(F)
    close(compute(Linear(batched), x), torch.from_numpy(np.einsum("abij,abj->abi", batched, x)))


def test_sums_are_taken_from_the_bias_upwards_each_product_rounded() -> None:
    """Term by term with Python's own loop: the bits are the same."""
    random = np.random.default_rng(5)
    x = random.normal(size=(3, 5, 5)).astype(F) * (random.random((3, 5, 5)) < 0.6)
    x = x.astype(F)
    weight, bias = random.normal(size=(4, 3, 2, 3)).astype(F), random.normal(size=4).astype(F)
    ours = compute(Conv2d(weight, bias), x)
    for o, row, column in np.ndindex(ours.shape):
        total = bias[o]
        for ky, kx, c in np.ndindex(2, 3, 3):
            total = F(total + F(weight[o, c, ky, kx] * x[c, row + ky, column + kx]))
        assert ours[o, row, column] == total
    flat, dense = x.ravel(), random.normal(size=(4, 75)).astype(F)
    ours = compute(Affine(dense, bias), flat)
    for o in range(4):
        total = bias[o]
        for i in range(75):
            total = F(total + F(dense[o, i] * flat[i]))
        assert ours[o] == total


# --- recurrent networks of the libraries -----------------------------------------------------------------------------


def loop(neuron: Neuron, weight: Any, bias: Any) -> Network:
    count = len(bias)
    return Network(
        {"in": Input((count,)), "n": neuron, "w": Affine(weight, bias), "out": Output((count,))},
        (("in", "n"), ("w", "n"), ("n", "w"), ("n", "out")),
    )


@pytest.mark.parametrize("seed", range(10))
def test_snntorch_rleaky_and_rsynaptic_spike_for_spike(seed: int) -> None:
    import snntorch

    torch.manual_seed(seed)
    x = torch.randn(120, 12)
    reset: Any = ("subtract", "zero", "none")[seed % 3]
    common: dict[str, Any] = {"linear_features": 12, "reset_mechanism": reset}
    leaky = snntorch.RLeaky(0.9, **common)
    synaptic = snntorch.RSynaptic(0.7, 0.8, **common)
    for theirs, neuron in (
        (leaky, Neuron("snntorch.Leaky", LeakyParams(0.9, 1.0, reset, clears_input=True))),
        (synaptic, Neuron("snntorch.Synaptic", SynapticParams(0.7, 0.8, 1.0, reset))),
    ):
        weight, bias = theirs.recurrent.weight.detach().numpy(), theirs.recurrent.bias.detach().numpy()
        state: Any = [torch.zeros(12)] * (2 if theirs is leaky else 3)
        spikes = []
        with torch.no_grad():
            for now in x:
                state = theirs(now, *state)
                spikes.append(state[0].numpy())
        parted = explain_divergence(run(loop(neuron, weight, bias), x.numpy()).outputs["out"], np.stack(spikes))
        assert parted is None, parted.text


def test_rleaky_with_a_reset_to_zero_loses_the_input_of_that_step() -> None:
    """It clears all of the new membrane, Leaky only what was left of the old one: they part one step after a spike
    where the input alone is above the threshold."""
    import snntorch

    theirs = snntorch.RLeaky(0.5, V=0.0, all_to_all=False, reset_mechanism="zero")
    x = np.full((3, 2), [1.5, 0.25], F)
    state: Any = (torch.zeros(2), torch.zeros(2))
    spikes = []
    with torch.no_grad():
        for now in torch.from_numpy(x):
            state = theirs(now, *state)
            spikes.append(state[0].numpy())
    neuron = Neuron("snntorch.Leaky", LeakyParams(0.5, 1.0, "zero"))
    parted = explain_divergence(run(loop(neuron, np.zeros((2, 2)), np.zeros(2)), x).outputs["out"], np.stack(spikes))
    assert parted is not None
    assert (parted.step, parted.neurons) == (1, ((0,),)), parted.text


@pytest.mark.parametrize("seed", range(10))
def test_norse_recurrent_lif_spike_for_spike(seed: int) -> None:
    from norse.torch.functional import lif as norse

    generator = torch.manual_seed(seed)
    x = torch.rand(150, 12, generator=generator)
    recurrent = torch.randn(12, 12, generator=generator) * 0.3
    p = norse.LIFParameters(v_th=torch.tensor(0.6))
    state, spikes = norse.LIFState(*torch.zeros(3, 12)), []
    with torch.no_grad():
        for now in x:
            z, state = norse.lif_step(now, state, torch.eye(12), recurrent, p, 0.001)
            spikes.append(z.numpy())
    rates = (float(F(0.001) * rate.numpy()) for rate in (p.tau_syn_inv, p.tau_mem_inv))
    neuron = Neuron("norse.LIF", NorseLIFParams(*rates, 0.0, Firing(0.6)))
    found = run(loop(neuron, recurrent.numpy(), np.zeros(12)), x.numpy()).outputs["out"]
    parted = explain_divergence(found, np.stack(spikes))
    assert parted is None, parted.text
    assert found.sum() > 20


def test_cuba_neurons_in_a_network_pass_the_current_on_in_the_same_step() -> None:
    values = {"tau_syn": 2 * DT, "tau_mem": 2 * DT, "r": 1.0, "v_leak": 0.0, "w_in": 4.0}
    cubali = CubaLI(**{name: np.full(1, value) for name, value in values.items()})
    net = chain(Input((1,)), cubali, Output((1,)))
    assert run(net, np.array([[1.0], [0], [0]])).outputs["output"].ravel().tolist() == [1, 1, 0.75]
    cubalif = CubaLIF(
        **{name: np.full(1, value) for name, value in {**values, "v_threshold": 0.9, "v_reset": 0.0}.items()}
    )
    net = chain(Input((1,)), cubalif, Output((1,)))
    assert run(net, np.array([[1.0], [0], [0]])).outputs["output"].ravel().tolist() == [1, 0, 0]


def test_divergence_is_explained() -> None:
    a = np.zeros((5, 2, 3))
    assert explain_divergence(a, a.copy()) is None
    b = a.copy()
    b[3, 1, 2] = b[4, 0, 0] = 1
    found = explain_divergence(a, b)
    assert found is not None
    assert (found.step, found.neurons) == (3, ((1, 2),))
    assert found.text == (
        "the same until step 3 of 5 (counted from 0); there 1 of 6 neurons differ: neuron (1, 2) gives 0 and 1. "
        "In all 2 of 30 values differ, in 2 steps"
    )
    with pytest.raises(SpikeGraphError, match="of one shape"):
        explain_divergence(a, b[1:])
