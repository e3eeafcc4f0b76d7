"""What ``torch.export`` is given, and what is refused: control flow on data, with the line that decides; chance."""

from __future__ import annotations

import inspect
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.zoo.models import FACTORIES
from torch import nn

from edgeproof.documents.signature import Form
from edgeproof.errors import ConversionError, DataDependentError, EdgeProofError
from edgeproof.model.export import export_program
from edgeproof.model.model import Model
from edgeproof.model.spine import export_spine, load_spine
from edgeproof.model.subject import Subject, make_subject

X = torch.linspace(-1, 1, 6).reshape(1, 6)


class OnSum(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.sum() > 0:  # decides: OnSum
            return x * 2
        return x


class While(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        while x.abs().max() > 0.1:  # decides: While
            x = x / 2
        return x


class ItemRange(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(int(x.abs().sum().item())):  # decides: ItemRange
            x = x + 1
        return x


class AnyTrue(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        flag = bool((x > 0.5).any())  # decides: AnyTrue
        return x if flag else -x


class Asserts(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert (x < 2).all(), "too large"  # decides: Asserts
        return x + 1


class Ternary(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x[0, 0] > 0 else -x  # decides: Ternary


class Stops(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in range(3):
            x = x * 0.9
            if torch.linalg.norm(x) < 1:  # decides: Stops
                break
        return x


class Listed(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * max(x.flatten().tolist())  # decides: Listed


class Nested(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(6, 6)
        self.inner = nn.Sequential(nn.ReLU(), OnSum())

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.inner(self.first(x))


REFUSED = [OnSum, While, ItemRange, AnyTrue, Asserts, Ternary, Stops, Listed, Nested]


def line_that_decides(name: str) -> int:
    lines = Path(inspect.getsourcefile(OnSum) or "").read_text().splitlines()
    return 1 + next(number for number, line in enumerate(lines) if line.endswith(f"# decides: {name}"))


def subject_of(module: nn.Module, **options: object) -> Subject:
    model = Model(module.eval(), inputs=["x:float32[1,6]"], **options)
    return make_subject(model, model.specs())


@pytest.mark.parametrize("kind", REFUSED, ids=lambda kind: kind.__name__)
def test_control_flow_on_data_is_refused_at_the_line_that_decides(kind: type[nn.Module]) -> None:
    torch.manual_seed(0)
    subject = subject_of(kind())
    with pytest.raises(DataDependentError) as caught:
        export_program(subject.call, (X,))
    name = "OnSum" if kind is Nested else kind.__name__
    file, _, line = caught.value.location.rpartition(":")
    assert Path(file).name == Path(__file__).name
    assert int(line) == line_that_decides(name)
    assert f"# decides: {name}" in caught.value.source
    assert caught.value.location in caught.value.message
    assert "torch.where" in (caught.value.hint or "")


def test_the_form_of_one_step_is_refused_too() -> None:
    module, _, states = subject_of(OnSum(), timesteps=3).step()
    with pytest.raises(DataDependentError):
        export_program(module, (X, *[state.initial for state in states]))


class OnBuffer(nn.Module):
    """Branches on constants: settled once it is trained."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("enabled", torch.tensor(True))
        self.register_buffer("steps", torch.tensor(3))
        self.scale = nn.Parameter(torch.tensor(0.5))
        self.training_only = False

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training and x.sum() > 0:
            x = x * 100
        if self.enabled:
            for _ in range(int(self.steps)):
                x = x * self.scale
        return x if math.isclose(2.0, 2) and x.shape[0] == 1 else -x


def test_branching_on_constants_is_no_branching_on_data() -> None:
    module = OnBuffer()
    subject = subject_of(module)
    program = export_program(subject.call, (X,))
    other = torch.full((1, 6), -4.0)
    assert torch.equal(program.module()(other)[0], other * 0.125)
    assert isinstance(module.enabled, torch.Tensor)
    assert isinstance(module.scale, nn.Parameter)
    assert set(module.state_dict()) == {"enabled", "steps", "scale"}


def test_where_and_cond_are_taken() -> None:
    class Where(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.where(x.sum() > 0, x * 2, -x)

    program = export_program(subject_of(Where()).call, (X,))
    for x in (torch.ones(1, 6), -torch.ones(1, 6)):
        assert torch.equal(program.module()(x)[0], Where()(x))


def test_what_export_cannot_take_is_told_with_its_line() -> None:
    class ToNumpy(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.from_numpy(np.tanh(x.numpy()))

    with pytest.raises(ConversionError, match=r"test_export\.py:\d+: `return torch.from_numpy"):
        export_program(subject_of(ToNumpy()).call, (X,))


# Spines


SAMPLES = {"x": np.random.default_rng(0).standard_normal((5, 1, 6)).astype(np.float32)}


class AlwaysDrops(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(x, 0.5, training=True)


class Noisy(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + torch.rand(1, 6)


class Chance(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * float(np.random.default_rng().normal())


@pytest.mark.parametrize("kind", [AlwaysDrops, Noisy, Chance], ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("form", ["whole", "step"])
def test_chance_is_refused(kind: type[nn.Module], form: Form, tmp_path: Path) -> None:
    subject = subject_of(kind(), timesteps=2 if form == "step" else None)
    with pytest.raises(EdgeProofError, match="random numbers"):
        export_spine(subject, form, SAMPLES, tmp_path / "spine", address="here")
    assert not (tmp_path / "spine" / "spine.json").exists()


def test_ordinary_dropout_is_off() -> None:
    program = export_program(subject_of(nn.Sequential(nn.Dropout(0.5), nn.Tanh()).train()).call, (X,))
    assert torch.equal(program.module()(X)[0], X.tanh())


@pytest.mark.parametrize(("name", "form"), [("mlp", "whole"), ("snn_synaptic", "unrolled"), ("snn_synaptic", "step")])
def test_a_spine_is_read_back_as_it_was_written(name: str, form: Form, tmp_path: Path) -> None:
    if name.startswith("snn"):
        pytest.importorskip("snntorch")
    model = FACTORIES[name]()
    subject = make_subject(model, model.specs())
    (spec,) = subject.signature.inputs
    samples = {spec.name: np.random.default_rng(0).random((4, *spec.shape)).astype(np.float32)}
    document = export_spine(subject, form, samples, tmp_path / "spine", address="here")
    spine = load_spine(tmp_path / "spine", samples)
    assert spine.document == document
    assert document.export_max_abs < 1e-5
    assert [spec.name for spec in document.graph_outputs[: len(subject.signature.outputs)]] == [
        spec.name for spec in subject.signature.outputs
    ]
    calls = list(spine.calls())
    assert len(calls) == (4 if form != "step" else 4 * model.timesteps)
    assert all(
        [(str(array.dtype), array.shape) for array in call] == [(spec.dtype, spec.shape) for spec in spine.inputs]
        for call in calls
    )
    with torch.no_grad():
        results = spine.program.module()(*spine.example())
    assert [(tuple(result.shape)) for result in results] == [spec.shape for spec in spine.outputs]
    if form == "step":
        assert document.loop is not None
        assert any(array.any() for array in calls[5][1:])
        assert len(list(spine.calls(7))) == 7
