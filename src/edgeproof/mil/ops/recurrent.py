"""Sequences, step after step: ``x`` (steps, batch, in), states (batch, hidden). Sums of float16 are taken in float16.

``reverse`` goes from the last step to the first and gives its steps in that order; of ``bidirectional`` the backward
half stands beside the step that it belongs to.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels import sums
from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = ["gru", "gru_ios18", "lstm", "rnn"]

Activation = Callable[[torch.Tensor], torch.Tensor]
ACTIVATIONS: dict[str, Activation] = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "linear": lambda x: x,
    "scaled_tanh": torch.tanh,
    "hard_sigmoid": lambda x: x.mul(0.2).add_(0.5).clamp_(0, 1),
}
ACTIVATIONS["sigmoid_hard"] = ACTIVATIONS["hard_sigmoid"]


def _activation(name: str) -> Activation:
    known = ACTIVATIONS.get(name.lower())
    if known is None:
        raise ArtifactError(f"the activation {name!r} is not known; expected one of {', '.join(ACTIVATIONS)}")
    return known


def _product(x: torch.Tensor, weight: torch.Tensor, added: torch.Tensor | None) -> torch.Tensor:
    """``x @ weight.T + added``."""
    if x.dtype == torch.float16:
        result = tensor(sums.matmul(array(x), array(weight.t())))
        return result if added is None else result + added
    return torch.mm(x, weight.t()) if added is None else torch.addmm(added, x, weight.t())


def _check(x: Array, weight_ih: Array, weight_hh: Array, gates: int, states: dict[str, tuple[Array, int]]) -> None:
    if x.ndim != 3 or x.shape[0] < 1:
        raise ArtifactError(f"x has the shape {list(x.shape)}; expected (steps, batch, in) with a step or more")
    hidden = weight_hh.shape[-1]
    if weight_hh.shape != (gates * hidden, hidden) or weight_ih.shape != (gates * hidden, x.shape[2]):
        raise ArtifactError(
            f"its weights are {list(weight_ih.shape)} and {list(weight_hh.shape)}; expected ({gates} * hidden, "
            f"{x.shape[2]}) and ({gates} * hidden, hidden)"
        )
    for name, (state, halves) in states.items():
        if state.ndim != 2 or state.shape[0] < x.shape[1] or state.shape[1] != halves * hidden:
            raise ArtifactError(f"{name} is {list(state.shape)}; expected {[x.shape[1], halves * hidden]}")


def _rows(state: Array, x: Array) -> torch.Tensor:
    """A state's rows of the batch: of packed sequences the converter writes a row for each step and sequence."""
    return tensor(state[: x.shape[1]])


def _vector(given: Array | None, length: int, name: str) -> torch.Tensor | None:
    if given is None:
        return None
    if given.shape != (length,):
        raise ArtifactError(f"its {name} has the shape {list(given.shape)}; expected {[length]}")
    return tensor(given)


def _inputs(x: Array, weight: Array, bias: torch.Tensor | None, direction: str, budget: Budget) -> list[torch.Tensor]:
    """What each step adds to the gates, all steps at once, in the order of the steps."""
    if direction not in ("forward", "reverse"):
        raise ArtifactError(f"the direction {direction!r} is not known here; expected forward or reverse")
    budget.room((*x.shape[:2], weight.shape[0]), x.itemsize)
    flat = tensor(x).reshape(-1, x.shape[2])
    steps = list(_product(flat, tensor(weight), bias).reshape(*x.shape[:2], -1).unbind(0))
    return steps if direction == "forward" else steps[::-1]


def _given(states: list[torch.Tensor], output_sequence: bool) -> tuple[Array, Array]:
    """All states, or the last one of them as one step; and the last one."""
    return array(torch.stack(states if output_sequence else states[-1:])), array(states[-1])


@op("rnn")
def rnn(
    x: Array,
    initial_h: Array,
    weight_ih: Array,
    weight_hh: Array,
    budget: Budget,
    bias: Array | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    activation: str = "tanh",
) -> tuple[Array, Array]:
    """``h = activation(weight_ih @ x + bias + weight_hh @ h)`` for each step.

    Gives all ``h`` (or the last one, of one step) and the last ``h``.
    """
    _check(x, weight_ih, weight_hh, 1, {"initial_h": (initial_h, 1)})
    act, h, weight = _activation(activation), _rows(initial_h, x), tensor(weight_hh)
    states = []
    for given in _inputs(x, weight_ih, _vector(bias, weight_hh.shape[0], "bias"), direction, budget):
        h = act(_product(h, weight, given))
        states.append(h)
    return _given(states, output_sequence)


