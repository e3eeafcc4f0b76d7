"""``edgeproof.open("model.mlpackage")``: what a package declares is what a caller may give and what he gets."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import pytest
import torch
from torch import nn

import edgeproof
from edgeproof.errors import ArtifactError, SignatureError
from edgeproof.formats.coreml_package import PackageSession

pytestmark = pytest.mark.xdist_group("mil-sessions")


class Total(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.sum()


class Scale(nn.Module):
    """Enough to see an input in the output."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(2.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * self.factor


def convert(module: nn.Module, example: torch.Tensor, **options: Any) -> Any:
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        options = {"minimum_deployment_target": ct.target.iOS18, "compute_precision": ct.precision.FLOAT32} | options
        return ct.convert(
            torch.jit.trace(module.eval(), example), convert_to="mlprogram", skip_model_load=True, **options
        )


def opened(model: Any, folder: Path, name: str = "model") -> PackageSession:
    path = folder / f"{name}.mlpackage"
    model.save(str(path))
    session = edgeproof.open(path)
    assert isinstance(session, PackageSession)
    return session


def test_names_dtypes_and_shapes_are_the_packages(tmp_path: Path) -> None:
    model = convert(
        Scale(), torch.ones(2, 3), inputs=[ct.TensorType(name="x", shape=(2, 3))], outputs=[ct.TensorType(name="twice")]
    )
    with opened(model, tmp_path) as session:
        assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in session.inputs] == [("x", "float32", (2, 3))]
        assert [(tensor.name, tensor.dtype, tensor.shape) for tensor in session.outputs] == [
            ("twice", "float32", (2, 3))
        ]
        x = np.arange(6, dtype=np.float32).reshape(2, 3)
        np.testing.assert_array_equal(session.run({"x": x})["twice"], 2 * x)
        for given, said in (
            ({}, r"the input x is missing: float32\[2, 3\]"),
            ({"x": x, "y": x}, "unknown input y; the model takes x"),
            ({"x": x.astype(np.float64)}, r"is float64\[2, 3\]; expected float32\[2, 3\]"),
            ({"x": x.T}, r"is float32\[3, 2\]; expected"),
        ):
            with pytest.raises(SignatureError, match=said):
                session.run(given)


def test_ranges_and_enumerated_shapes(tmp_path: Path) -> None:
    ranged = ct.TensorType(name="x", shape=(ct.RangeDim(1, 4, default=2), 3))
    with opened(convert(Scale(), torch.ones(2, 3), inputs=[ranged]), tmp_path, "ranged") as session:
        name = session.outputs[0].name
        assert session.outputs[0].shape == (-1, 3)
        for rows in (1, 4):
            assert session.run({"x": np.ones((rows, 3), np.float32)})[name].shape == (rows, 3)
        with pytest.raises(SignatureError, match=r"expected float32\[1\.\.4, 3\]"):
            session.run({"x": np.ones((5, 3), np.float32)})
    listed = ct.TensorType(name="x", shape=ct.EnumeratedShapes([(1, 3), (5, 3)], default=(1, 3)))
    with opened(convert(Scale(), torch.ones(1, 3), inputs=[listed]), tmp_path, "listed") as session:
        assert session.run({"x": np.ones((5, 3), np.float32)})[session.outputs[0].name].shape == (5, 3)
        with pytest.raises(SignatureError, match=r"one of the shapes \[1, 3\], \[5, 3\]"):
            session.run({"x": np.ones((2, 3), np.float32)})


def test_a_scalar_has_one_element_as_core_ml_has_no_array_without_an_axis(tmp_path: Path) -> None:
    inputs = [ct.TensorType(name="x", shape=(2, 3))]
    with opened(convert(Total(), torch.ones(2, 3), inputs=inputs), tmp_path) as session:
        (total,) = session.run({"x": np.ones((2, 3), np.float32)}).values()
        assert session.outputs[0].shape == total.shape == (1,)
        assert total[0] == 6


@pytest.mark.parametrize("colors", ["RGB", "BGR", "GRAYSCALE"])
def test_images_with_scale_and_bias(tmp_path: Path, colors: str) -> None:
    gray = colors == "GRAYSCALE"
    channels, bias = (1, [0.5]) if gray else (3, [-0.1, 0.2, 0.3])
    image = ct.ImageType(
        name="image",
        shape=(1, channels, 4, 5),
        scale=1 / 255.0,
        bias=bias[0] if gray else bias,
        color_layout=getattr(ct.colorlayout, colors),
    )
    model = convert(Scale(), torch.rand(1, channels, 4, 5), inputs=[image], outputs=[ct.TensorType(name="y")])
    draw = np.random.default_rng(1)
    with opened(model, tmp_path) as session:
        shape = (4, 5) if gray else (4, 5, 3)
        assert (session.inputs[0].dtype, session.inputs[0].shape) == ("uint8", shape)
        given = draw.integers(0, 256, shape, dtype=np.uint8)
        planes = given[None] if gray else np.moveaxis(given[:, :, ::-1] if colors == "BGR" else given, 2, 0)
        expected = 2 * (planes / 255.0 + np.array(bias)[:, None, None])
        np.testing.assert_allclose(session.run({"image": given})["y"][0], expected, atol=1e-6)
        with pytest.raises(SignatureError, match=r"expected an image of 4 × 5"):
            session.run({"image": given[:3]})


