"""The decision: evidence and policy in, an evaluation out. Pure; reads and writes no file.

The rule. Where an SDK candidate meets the latency target and the power budget on a device it is preferred, above all
for spiking models; a dense model is rather converted on phones, when difference, task score and power are within the
policy. A device class that was not measured is judged on outputs and size alone, and the verdict is provisional.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import get_args

from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import EvaluationDocument, Evidence, PointName, PolicyValue, Standing, Verdict
from edgeproof.verdict.changes import would_change
from edgeproof.verdict.confidence import confidence_of, secondary_gaps
from edgeproof.verdict.evidence import candidate_names, conversion_of, measurements_of
from edgeproof.verdict.points import point_of, standing_of
from edgeproof.verdict.rows import candidate_row, not_measured
from edgeproof.verdict.wording import TITLES, figure, sentence_of, shortened

__all__ = ["DEVICE_CLASSES", "decide", "prefers_sdk", "verdict_for"]

DEVICE_CLASSES: tuple[DeviceClass, ...] = get_args(DeviceClass)

Platforms = Mapping[str, tuple[str, ...]]
"""Candidate to the device classes its format ships to."""


def decide(evidence: Evidence, policy: PolicyValue, platforms: Platforms, *, policy_source: str) -> EvaluationDocument:
    """Hold the evidence against the policy.

    Args:
        evidence: the run's documents; a missing one makes its figures not measured.
        policy: the thresholds.
        platforms: per candidate, the device classes it ships to. A candidate that is not named ships nowhere.
        policy_source: where the policy comes from, for the document.
    """
    names = candidate_names(evidence)
    return EvaluationDocument(
        model=evidence.model,
        policy=policy,
        policy_source=policy_source,
        verdicts=tuple(verdict_for(device, evidence, policy, platforms) for device in DEVICE_CLASSES),
        candidates=tuple(candidate_row(evidence, name, platforms.get(name, ())) for name in names),
        not_measured=not_measured(evidence),
    )


def verdict_for(device: DeviceClass, evidence: Evidence, policy: PolicyValue, platforms: Platforms) -> Verdict:
    """The verdict for one device class."""
    standings = tuple(
        standing_of(evidence, policy, name, device)
        for name in candidate_names(evidence)
        if device in platforms.get(name, ())
    )
    measured = any(is_measured(standing) for standing in standings)
    pool = qualified(standings, measured=measured)
    order = ranked(pool, device, evidence, policy, measured=measured)
    chosen = order[0] if order else None
    made = evidence.conversion is None or any(one.status == "ok" for one in evidence.conversion.candidates)
    undecided = [standing for standing in standings if standing.status == "open" and standing not in order]
    confidence = confidence_of(evidence, chosen, device)
    if chosen is not None:
        decision = "sdk" if chosen.sdk else "convert"
    else:
        decision = "undecided" if undecided or evidence.conversion is None else "none"
    return Verdict(
        device_class=device,
        decision=decision,  # type: ignore[arg-type]
        candidate=chosen.candidate if chosen else None,
        confidence=confidence,
        sentence=sentence_of(
            device, chosen, undecided, ships=bool(standings), made=made, measured=measured, confidence=confidence
        ),
        reasons=tuple(reasons(device, evidence, policy, standings, order, measured=measured)),
        missing=tuple(missing(device, evidence, chosen, undecided)),
        would_change=would_change(device, evidence, policy, order, undecided, standings),
        standings=standings,
    )


def is_measured(standing: Standing) -> bool:
    """Whether a real device of the class has latency figures for the candidate, or failed to run it."""
    latency = point_of(standing, "latency")
    return point_of(standing, "runs") is not None or (latency is not None and latency.state != "not measured")


def qualified(standings: Iterable[Standing], *, measured: bool) -> list[Standing]:
    """The candidates that may be recommended: those that meet everything, else those without a point against them.

    Outputs must have been compared and be within the policy. On a device class that was measured the latency must be
    met too; on one that was not, latency cannot speak for or against anyone.
    """
    standings = list(standings)
    complete = [standing for standing in standings if standing.status == "meets"]
    if complete:
        return complete
    needed: tuple[PointName, ...] = ("difference", "latency") if measured else ("difference",)
    return [
        standing
        for standing in standings
        if standing.status == "open"
        and all((point := point_of(standing, name)) is not None and point.state == "met" for name in needed)
    ]


def prefers_sdk(device: DeviceClass, evidence: Evidence, policy: PolicyValue) -> bool:
    """Whether the rule prefers the SDK here: always, but for a dense model on a phone."""
    if device not in ("android", "iphone"):
        return True
    return policy.prefer_sdk_for_spiking and is_spiking(evidence)


def is_spiking(evidence: Evidence) -> bool:
    return evidence.samples is not None and evidence.samples.signature.spiking


def ranked(
    pool: list[Standing], device: DeviceClass, evidence: Evidence, policy: PolicyValue, *, measured: bool
) -> list[Standing]:
    """The qualified candidates, best first: the preferred family, then latency where it was measured.

    Without a measurement: the least task score lost (to a tenth of a point), then one call before one call a time step,
    then the smaller artifact, then name.
    """
    sdk_first = prefers_sdk(device, evidence, policy)

    def key(standing: Standing) -> tuple[bool, float, bool, float, str]:
        latency, task = point_of(standing, "latency"), point_of(standing, "task")
        conversion = conversion_of(evidence, standing.candidate)
        size = float(conversion.bytes) if conversion is not None and conversion.bytes is not None else float("inf")
        if measured:
            first = latency.value if latency is not None and latency.value is not None else float("inf")
        else:
            first = round(max(task.value, 0.0), 1) if task is not None and task.value is not None else 0.0
        steps = not measured and conversion is not None and conversion.form == "step"
        return (standing.sdk != sdk_first, first, steps, size, standing.candidate)

    return sorted(pool, key=key)


def reasons(
    device: DeviceClass,
    evidence: Evidence,
    policy: PolicyValue,
    standings: tuple[Standing, ...],
    order: list[Standing],
    *,
    measured: bool,
) -> list[str]:
    """Why: the rule that applied, the points of the chosen candidate, who else qualifies, who fails on what."""
    lines = []
    if order:
        lines.append(rule_in_words(device, evidence, policy, standings, order[0]))
        lines += [point.text for point in order[0].points if point.state == "met"]
        for other in order[1:3]:
            lines.append(f"{other.candidate} qualifies too{compared(evidence, order[0], other, device)}")
    elif not standings:
        lines.append(
            "nothing was converted yet"
            if evidence.conversion is None
            else f"no candidate of this run ships to {TITLES[device]}"
        )
    if not measured:
        lines.append(f"nothing was measured on {TITLES[device]}: latency of another machine says nothing about it")
    for failed in [standing for standing in standings if standing.status == "fails"][:4]:
        against = next(point.text for point in failed.points if point.state == "not met")
        lines.append(f"{failed.candidate} is out: {shortened(against)}")
    lines += emulated_lines(device, evidence)
    return lines


def rule_in_words(
    device: DeviceClass, evidence: Evidence, policy: PolicyValue, standings: tuple[Standing, ...], chosen: Standing
) -> str:
    spiking = "spiking" if is_spiking(evidence) else "dense" if evidence.samples is not None else "(unknown kind of)"
    where = TITLES[device]
    if prefers_sdk(device, evidence, policy):
        rule = f"for a {spiking} model on {where} the model's own engine is preferred where it meets the policy"
    else:
        rule = f"for a {spiking} model on {where} a conversion is preferred where it is within the policy"
    wanted = prefers_sdk(device, evidence, policy)
    if chosen.sdk == wanted:
        return rule
    ships = any(standing.sdk == wanted for standing in standings)
    return f"{rule}; {'none of that family does' if ships else 'none of that family ships there'}"


def compared(evidence: Evidence, chosen: Standing, other: Standing, device: DeviceClass) -> str:
    """Median latency of ``other`` over ``chosen``, where one device measured both interleaved."""
    of_other = {document.device: found for document, found in measurements_of(evidence, other.candidate, device)}
    for document, measurement in measurements_of(evidence, chosen.candidate, device):
        against = of_other.get(document.device)
        if against is not None and against.ratio_to_baseline and measurement.ratio_to_baseline:
            ratio = against.ratio_to_baseline / measurement.ratio_to_baseline
            return f" (median latency {figure(ratio)} × that of {chosen.candidate}, interleaved on {document.device})"
    return ""


def emulated_lines(device: DeviceClass, evidence: Evidence) -> list[str]:
    """What an emulated device of the class tells: that candidates run, and never how fast."""
    lines = []
    for document in evidence.devices:
        if document.emulated and document.device_class == device:
            ran = [found.candidate for found in document.measurements if found.status == "ok"]
            broke = [found.candidate for found in document.measurements if found.status == "failed"]
            if ran:
                lines.append(f"{document.device} ran {', '.join(ran)}; an emulated device has no latency or power")
            if broke:
                lines.append(f"{document.device} could not run {', '.join(broke)}")
    return lines


def missing(device: DeviceClass, evidence: Evidence, chosen: Standing | None, undecided: list[Standing]) -> list[str]:
    """What was asked for and not measured, for the chosen candidate, or for those that could still qualify."""
    looked_at = [chosen] if chosen is not None else undecided[:4]
    lines = [
        f"{standing.candidate}: {point.text}"
        for standing in looked_at
        for point in standing.points
        if point.state in ("not measured", "unsupported")
    ]
    if chosen is not None:
        lines += [gap for gap in secondary_gaps(evidence, chosen, device) if gap != "power"]
    if evidence.samples is None:
        lines.append("whether the model is spiking: the run has no document of its samples and signature")
    return list(dict.fromkeys(lines))
