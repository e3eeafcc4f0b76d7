"""One candidate on one device class, held against every point of the policy. Chooses nothing."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec

from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import PointName, PointState, PolicyPoint, Standing, StandingStatus
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.samples import SAYS_NOTHING
from edgeproof.documents.validation import OnProcessor
from edgeproof.verdict.cases import Case
from edgeproof.verdict.limits import SEVERITY
from edgeproof.verdict.on_devices import device_points
from edgeproof.verdict.outputs import judge_outputs
from edgeproof.verdict.outputs_there import differing_there, scored_there
from edgeproof.verdict.shipping import ships_bytes, ships_unknown, ships_words
from edgeproof.verdict.soaks import soak_points
from edgeproof.verdict.task import metric_of, outweighed, slice_point, task_decides, task_point
from edgeproof.verdict.wording import and_list

__all__ = ["is_measured", "point_of", "standing_of"]

ALIKE = 1.25
"""By how much outputs may be further off on another processor, and be as far off as here."""


def standing_of(case: Case, policy: PolicyValue, device_class: DeviceClass) -> Standing:
    """The candidate against every point the policy asks for on this device class.

    ``fails`` as soon as one point is not met, ``meets`` when all are met, ``open`` otherwise. Latency, power and memory
    count only from real devices of the class, and the worst of several devices stands.

    Args:
        case: the candidate.
        policy: as the device class is held to it.
        device_class: the class.
    """
    outputs = differing_there(difference_point(case, policy, device_class), case, device_class)
    points = [*evidence_points(case), outputs]
    points += output_points(case, policy)
    points += [scored_there(task_point(case, policy), case, policy, device_class), *slice_point(case, policy)]
    if "int" in case.precision:
        points.append(samples_point(case, policy))
    points += size_points(case, policy, device_class)
    points += device_points(case, policy, device_class)
    points += soak_points(case, policy, device_class)
    states = {point.state for point in points}
    status: StandingStatus = "fails" if "not met" in states else "meets" if states == {"met"} else "open"
    return Standing(candidate=case.candidate, sdk=case.sdk, status=status, points=tuple(points))


def point_of(standing: Standing, name: PointName) -> PolicyPoint | None:
    """The standing's point of that name; None when the policy does not ask for it."""
    return next((point for point in standing.points if point.name == name), None)


def is_measured(standing: Standing) -> bool:
    """Whether a real device of the class has latency figures for the candidate, or failed to run it."""
    latency = point_of(standing, "latency")
    return point_of(standing, "runs") is not None or (latency is not None and latency.state != "not measured")


def evidence_points(case: Case) -> list[PolicyPoint]:
    """Why agreement with this model is no evidence: silent or constant outputs, a score of guessing, a population of
    neurons that never fires or always does. Nothing where it is one."""
    samples, activity = case.evidence.samples, case.evidence.activity
    found = [check.detail for check in (samples.checks if samples is not None else ()) if check.name in SAYS_NOTHING]
    for neurons in activity.neurons if activity is not None else ():
        if neurons.firing_rate in (0.0, 1.0):
            how = "never fire" if neurons.firing_rate == 0 else "fire at every time step"
            found.append(f"the neurons {neurons.name} {how} on any sample")
    if not found:
        return []
    return [PolicyPoint(name="evidence", state="unsupported", text=f"agreement says nothing: {'; '.join(found)}")]


