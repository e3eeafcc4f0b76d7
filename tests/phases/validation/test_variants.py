"""An artifact computed another way: what other processors may make of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import edgeproof
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.evaluation import Evidence
from edgeproof.documents.policy import DifferenceLimits, PolicyValue
from edgeproof.documents.runner import RunnerJob
from edgeproof.documents.signature import Signature, TensorSpec
from edgeproof.formats.base import Variation
from edgeproof.model.resolve import resolve_model
from edgeproof.phases.alone.conversion import convert_alone
from edgeproof.phases.alone.validation import validate_alone
from edgeproof.phases.validation.against import Reference
from edgeproof.phases.validation.variants import Usual, judge_variant
from edgeproof.verdict.cases import cases_of
from edgeproof.verdict.points import point_of, standing_of


class RootMeanSquare(nn.Module):
    """Squares that half precision cannot hold, and a result that it can."""

    def __init__(self, gain: float) -> None:
        super().__init__()
        self.gain = gain

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scaled = x * self.gain
        return scaled * torch.rsqrt(scaled.pow(2).mean(-1, keepdim=True) + 1e-6)


def usual_of(candidate: str, eager: np.ndarray, outputs: dict[str, np.ndarray]) -> Usual:  # type: ignore[type-arg]
    """A candidate of one output, ``y`` [1, 2], and what it gave the usual way."""
    specs = (TensorSpec(name="y", dtype="float32", shape=(1, 2)),)
    reference = Reference(Signature(inputs=(), outputs=specs), {"y": eager}, None, Path("held.npz"), "model")
    name, _, precision = candidate.partition("-")
    document = ArtifactDocument(
        candidate=candidate,
        format=name,
        precision=precision,
        form="whole",
        file="net",
        sha256="",
        bytes=1,
        inputs=(),
        outputs=(),
    )
    return Usual(RunnerJob(artifact="a", inputs="i"), document, outputs, reference, DifferenceLimits())


@pytest.mark.parametrize(("gain", "overflows"), [(400.0, True), (1.0, False)])
def test_half_precision_that_overflows_where_it_is_not_widened(gain: float, overflows: bool, tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((16, 1, 8)).astype(np.float32)
    model = edgeproof.Model(
        RootMeanSquare(gain), inputs=["x:float32[1,8]"], samples=edgeproof.Samples({"x": x}), name="rms"
    )
    resolved = resolve_model(model)
    convert_alone(resolved, ["onnx-fp32", "onnx-fp16"], tmp_path)
    document = validate_alone(resolved, [tmp_path / "onnx-fp16"])
    (result,) = document.results
    assert result.status == "passed", "this machine's runtime widens it"
    (variant,) = result.variants
    assert (variant.name, variant.samples) == ("standard", 4)
    assert (variant.warning is not None) == overflows
    assert variant.against == (("raspberry-pi", "android", "iphone") if overflows else ())
    case = cases_of(Evidence(model="rms", folder="run", validation=document))["onnx-fp16"]
    for device_class in ("raspberry-pi", "host"):
        point = point_of(standing_of(case, PolicyValue(), device_class), "difference")
        assert point is not None
        doubted = overflows and device_class == "raspberry-pi"
        assert point.state == ("unsupported" if doubted else "met")
        assert ("depends on how it is computed: standard" in point.text) == doubted


def test_what_only_the_usual_way_makes_of_a_finite_result_is_not_said_of_the_model() -> None:
    x = np.arange(8, dtype=np.float32).reshape(4, 1, 2)
    overflowed = np.where(x > 3, np.inf, x)
    usual = usual_of("coreml-fp16", x, {"y": overflowed})
    variant = judge_variant(Variation("unrounded", exact=2e-3, concerns=("iphone",)), {"y": x}, usual)
    assert (variant.warning, variant.spread, variant.against) == (None, None, ())
    lost = judge_variant(Variation("strict", concerns=("iphone",)), {"y": overflowed}, usual)
    assert lost.warning is not None
    assert "the model" not in lost.warning
    assert lost.against == ("iphone",)


def test_what_helps_stands_beside_what_depends_on_the_way_of_computing() -> None:
    x = np.arange(1, 9, dtype=np.float32).reshape(4, 1, 2)
    usual = usual_of("onnx-int8", x, {"y": x})
    fast = Variation("fast-kernels", concerns=("host",), remedy="take seven bits")
    lost = judge_variant(fast, {"y": x * np.float32(0.5)}, usual)
    assert lost.warning is not None
    assert lost.warning.endswith("limit 0.1 at int8 (take seven bits)")
    assert judge_variant(fast, {"y": x}, usual).warning is None
