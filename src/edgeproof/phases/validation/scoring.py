"""Candidates' outputs scored by the model's metric; in a process of its own where that is a function of the user's."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgeproof.apart import call_apart
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.source import ModelSource
from edgeproof.documents.task import MetricSpec, SliceScore, TaskScore
from edgeproof.documents.validation import ValidationDocument, ValidationResult
from edgeproof.errors import EdgeProofError, ProcessError
from edgeproof.metrics.base import Metric
from edgeproof.metrics.comparing import LEAST_DRAWS, Beside, Slices, slices_of
from edgeproof.metrics.registry import ACCURACY, find_metric
from edgeproof.model.arrays import read_npz
from edgeproof.model.task import metric_of, scored_labels, scored_outputs
from edgeproof.model.warm import with_torch
from edgeproof.model.workspace import Workspace
from edgeproof.process import Limits
from edgeproof.verdict.task import outweighed, task_decides

if TYPE_CHECKING:
    from edgeproof.model.resolve import Resolved

__all__ = ["Score", "ScoreJob", "Scored", "score", "score_all", "with_scores"]

TARGET = "edgeproof.phases.validation.scoring:score_all"
DRAWING = 0.5
"""The share of a process's time that intervals may take: the eager model's and each candidate's, whole and by slice."""
MOST_SECONDS = 60.0
"""For the draws of one candidate."""


class ScoreJob(msgspec.Struct, frozen=True, kw_only=True):
    """What is scored.

    Attributes:
        root: the workspace.
        source: MODEL, where the metric is a function of its own.
        outputs: npz of outputs by the model's names, for each artifact.
        seconds: for the draws of one of them.
    """

    root: str
    source: ModelSource | None = None
    outputs: dict[str, str]
    seconds: float


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate's, or why it has none."""

    task: TaskScore | None = None
    slices: tuple[SliceScore, ...] = ()
    reason: str | None = None


class Scored(msgspec.Struct, frozen=True, kw_only=True):
    """What was scored, by artifact; ``reference`` is the eager model's, where anything was."""

    metric: MetricSpec
    outputs: tuple[str, ...]
    """Names of those that are scored."""
    decides: bool
    """Whether the samples are such that the score weighs more than a distance."""
    reference: float | None
    artifacts: dict[str, Score]


def score(
    workspace: Workspace, origin: ModelSource | Resolved, outputs: Mapping[str, Path], limits: Limits
) -> Scored | None:
    """Score outputs by the metric that the samples' document names; None where it names none.

    Args:
        workspace: with samples and the eager reference.
        origin: the model, whose own function the metric may be.
        outputs: npz of outputs by the model's names, for each artifact.
        limits: of the process that scores; one that passes them costs the scores, and nothing else.

    Raises:
        UsageError: the model or its metric.
    """
    spec = workspace.samples.metric
    if spec is None:
        return None
    files = {name: str(path) for name, path in outputs.items()}
    seconds = min(MOST_SECONDS, DRAWING * limits.seconds / (2 * len(files) + 2))
    if spec.named == ACCURACY.name:  # neither PyTorch nor the user's code is needed for it
        return _scored(workspace, ACCURACY, files, seconds)
    if spec.named is None and not isinstance(origin, ModelSource):
        return _scored(workspace, metric_of(origin.subject.model), files, seconds)
    source = origin.absolute() if spec.named is None and isinstance(origin, ModelSource) else None
    job = ScoreJob(root=str(workspace.root), source=source, outputs=files, seconds=seconds)
    log, folder, start = workspace.logs / "scoring.log", None if source is None else source.folder, with_torch()
    try:
        return call_apart(TARGET, job, Scored, what="scoring", limits=limits, log=log, folder=folder, start=start)
    except ProcessError as error:
        lost = dict.fromkeys(files, Score(reason=str(error)))
        return Scored(metric=spec, outputs=(), decides=False, reference=None, artifacts=lost)


def score_all(job: ScoreJob) -> Scored:
    """The other end, in the process of its own.

    Raises:
        UsageError: the model or its metric.
    """
    from edgeproof.model.address import load_model

    workspace = Workspace(Path(job.root))
    spec = workspace.samples.metric
    if job.source is not None:
        metric = metric_of(load_model(job.source.model, trust=job.source.trust))
    else:
        assert spec is not None
        assert spec.named is not None
        metric = find_metric(spec.named)
    return _scored(workspace, metric, job.outputs, job.seconds)


def with_scores(document: ValidationDocument, scored: Scored | None, policy: PolicyValue) -> ValidationDocument:
    """The document with what was scored; a candidate that could not be scored has a warning that says why.

    Where the labels are real and held out, one that misses limits of the outputs that are scored, and nothing else, and
    loses no more than the policy allows, has passed: the limits that it misses are told.
    """
    if scored is None:
        return document
    results = tuple(
        _weighed(_with_score(result, scored.artifacts.get(result.artifact or "")), scored, policy)
        for result in document.results
    )
    return msgspec.structs.replace(
        document, task=scored.metric.name, metric=scored.metric, reference_score=scored.reference, results=results
    )


def _with_score(result: ValidationResult, found: Score | None) -> ValidationResult:
    if found is None:
        return result
    if found.task is None:
        warnings = (*result.warnings, f"no task score: {found.reason}")
        return msgspec.structs.replace(result, warnings=warnings)
    task, missing = found.task, _no_interval(found.task)
    warnings = result.warnings if missing is None else (*result.warnings, missing)
    return msgspec.structs.replace(
        result, task=task, slices=found.slices, task_score=task.score, task_drop=task.drop, warnings=warnings
    )


def _no_interval(task: TaskScore) -> str | None:
    """Why what is lost has no interval, where it has none."""
    if task.low is not None:
        return None
    if task.draws < LEAST_DRAWS and task.count > 1:
        return (
            f"no interval of the task score: the metric is slow, there was time for {task.draws} draws of at least "
            f"{LEAST_DRAWS}; raise --limit-seconds"
        )
    return "no interval of the task score: the metric is not defined on too many draws of the samples"


def _scored(workspace: Workspace, metric: Metric, outputs: Mapping[str, str], seconds: float) -> Scored:
    samples, held_out = workspace.samples, workspace.read(workspace.held_out)
    signature, spec = samples.signature, samples.metric
    assert spec is not None
    eager = read_npz(workspace.reference)
    labels = scored_labels(held_out.labels, signature, eager)
    beside = Beside(metric, scored_outputs(signature, eager), labels, seconds=seconds)
    slices = Slices.of(beside, slices_of(held_out.labels, held_out.slices, by_class=metric.by_class))
    found = {}
    for artifact, path in outputs.items():
        try:
            given = scored_outputs(signature, read_npz(Path(path)))
            found[artifact] = Score(task=beside.task(given), slices=slices.scores(given))
        except EdgeProofError as error:
            found[artifact] = Score(reason=str(error))
        except Exception as error:  # the metric may be the user's own
            found[artifact] = Score(reason=f"{type(error).__name__}: {error}")
    return Scored(
        metric=spec, outputs=signature.scored, decides=task_decides(samples), reference=beside.score, artifacts=found
    )


def _weighed(result: ValidationResult, scored: Scored, policy: PolicyValue) -> ValidationResult:
    if result.status != "failed" or result.task is None or not scored.decides:
        return result
    missed = outweighed(result, scored.outputs, scored.metric, policy)
    return (
        result if missed is None else msgspec.structs.replace(result, status="passed", reason=None, outweighed=missed)
    )