def difference_point(case: Case, policy: PolicyValue, device_class: DeviceClass) -> PolicyPoint:
    """Outputs against the eager reference, with this policy's limits on the validation's figures.

    A failure for another reason than a tolerance (NaN, a wrong shape) stays a failure under every policy. A pass is no
    proof where something about it was to be looked into, or where devices of the class may compute it another way that
    does not pass. Where processors of the class computed it, what they gave counts.
    """

    def point(state: PointState, text: str) -> PolicyPoint:
        return PolicyPoint(name="difference", state=state, text=text)

    conversion, result = case.conversion, case.validation
    if conversion is not None and conversion.status == "failed":
        return point("not met", f"not converted: {conversion.reason or 'no reason given'}")
    if conversion is not None and conversion.status == "skipped":
        state: PointState = "not measured" if conversion.lacking else "not met"
        return point(state, f"not converted: {conversion.reason or 'skipped'}")
    if result is None:
        return point("not measured", "outputs were not compared with the eager model")
    if result.status == "skipped":
        return point("not measured", f"outputs not compared: {result.reason or 'it cannot run here'}")
    if result.status == "error":
        why = (result.reason or "no reason given").removeprefix("it does not run: ")
        return point("not met", f"does not run: {why}")
    if result.faults:
        more = f", and {len(result.faults) - 1} more" if len(result.faults) > 1 else ""
        return point("not met", f"validation failed: {result.faults[0]}{more}")
    if not case.outputs:
        why = f": {result.reason}" if result.reason else ", without figures"
        return point("met" if result.status == "passed" else "not met", f"validation {result.status}{why}")
    judged = judge_outputs(case.outputs, policy.difference, case.precision)
    worst = max(judged, key=lambda judgement: SEVERITY[judgement.state])
    missed = outweighed_here(case, policy) if worst.state == "not met" else None
    if missed is not None:
        worst = point("met", f"{missed}: it warns, for the task score decides")
    by_tolerance = result.tolerance is not None and all(output.relative_l2 is not None for output in case.outputs)
    if result.status == "failed" and worst.state == "met" and not by_tolerance and missed is None:
        return point("not met", f"validation failed: {result.reason or 'no reason given'}")
    there = [found for found in result.processors if device_class in found.classes and found.agreement != "not run"]
    doubts = [
        *result.warnings,
        *(variant.warning or "" for variant in result.variants if device_class in variant.against and not there),
    ]
    if there:
        worst = on_processors(worst, there if missed is None else [as_far_off(found, case) for found in there])
    if worst.state == "met" and doubts:
        return point("unsupported", f"{worst.text}; but {doubts[0]}")
    if result.checked_by is not None:
        return msgspec.structs.replace(worst, text=f"{worst.text}, by {result.checked_by}")
    return worst


def outweighed_here(case: Case, policy: PolicyValue) -> str | None:
    """The limits that the candidate's outputs miss, where its task score weighs more; else None."""
    samples, document = case.evidence.samples, case.evidence.validation
    if case.validation is None or samples is None or document is None or not task_decides(samples):
        return None
    return outweighed(case.validation, samples.signature.scored, metric_of(document), policy)


def as_far_off(found: OnProcessor, case: Case) -> OnProcessor:
    """What a processor does, where outputs as far off as this machine's are no fault."""
    here = case.differences.relative_l2 if case.differences is not None else None
    off = found.differences.relative_l2 if found.differences is not None else None
    if found.agreement != "wrong" or here is None or off is None or off > ALIKE * here:
        return found
    return msgspec.structs.replace(found, agreement="within tolerance", reason=None)


def on_processors(here: PolicyPoint, there: list[OnProcessor]) -> PolicyPoint:
    """The point of outputs on this machine, with what processors of the device class say of it.

    What is wrong on all of them is not met, whatever this machine computes; on some, or here alone, it is unsupported.
    """
    against = [found for found in there if found.speaks_against]
    names = and_list([found.processor for found in (against or there)])
    if not against:
        same = "the same bits" if all(found.agreement == "same bits" for found in there) else "within tolerance"
        state: PointState = "met" if here.state == "met" else "unsupported"
        text = f"{here.text}; {'' if here.state == 'met' else 'but '}{same} on {names} (emulated)"
    else:
        state = "unsupported" if here.state == "met" and len(against) < len(there) else "not met"
        first = against[0]
        why = "it does not run" if first.agreement == "does not run" else f"wrong: {first.reason}"
        text = f"on {names} (emulated) {why}; here {here.text}"
    return msgspec.structs.replace(here, state=state, text=text)