@op("gru")
def gru(
    x: Array,
    initial_h: Array,
    weight_ih: Array,
    weight_hh: Array,
    budget: Budget,
    bias: Array | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    recurrent_activation: str = "sigmoid",
    activation: str = "tanh",
) -> tuple[Array, Array]:
    """Gated recurrent units, the weights in the order r, o, z: for each step

    ``r = recurrent_activation(W_ir @ x + W_hr @ h + b_r)``, ``z`` alike,
    ``o = activation(W_io @ x + W_ho @ (r * h) + b_o)``, ``h = (1 - z) * o + z * h``.

    Gives all ``h`` (or the last one, of one step) and the last ``h``.
    """
    _check(x, weight_ih, weight_hh, 3, {"initial_h": (initial_h, 1)})
    hidden = weight_hh.shape[1]
    gate, act, h = _activation(recurrent_activation), _activation(activation), _rows(initial_h, x)
    reset, new, update = tensor(weight_hh).chunk(3)
    both = torch.cat((reset, update))
    states = []
    for given in _inputs(x, weight_ih, _vector(bias, 3 * hidden, "bias"), direction, budget):
        of_reset, of_new, of_update = given.chunk(3, 1)
        r, z = gate(_product(h, both, torch.cat((of_reset, of_update), 1))).chunk(2, 1)
        o = act(_product(r * h, new, of_new))
        h = (1 - z) * o + z * h
        states.append(h)
    return _given(states, output_sequence)


@op("gru", "iOS18")
def gru_ios18(
    x: Array,
    initial_h: Array,
    weight_ih: Array,
    weight_hh: Array,
    budget: Budget,
    bias: Array | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    recurrent_activation: str = "sigmoid",
    activation: str = "tanh",
    reset_after: bool = False,
    input_bias: Array | None = None,
) -> tuple[Array, Array]:
    """``gru`` with ``input_bias`` added to what ``x`` gives, and ``bias`` to what ``h`` gives.

    With ``reset_after`` the reset gate comes after the product, as in PyTorch:
    ``o = activation(W_io @ x + input_bias_o + r * (W_ho @ h + bias_o))``.
    """
    _check(x, weight_ih, weight_hh, 3, {"initial_h": (initial_h, 1)})
    hidden = weight_hh.shape[1]
    of_state, of_input = _vector(bias, 3 * hidden, "bias"), _vector(input_bias, 3 * hidden, "input_bias")
    if not reset_after:
        total = of_state if of_input is None else of_input if of_state is None else of_state + of_input
        added = None if total is None else array(total)
        return gru(
            x,
            initial_h,
            weight_ih,
            weight_hh,
            budget,
            added,
            direction,
            output_sequence,
            recurrent_activation,
            activation,
        )
    gate, act, h = _activation(recurrent_activation), _activation(activation), _rows(initial_h, x)
    weight, states = tensor(weight_hh), []
    for given in _inputs(x, weight_ih, of_input, direction, budget):
        r_in, o_in, z_in = given.chunk(3, 1)
        r_h, o_h, z_h = _product(h, weight, of_state).chunk(3, 1)
        r, z = gate(r_in + r_h), gate(z_in + z_h)
        o = act(o_in + r * o_h)
        h = (1 - z) * o + z * h
        states.append(h)
    return _given(states, output_sequence)


