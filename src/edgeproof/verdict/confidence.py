"""How far a verdict can be trusted: one definition, for every device class."""

from __future__ import annotations

from edgeproof.documents.evaluation import Confidence, Evidence, PolicyPoint
from edgeproof.verdict.contest import Contest
from edgeproof.verdict.wording import TITLES

__all__ = ["QUICK", "confidence_of", "has_real_labels", "secondary_gaps"]

QUICK = "a quick look: one precision a format, and few calls, starts and requests; run it without --quick to decide"


def confidence_of(contest: Contest) -> Confidence:
    """The confidence in the recommended candidate.

    ``high``: every point the policy asks for was measured on a real device of that class, the latency percentile is
    supported by its count, the device said that it did not throttle, and outputs and task score come from real,
    labelled samples held out from the representative ones.

    ``medium``: the same, but exactly one secondary thing is missing: the counts and precisions that a quick look
    leaves out, the power the policy asks for, the thermal state during the measurement, a machine that did nothing else
    meanwhile, samples that were held out rather than the representative ones used again, or as many of them as decide
    whether what is lost of the task score is within the limit.

    ``low``: everything else, also where its figures were told and not seen; so always when no device of the class was
    measured, and when nothing is recommended.
    """
    points = contest.chosen.points if contest.chosen is not None else ()
    if any(point.state != "met" for point in points if point.name != "power" and not undecided_score(point)):
        return "low"
    if not any(point.name == "latency" for point in points) or not has_real_labels(contest.evidence):
        return "low"
    if contest.chosen is not None and told_only(contest, contest.chosen.candidate):
        return "low"
    gaps = secondary_gaps(contest)
    return "high" if not gaps else "medium" if len(gaps) == 1 else "low"


def told_only(contest: Contest, candidate: str) -> str | None:
    """Why the candidate's figures on the class are told and not seen; None where they are seen, or there are none."""
    return next(
        (found.told for _, found in contest.cases[candidate].on(contest.device) if found.told is not None), None
    )


def undecided_score(point: PolicyPoint) -> bool:
    """Whether a point is a score whose interval does not decide."""
    return point.name in ("task", "slice") and point.state == "unsupported"


def has_real_labels(evidence: Evidence) -> bool:
    """Whether outputs were compared on real samples with labels."""
    samples = evidence.samples
    return samples is not None and not samples.synthetic and samples.held_out.labelled


def secondary_gaps(contest: Contest) -> list[str]:
    """What secondary things the recommended candidate lacks: power that is asked for, thermal state, held-out split."""
    gaps: list[str] = []
    chosen, samples = contest.chosen, contest.evidence.samples
    if chosen is None:
        return gaps
    measured = contest.cases[chosen.candidate].on(contest.device)
    manifest = contest.evidence.manifest
    if manifest is not None and manifest.options.quick:
        gaps.append(QUICK)
    told = told_only(contest, chosen.candidate)
    if told is not None:
        gaps.append(f"told, not seen: {told}")
    if any(found.outputs is not None and found.outputs.status == "unseen" for _, found in measured):
        gaps.append(f"outputs on {TITLES[contest.device]}: what timed it there gives none")
    if any(point.name == "power" and point.state != "met" for point in chosen.points):
        gaps.append("power")
    if any(undecided_score(point) for point in chosen.points):
        gaps.append("samples: too few to decide what is lost of the task score")
    if contest.busy:
        where = TITLES[contest.device]
        gaps.append(f"busy: {where} did other work while candidates were timed, so another may be faster")
    if any(found.steady is not None and found.throttled is None for _, found in measured):
        gaps.append("thermal state: the device does not tell whether it throttled")
    if samples is not None and samples.held_out.source == "representative":
        gaps.append("held-out samples: the representative samples serve for validation too")
    return gaps