def output_points(case: Case, policy: PolicyValue) -> list[PolicyPoint]:
    """What the policy asks of real outputs beside their distance: the worst output stands."""
    outputs = [output for output in case.outputs if output.kind == "real"]
    points = []
    if policy.cosine_min is not None:
        found = [output.cosine_min for output in outputs]
        points.append(least("cosine", "smallest cosine of a sample", found, policy.cosine_min))
    if policy.threshold_agreement is not None:
        known = [output.threshold_agreement for output in outputs if output.threshold == policy.threshold]
        title = f"share of values on the same side of {policy.threshold:g}"
        points.append(least("threshold", title, known, policy.threshold_agreement))
    if policy.output_saturation is not None and "int" in case.precision:
        cut = [output.saturation for output in outputs]
        points.append(most("saturation", "share of values cut off at the output's end", cut, policy.output_saturation))
    return points


def least(name: PointName, title: str, found: Sequence[float | None], limit: float) -> PolicyPoint:
    """The smallest of figures that must not be below a limit."""
    known = [value for value in found if value is not None and math.isfinite(value)]
    if not found or len(known) < len(found):
        return PolicyPoint(name=name, state="not measured", text=f"{title} not measured", limit=limit)
    value = min(known)
    state: PointState = "met" if value >= limit else "not met"
    text = f"{title} {exactly(value, limit)}, limit {limit:g}"
    return PolicyPoint(name=name, state=state, text=text, value=value, limit=limit)


def most(name: PointName, title: str, found: Sequence[float | None], limit: float) -> PolicyPoint:
    """The largest of figures that must not be above a limit."""
    point = least(name, title, [None if value is None else -value for value in found], -limit)
    if point.value is None:
        return msgspec.structs.replace(point, limit=limit)
    text = f"{title} {exactly(-point.value, limit)}, limit {limit:g}"
    return msgspec.structs.replace(point, text=text, value=-point.value, limit=limit)


def exactly(value: float, limit: float) -> str:
    """With as many digits as tell it from the limit."""
    return next((text for digits in (4, 6, 9) if float(text := f"{value:.{digits}g}") != limit), f"{value:g}")


def size_points(case: Case, policy: PolicyValue, device_class: DeviceClass) -> list[PolicyPoint]:
    """Everything that ships to the class, artifact and runtime; the artifact alone says nothing of it."""
    if policy.size_mb is None:
        return []
    total = ships_bytes(case, device_class)
    if total is None:
        text = f"what ships is not known: {ships_unknown(case, device_class)}"
        return [PolicyPoint(name="size", state="not measured", text=text, limit=policy.size_mb)]
    value = total / 1e6
    state: PointState = "met" if value <= policy.size_mb else "not met"
    text = f"ships {ships_words(case, device_class)}; limit {policy.size_mb:g} MB"
    return [PolicyPoint(name="size", state=state, text=text, value=value, limit=policy.size_mb)]


def samples_point(case: Case, policy: PolicyValue) -> PolicyPoint:
    """int8 stands on its representative samples: real ones, and enough of them. Else it cannot pass."""
    samples, lacking = case.evidence.samples, 0
    if samples is None:
        text = "int8 on samples that no document describes cannot pass"
    elif samples.synthetic or samples.source == "synthetic":
        text = f"int8 on synthetic samples cannot pass: {samples.origin}"
    elif samples.under_sampled or samples.count < policy.minimum_samples:
        text = f"int8 is under-sampled: {samples.count} representative samples, policy asks {policy.minimum_samples}"
        lacking = max(policy.minimum_samples - samples.count, 0)
    else:
        return PolicyPoint(name="samples", state="met", text=f"int8 on {samples.count} real representative samples")
    return PolicyPoint(name="samples", state="not met", text=text, needs_more=lacking)