def test_an_image_out(tmp_path: Path) -> None:
    image = ct.ImageType(name="image", shape=(1, 3, 4, 5))
    model = convert(
        Scale(),
        torch.rand(1, 3, 4, 5),
        inputs=[image],
        outputs=[ct.ImageType(name="out", color_layout=ct.colorlayout.BGR)],
    )
    given = np.random.default_rng(1).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    with opened(model, tmp_path) as session:
        result = session.run({"image": given})["out"]
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result, np.minimum(given[:, :, ::-1].astype(int) * 2, 255))


@pytest.mark.parametrize("labels", [["cat", "dog", "fish"], [7, 8, 9]])
def test_a_classifier(tmp_path: Path, labels: list[Any]) -> None:
    model = convert(
        nn.Softmax(dim=-1),
        torch.rand(1, 3),
        inputs=[ct.TensorType(name="x", shape=(1, 3))],
        classifier_config=ct.ClassifierConfig(labels),
    )
    with opened(model, tmp_path) as session:
        assert session.classes == tuple(labels)
        results = session.run({"x": np.array([[0.0, 2.0, 1.0]], np.float32)})
    label, probabilities = results["classLabel"], results["classLabel_probs"]
    assert label.item() == labels[1]
    assert probabilities.shape == (3,)
    np.testing.assert_allclose(probabilities, np.exp([0, 2, 1]) / np.exp([0, 2, 1]).sum(), rtol=1e-5)


class Counter(nn.Module):
    """Adds up what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("total", torch.zeros(3))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.total.add_(x)
        return self.total * 1.0


def test_states_begin_anew_each_call_and_a_stream_carries_them_on(tmp_path: Path) -> None:
    model = convert(
        Counter(),
        torch.ones(3),
        inputs=[ct.TensorType(name="x", shape=(3,), dtype=np.float16)],
        outputs=[ct.TensorType(name="y", dtype=np.float16)],
        states=[ct.StateType(wrapped_type=ct.TensorType(shape=(3,), dtype=np.float16), name="total")],
        compute_precision=ct.precision.FLOAT16,
    )
    given = {"x": np.ones(3, np.float16)}
    with opened(model, tmp_path) as session:
        assert [session.run(given)["y"].tolist() for _ in range(2)] == [[1, 1, 1], [1, 1, 1]]
        stream, other = session.stream(), session.stream()
        assert [stream.run(given)["y"][0] for _ in range(3)] == [1, 2, 3]
        assert other.run(given)["y"][0] == 1
        stream.state.write("total", np.full(3, 10.0))
        assert stream.run(given)["y"][0] == 11
        assert stream.state.read("total").tolist() == [11, 11, 11]
        with pytest.raises(SignatureError, match="there is no state sum; there are total"):
            stream.state.read("sum")
        stream.reset()
        assert stream.run(given)["y"][0] == 1


def test_several_functions_in_one_package(tmp_path: Path) -> None:
    class Half(Scale):
        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.tensor(0.5))

    shared = {"inputs": [ct.TensorType(name="x", shape=(2, 3))], "outputs": [ct.TensorType(name="y")]}
    for name, module in (("twice", Scale()), ("half", Half())):
        convert(module, torch.ones(2, 3), **shared).save(str(tmp_path / f"{name}.mlpackage"))
    both = ct.utils.MultiFunctionDescriptor()
    for name in ("twice", "half"):
        both.add_function(str(tmp_path / f"{name}.mlpackage"), src_function_name="main", target_function_name=name)
    both.default_function_name = "half"
    ct.utils.save_multifunction(both, str(tmp_path / "both.mlpackage"))
    x = {"x": np.ones((2, 3), np.float32)}
    with edgeproof.open(tmp_path / "both.mlpackage") as session:
        assert isinstance(session, PackageSession)
        assert session.functions == ("half", "twice")
        assert session.run(x)["y"][0, 0] == 0.5
        assert session.function("twice").run(x)["y"][0, 0] == 2
        with pytest.raises(SignatureError, match="there is no function thrice; there are half, twice"):
            session.function("thrice")


def test_it_needs_no_converter_and_opens_quickly(tmp_path: Path) -> None:
    model = convert(Scale(), torch.ones(2, 3), inputs=[ct.TensorType(name="x", shape=(2, 3))])
    opened(model, tmp_path)
    program = f"""
import json, sys
sys.modules["coremltools"] = None
import numpy as np, edgeproof
with edgeproof.open({str(tmp_path / "model.mlpackage")!r}) as session:
    (result,) = session.run({{"x": np.ones((2, 3), np.float32)}}).values()
print(json.dumps(result.tolist()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert json.loads(done.stdout) == [[2, 2, 2], [2, 2, 2]], done.stderr


def test_its_times_are_nobodys(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from edgeproof.formats.registry import open_artifact

    opened(convert(Scale(), torch.ones(2, 3), inputs=[ct.TensorType(name="x", shape=(2, 3))]), tmp_path)
    with pytest.raises(ArtifactError, match="MIL reference check only, whose times say nothing of Core ML"):
        open_artifact(tmp_path / "model.mlpackage", timed=True)
