"""Outputs scored by a model's metric: in a process of its own where it is the user's, and what a bad one costs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import torch

import edgeproof
from edgeproof.api.origin import origin_of
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.source import ModelSource
from edgeproof.documents.validation import ValidationDocument, ValidationResult
from edgeproof.errors import UsageError
from edgeproof.metrics.registry import metric_names
from edgeproof.model.arrays import read_npz
from edgeproof.model.drawing import Draw
from edgeproof.model.preparing import prepare_workspace
from edgeproof.model.workspace import Workspace
from edgeproof.phases.validation.scoring import Scored, score, with_scores
from edgeproof.process import Limits

DOUBLES = Path(__file__).parents[2] / "doubles" / "metrics"
LIMITS = Limits(seconds=60)
MODEL = """
import os
import time

import numpy as np
import torch

import edgeproof

PARENT = os.getppid()


def metric(outputs, labels):
    {body}


def model():
    torch.manual_seed(0)
    x = np.random.default_rng(0).standard_normal((60, 1, 3)).astype(np.float32)
    slices = np.where(np.arange(60) % 3 == 0, "thirds", "others")
    labels = {labels}
    return edgeproof.Model(
        torch.nn.Linear(3, 2),
        inputs=["x:float32[1,3]"],
        metric=edgeproof.Metric("own", metric, better="lower", unit="mm"),
        held_out=edgeproof.Samples({{"x": x}}, labels, slices=slices),
    )