@op("lstm")
def lstm(
    x: Array,
    initial_h: Array,
    initial_c: Array,
    weight_ih: Array,
    weight_hh: Array,
    budget: Budget,
    bias: Array | None = None,
    peephole: Array | None = None,
    weight_ih_back: Array | None = None,
    weight_hh_back: Array | None = None,
    bias_back: Array | None = None,
    peephole_back: Array | None = None,
    direction: str = "forward",
    output_sequence: bool = False,
    recurrent_activation: str = "sigmoid",
    cell_activation: str = "tanh",
    activation: str = "tanh",
    clip: float | None = None,
) -> tuple[Array, Array, Array]:
    """Long short-term memory, the weights in the order i, f, o, z: for each step, with ``a`` for the first activation

    ``i = a(W_ii @ x + W_hi @ h + b_i + p_i * c)``, ``f`` alike, ``z = cell_activation(W_iz @ x + W_hz @ h + b_z)``,
    ``c = f * c + i * z``, clipped to ``[-clip, clip]``,
    ``o = a(W_io @ x + W_ho @ h + b_o + p_o * c)``, ``h = o * activation(c)``.

    ``bidirectional`` runs forward, and backward with the ``_back`` weights; the states have both halves side by side.
    Gives all ``h`` (or the last one of each direction, as one step), the last ``h`` and the last ``c``.
    """
    halves = 2 if direction == "bidirectional" else 1
    _check(x, weight_ih, weight_hh, 4, {"initial_h": (initial_h, halves), "initial_c": (initial_c, halves)})
    hidden = weight_hh.shape[1]
    acts = _activation(recurrent_activation), _activation(cell_activation), _activation(activation)
    h, c = _rows(initial_h, x), _rows(initial_c, x)

    usual = (recurrent_activation, cell_activation, activation) == ("sigmoid", "tanh", "tanh") and clip is None

    def run(
        way: str, part: slice, ih: Array, hh: Array, offset: Array | None, peep: Array | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """``h`` after each step, in the order of the steps taken, and the last ``c``."""
        added = _vector(offset, 4 * hidden, "bias")
        if usual and peep is None and x.dtype == np.float32 and way in ("forward", "reverse"):
            budget.room((*x.shape[:2], 4 * hidden), x.itemsize)
            return _lstm_whole(
                tensor(x) if way == "forward" else tensor(x).flip(0), h[:, part], c[:, part], ih, hh, added
            )
        steps = _inputs(x, ih, added, way, budget)
        return _lstm_steps(steps, h[:, part], c[:, part], tensor(hh), _vector(peep, 3 * hidden, "peephole"), acts, clip)

    if halves == 1:
        states, last = run(direction, slice(None), weight_ih, weight_hh, bias, peephole)
        return array(states if output_sequence else states[-1:]), array(states[-1]), array(last)
    if weight_ih_back is None or weight_hh_back is None:
        raise ArtifactError("both directions need weight_ih_back and weight_hh_back")
    _check(x, weight_ih_back, weight_hh_back, 4, {"initial_h": (initial_h, 2)})
    ahead, c_ahead = run("forward", slice(hidden), weight_ih, weight_hh, bias, peephole)
    back, c_back = run("reverse", slice(hidden, None), weight_ih_back, weight_hh_back, bias_back, peephole_back)
    end = torch.cat((ahead[-1], back[-1]), 1)
    every = torch.cat((ahead, back.flip(0)), 2) if output_sequence else end[None]
    return array(every), array(end), array(torch.cat((c_ahead, c_back), 1))


def _lstm_whole(
    x: torch.Tensor, h: torch.Tensor, c: torch.Tensor, ih: Array, hh: Array, bias: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """One direction by torch's kernel, whose gates are in the order i, f, z, o."""

    def ordered(values: torch.Tensor) -> torch.Tensor:
        i, f, o, z = values.chunk(4)
        return torch.cat((i, f, z, o))

    weights = [ordered(tensor(ih)), ordered(tensor(hh))]
    if bias is not None:
        weights += [ordered(bias), torch.zeros_like(bias)]
    state = (h[None].contiguous(), c[None].contiguous())
    states, _, last = torch.lstm(x, state, weights, bias is not None, 1, 0.0, False, False, False)
    return states, last[0]


def _lstm_steps(
    inputs: list[torch.Tensor],
    h: torch.Tensor,
    c: torch.Tensor,
    weight: torch.Tensor,
    peephole: torch.Tensor | None,
    acts: tuple[Activation, Activation, Activation],
    clip: float | None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """One direction, step by step."""
    gate, cell, out = acts
    hidden = weight.shape[1]
    states = []
    for given in inputs:
        sums_of = _product(h, weight, given)
        if peephole is None:
            i, f, o = gate(sums_of[:, : 3 * hidden]).chunk(3, 1)
        else:
            i, f = gate(sums_of[:, : 2 * hidden] + c.repeat(1, 2) * peephole[: 2 * hidden]).chunk(2, 1)
        c = f * c + i * cell(sums_of[:, 3 * hidden :])
        if clip is not None:
            c = c.clamp(-clip, clip)
        if peephole is not None:
            o = gate(sums_of[:, 2 * hidden : 3 * hidden] + c * peephole[2 * hidden :])
        h = o * out(c)
        states.append(h)
    return torch.stack(states), c
