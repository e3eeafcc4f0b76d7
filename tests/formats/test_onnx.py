"""ONNX Runtime's int8 on processors with and without VNNI: what is compared is what the standard says."""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.doubles.artifact import write_onnx_int8

import edgeproof
from edgeproof.devices.host import run_job
from edgeproof.documents.base import decode
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.formats.registry import formats, open_artifact

FEATURES = 64
SUM = float(FEATURES)
EMULATOR = shutil.which("qemu-x86_64-static") or shutil.which("qemu-x86_64")


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return write_onnx_int8(tmp_path / "onnx-int8", features=FEATURES)


@pytest.fixture
def ones(tmp_path: Path) -> Path:
    path = tmp_path / "ones.npz"
    np.savez(path, x=np.ones((4, FEATURES), np.float32))
    return path


def scores(path: Path) -> set[float]:
    with np.load(path) as archive:
        return {float(value) for value in archive["scores"].ravel()}


def test_what_is_compared_is_what_the_standard_says(artifact: Path, ones: Path, tmp_path: Path) -> None:
    """On any processor; the standard's own evaluator agrees."""
    from onnx.reference import ReferenceEvaluator

    outputs = tmp_path / "outputs.npz"
    ran = run_job(RunnerJob(artifact=str(artifact), inputs=str(ones), outputs=str(outputs)))
    assert ran.error is None
    with np.load(outputs) as archive:
        found = archive["scores"][:, 0]
    standard = ReferenceEvaluator(str(artifact / "saturating.onnx"))
    (expected,) = standard.run(None, {"x": np.ones((1, FEATURES), np.float32)})
    np.testing.assert_array_equal(found, np.repeat(expected, 4, axis=0))
    assert scores(outputs) == {SUM}


def test_what_is_timed_has_the_fast_kernels(artifact: Path) -> None:
    """Timed and plainly opened sessions are of one kind, the variant that validation tells of."""
    x = {"x": np.ones((1, FEATURES), np.float32)}
    (variation,) = formats()["onnx"].variants("int8")
    assert formats()["onnx"].variants("fp32") == ()
    found = []
    for session in (
        edgeproof.open(artifact),
        open_artifact(artifact, timed=True),
        open_artifact(artifact, compared=True, variant=variation.name),
    ):
        with session:
            found.append(session.run(x)["scores"].tobytes())
    assert len(set(found)) == 1


@pytest.mark.slow
@pytest.mark.skipif(EMULATOR is None, reason="qemu's emulator of x86-64 processors is not installed")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="this machine's packages are not for x86-64")
def test_on_a_processor_without_vnni(artifact: Path, ones: Path, tmp_path: Path) -> None:
    """Haswell has AVX2 and adds in pairs into 16 bits: the fast kernels saturate, and what is compared does not."""
    assert EMULATOR is not None
    source = Path(edgeproof.__file__).parents[1]
    environment = {"PYTHONPATH": f"{source}:{sysconfig.get_path('purelib')}", "PATH": "/usr/bin:/bin"}
    found = {}
    for variant in ((), ("--variant", "fast-kernels")):
        command = [
            *(EMULATOR, "-cpu", "Haswell", str(Path(sys.executable).resolve()), "-m", "edgeproof.devices.runner"),
            *(str(artifact), "--inputs", str(ones), "--outputs", str(tmp_path / "outputs.npz")),
            *("--json", str(tmp_path / "report.json"), *variant),
        ]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
        report = decode((tmp_path / "report.json").read_bytes(), RunnerReport)
        assert (report.error, done.returncode) == (None, 0), done.stderr
        found[variant] = scores(tmp_path / "outputs.npz")
    assert found[()] == {SUM}
    assert max(found["--variant", "fast-kernels"]) < 0.6 * SUM


