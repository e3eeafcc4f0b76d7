"""The forms compute the same: a loop by hand, the unrolled call, and one step driven by the session's loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.zoo.models import FACTORIES
from torch import nn

from edgeproof.documents.artifact import ArtifactDocument, Binding
from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import SignatureError
from edgeproof.formats.session import ArtifactSession
from edgeproof.model.forms import caller
from edgeproof.model.model import Model
from edgeproof.model.outputs import flatten_output
from edgeproof.model.subject import Subject, make_subject

STEPS = 4


class Leak(nn.Module):
    """One step with two outputs and state in the open of nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 3)
        self.level: torch.Tensor | None = None

    def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
        now = self.linear(x)
        self.level = now if self.level is None else 0.7 * self.level + now
        return {"level": self.level, "fired": (self.level > 0).float()}


class Carried(nn.Module):
    """The same with its state carried by the caller."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 3)

    def forward(self, x: torch.Tensor, state: Any) -> tuple[dict[str, torch.Tensor], Any]:
        level = 0.0 if state is None else state[0]
        level = 0.7 * level + self.linear(x)
        return {"level": level, "fired": (level > 0).float()}, (level, "a note")


def by_hand(encoding: str, readouts: Sequence[str], x: torch.Tensor) -> list[torch.Tensor]:
    torch.manual_seed(0)
    linear = nn.Linear(5, 3)
    level = torch.zeros(1, 3)
    levels, fired = [], []
    with torch.no_grad():
        for step in range(STEPS):
            level = 0.7 * level + linear(x[step] if encoding == "sequence" else x)
            levels.append(level)
            fired.append((level > 0).float())
    pick = {"sum": lambda s: s.sum(0), "mean": lambda s: s.mean(0), "last": lambda s: s[-1], "stack": lambda s: s}
    return [pick[how](torch.stack(values)) for values, how in zip((levels, fired), readouts, strict=True)]


def a_model(kind: Callable[[], nn.Module], encoding: str, readout: Any, **options: Any) -> Model:
    torch.manual_seed(0)
    shape = "4,1,5" if encoding == "sequence" else "1,5"
    return Model(kind(), inputs=[f"x:float32[{shape}]"], timesteps=STEPS, encoding=encoding, readout=readout, **options)


def step_session(subject: Subject, folder: Path) -> ArtifactSession:
    """The one-step module behind the session that every artifact of the step form gets."""
    module, plan, states = subject.step()
    given = {
        spec.initial: state.initial.numpy() for spec, state in zip(plan.states, states, strict=True) if spec.initial
    }
    np.savez(folder / "initial_state.npz", **given)

    class Runner:
        def __call__(self, arrays: Sequence[np.ndarray]) -> list[np.ndarray]:
            with torch.no_grad():
                return [
                    values.numpy() for values in module(*[torch.from_numpy(np.ascontiguousarray(a)) for a in arrays])
                ]

        def close(self) -> None: ...

    def binding(name: str, dtype: str, shape: tuple[int, ...]) -> Binding:
        spec = TensorSpec(name=name, dtype=dtype, shape=shape)
        return Binding(tensor=spec, graph_name=name, graph_dtype=dtype, graph_shape=shape)

    now = [
        (spec.name, spec.dtype, spec.shape[1:] if plan.encoding == "sequence" else spec.shape)
        for spec in subject.signature.inputs
    ]
    carried = [(state.name, state.dtype, state.shape) for state in plan.states]
    outputs = [
        (spec.name, spec.dtype, spec.shape[1:] if how == "stack" else spec.shape)
        for spec, how in zip(subject.signature.outputs, plan.readouts, strict=True)
    ]
    document = ArtifactDocument(
        candidate="step",
        format="none",
        precision="fp32",
        form="step",
        file="none",
        sha256="",
        bytes=0,
        inputs=tuple(binding(*values) for values in [*now, *carried]),
        outputs=tuple(binding(*values) for values in [*outputs, *carried]),
        loop=plan,
    )
    return ArtifactSession(document, folder, Runner())


@pytest.mark.parametrize("encoding", ["repeat", "sequence"])
@pytest.mark.parametrize("readout", ["sum", "mean", "last", "stack", ("sum", "last"), ["stack", "mean"]], ids=str)
@pytest.mark.parametrize("kind", [Leak, Carried], ids=["hidden", "carried"])
def test_unrolled_is_the_loop_by_hand_is_the_step_loop(
    kind: type[nn.Module], encoding: str, readout: Any, tmp_path: Path
) -> None:
    model = a_model(kind, encoding, readout, explicit_state=kind is Carried)
    subject = make_subject(model, model.specs())
    torch.manual_seed(1)
    x = torch.randn(subject.signature.inputs[0].shape)
    expected = by_hand(encoding, [readout] * 2 if isinstance(readout, str) else readout, x)
    assert [spec.shape for spec in subject.signature.outputs] == [tuple(tensor.shape) for tensor in expected]
    with torch.no_grad():
        unrolled = subject.call(x)
    with step_session(subject, tmp_path) as session:
        assert session.inputs == subject.signature.inputs
        assert session.outputs == subject.signature.outputs
        for _ in range(2):
            looped = session.run({"x": x.numpy()})
            for name, mine, theirs in zip(("level", "fired"), unrolled, expected, strict=True):
                torch.testing.assert_close(mine, theirs)
                np.testing.assert_allclose(looped[name], theirs.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "name", ["snn_synaptic", "snn_recurrent", "spikingjelly_nodes", "snn_convolutional", "norse_cells"]
)
def test_spiking_libraries_step_as_they_unroll(name: str, tmp_path: Path) -> None:
    pytest.importorskip({"spi": "spikingjelly", "nor": "norse"}.get(name[:3], "snntorch"))
    model = FACTORIES[name]()
    with torch.no_grad():
        for weights in (parameter for parameter in model.module.parameters() if parameter.ndim > 1):
            weights.mul_(5)  # so that neurons of the last layer fire
    subject = make_subject(model, model.specs())
    torch.manual_seed(1)
    (spec,) = subject.signature.inputs
    x = torch.rand(spec.shape) * 2
    with torch.no_grad():
        unrolled = subject.call(x)
    with step_session(subject, tmp_path) as session:
        looped = session.run({spec.name: x.numpy()})
    for output, mine in zip(subject.signature.outputs, unrolled, strict=True):
        np.testing.assert_allclose(looped[output.name], mine.numpy(), rtol=1e-5, atol=1e-5)
    assert any(bool(candidate.any()) for candidate in unrolled)


class Adaptive(nn.Module):
    """Its threshold begins at one, which the first output does not show: the membrane is compared before it is fed."""

    def __init__(self, first: Callable[[torch.Tensor], torch.Tensor], **learned: torch.Tensor) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 3)
        self.first = first
        for name, value in learned.items():
            self.register_buffer(name, value)

    def forward(self, x: torch.Tensor, state: Any) -> tuple[torch.Tensor, Any]:
        level, threshold = state if state is not None else (torch.zeros(1, 3), self.first(x))
        fired = (level > threshold).to(x.dtype)
        return fired, (0.9 * level * (1 - fired) + self.linear(x), 0.8 * threshold + 0.2 + 0.5 * fired)


LEARNED = torch.tensor([[0.5, 1.0, 2.0]])


@pytest.mark.parametrize(
    ("module", "threshold"),
    [
        (lambda: Adaptive(lambda x: torch.ones(1, 3)), [1.0, 1.0, 1.0]),
        (lambda: Adaptive(lambda x: torch.full_like(x[:, :3], 0.5) * 3), [1.5, 1.5, 1.5]),
        (lambda: Adaptive(lambda x: LEARNED, learned=LEARNED), [0.5, 1.0, 2.0]),
        (lambda: Adaptive(lambda x: torch.tensor([0.5, 1.0, 2.0]).expand(x.shape[0], 3)), [0.5, 1.0, 2.0]),
    ],
    ids=["ones", "of the inputs' shape", "a buffer as it is", "expanded"],
)
def test_a_carried_state_starts_as_the_module_starts_it(
    module: Callable[[], nn.Module], threshold: list[float], tmp_path: Path
) -> None:
    model = a_model(module, "repeat", "sum", explicit_state=True)
    subject = make_subject(model, model.specs())
    _, _, states = subject.step()
    assert [state.initial.tolist() for state in states] == [[[0.0] * 3], [pytest.approx(threshold)]]
    x = torch.rand(1, 5) * 3
    with torch.no_grad(), step_session(subject, tmp_path) as session:
        np.testing.assert_array_equal(session.run({"x": x.numpy()})["output"], subject.call(x)[0].numpy())


def test_a_first_state_that_depends_on_the_input_is_refused_and_may_be_given(tmp_path: Path) -> None:
    class Warm(Carried):
        def forward(self, x: torch.Tensor, state: Any) -> tuple[dict[str, torch.Tensor], Any]:
            return super().forward(x, (x[:, :3] * 7 + 1,) if state is None else state)

    model = a_model(Warm, "repeat", "last", explicit_state=True)
    with pytest.raises(SignatureError, match="own first state, which it makes where it is given None, is not found"):
        make_subject(model, model.specs()).step()
    model = a_model(Warm, "repeat", "last", explicit_state=True, initial_state=(torch.ones(1, 3), "a note"))
    subject = make_subject(model, model.specs())
    x = torch.zeros(1, 5)
    with torch.no_grad(), step_session(subject, tmp_path) as session:
        np.testing.assert_allclose(session.run({"x": x.numpy()})["level"], subject.call(x)[0].numpy(), rtol=1e-6)
    model = a_model(Warm, "repeat", "last", explicit_state=True, initial_state=(torch.ones(1, 3),))
    with pytest.raises(SignatureError, match="returns a state of 2 values; initial_state has 1"):
        make_subject(model, model.specs()).step()


def test_a_dense_model_has_no_steps() -> None:
    model = FACTORIES["mlp"]()
    subject = make_subject(model, model.specs())
    assert subject.forms == ("whole",)
    with pytest.raises(SignatureError, match="no one-step form"):
        subject.step()


def test_an_output_that_is_an_input_is_copied() -> None:
    model = FACTORIES["dataclass_output"]()
    subject = make_subject(model, model.specs())
    x = torch.ones(1, 6)
    assert [spec.name for spec in subject.signature.outputs] == ["mean", "parts.0", "parts.1"]
    assert subject.call(x)[2] is not x
    assert torch.equal(subject.call(x)[2], x)


class Keywords(nn.Module):
    def forward(self, left: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
        return left - right


def test_names_of_parameters_go_by_keyword_and_others_by_position() -> None:
    one, two = torch.ones(1), torch.full((1,), 2.0)
    assert caller(Keywords(), ["right", "left"])([one, two]).item() == 1
    assert caller(Keywords(), ["a", "b"])([one, two]).item() == -1
    assert flatten_output(caller(nn.Identity(), ["x"])([one]))[0][1] is one


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"output_names": ["one"]}, "the model has 2 outputs"),
        ({"spike_outputs": ["fires"]}, "spike_outputs names fires; the outputs are level, fired"),
        ({"score_output": "logits"}, "score_output is logits"),
        ({"readout": ["sum"]}, "2 outputs and 1 readouts"),
        ({"inputs": ["x:float32[1,6]"]}, "does not run on x:float32"),
        ({"inputs": ["x:int64[1,5]"]}, "does not run on x:int64"),
        ({"inputs": ["x:float32[1,5]", "y:float32[1]"]}, "does not run on"),
    ],
)
def test_a_model_that_does_not_fit_its_own_words(options: dict[str, Any], message: str) -> None:
    options = {"inputs": ["x:float32[1,5]"], "timesteps": 2, **options}
    model = Model(Leak(), **options)
    with pytest.raises(SignatureError) as caught:
        make_subject(model, model.specs())
    assert message in str(caught.value)


def test_a_model_without_a_tensor_is_refused() -> None:
    class Silent(nn.Module):
        def forward(self, x: torch.Tensor) -> str:
            return "nothing"

    model = Model(Silent(), inputs=["x:float32[1,5]"])
    with pytest.raises(SignatureError, match="gives no tensor"):
        make_subject(model, model.specs())


@pytest.mark.parametrize(
    ("shape", "dtype", "scored"), [((1, 5), "float32", True), ((1, 1), "float32", False), ((5,), "float32", False)]
)
def test_the_score_is_read_from_classes_only(shape: tuple[int, ...], dtype: str, scored: bool) -> None:
    model = Model(nn.Identity(), inputs=[TensorSpec(name="input", dtype=dtype, shape=shape)])
    assert (make_subject(model, model.specs()).signature.score_output == "output") == scored


def test_a_sequence_has_its_time_steps_first() -> None:
    model = Model(Leak(), inputs=["x:float32[1,5]"], timesteps=STEPS, encoding="sequence")
    with pytest.raises(SignatureError, match=r"a sequence of 4 time steps has them first") as told:
        make_subject(model, model.specs())
    assert told.value.hint == "say x:float32[4,1,5]"
    behind = Model(Leak(), inputs=["x:float32[1,4,5]"], timesteps=STEPS, encoding="sequence")
    with pytest.raises(SignatureError) as told:
        make_subject(behind, behind.specs())
    assert told.value.hint == "say x:float32[4,1,5]"
