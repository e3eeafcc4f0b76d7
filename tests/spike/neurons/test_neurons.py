"""Step functions against the libraries whose neurons they are: spike for spike, on float32, over random inputs."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproof.spike.graph.divergence import explain_divergence
from edgeproof.spike.neurons.adaptive import ALIFParams, LSNNParams
from edgeproof.spike.neurons.current import CubaLIFParams
from edgeproof.spike.neurons.discrete import AlphaParams, LeakyParams, SynapticParams
from edgeproof.spike.neurons.firing import Firing
from edgeproof.spike.neurons.integrate import IFParams
from edgeproof.spike.neurons.izhikevich import IzhikevichParams
from edgeproof.spike.neurons.leaky import LIFParams, LIParams
from edgeproof.spike.neurons.models import MODELS
from edgeproof.spike.neurons.norse import NorseLIFBoxParams, NorseLIFParams, NorseLIParams
from edgeproof.spike.neurons.ops import NumpyOps
from edgeproof.spike.neurons.spikingjelly import CubaNodeParams, LIFNodeParams, PLIFNodeParams

F = np.float32
STEPS, NEURONS = 150, 48
SEEDS = st.integers(0, 2**32 - 1)
SHARES = st.floats(0.0, 1.0, width=32)
THRESHOLDS = st.floats(0.125, 2.0, width=32)
EXAMPLES = settings(max_examples=25, deadline=None)


def currents(seed: int, *, scale: float = 1.0) -> np.ndarray[Any, Any]:
    """Half plain noise, half multiples of 1/8, which meet a threshold exactly."""
    random = np.random.default_rng(seed)
    noise = random.normal(0.3, 1.0, (STEPS, NEURONS)) * scale
    noise[:, NEURONS // 2 :] = np.round(noise[:, NEURONS // 2 :] * 8) / 8
    return noise.astype(F)


def play(model: str, params: Any, x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Outputs [time, neuron] of a model, float32 throughout."""
    step, state = MODELS[model].step, MODELS[model].initial(params)
    state = type(state)(*(np.full(x.shape[1:], part, F) for part in state))
    outputs = []
    for now in x:
        output, state = step(now, state, params, NumpyOps())
        assert {np.asarray(part).dtype for part in state} == {np.dtype(F)}, model
        outputs.append(output)
    return np.stack(outputs)