class Named(torch.nn.Module):
    """Its outputs, its input and a buffer are called as the exporter calls nodes and values inside."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc = torch.nn.Linear(6, 4)
        self.register_buffer("scale", torch.arange(6.0) + 1)

    def forward(self, mul: torch.Tensor) -> dict[str, torch.Tensor]:
        inner = self.fc(mul * self.scale)
        return {"linear": inner * 2, "softmax": torch.softmax(inner, -1) * 3, "scale": mul - 1, "add": mul[:, :3] + 1}


@pytest.mark.xdist_group("onnx-names")
def test_an_output_may_be_called_as_a_node_inside(tmp_path: Path) -> None:
    import onnx

    samples = {"mul": np.random.default_rng(0).standard_normal((200, 1, 6)).astype(np.float32)}
    made = edgeproof.convert(Named(), tmp_path, to=["onnx"], samples=samples)
    assert [(result.status, result.reason) for result in made.candidates] == [("ok", None)] * 3
    call = {"mul": samples["mul"][0]}
    with edgeproof.load(Named(), samples=samples) as eager:
        expected = eager.run(call)
    for precision, tolerance in (("fp32", 1e-5), ("fp16", 1e-2), ("int8", 0.2)):
        with edgeproof.open(tmp_path / f"onnx-{precision}") as session:
            found = session.run(call)
        assert list(found) == ["linear", "softmax", "scale", "add"]
        for name, array in expected.items():
            np.testing.assert_allclose(found[name], array, atol=tolerance, err_msg=name)
        (file,) = (tmp_path / f"onnx-{precision}").glob("*.onnx")
        assert [output.name for output in onnx.load(file).graph.output] == ["linear", "softmax", "scale", "add"]


class Pooled(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv = torch.nn.Conv2d(1, 4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.avg_pool2d(self.conv(x), 2)


@pytest.mark.xdist_group("onnx-names")
def test_half_precision_and_weights_of_seven_bits(tmp_path: Path) -> None:
    """Average pooling stays in single precision, which every processor has a kernel for."""
    import onnx
    from onnx import numpy_helper

    x = np.random.default_rng(0).standard_normal((32, 1, 1, 8, 8)).astype(np.float32)
    model = edgeproof.Model(Pooled(), inputs=["x:float32[1,1,8,8]"], samples=edgeproof.Samples({"x": x}), name="net")
    document = edgeproof.convert(model, tmp_path, to=["onnx-fp16", "onnx-int8w7", "onnx-int8"])
    assert [made.status for made in document.candidates] == ["ok"] * 3
    half = onnx.load(tmp_path / "onnx-fp16" / "net.onnx")
    fed = {node.output[0]: node for node in half.graph.node}
    (pool,) = [node for node in half.graph.node if node.op_type == "AveragePool"]
    cast = fed[pool.input[0]]
    assert (cast.op_type, cast.attribute[0].i) == ("Cast", onnx.TensorProto.FLOAT)
    for precision, most in (("int8w7", 64), ("int8", 127)):
        graph = onnx.load(tmp_path / f"onnx-{precision}" / "net.onnx").graph
        weights = [numpy_helper.to_array(kept) for kept in graph.initializer if len(kept.dims) == 4]
        (largest,) = [int(np.abs(array.astype(int)).max()) for array in weights if array.dtype == np.int8]
        assert most // 2 < largest <= most


class Invented(torch.nn.Module):
    """Its inputs and outputs are called as the quantiser and the conversion to half precision call values inside."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.fc = torch.nn.Linear(6, 4)

    def forward(self, graph_input_cast_0: torch.Tensor, linear_scale: torch.Tensor) -> dict[str, torch.Tensor]:
        y = self.fc(graph_input_cast_0) + linear_scale
        return {"graph_output_cast_0": y.relu(), "linear_QuantizeLinear_Output": y * 2, "linear_zero_point": y - 1}


@pytest.mark.xdist_group("onnx-names")
def test_an_input_may_be_called_as_a_tool_calls_its_own(tmp_path: Path) -> None:
    shapes = {"graph_input_cast_0": (1, 6), "linear_scale": (1, 4)}
    x = {
        name: np.random.default_rng(seed).standard_normal((16, *shape)).astype(np.float32)
        for seed, (name, shape) in enumerate(shapes.items())
    }
    inputs = [f"{name}:float32[{shape[0]},{shape[1]}]" for name, shape in shapes.items()]
    model = edgeproof.Model(Invented(), inputs=inputs, samples=edgeproof.Samples(x), name="invented")
    made = edgeproof.convert(model, tmp_path, to=["onnx"]).candidates
    assert [(result.status, result.reason) for result in made] == [("ok", None)] * 3
    for result in edgeproof.compare(model, [result.artifact or "" for result in made]).results:
        assert (result.status, result.reason) == ("passed", None)
        assert [output.name for output in result.outputs] == [
            "graph_output_cast_0", "linear_QuantizeLinear_Output", "linear_zero_point"
        ]  # fmt: skip
