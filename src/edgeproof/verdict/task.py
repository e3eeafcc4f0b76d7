"""The task score held against the policy: what is lost, how sure that is, and where it weighs more than a distance."""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgeproof.documents.evaluation import PointName, PointState, PolicyPoint
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.task import SHARE, MetricSpec, SliceScore, TaskScore
from edgeproof.documents.validation import ValidationDocument, ValidationResult
from edgeproof.metrics.deciding import samples_to_decide
from edgeproof.verdict.cases import Case
from edgeproof.verdict.drops import drop_in_short, drop_words, head, is_nothing, limit_words
from edgeproof.verdict.limits import SEVERITY
from edgeproof.verdict.outputs import judged_outputs

__all__ = [
    "drop_point",
    "judge_drop",
    "metric_of",
    "outweighed",
    "rounded",
    "score_in_short",
    "slice_point",
    "slice_words",
    "task_decides",
    "task_limit",
    "task_point",
    "worst_slice",
]

ACCURACY = MetricSpec(name="accuracy", unit=SHARE)
"""What documents that name no metric scored by."""
SAME = "for outputs are the eager model's but for rounding"
"""Of a score that so few samples would not decide."""


def task_decides(samples: SamplesDocument | None) -> bool:
    """Whether the task score is of real, labelled samples held out from the representative ones: then it decides, and a
    distance of the outputs that it takes warns."""
    return (
        samples is not None
        and not samples.synthetic
        and samples.held_out.labelled
        and samples.held_out.source != "representative"
    )


def task_limit(policy: PolicyValue, metric: MetricSpec, reference: float, *, slices: bool = False) -> float:
    """The largest drop that is allowed, in the metric's unit, points for a share.

    Args:
        policy: whose ``task_drop``, else ``task_drop_points``, or ``slice_drop``, it is.
        metric: what is scored.
        reference: the eager model's score.
        slices: whether it is for a slice.
    """
    asked = policy.slice_drop if slices else policy.task_drop
    whole = 100 * reference if metric.unit == SHARE else reference
    if isinstance(asked, str):
        return abs(whole) * float(asked.strip().removesuffix("%")) / 100
    if asked is not None:
        return asked
    return policy.task_drop_points if metric.unit == SHARE else abs(whole) * policy.task_drop_points / 100


def outweighed(result: ValidationResult, outputs: Sequence[str], metric: MetricSpec, policy: PolicyValue) -> str | None:
    """The limits that outputs miss, where that is all that speaks against them, they are the scored ones, and no more
    of the score is lost than the policy allows; else None. Whether the score decides is asked before.

    Args:
        result: the candidate's, with its score.
        outputs: names of those that are scored.
        metric: what scores them.
        policy: the thresholds.
    """
    if result.task is None or not result.outputs:
        return None
    missed = [
        (output, point)
        for output, point in judged_outputs(result.outputs, policy.difference, result.precision or "")
        if point.state == "not met"
    ]
    only_that = result.reason in (None, "; ".join(point.text for _, point in missed))
    scored = all(output.name in outputs and output.relative_l2 is not None for output, _ in missed)
    limit = task_limit(policy, metric, result.task.reference)
    if not missed or not only_that or not scored or not result.task.drop <= limit:
        return None
    return "; ".join(point.text for _, point in missed)


def judge_drop(task: TaskScore, limit: float, *, held_to: str = "interval") -> PointState:
    """Whether a drop is within the limit: by its interval, whose end decides, or by the estimate."""
    if not math.isfinite(task.drop):
        return "not met"
    if held_to == "estimate":
        return "met" if task.drop <= limit else "not met"
    if task.low is None or task.high is None:
        return "unsupported"
    return "met" if task.high <= limit else "not met" if task.low > limit else "unsupported"


def task_point(case: Case, policy: PolicyValue) -> PolicyPoint:
    """What the candidate loses of the task score against the eager model."""
    document, result = case.evidence.validation, case.validation
    metric = metric_of(document)
    drop = result.task_drop if result is not None else None
    if drop is None or result is None:
        unscored = document is not None and document.task is None
        why = why_unscored(case) if unscored else "the candidate has no task score"
        return PolicyPoint(name="task", state="not measured", text=f"task score not measured: {why}")
    if not math.isfinite(drop):
        return PolicyPoint(name="task", state="not met", text=f"{metric.name} is not finite")
    if result.task is None:  # of a document that has no interval
        limit = task_limit(policy, metric, document.reference_score or 0.0 if document is not None else 0.0)
        text = f"{drop_words(metric, drop, None, None, limit)} (limit {limit_words(metric, limit)})"
        state: PointState = "met" if drop <= limit else "not met"
        return PolicyPoint(name="task", state=state, text=text, value=drop, limit=limit)
    if case.eager and drop == 0:
        text = f"{drop_words(metric, drop, None, None)}: it is the eager model"
        return PolicyPoint(name="task", state="met", text=text, value=drop, limit=limit_of(case, policy))
    return drop_point("task", result.task, metric, policy, exact=case.exact)


