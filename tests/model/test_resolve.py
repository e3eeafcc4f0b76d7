"""Whose word counts for the signature, and how it is guessed from samples."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgeproof.errors import SignatureError
from edgeproof.model.eager import EagerSession, run_all
from edgeproof.model.model import Model, Samples, parse_spec
from edgeproof.model.resolve import resolve_model
from edgeproof.model.samples import read_samples

SOURCE = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return SOURCE.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(
    ("module", "array", "shape"),
    [
        (nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(72, 3)), normal(8, 1, 8, 8), (1, 1, 8, 8)),
        (nn.Conv2d(1, 2, 3), normal(8, 1, 1, 8, 8), (1, 1, 8, 8)),
        (nn.Conv2d(3, 2, 3), normal(8, 3, 8, 8), (1, 3, 8, 8)),
        (nn.Linear(5, 2), normal(8, 5), (1, 5)),
        (nn.Linear(5, 2), normal(8, 1, 5), (1, 5)),
        (nn.GRU(4, 3, batch_first=True), normal(8, 6, 4), (1, 6, 4)),
        (nn.BatchNorm1d(4).eval(), normal(8, 4), (1, 4)),
        (nn.Embedding(9, 3), SOURCE.integers(0, 9, (8, 12)), (1, 12)),
    ],
    ids=["image", "image with batch", "colours", "vector", "vector with batch", "sequence", "norm", "tokens"],
)
def test_the_batch_axis_is_guessed(module: nn.Module, array: np.ndarray, shape: tuple[int, ...]) -> None:
    subject = resolve_model(Model(module.eval()), (), Samples({"input0": array})).subject
    (spec,) = subject.signature.inputs
    assert spec.shape == shape
    assert spec.name in ("input", "x")
    assert spec.dtype == str(array.dtype)


def test_floats_take_the_dtype_of_the_weights() -> None:
    samples = Samples({"input0": normal(8, 5).astype(np.float64)})
    assert resolve_model(Model(nn.Linear(5, 2)), (), samples).subject.signature.inputs[0].dtype == "float32"
    doubled = Model(nn.Linear(5, 2).double())
    assert resolve_model(doubled, (), samples).subject.signature.inputs[0].dtype == "float64"
    assert resolve_model(Model(nn.ReLU()), (), samples).subject.signature.inputs[0].dtype == "float32"


def test_several_inputs_by_their_names() -> None:
    class Two(nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return a @ b.transpose(1, 2)

    samples = Samples({"b": normal(8, 3, 4), "a": normal(8, 2, 4)})
    subject = resolve_model(Model(Two()), (), samples).subject
    assert {spec.name: spec.shape for spec in subject.signature.inputs} == {"a": (1, 2, 4), "b": (1, 3, 4)}
    assert subject.signature.outputs[0].shape == (1, 2, 3)


def test_what_fits_neither_way_tells_both() -> None:
    with pytest.raises(SignatureError) as caught:
        resolve_model(Model(nn.Linear(5, 2)), (), Samples({"input0": normal(8, 7)}))
    assert "x:" not in caught.value.message
    assert "[1, 7]" in caught.value.message
    assert "[7]" in caught.value.message
    assert "--input" in (caught.value.hint or "")


def test_without_any_source_it_is_asked_for() -> None:
    with pytest.raises(SignatureError, match="inputs are unknown") as caught:
        resolve_model(Model(nn.Linear(5, 2)))
    assert "--input NAME:dtype[shape]" in (caught.value.hint or "")


def test_the_request_wins_over_the_model_and_the_model_over_the_samples() -> None:
    model = Model(nn.ReLU(), inputs=["x:float32[1,4]"], samples=Samples({"x": normal(8, 1, 9)}))
    given = (parse_spec("y:float32[2,3]"),)
    assert resolve_model(model, given).subject.signature.inputs == given
    assert resolve_model(dataclasses.replace(model, samples=None)).subject.signature.inputs == model.specs()
    bare = dataclasses.replace(model, inputs=())
    assert resolve_model(bare).subject.signature.inputs[0].shape == (1, 9)
    held = Model(nn.ReLU(), held_out=lambda: Samples({"x": normal(8, 6)}))
    assert resolve_model(held).subject.signature.inputs[0].shape == (1, 6)


def test_outputs_of_a_spiking_model_that_count_are_spikes(tmp_path: Path) -> None:
    snn = pytest.importorskip("snntorch")

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.lif = nn.Linear(6, 4), snn.Leaky(0.9, init_hidden=True, output=True)

        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            spikes, membrane = self.lif(self.fc(x) * 4)
            return {"spikes": spikes, "membrane": membrane}

    torch.manual_seed(0)
    for number in range(9):
        np.save(tmp_path / f"{number}.npy", normal(6))
    model = Model(Net(), inputs=["x:float32[1,6]"], timesteps=5, readout=["sum", "last"])
    found = resolve_model(model, (), read_samples(tmp_path) and Samples({"x": normal(9, 6)})).subject.signature
    assert {spec.name: spec.kind for spec in found.outputs} == {"spikes": "spikes", "membrane": "real"}
    assert {spec.kind for spec in resolve_model(model).subject.signature.outputs} == {"real"}


def test_the_eager_session_checks_its_inputs() -> None:
    session = EagerSession(resolve_model(Model(nn.Linear(5, 2), inputs=["x:float32[1,5]"])).subject)
    x = normal(1, 5)
    assert session.run({"x": x})["output"].shape == (1, 2)
    for wrong, message in [
        ({}, "x is missing"),
        ({"x": x, "y": x}, "unknown input y"),
        ({"x": x[0]}, r"float32\[5\]; expected float32\[1, 5\]"),
        ({"x": x.astype(np.float64)}, "float64"),
    ]:
        with pytest.raises(SignatureError, match=message):
            session.run(wrong)
    assert run_all(session, {"x": normal(3, 1, 5)})["output"].shape == (3, 1, 2)
