"""A module that takes a whole sequence becomes a step where that is measured to do the same, and else stays whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import norse.torch as norse
import numpy as np
import pytest
import snntorch as snn
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

from edgeproof.documents.signature import Readout
from edgeproof.errors import SignatureError
from edgeproof.model.model import Model, Samples
from edgeproof.model.resolve import resolve_model
from edgeproof.model.spine import export_spine, load_spine
from edgeproof.model.subject import Subject

STEPS = 6
X = 8 * np.random.default_rng(0).random((20, STEPS, 1, 12)).astype(np.float32)


def in_multi_step_mode(*parts: nn.Module) -> nn.Module:
    net = nn.Sequential(*parts)
    functional.set_step_mode(net, "m")
    return net


class ReadOut(nn.Module):
    """SpikingJelly's neurons in multi-step mode, and what is made of their spikes over time."""

    def __init__(self, how: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self.net = in_multi_step_mode(layer.Linear(12, 8), neuron.IFNode(v_threshold=0.7))
        self.how = how

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.how(self.net(x))


class Loop(nn.Module):
    """A loop by itself; the neurons keep their state over the end of a call."""

    def __init__(self) -> None:
        super().__init__()
        self.fc, self.neurons = nn.Linear(12, 8), snn.Leaky(beta=0.8, init_hidden=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([self.neurons(self.fc(now)) for now in x])


class Anew(Loop):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.neurons.reset_mem()
        return super().forward(x)


class Fixed(Loop):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.reshape(STEPS, 1, 12))


class Counting(Loop):
    """Its state is a number of Python."""

    turn = 0

    def __init__(self) -> None:
        super().__init__()
        self.turn = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        outputs = []
        for now in x:
            outputs.append(self.fc(now) * (self.turn % 3))
            self.turn += 1
        return torch.stack(outputs)


class Silent(Loop):
    """Nothing of a batch is seen in its output: no neuron fires, whatever the first axis is."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.neurons(self.fc(x) * 0.01)  # type: ignore[no-any-return]


def resolved(module: nn.Module, x: np.ndarray = X, **options: object) -> Subject:
    torch.manual_seed(0)
    model = Model(
        module, inputs=[f"x:float32[{','.join(map(str, x.shape[1:]))}]"], samples=Samples({"x": x}), **options
    )  # type: ignore[arg-type]
    return resolve_model(model).subject


def looped(subject: Subject, x: np.ndarray, folder: Path) -> list[np.ndarray]:
    """The exported step, driven by hand."""
    export_spine(subject, "step", {"x": x}, folder, address="multi")
    spine = load_spine(folder, {"x": x})
    loop = spine.document.loop
    assert loop is not None
    module = spine.program.module()
    states = [
        torch.zeros(state.shape) if state.initial is None else torch.from_numpy(spine.initial[state.initial].copy())
        for state in loop.states
    ]
    steps = []
    with torch.no_grad():
        for now in torch.from_numpy(x[0]):
            results = module(now.clone(), *states)
            steps.append([values.numpy() for values in results[: len(loop.readouts)]])
            states = list(results[len(loop.readouts) :])
    pick = {"sum": lambda s: s.sum(0), "mean": lambda s: s.mean(0), "last": lambda s: s[-1], "stack": lambda s: s}
    return [pick[how](np.stack(values)) for how, values in zip(loop.readouts, zip(*steps, strict=True), strict=True)]


@pytest.mark.parametrize(
    ("make", "readout", "options"),
    [
        (lambda: in_multi_step_mode(layer.Linear(12, 8), neuron.LIFNode()), "stack", {}),
        (lambda: ReadOut(lambda spikes: spikes.sum(0)), "sum", {}),
        (lambda: ReadOut(lambda spikes: spikes.mean(0)), "mean", {}),
        (lambda: ReadOut(lambda spikes: spikes[-1]), "last", {}),
        (Loop, "stack", {}),
        (
            lambda: norse.SequentialState(norse.Lift(nn.Linear(12, 8)), norse.LIF(), norse.LI()),
            "stack",
            {"explicit_state": True},
        ),
    ],
    ids=["SpikingJelly", "sum", "mean", "last", "snnTorch in a loop", "Norse"],
)
def test_the_step_gives_what_the_whole_call_gives(
    make: Callable[[], nn.Module], readout: Readout, options: dict[str, object], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    module = make()
    subject = resolved(module, **options)
    assert subject.forms == ("unrolled", "step")
    assert subject.signature.timesteps == STEPS
    assert subject.signature.whole_because is None
    loop = subject.step()[1]
    assert loop.readouts == (readout,)
    assert not any("module" in state.name for state in loop.states)
    (note,) = subject.signature.notes
    assert note.startswith("the module takes all 6 time steps in one call, and is taken step by step too")
    assert "16 real samples" in note
    with torch.no_grad():
        wholes = [subject.call(torch.from_numpy(sample))[0] for sample in X]
    at, whole = next((index, found) for index, found in enumerate(wholes) if found.any())
    (steps,) = looped(subject, X[at:], tmp_path / "step")
    np.testing.assert_allclose(steps, whole.numpy(), atol=1e-6)
    document = export_spine(subject, "unrolled", {"x": X}, tmp_path / "unrolled", address="multi")
    assert document.loop is None
    assert document.graph_inputs == subject.signature.inputs


def test_images_and_a_batch_of_several(tmp_path: Path) -> None:
    torch.manual_seed(1)
    net = in_multi_step_mode(
        layer.Conv2d(2, 4, 3), layer.BatchNorm2d(4), neuron.LIFNode(), layer.MaxPool2d(2), layer.Flatten(),
        layer.Linear(16, 3), neuron.IFNode(v_threshold=0.3),
    )  # fmt: skip
    x = 4 * np.random.default_rng(2).random((8, STEPS, 3, 2, 6, 6)).astype(np.float32)
    subject = resolved(net, x)
    with torch.no_grad():
        (whole,) = subject.call(torch.from_numpy(x[0]))
    assert whole.shape == (STEPS, 3, 3)
    assert whole.any()
    np.testing.assert_allclose(looped(subject, x, tmp_path)[0], whole.numpy(), atol=1e-6)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: ReadOut(lambda spikes: spikes * torch.softmax(spikes.mean((1, 2)), 0)[:, None, None]), "at once"),
        (lambda: ReadOut(lambda spikes: spikes - spikes.mean(0)), "output is not at every time step what the step"),
        (lambda: ReadOut(lambda spikes: spikes.amax(0)), "neither the last, the sum nor the mean"),
        (lambda: ReadOut(lambda spikes: (0 * spikes).sum(0)), "may be the last or the sum or the mean of its time"),
        (lambda: ReadOut(lambda spikes: spikes[::2]), "output is [3, 1, 8] for 6 time steps and [1, 1, 8] for one"),
        (Anew, "or begins each call anew"),
        (Fixed, "the module does not run on one time step: RuntimeError: shape '[6, 1, 12]' is invalid"),
        (Counting, "hidden state module.turn is a int, not a tensor"),
        (Silent, "a whole call leaves another state than its steps do"),
    ],
)
def test_what_needs_the_whole_sequence_is_left_whole_and_says_why(make: Callable[[], nn.Module], why: str) -> None:
    torch.manual_seed(0)
    subject = resolved(make())
    assert subject.forms == ("whole",)
    assert subject.signature.timesteps is None
    assert subject.signature.notes == ()
    assert why in (subject.signature.whole_because or "")
    with pytest.raises(SignatureError, match="no one-step form"):
        subject.step()


def test_a_norm_over_the_sequence_is_left_whole() -> None:
    class Normed(Loop):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.BatchNorm1d(12, track_running_stats=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return super().forward(self.norm(x.reshape(-1, 12)).reshape(x.shape))

    assert "does not run on one time step: ValueError" in (resolved(Normed()).signature.whole_because or "")


@pytest.mark.parametrize("module", [nn.Linear(12, 8), nn.LSTM(12, 8)], ids=["a batch", "a sequence"])
def test_a_module_without_state_is_no_question(module: nn.Module) -> None:
    signature = resolved(module).signature
    assert (signature.timesteps, signature.whole_because, signature.notes) == (None, None, ())


def test_a_state_that_the_caller_carries_is_no_output_of_a_whole_call() -> None:
    class Ahead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.cells = norse.SequentialState(norse.Lift(nn.Linear(12, 8)), norse.LI())

        def forward(self, x: torch.Tensor, state: object) -> tuple[torch.Tensor, object]:
            return self.cells(x - x.mean(0), state)  # type: ignore[no-any-return]

    subject = resolved(Ahead(), explicit_state=True)
    assert subject.forms == ("whole",)
    assert [spec.shape for spec in subject.signature.outputs] == [(STEPS, 1, 8)]
    assert "at every time step" in (subject.signature.whole_because or "")


def test_inputs_of_different_lengths() -> None:
    class Two(Loop):
        def forward(self, x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
            return super().forward(x + bias)

    model = Model(Two(), inputs=["x:float32[6,1,12]", "bias:float32[1,12]"])
    why = resolve_model(model).subject.signature.whole_because
    assert why == "the inputs have first axes of different lengths"


def test_without_samples_it_is_measured_on_random_ones() -> None:
    model = Model(in_multi_step_mode(layer.Linear(12, 8), neuron.LIFNode()), inputs=["x:float32[6,1,12]"])
    (note,) = resolve_model(model).subject.signature.notes
    assert "on 16 random samples" in note
