"""The examples that do not classify digits: prepared, converted and validated, each with its metric."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeproof.documents.source import ModelSource
from edgeproof.documents.validation import ValidationDocument
from edgeproof.phases.alone.conversion import convert_alone
from edgeproof.phases.alone.validation import validate_alone

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("examples")]

EXAMPLES = Path(__file__).parents[1] / "examples"
SIZES = {"large", "small"}
MODULES = {"bisect", "colorsys", "fractions", "heapq", "tarfile"}
SHOWN: dict[str, tuple[str, str, str, tuple[float, float], set[str], tuple[str, ...]]] = {
    "diabetes_mlp": ("mae", "lower", "units", (40, 48), {"sex 1", "sex 2"}, ("sdk-native", "litert-int8")),
    "digits_segmenter": ("miou", "higher", "share", (0.95, 1), SIZES, ("onnx-fp32", "onnx-int8")),
    "digits_detector": ("mAP", "higher", "share", (0.5, 0.7), SIZES, ("onnx-fp32", "onnx-int8")),
    "digits_embedding": ("recall@1", "higher", "share", (0.98, 1), set(), ("onnx-fp32", "onnx-int8")),
    "python_tokens": ("macro_f1", "higher", "share", (0.7, 0.9), MODULES, ("onnx-fp32", "onnx-int8")),
}
"""Metric, what is better, its unit, where the eager model's score lies, slices, candidates: exact, and in int8."""


def validated(name: str, out: Path, candidates: tuple[str, ...]) -> ValidationDocument:
    source = ModelSource(model=f"{EXAMPLES / name}.py:model")
    made = convert_alone(source, candidates, out)
    assert [(result.status, result.reason) for result in made.candidates] == [("ok", None)] * len(candidates)
    return validate_alone(source, [Path(result.artifact or "") for result in made.candidates])


@pytest.mark.parametrize("name", SHOWN)
def test_an_example_is_scored_by_its_metric(name: str, tmp_path: Path) -> None:
    metric, better, unit, (least, most), slices, candidates = SHOWN[name]
    found = validated(name, tmp_path / "out", candidates)
    assert found.metric is not None
    assert (found.metric.name, found.metric.better, found.metric.unit) == (metric, better, unit)
    assert least < (found.reference_score or 0) < most
    exact, rounded = found.results
    for result in found.results:
        task = result.task
        assert task is not None
        assert task.low is not None
        assert task.high is not None
        assert task.low <= task.drop <= task.high
        assert (task.method, task.count, task.draws > 500) == ("paired bootstrap", found.samples, True)
        assert {slice.name for slice in result.slices} == slices
        assert (result.status, result.task_score, result.task_drop) == ("passed", task.score, task.drop)
    assert exact.task is not None
    assert rounded.task is not None
    assert abs(exact.task.drop) < 0.05
    assert abs(rounded.task.drop) < 5
    assert (rounded.task.high or 0) - (rounded.task.low or 0) > 0, "rounding changes outputs, so there is a width"
