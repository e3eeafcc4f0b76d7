"""Recurrent networks, against loops written from MIL's formulas and against torch's modules."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mil.ops.calling import call

from edgeproof.errors import ArtifactError

Few = settings(max_examples=25, deadline=None, derandomize=True)
HALF_BOUND = 0.05
"""Of float16: some dozen roundings of values within 4, over at most 4 steps."""

ACTS: dict[str, Callable[[float], float]] = {
    "sigmoid": lambda x: 1 / (1 + math.exp(-x)),
    "tanh": math.tanh,
    "relu": lambda x: max(0.0, x),
    "linear": lambda x: x,
    "scaled_tanh": math.tanh,
    "hard_sigmoid": lambda x: min(max(0.2 * x + 0.5, 0.0), 1.0),
}
NAMES = st.sampled_from(sorted(ACTS))


def act(name: str, values: np.ndarray) -> np.ndarray:
    return np.vectorize(ACTS[name], otypes=[np.float64])(values)


def some(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype(np.float32)


@st.composite
def cases(draw: st.DrawFn, gates: int, directions: list[str]) -> dict[str, Any]:
    steps, batch, inner, hidden = (draw(st.integers(1, 4)) for _ in range(4))
    seed = draw(st.integers(0, 99))
    direction = draw(st.sampled_from(directions))
    halves = 2 if direction == "bidirectional" else 1
    result = {
        "x": some(seed, steps, batch, inner),
        "initial_h": some(seed + 1, batch, halves * hidden),
        "weight_ih": some(seed + 2, gates * hidden, inner),
        "weight_hh": some(seed + 3, gates * hidden, hidden),
        "direction": direction,
        "output_sequence": draw(st.booleans()),
    }
    if draw(st.booleans()):
        result["bias"] = some(seed + 4, gates * hidden)
    return result


def steps_of(case: dict[str, Any]) -> list[np.ndarray]:
    steps = list(case["x"].astype(np.float64))
    return steps[::-1] if case["direction"] == "reverse" else steps


def compared(case: dict[str, Any], name: str, expected: list[np.ndarray], last: list[np.ndarray], half: bool) -> None:
    if half:
        case = {
            key: value.astype(np.float16) if isinstance(value, np.ndarray) else value for key, value in case.items()
        }
    results = call(name, **case)
    every = np.stack(expected if case["output_sequence"] else expected[-1:])
    for result, wanted in zip(results, [every, *last], strict=True):
        assert result.dtype == case["x"].dtype
        assert result.shape == wanted.shape
        np.testing.assert_allclose(result, wanted, atol=HALF_BOUND if half else 1e-5, rtol=HALF_BOUND if half else 1e-4)


@given(case=cases(1, ["forward", "reverse"]), activation=NAMES, half=st.booleans())
@Few
def test_rnn(case: dict[str, Any], activation: str, half: bool) -> None:
    h, states = case["initial_h"].astype(np.float64), []
    for x in steps_of(case):
        h = act(activation, x @ case["weight_ih"].T + h @ case["weight_hh"].T + case.get("bias", 0))
        states.append(h)
    compared(case | {"activation": activation}, "rnn", states, [h], half)


@given(
    case=cases(3, ["forward", "reverse"]),
    names=st.tuples(NAMES, NAMES),
    half=st.booleans(),
    after=st.booleans(),
    extra=st.booleans(),
)
@Few
def test_gru(case: dict[str, Any], names: tuple[str, str], half: bool, after: bool, extra: bool) -> None:
    hidden = case["weight_hh"].shape[1]
    bias = np.split(case.get("bias", np.zeros(3 * hidden)), 3)
    given_bias = some(7, 3 * hidden) if extra else np.zeros(3 * hidden)
    offset = np.split(given_bias, 3)
    ih, hh = np.split(case["weight_ih"].astype(np.float64), 3), np.split(case["weight_hh"].astype(np.float64), 3)
    h, states = case["initial_h"].astype(np.float64), []
    for x in steps_of(case):
        r = act(names[0], x @ ih[0].T + offset[0] + h @ hh[0].T + bias[0])
        z = act(names[0], x @ ih[2].T + offset[2] + h @ hh[2].T + bias[2])
        if after:
            o = act(names[1], x @ ih[1].T + offset[1] + r * (h @ hh[1].T + bias[1]))
        else:
            o = act(names[1], x @ ih[1].T + offset[1] + (r * h) @ hh[1].T + bias[1])
        h = (1 - z) * o + z * h
        states.append(h)
    case = case | {"recurrent_activation": names[0], "activation": names[1], "reset_after": after}
    compared(case | ({"input_bias": given_bias} if extra else {}), "gru", states, [h], half)


def lstm_way(
    xs: list[np.ndarray],
    h: np.ndarray,
    c: np.ndarray,
    case: dict[str, Any],
    back: str,
    names: tuple[str, ...],
    clip: float | None,
) -> tuple[list[np.ndarray], np.ndarray]:
    """One direction, gate by gate."""
    hidden = h.shape[1]
    ih, hh = np.split(case["weight_ih" + back], 4), np.split(case["weight_hh" + back], 4)
    bias = np.split(case.get("bias" + back, np.zeros(4 * hidden)), 4)
    peep = np.split(case.get("peephole" + back, np.zeros(3 * hidden)), 3)
    states = []
    for x in xs:
        raw = [x @ ih[at].T.astype(np.float64) + h @ hh[at].T + bias[at] for at in range(4)]
        i, f = act(names[0], raw[0] + peep[0] * c), act(names[0], raw[1] + peep[1] * c)
        c = f * c + i * act(names[1], raw[3])
        if clip is not None:
            c = np.minimum(np.maximum(c, -clip), clip)
        o = act(names[0], raw[2] + peep[2] * c)
        h = o * act(names[2], c)
        states.append(h)
    return states, c


@given(
    case=cases(4, ["forward", "reverse", "bidirectional"]),
    names=st.just(("sigmoid", "tanh", "tanh")) | st.tuples(NAMES, NAMES, NAMES),
    peephole=st.booleans(),
    clip=st.sampled_from([None, 0.3, 5.0]),
    half=st.booleans(),
)
@Few
def test_lstm(
    case: dict[str, Any], names: tuple[str, str, str], peephole: bool, clip: float | None, half: bool
) -> None:
    both = case["direction"] == "bidirectional"
    hidden = case["weight_hh"].shape[1]
    case["initial_c"] = some(5, *case["initial_h"].shape)
    if both:
        case |= {f"weight_{part}_back": some(6, *case[f"weight_{part}"].shape) for part in ("ih", "hh")}
        case["bias_back"] = some(8, 4 * hidden)
    for back in ("", "_back") if both else ("",):
        if peephole:
            case["peephole" + back] = some(9, 3 * hidden)
    h, c = case["initial_h"].astype(np.float64), case["initial_c"].astype(np.float64)
    states, last = lstm_way(steps_of(case), h[:, :hidden], c[:, :hidden], case, "", names, clip)
    end = states[-1]
    if both:
        mirrored, last_back = lstm_way(steps_of(case)[::-1], h[:, hidden:], c[:, hidden:], case, "_back", names, clip)
        end = np.concatenate((states[-1], mirrored[-1]), 1)
        last = np.concatenate((last, last_back), 1)
        states = [np.concatenate(pair, 1) for pair in zip(states, mirrored[::-1], strict=True)]
        if not case["output_sequence"]:
            states = [end]
    case |= {"recurrent_activation": names[0], "cell_activation": names[1], "activation": names[2]}
    compared(case | ({} if clip is None else {"clip": clip}), "lstm", states, [end, last], half)


def test_lstm_is_that_of_torch() -> None:
    torch.manual_seed(0)
    module = torch.nn.LSTM(3, 4, bidirectional=True)
    x, state = torch.randn(5, 2, 3), (torch.randn(2, 2, 4), torch.randn(2, 2, 4))
    with torch.no_grad():
        every, (h, c) = module(x, state)
    held = {name: parameter.detach().numpy() for name, parameter in module.named_parameters()}

    def ordered(values: np.ndarray) -> np.ndarray:
        i, f, z, o = np.split(values, 4)
        return np.concatenate((i, f, o, z))

    def beside(values: torch.Tensor) -> np.ndarray:
        return np.concatenate((values[0].numpy(), values[1].numpy()), 1)

    results = call(
        "lstm",
        x=x.numpy(),
        initial_h=beside(state[0]),
        initial_c=beside(state[1]),
        weight_ih=ordered(held["weight_ih_l0"]),
        weight_hh=ordered(held["weight_hh_l0"]),
        bias=ordered(held["bias_ih_l0"] + held["bias_hh_l0"]),
        weight_ih_back=ordered(held["weight_ih_l0_reverse"]),
        weight_hh_back=ordered(held["weight_hh_l0_reverse"]),
        bias_back=ordered(held["bias_ih_l0_reverse"] + held["bias_hh_l0_reverse"]),
        direction="bidirectional",
        output_sequence=True,
    )
    for result, expected in zip(results, [every.numpy(), beside(h), beside(c)], strict=True):
        np.testing.assert_allclose(result, expected, atol=1e-6)


def test_gru_with_the_reset_after_the_product_is_that_of_torch() -> None:
    torch.manual_seed(0)
    module = torch.nn.GRU(3, 4)
    x, h = torch.randn(5, 2, 3), torch.randn(1, 2, 4)
    with torch.no_grad():
        every, last = module(x, h)

    def ordered(name: str) -> np.ndarray:
        r, z, o = np.split(getattr(module, name).detach().numpy(), 3)
        return np.concatenate((r, o, z))

    results = call(
        "gru",
        x=x.numpy(),
        initial_h=h[0].numpy(),
        weight_ih=ordered("weight_ih_l0"),
        weight_hh=ordered("weight_hh_l0"),
        input_bias=ordered("bias_ih_l0"),
        bias=ordered("bias_hh_l0"),
        reset_after=True,
        output_sequence=True,
    )
    np.testing.assert_allclose(results[0], every.numpy(), atol=1e-6)
    np.testing.assert_allclose(results[1], last[0].numpy(), atol=1e-6)


@pytest.mark.parametrize(("name", "gates"), [("rnn", 1), ("gru", 3), ("lstm", 4)])
def test_states_with_more_rows_than_the_batch_give_it_theirs(name: str, gates: int) -> None:
    """As the converter writes packed sequences."""
    arguments = {"x": some(0, 2, 3, 5), "weight_ih": some(2, gates * 4, 5), "weight_hh": some(3, gates * 4, 4)}
    states = {"initial_h": some(1, 3, 4)} | ({"initial_c": some(4, 3, 4)} if name == "lstm" else {})
    more = {key: np.concatenate([state, state + 1]) for key, state in states.items()}
    for found, expected in zip(call(name, **arguments, **more), call(name, **arguments, **states), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_what_does_not_fit_is_refused() -> None:
    arguments = {
        "x": some(0, 2, 1, 3),
        "initial_h": some(1, 1, 4),
        "weight_ih": some(2, 4, 3),
        "weight_hh": some(3, 4, 4),
    }
    with pytest.raises(ArtifactError, match="activation"):
        call("rnn", **arguments, activation="gelu")
    with pytest.raises(ArtifactError, match="direction"):
        call("rnn", **arguments, direction="bidirectional")
    with pytest.raises(ArtifactError, match="weights"):
        call("gru", **arguments)
    with pytest.raises(ArtifactError, match="initial_h"):
        call("rnn", **(arguments | {"initial_h": some(1, 2, 4)[:0]}))
    with pytest.raises(ArtifactError, match="initial_h"):
        call("rnn", **(arguments | {"initial_h": some(1, 2, 5)}))
    with pytest.raises(ArtifactError, match="bias"):
        call("rnn", **arguments, bias=some(1, 5))
    gates = {
        "weight_ih": some(2, 16, 3),
        "weight_hh": some(3, 16, 4),
        "initial_c": some(1, 1, 8),
        "initial_h": some(1, 1, 8),
    }
    with pytest.raises(ArtifactError, match="both directions"):
        call("lstm", **(arguments | gates), direction="bidirectional")