def library(step: Callable[[torch.Tensor], torch.Tensor], x: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    with torch.no_grad():
        return np.stack([step(torch.from_numpy(now)).numpy() for now in x])


def assert_same(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> None:
    parted = explain_divergence(ours, theirs)
    assert parted is None, parted.text


@EXAMPLES
@given(
    SEEDS, SHARES, THRESHOLDS, st.sampled_from(["subtract", "zero", "none"]), st.booleans(), st.sampled_from([1.0, 2.5])
)
def test_snntorch_leaky(seed: int, beta: float, threshold: float, reset: Any, delay: bool, graded: float) -> None:
    import snntorch

    theirs = snntorch.Leaky(
        beta, threshold, reset_mechanism=reset, reset_delay=delay, graded_spikes_factor=graded, init_hidden=True
    )
    params = LeakyParams(F(beta), F(threshold), reset, int(delay), F(graded))
    x = currents(seed)
    assert_same(play("snntorch.Leaky", params, x), library(theirs, x))


@EXAMPLES
@given(SEEDS, SHARES, SHARES, THRESHOLDS, st.sampled_from(["subtract", "zero", "none"]), st.booleans())
def test_snntorch_synaptic(seed: int, alpha: float, beta: float, threshold: float, reset: Any, delay: bool) -> None:
    import snntorch

    theirs = snntorch.Synaptic(alpha, beta, threshold, reset_mechanism=reset, reset_delay=delay, init_hidden=True)
    x = currents(seed, scale=0.3)
    params = SynapticParams(F(alpha), F(beta), F(threshold), reset, int(delay))
    assert_same(play("snntorch.Synaptic", params, x), library(theirs, x))


@EXAMPLES
@given(
    SEEDS,
    st.floats(0.5, 0.9375, width=32),
    st.floats(0.125, 0.4375, width=32),
    THRESHOLDS,
    st.sampled_from(["subtract", "zero", "none"]),
)
def test_snntorch_alpha(seed: int, alpha: float, beta: float, threshold: float, reset: Any) -> None:
    import snntorch

    theirs = snntorch.Alpha(alpha, beta, threshold, reset_mechanism=reset, init_hidden=True)
    logs = torch.log(theirs.alpha), torch.log(theirs.beta)
    gain = (logs[0] / (logs[1] - logs[0]) + 1).numpy()
    x = currents(seed)
    params = AlphaParams(F(alpha), F(beta), gain, F(threshold), reset)
    assert_same(play("snntorch.Alpha", params, x), library(theirs, x))


def jelly_firing(threshold: float, v_reset: float | None) -> Firing:
    if v_reset is None:
        return Firing(F(threshold), F(0), "subtract", 0, ">=")
    return Firing(F(threshold), F(v_reset), "zero", 0, ">=")


RESETS = st.sampled_from([None, 0.0, -0.25])


@EXAMPLES
@given(SEEDS, THRESHOLDS, RESETS)
def test_spikingjelly_if_is_nirs_if_with_a_gain_of_one(seed: int, threshold: float, v_reset: float | None) -> None:
    from spikingjelly.activation_based import neuron

    x = currents(seed)
    ours = play("IF", IFParams(F(1), jelly_firing(threshold, v_reset)), x)
    assert_same(ours, library(neuron.IFNode(threshold, v_reset), x))


@EXAMPLES
@given(SEEDS, st.floats(1.125, 20.0, width=32), THRESHOLDS, RESETS, st.booleans())
def test_spikingjelly_lif(seed: int, tau: float, threshold: float, v_reset: float | None, decay_input: bool) -> None:
    from spikingjelly.activation_based import neuron

    x = currents(seed, scale=3.0 if decay_input else 1.0)
    params = LIFNodeParams(F(tau), F(v_reset or 0), decay_input, jelly_firing(threshold, v_reset))
    theirs = neuron.LIFNode(tau, decay_input, threshold, v_reset)
    assert_same(play("spikingjelly.LIFNode", params, x), library(theirs, x))


@EXAMPLES
@given(SEEDS, st.floats(1.125, 20.0, width=32), THRESHOLDS, RESETS, st.booleans())
def test_spikingjelly_parametric_lif(
    seed: int, tau: float, threshold: float, v_reset: float | None, decay_input: bool
) -> None:
    from spikingjelly.activation_based import neuron

    theirs = neuron.ParametricLIFNode(tau, decay_input, threshold, v_reset)
    x = currents(seed, scale=3.0 if decay_input else 1.0)
    rate = theirs.w.detach().sigmoid().numpy()
    params = PLIFNodeParams(rate, F(v_reset or 0), decay_input, jelly_firing(threshold, v_reset))
    assert_same(play("spikingjelly.ParametricLIFNode", params, x), library(theirs, x))


@EXAMPLES
@given(SEEDS, SHARES, SHARES, THRESHOLDS, RESETS)
def test_spikingjelly_cuba_lif(
    seed: int, current: float, voltage: float, threshold: float, v_reset: float | None
) -> None:
    from spikingjelly.activation_based import neuron

    theirs = neuron.CUBALIFNode(current, voltage, threshold, v_reset)
    x = currents(seed, scale=0.3)
    params = CubaNodeParams(F(current), F(voltage), jelly_firing(threshold, v_reset))
    assert_same(play("spikingjelly.CUBALIFNode", params, x), library(theirs, x))


class Stepped:
    """A Norse step function with its state carried."""

    def __init__(self, step: Any, state: Any, params: Any, dt: float) -> None:
        self.step, self.state, self.params, self.dt = step, state, params, dt

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        output, self.state = self.step(x, self.state, self.params, self.dt)
        return output


RATES = st.floats(20.0, 900.0, width=32)
LEAKS = st.sampled_from([0.0, -0.5, 0.3])


def product_of(dt: float, rate: float) -> np.float32:
    return F(dt) * F(rate)


@EXAMPLES
@given(SEEDS, RATES, RATES, THRESHOLDS, LEAKS, st.sampled_from([0.0, -0.25]))
def test_norse_lif(seed: int, syn: float, mem: float, threshold: float, leak: float, v_reset: float) -> None:
    from norse.torch.functional import lif

    x, dt = currents(seed), 0.001
    theirs = lif.LIFParameters(*map(torch.tensor, (syn, mem, leak, threshold, v_reset)))
    begin = lif.LIFFeedForwardState(torch.full((NEURONS,), leak), torch.zeros(NEURONS))
    params = NorseLIFParams(product_of(dt, syn), product_of(dt, mem), F(leak), Firing(F(threshold), F(v_reset)))
    assert_same(play("norse.LIF", params, x), library(Stepped(lif.lif_feed_forward_step, begin, theirs, dt), x))


@EXAMPLES
@given(SEEDS, RATES, THRESHOLDS, LEAKS, st.booleans())
def test_norse_lifbox(seed: int, mem: float, threshold: float, leak: float, subtract: bool) -> None:
    from norse.torch.functional import lif_box, reset

    x, dt = currents(seed, scale=3.0), 0.001
    method = reset.reset_subtract if subtract else reset.reset_value
    theirs = lif_box.LIFBoxParameters(*map(torch.tensor, (mem, leak, threshold, 0.0)), reset_method=method)
    begin = lif_box.LIFBoxFeedForwardState(torch.full((NEURONS,), leak))
    firing = Firing(F(threshold), F(0), "subtract" if subtract else "zero")
    params = NorseLIFBoxParams(product_of(dt, mem), F(leak), firing)
    step = Stepped(lif_box.lif_box_feed_forward_step, begin, theirs, dt)
    assert_same(play("norse.LIFBox", params, x), library(step, x))


@EXAMPLES
@given(SEEDS, RATES, RATES, LEAKS)
def test_norse_li_membrane_for_membrane(seed: int, syn: float, mem: float, leak: float) -> None:
    from norse.torch.functional import leaky_integrator, leaky_integrator_box

    x, dt = currents(seed), 0.001
    begin = leaky_integrator.LIState(torch.full((NEURONS,), leak), torch.zeros(NEURONS))
    theirs = leaky_integrator.LIParameters(*map(torch.tensor, (syn, mem, leak)))
    params = NorseLIParams(product_of(dt, syn), product_of(dt, mem), F(leak))
    step = Stepped(leaky_integrator.li_feed_forward_step, begin, theirs, dt)
    assert_same(play("norse.LI", params, x), library(step, x))

    box = leaky_integrator_box.LIBoxParameters(torch.tensor(mem), torch.tensor(leak))
    begin = leaky_integrator_box.LIBoxState(torch.full((NEURONS,), leak))
    step = Stepped(leaky_integrator_box.li_box_feed_forward_step, begin, box, dt)
    assert_same(play("LI", LIParams(product_of(dt, mem), F(1), F(leak)), x), library(step, x))


@EXAMPLES
@given(SEEDS, THRESHOLDS, st.sampled_from([0.0, -0.25]))
def test_norse_iaf_is_nirs_if_with_a_gain_of_one(seed: int, threshold: float, v_reset: float) -> None:
    from norse.torch.functional import iaf

    x = currents(seed)
    begin = iaf.IAFFeedForwardState(torch.full((NEURONS,), v_reset))
    theirs = Stepped(
        iaf.iaf_feed_forward_step, begin, iaf.IAFParameters(torch.tensor(threshold), torch.tensor(v_reset)), 0.001
    )
    assert_same(play("IF", IFParams(F(1), Firing(F(threshold), F(v_reset))), x), library(theirs, x))


@EXAMPLES
@given(SEEDS, RATES, RATES, st.floats(1.0, 200.0, width=32), THRESHOLDS, st.floats(0.0, 2.0, width=32))
def test_norse_lsnn(seed: int, syn: float, mem: float, adapt: float, threshold: float, beta: float) -> None:
    from norse.torch.functional import lsnn

    x, dt = currents(seed), 0.001
    theirs = lsnn.LSNNParameters(*map(torch.tensor, (syn, mem, adapt, 0.0, threshold, 0.0, beta)))
    begin = lsnn.LSNNFeedForwardState(torch.zeros(NEURONS), torch.zeros(NEURONS), torch.full((NEURONS,), threshold))
    rates = (product_of(dt, rate) for rate in (syn, mem, adapt))
    params = LSNNParams(*rates, F(0), F(threshold), F(0), F(beta))
    assert_same(play("norse.LSNN", params, x), library(Stepped(lsnn.lsnn_feed_forward_step, begin, theirs, dt), x))


@EXAMPLES
@given(SEEDS, st.sampled_from(["tonic_spiking", "phasic_bursting", "mixed_mode", "class_1_exc", "accomodation"]))
def test_norse_izhikevich(seed: int, behaviour: str) -> None:
    from norse.torch.functional import izhikevich

    known, dt = getattr(izhikevich, behaviour), 0.001
    p = known.p
    x = currents(seed, scale=20.0)
    v, u = (float(part.detach()) for part in known.s)
    begin = izhikevich.IzhikevichState(torch.full((NEURONS,), v), torch.full((NEURONS,), u))
    rate = p.tau_inv * dt
    numbers = (rate, rate * p.a, p.b, p.c, p.d, v, u, p.sq, p.mn, p.bias, p.v_th)
    ours = play("Izhikevich", IzhikevichParams(*map(F, numbers)), x)
    assert_same(ours, library(Stepped(izhikevich.izhikevich_feed_forward_step, begin, p, dt), x))
    assert ours.sum() > 0


def test_nirs_lif_is_snntorchs_leaky_up_to_rounding() -> None:
    """snnTorch writes Leaky as a LIF of ``tau = dt / (1 - beta)``, ``r = tau / dt``: equal in real numbers. In float32
    a membrane that creeps up to its threshold crosses it in one form and not in the other; with ``beta`` 0.5 and whole
    inputs nothing is rounded, and no spike differs."""
    import snntorch

    def both(beta: float, x: np.ndarray[Any, Any]) -> Any:
        rate = F(1 - beta)
        ours = play("LIF", LIFParams(rate, F(1) / rate, F(0), Firing(F(1), F(0), "subtract", 1)), x)
        return explain_divergence(ours, library(snntorch.Leaky(beta, init_hidden=True), x))

    assert both(0.5, np.round(currents(3))) is None
    creeping = F(0.1) + np.arange(-24, 24) * F(2**-27)
    parted = both(0.9, np.repeat(creeping[None].astype(F), 400, axis=0))
    assert (parted.step, parted.neurons) == (126, ((46,), (47,))), parted.text


def test_the_step_of_a_subtracting_reset_decides_where_libraries_part() -> None:
    """Taken off in the next step, as is snnTorch's default, the threshold has not leaked; taken off at once, it has."""
    import snntorch

    x = np.full((6, 1), 0.75, F)
    late = library(snntorch.Leaky(0.5, init_hidden=True), x)
    at_once = play("snntorch.Leaky", LeakyParams(F(0.5), F(1), "subtract", 0), x)
    parted = explain_divergence(late, at_once)
    assert parted is not None
    assert (parted.step, parted.neurons) == (3, ((0,),)), parted.text


def test_equal_to_the_threshold_fires_in_spikingjelly_only() -> None:
    import snntorch
    from spikingjelly.activation_based import neuron

    x = np.full((3, 2), [1.0, 1.5], F)
    jelly = library(neuron.IFNode(), x)
    torch_spikes = library(snntorch.Leaky(1.0, reset_mechanism="zero", reset_delay=False, init_hidden=True), x)
    parted = explain_divergence(jelly, torch_spikes)
    assert parted is not None
    assert (parted.step, parted.neurons) == (0, ((0,),))
    assert "neuron 0 gives 1 and 0" in parted.text


def test_alif_needs_more_each_time() -> None:
    """By hand, alpha 0.5, rho 0.5, beta 1, threshold 1, input 1.25: thresholds 1, 1.5, 1.25, 1.625."""
    params = ALIFParams(F(0.5), F(0.5), F(1), Firing(F(1)))
    x = np.full((4, 1), 1.25, F)
    assert play("ALIF", params, x).ravel().tolist() == [1, 0, 1, 0]


def test_current_reaches_the_membrane_in_its_own_step() -> None:
    """rate_syn 0.5, rate_mem 0.5, w_in 4, one input of 1: i = 2, 1, 0.5; v = 1, 1, 0.75."""
    x = np.array([[1], [0], [0]], F)
    firing = Firing(F(10))
    params = CubaLIFParams(F(0.5), F(0.5), F(1), F(0), F(4), firing)
    state = MODELS["CubaLIF"].initial(params)
    seen = []
    for now in x:
        _, state = MODELS["CubaLIF"].step(now, state, params, NumpyOps())
        seen.append((float(state.i[0]), float(state.v[0])))
    assert seen == [(2, 1), (1, 1), (0.5, 0.75)]


@pytest.mark.parametrize("reset", ["zero", "subtract"])
def test_a_late_reset_leaves_the_membrane_for_one_step(reset: Any) -> None:
    params = IFParams(F(1), Firing(F(1), F(0), reset, 1))
    state = MODELS["IF"].initial(params)
    seen = []
    for now in np.full((3, 1), 1.5, F):
        spike, state = MODELS["IF"].step(now, state, params, NumpyOps())
        seen.append((float(spike[0]), float(state.v[0])))
    assert seen == [(1, 1.5), (1, 1.5), (1, 1.5)] if reset == "zero" else [(1, 1.5), (1, 2.0), (1, 2.5)]


def test_models_ask_for_nothing_but_arithmetic_and_ops() -> None:
    """A model that called numpy could not be turned into other code."""
    folder = Path(__file__).parents[3] / "src" / "edgeproof" / "spike" / "neurons"
    for path in folder.glob("*.py"):
        if path.name == "ops.py":
            continue
        imported = {
            name.name.partition(".")[0] if isinstance(node, ast.Import) else (node.module or "").partition(".")[0]
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Import | ast.ImportFrom)
            for name in node.names
        }
        assert imported <= {"__future__", "collections", "dataclasses", "edgeproof", "types", "typing"}, path.name