def limit_of(case: Case, policy: PolicyValue) -> float | None:
    """The largest drop of the candidate's score that is allowed; None where it has none with an interval."""
    task = case.validation.task if case.validation is not None else None
    return task_limit(policy, metric_of(case.evidence.validation), task.reference) if task is not None else None


def score_in_short(case: Case, policy: PolicyValue, point: PolicyPoint) -> str:
    """The point of the candidate's task score as a sentence has it; its interval stands in the candidate's section."""
    task, limit = case.validation.task if case.validation is not None else None, limit_of(case, policy)
    if task is None or limit is None or case.eager or point.text.endswith(SAME):
        return point.text
    told = None if policy.task_held_to == "estimate" or task.high is None else point.state == "met"
    return drop_in_short(metric_of(case.evidence.validation), task.drop, task.count, limit, decided=told)


def why_unscored(case: Case) -> str:
    samples = case.evidence.samples
    found = [check.detail for check in samples.checks if check.name == "metric"] if samples is not None else []
    why = found[0].removeprefix("no task score: ") if found else "the samples have no labels"
    return f"{why}; how near its outputs are to the eager model's stands in for it"


def drop_point(
    name: PointName, task: TaskScore, metric: MetricSpec, policy: PolicyValue, of: str = "", *, exact: bool = False
) -> PolicyPoint:
    """A drop and its interval against the limit.

    Too few samples leave open what another function would lose; of outputs that are the eager model's but for rounding
    (``exact``), by which nothing was lost or gained, there is no other function.
    """
    limit = task_limit(policy, metric, task.reference, slices=name == "slice")
    state = judge_drop(task, limit, held_to=policy.task_held_to)
    said = drop_words(metric, task.drop, task.low, task.high, limit)
    text = f"{said}{of}, limit {limit_words(metric, limit)}"
    more = 0
    if state == "unsupported" and exact and task.drop == 0 and not task.lost:
        text = f"{head(metric, 0.0, limit)}{of} on {task.count:,} samples, {SAME}"
        return PolicyPoint(name=name, state="met", text=text, value=task.drop, limit=limit)
    if state == "unsupported":
        text += f": not decided at {task.count} samples"
        if task.low is None or task.high is None:
            text += f", on too few of which {metric.name} is defined"
        elif (needed := needed_samples(task, limit)) is not None:
            text += f", about {rounded(needed):,} would decide"
            more = max(needed - task.count, 0)
    return PolicyPoint(name=name, state=state, text=text, value=task.drop, limit=limit, needs_more=more)


def needed_samples(task: TaskScore, limit: float) -> int | None:
    """About how many samples would decide, or None."""
    if task.low is None or task.high is None:
        return None
    alike = task.lost == 0 and task.gained == 0
    return samples_to_decide(task.drop, task.low, task.high, task.count, limit, alike=alike)


def rounded(count: int) -> int:
    """Up, to two digits: it is an estimate."""
    step: int = 10 ** max(len(str(count)) - 2, 0)
    return math.ceil(count / step) * step


def metric_of(document: ValidationDocument | None) -> MetricSpec:
    """What the run was scored by."""
    if document is None:
        return ACCURACY
    return document.scored_by or MetricSpec(name="task score", unit=SHARE)


def worst_slice(case: Case) -> SliceScore | None:
    """The slice that loses most; of equal ones that of more samples."""
    scores = case.validation.slices if case.validation is not None else ()
    return max(scores, key=lambda found: (found.task.drop, found.task.count), default=None)


def slice_words(case: Case, policy: PolicyValue) -> str | None:
    """On which slice the candidate loses most, with the interval; None where it loses nothing that counts on any."""
    found, metric = worst_slice(case), metric_of(case.evidence.validation)
    if found is None or case.validation is None:
        return None
    task, limit = found.task, task_limit(policy, metric, found.task.reference)
    if task.drop <= 0 or is_nothing(metric, task.drop, limit):
        return None
    lost, many = drop_words(metric, task.drop, task.low, task.high, limit), len(case.validation.slices)
    return f"{case.candidate} loses most on the {found.kind} {found.name} ({task.count} samples, of {many}): {lost}"


def slice_point(case: Case, policy: PolicyValue) -> list[PolicyPoint]:
    """The worst slice against the policy; nothing where it asks for none."""
    if policy.slice_drop is None:
        return []
    scores = case.validation.slices if case.validation is not None else ()
    if not scores:
        text = "task score by slice not measured: the samples have neither classes nor slices, or no task score"
        return [PolicyPoint(name="slice", state="not measured", text=text)]
    metric = metric_of(case.evidence.validation)
    points = [
        drop_point(
            "slice",
            found.task,
            metric,
            policy,
            f" on the {found.kind} {found.name}, of {len(scores)}",
            exact=case.exact,
        )
        for found in scores
    ]
    return [max(points, key=lambda point: (SEVERITY[point.state], point.value or 0.0))]
