"""Whole runs of a small model: nothing of ours runs beside a measurement, a second run takes what it may, and a run
that is done goes further."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgeproof import api
from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.device import DeviceDocument
from edgeproof.documents.evaluation import EvaluationDocument
from edgeproof.documents.manifest import Manifest
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.validation import ValidationDocument
from edgeproof.errors import UsageError
from edgeproof.rundir import RUNS, TIMELINE, RunDir
from edgeproof.timeline import MEASUREMENT, STANDING, Entry, read_timeline

pytestmark = pytest.mark.slow
MODEL = str(Path(__file__).parents[1] / "examples" / "digits_cnn.py") + ":model"
CANDIDATES = ("sdk-eager", "torchscript-fp32", "onnx-fp32", "onnx-int8")
HOW: dict[str, Any] = {"candidates": CANDIDATES, "cold_starts": 1, "requests": 20, "processors": ("none",)}
TIMED = {"p50_us", "p90_us", "median_us", "cold_start_ms", "peak_memory_bytes", "memory_above_python_bytes", "absent"}


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("user")


@pytest.fixture(autouse=True)
def _own_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("sklearn")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("EDGEPROOF_CACHE", "on")


@pytest.fixture(scope="module")
def first(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run that fills the cache."""
    patch = pytest.MonkeyPatch()
    with patch.context() as context:
        context.setenv("XDG_CACHE_HOME", str(cache))
        context.setenv("EDGEPROOF_CACHE", "on")
        folder = tmp_path_factory.mktemp("runs") / "first"
        api.run(MODEL, out=folder, jobs=2, **HOW)
    return RunDir(folder, trust=True)


def judged(run: RunDir) -> list[dict[str, Any]]:
    """The table of candidates, less what was timed."""
    rows = msgspec.to_builtins(run.read(EvaluationDocument).candidates)
    return [{name: value for name, value in row.items() if name not in TIMED} for row in rows]


def beside(entries: tuple[Entry, ...]) -> list[str]:
    """What ran while something else was measured, but for processes that stand and wait to be forked."""
    working = [entry for entry in entries if entry.kind != STANDING]
    return [
        f"{other.what} beside {one.what}"
        for one, other in itertools.permutations(working, 2)
        if one.kind == MEASUREMENT
        and other.what != one.what
        and other.begin_s < one.end_s
        and one.begin_s < other.end_s
    ]


def test_nothing_of_ours_runs_while_a_figure_is_taken(first: RunDir) -> None:
    entries = read_timeline(first.root / TIMELINE)
    measured = {entry.what for entry in entries if entry.kind == MEASUREMENT}
    assert {f"measure {name} on host" for name in CANDIDATES} | {"local proof"} <= measured
    assert {f"convert {name}" for name in CANDIDATES} <= {entry.what for entry in entries}
    assert beside(entries) == []
    one = next(entry for entry in entries if entry.kind == MEASUREMENT)
    stranger = Entry("stranger", "work", one.begin_s - 1, one.end_s, None)
    assert beside((*entries, stranger)) != [], "it would be seen"


def test_a_second_run_takes_the_conversions_and_says_the_same(first: RunDir, tmp_path: Path) -> None:
    for name, how in (("taken", {"jobs": 1}), ("anew", {"cache": False})):
        folder = tmp_path / name
        api.run(MODEL, out=folder, **HOW, **how)
        second = RunDir(folder, trust=True)
        results = second.read(ConversionDocument).candidates
        taken = {result.candidate for result in results if result.cached is not None}
        assert taken == ({"torchscript-fp32", "onnx-fp32", "onnx-int8"} if name == "taken" else set())
        assert judged(second) == judged(first)
        assert [result.differences for result in second.read(ValidationDocument).results] == [
            result.differences for result in first.read(ValidationDocument).results
        ]


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch, first: RunDir) -> Callable[[], list[str]]:
    """What was run since the last time that this was asked."""
    seen = [len(read_timeline(first.root / TIMELINE))]

    def since() -> list[str]:
        entries = read_timeline(first.root / TIMELINE)
        new = sorted({entry.what for entry in entries[seen[0] :] if entry.kind != STANDING})
        seen[0] = len(entries)
        return new

    return since


def test_it_goes_further_with_another_policy_metric_and_candidate(
    first: RunDir, counted: Callable[[], list[str]], tmp_path: Path
) -> None:
    """What artifacts gave, and what was measured of them, is not made again."""
    policy = tmp_path / "strict.toml"
    policy.write_text("[difference]\nfp32 = 1e-12\n")
    before = {result.candidate: result.status for result in first.read(ValidationDocument).results}
    measured = first.device("host")
    assert measured is not None
    api.resume(first.root, policy=policy, trust=True)
    rows = {row.candidate: row for row in first.read(EvaluationDocument).candidates}
    assert rows["onnx-fp32"].tolerance == 1e-12, "what it was held against now"
    assert not [what for what in counted() if what.startswith(("convert ", "measure ", "validate "))]
    assert first.device("host") == measured

    api.resume(first.root, metric="top_k:k=2", policy="default", trust=True)
    metric = first.read(SamplesDocument).metric
    assert metric is not None
    assert metric.name == "top-2"
    assert {result.candidate: result.status for result in first.read(ValidationDocument).results} == before
    assert not [what for what in counted() if what.startswith(("convert ", "measure ", "validate "))]

    api.resume(first.root, candidates=["openvino-fp32"], trust=True)
    ran = counted()
    assert {"convert openvino-fp32", "measure openvino-fp32 on host", "validate openvino-fp32"} <= set(ran)
    assert not [what for what in ran if "onnx" in what]
    told = first.device("host")
    assert told is not None
    assert {each.candidate for each in told.measurements} == {*CANDIDATES, "openvino-fp32"}
    assert steady(told, "onnx-fp32") == steady(measured, "onnx-fp32")
    assert first.read(Manifest).options.candidates == (*CANDIDATES, "openvino-fp32")


def steady(document: DeviceDocument, candidate: str) -> Any:
    return next(each.steady for each in document.measurements if each.candidate == candidate)


def test_an_artifact_that_was_changed_is_run_again(first: RunDir, counted: Callable[[], list[str]]) -> None:
    kept = len(list((first.root / RUNS).iterdir()))
    note = first.root / "artifacts" / "torchscript-fp32" / "note.txt"
    note.write_text("another folder now")
    api.resume(first.root, policy="realtime-audio", trust=True)
    note.unlink()
    assert [what for what in counted() if what.startswith("validate ")] == ["validate torchscript-fp32"]
    assert len(list((first.root / RUNS).iterdir())) > kept


def test_what_cannot_be_right_changes_nothing(first: RunDir) -> None:
    before = (first.root / Manifest.FILE).read_bytes()
    for wrong in ({"candidates": ["nonsense"]}, {"policy": "nowhere.toml"}, {"metric": "nonsense"}):
        with pytest.raises(UsageError):
            api.resume(first.root, trust=True, **wrong)
    assert (first.root / Manifest.FILE).read_bytes() == before