"""
NUMBERS = "x[:, 0, :2] * 2"
ERROR = "return float(np.abs(outputs - labels).mean())"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    (tmp_path / "work").mkdir()
    return Workspace(tmp_path / "work")


def source_of(folder: Path, body: str = ERROR, labels: str = NUMBERS, **told: Any) -> ModelSource:
    (folder / "own.py").write_text(MODEL.format(body=body, labels=labels))
    return ModelSource(model=f"{folder}/own.py:model", **told)


def scored(workspace: Workspace, source: ModelSource, *, limits: Limits = LIMITS, shift: float = 0.5) -> Scored:
    """The eager outputs and others, scored."""
    prepare_workspace(workspace, source, draw=Draw(), limits=LIMITS)
    return score_of(workspace, source, limits=limits, shift=shift)


def score_of(workspace: Workspace, source: Any, *, limits: Limits = LIMITS, shift: float = 0.5) -> Scored:
    files = {}
    for name, further in (("same", 0.0), ("other", shift)):
        files[name] = workspace.root / f"{name}.npz"
        np.savez(files[name], **{key: array + further for key, array in read_npz(workspace.reference).items()})
    found = score(workspace, source, files, limits)
    assert found is not None
    return found


def test_a_users_function_scores_whole_and_slices(tmp_path: Path, workspace: Workspace) -> None:
    found = scored(workspace, source_of(tmp_path))
    assert (found.metric.name, found.metric.better, found.metric.unit) == ("own", "lower", "mm")
    same, other = found.artifacts["same"], found.artifacts["other"]
    assert same.task is not None
    assert other.task is not None
    assert (same.task.drop, same.task.low, same.task.high) == (0, 0, 0)
    held_out = workspace.read(workspace.held_out)
    outputs = read_npz(workspace.reference)["output"][:, 0]
    expected = np.abs(outputs + 0.5 - held_out.labels).mean() - np.abs(outputs - held_out.labels).mean()
    assert other.task.drop == pytest.approx(expected, rel=1e-5)
    assert other.task.low is not None
    assert other.task.high is not None
    assert other.task.low <= expected <= other.task.high
    assert [(slice.name, slice.task.count) for slice in other.slices] == [("others", 40), ("thirds", 20)]


def test_labels_of_several_lengths_come_as_a_list(tmp_path: Path, workspace: Workspace) -> None:
    body = "return float(np.mean([abs(o.sum() - sum(rows)) for o, rows in zip(outputs, labels, strict=True)]))"
    labels = "[np.arange(i % 3, dtype=float) for i in range(60)]"
    found = scored(workspace, source_of(tmp_path, body, labels))
    task = found.artifacts["other"].task
    assert task is not None
    assert task.low is not None


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("if abs(outputs).max() > 50: raise KeyError('far off')\n    " + ERROR, "KeyError: 'far off'"),
        (ERROR + " if abs(outputs).max() < 50 else float('nan')", "the metric own is nan of its outputs"),
        ("print('a word ' * 10_000)\n    " + ERROR, None),
    ],
)
def test_one_that_fails_costs_that_candidates_score(
    tmp_path: Path, workspace: Workspace, body: str, reason: str | None
) -> None:
    found = scored(workspace, source_of(tmp_path, body), shift=100.0)
    assert found.artifacts["same"].task is not None
    told = found.artifacts["other"]
    assert (told.reason is None, told.task is None) == (reason is None, reason is not None)
    assert (reason or "") in (told.reason or "")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("while abs(outputs).max() > 50: pass\n    " + ERROR, "the process of scoring"),
        ("os._exit(3) if abs(outputs).max() > 50 else None\n    " + ERROR, "the process of scoring"),
    ],
)
def test_one_that_hangs_or_ends_its_process_costs_the_scores_and_no_result(
    tmp_path: Path, workspace: Workspace, body: str, reason: str
) -> None:
    found = scored(workspace, source_of(tmp_path, body), limits=Limits(seconds=6), shift=100.0)
    assert reason in (found.artifacts["same"].reason or "")
    result = ValidationResult(candidate="onnx-fp32", artifact="same", status="passed")
    document = ValidationDocument(
        model="own", samples=60, sample_source="model", task=None, reference_score=None, results=(result,)
    )
    (told,) = with_scores(document, found, PolicyValue()).results
    assert (told.status, told.task) == ("passed", None)
    assert told.warnings[-1].startswith("no task score: the process of scoring")


def test_one_that_is_no_number_of_the_model_itself_is_refused_at_once(tmp_path: Path, workspace: Workspace) -> None:
    with pytest.raises(UsageError, match="the metric own is nan of the model's outputs"):
        scored(workspace, source_of(tmp_path, "return float('nan')"))
    with pytest.raises(UsageError, match="cannot be computed of the model's outputs: ZeroDivisionError"):
        scored(workspace, source_of(tmp_path, "return 1 / 0"))


def test_a_name_wins_over_the_models_own(tmp_path: Path, workspace: Workspace) -> None:
    found = scored(workspace, source_of(tmp_path, metric="mae:unit=cm"))
    assert (found.metric.name, found.metric.unit, found.metric.named) == ("mae", "cm", "mae:unit=cm")
    with pytest.raises(UsageError, match="there is no metric mea; the nearest name is ma"):
        prepare_workspace(Workspace(tmp_path), source_of(tmp_path, metric="mea"), draw=Draw(), limits=LIMITS)


def test_a_metric_of_another_package_is_found_by_its_entry_point(
    tmp_path: Path, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(DOUBLES)
    monkeypatch.setenv("PYTHONPATH", f"{DOUBLES}:{Path(edgeproof.__file__).parents[1]}")
    found = scored(workspace, source_of(tmp_path, metric="within:reach=1"))
    assert (found.metric.name, found.metric.unit, found.metric.arguments) == ("within", "share", {"reach": 1})
    task = found.artifacts["other"].task
    assert task is not None
    assert 0 < task.score < 1
    assert "within" in metric_names()
    for words, message in (
        ("within:near=1", "the metric within takes no near"),
        ("broken", "the metric broken is a float"),
        ("gone", "the metric gone cannot be loaded from tolerant:gone"),
    ):
        with pytest.raises(UsageError, match=message):
            edgeproof.metric(*words.split(":")[:1], **dict(pair.split("=") for pair in words.split(":")[1:]))


def test_a_module_that_lives_here_is_scored_here(workspace: Workspace) -> None:
    seen: list[int] = []

    def nearness(outputs: np.ndarray, labels: np.ndarray) -> float:
        seen.append(len(outputs))
        return -float(np.abs(outputs - labels).mean())

    x = np.random.default_rng(0).standard_normal((40, 3)).astype(np.float32)
    samples = edgeproof.Samples({"x": x[:, None]}, x[:, :2])
    origin = origin_of(torch.nn.Linear(3, 2), {"samples": samples, "metric": nearness}, workspace.root)
    prepare_workspace(workspace, origin, draw=Draw())
    before = len(seen)
    task = score_of(workspace, origin).artifacts["other"].task
    assert task is not None
    assert len(seen) > before > 0
    assert math.isfinite(task.score)
    with pytest.raises(UsageError, match="is scored in another process"):
        origin_of("net.py:make", {"metric": nearness}, workspace.root)
    assert msgspec.json.decode(msgspec.json.encode(task), type=type(task)) == task
