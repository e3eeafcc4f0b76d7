"""One candidate on one device class, held against every point of the policy. Chooses nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from edgeproof.documents.device import DeviceClass, DeviceDocument, DeviceMeasurement
from edgeproof.documents.evaluation import PointName, PointState, PolicyPoint, PolicyValue, Standing, StandingStatus
from edgeproof.documents.latency import Percentile
from edgeproof.documents.samples import SAYS_NOTHING
from edgeproof.documents.validation import OnProcessor
from edgeproof.verdict.cases import Case
from edgeproof.verdict.figures import mean_power_mw, told
from edgeproof.verdict.outputs import judge_outputs
from edgeproof.verdict.wording import TITLES, and_list, figure, milliseconds

__all__ = ["DEVICE_LIMITS", "SEVERITY", "Limit", "is_measured", "point_of", "standing_of"]

SEVERITY: dict[PointState, int] = {"not met": 3, "unsupported": 2, "not measured": 1, "met": 0}

S = TypeVar("S")


@dataclass(frozen=True)
class Limit(Generic[S]):
    """A budget of the policy, and the figure that must not be above it.

    Attributes:
        point: the point's name.
        key: the policy's key; None there means no limit.
        unit: of the budget.
        of: the figure, of a case or of a measurement.
        per_unit: how much of the figure makes one of the budget's unit.
        missing: what is not measured when there is no figure.
        title: what the figure is called when there is one; nothing where the unit says it.
    """

    point: PointName
    key: str
    unit: str
    of: Callable[[S], float | None]
    per_unit: float
    missing: str
    title: str = ""

    def asked(self, policy: PolicyValue) -> float | None:
        """The budget, or None when the policy has none."""
        value: float | None = getattr(policy, self.key)
        return value

    def hold(self, policy: PolicyValue, subject: S, where: str = "") -> list[PolicyPoint]:
        """The figure against the budget; nothing when the policy has none."""
        limit, given = self.asked(policy), self.of(subject)
        if limit is None:
            return []
        if given is None or not math.isfinite(given):
            return [PolicyPoint(name=self.point, state="not measured", text=f"{self.missing} not measured{where}")]
        value = given / self.per_unit
        text = f"{self.title} {figure(value)} {self.unit}{where}, limit {limit:g} {self.unit}".lstrip()
        return [PolicyPoint(name=self.point, state="met" if value <= limit else "not met", text=text, value=value)]


SIZE_LIMIT: Limit[Case] = Limit("size", "size_mb", "MB", told("conversion.bytes"), 1e6, "size")
DEVICE_LIMITS: tuple[Limit[DeviceMeasurement], ...] = (
    Limit("power", "power_mw", "mW", mean_power_mw, 1, "power", "mean power"),
    Limit("memory", "memory_mb", "MB", told("process.peak_memory_bytes"), 1e6, "peak memory", "peak memory"),
)
"""What is held against every device by itself."""


def standing_of(case: Case, policy: PolicyValue, device_class: DeviceClass) -> Standing:
    """The candidate against every point the policy asks for on this device class.

    ``fails`` as soon as one point is not met, ``meets`` when all are met, ``open`` otherwise. Latency, power and memory
    count only from real devices of the class, and the worst of several devices stands.
    """
    points = [*evidence_points(case), difference_point(case, policy, device_class), task_point(case, policy)]
    if "int" in case.precision:
        points.append(samples_point(case, policy))
    points += SIZE_LIMIT.hold(policy, case)
    points += device_points(case, policy, device_class)
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
        return point("not measured", f"not converted: {conversion.reason or 'skipped'}")
    if result is None:
        return point("not measured", "outputs were not compared with the eager model")
    if result.status == "skipped":
        return point("not measured", f"outputs not compared: {result.reason or 'it cannot run here'}")
    if result.status == "error":
        return point("not met", f"does not run: {result.reason or 'no reason given'}")
    if not case.outputs:
        return point("met" if result.status == "passed" else "not met", f"validation {result.status}, without figures")
    judged = judge_outputs(case.outputs, policy.difference, case.precision)
    worst = max(judged, key=lambda judgement: SEVERITY[judgement.state])
    by_tolerance = result.tolerance is not None and all(output.relative_l2 is not None for output in case.outputs)
    if result.status == "failed" and worst.state == "met" and not by_tolerance:
        return point("not met", f"validation failed: {result.reason or 'no reason given'}")
    there = [found for found in result.processors if device_class in found.classes and found.agreement != "not run"]
    doubts = [
        *result.warnings,
        *(variant.warning or "" for variant in result.variants if device_class in variant.against and not there),
    ]
    if there:
        worst = on_processors(worst, there)
    if worst.state == "met" and doubts:
        return point("unsupported", f"{worst.text}; but {doubts[0]}")
    if result.checked_by is not None:
        return msgspec.structs.replace(worst, text=f"{worst.text}, by {result.checked_by}")
    return worst


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


def task_point(case: Case, policy: PolicyValue) -> PolicyPoint:
    """Task score lost against the eager model, in percentage points."""
    document = case.evidence.validation
    drop = case.validation.task_drop if case.validation is not None else None
    if drop is None:
        unlabelled = document is not None and document.task is None
        why = "the samples have no labels" if unlabelled else "the candidate has no task score"
        return PolicyPoint(name="task", state="not measured", text=f"task score not measured: {why}")
    task = (document.task if document is not None else None) or "task score"
    if not math.isfinite(drop):
        return PolicyPoint(name="task", state="not met", text=f"{task} is not finite")
    change = f"{abs(drop):.2f} points of {task} {'lost' if drop > 0 else 'gained'}"
    limit = policy.task_drop_points
    text = (
        f"{f'no {task} lost' if abs(drop) < 0.005 else change} (limit {limit:g} {'point' if limit == 1 else 'points'})"
    )
    return PolicyPoint(name="task", state="met" if drop <= limit else "not met", text=text, value=drop)


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


def device_points(case: Case, policy: PolicyValue, device_class: DeviceClass) -> list[PolicyPoint]:
    """Latency, power and memory, each the worst over the real devices of the class."""
    found = case.on(device_class)
    if not found:
        asked: list[PointName] = [
            "latency",
            *(limit.point for limit in DEVICE_LIMITS if limit.asked(policy) is not None),
        ]
        text = f"not measured on {TITLES[device_class]}"
        return [PolicyPoint(name=name, state="not measured", text=f"{name} {text}") for name in asked]
    worst: dict[PointName, PolicyPoint] = {}
    for device, measurement in found:
        for point in points_on(policy, device, measurement):
            worst[point.name] = max(
                worst.get(point.name, point), point, key=lambda seen: (SEVERITY[seen.state], seen.value or 0)
            )
    return list(worst.values())


def points_on(policy: PolicyValue, device: DeviceDocument, measurement: DeviceMeasurement) -> list[PolicyPoint]:
    where = device.device
    if measurement.status == "failed":
        text = f"fails on {where}: {measurement.reason or 'no reason given'}"
        return [PolicyPoint(name="runs", state="not met", text=text)]
    if measurement.status == "skipped":
        text = f"latency not measured on {where}: {measurement.reason or 'skipped'}"
        return [PolicyPoint(name="latency", state="not measured", text=text)]
    points = [latency_point(policy, device, measurement)]
    for limit in DEVICE_LIMITS:
        points += limit.hold(policy, measurement, f" on {where}")
    return points


def latency_point(policy: PolicyValue, device: DeviceDocument, measurement: DeviceMeasurement) -> PolicyPoint:
    """The policy's percentile. One that the count does not support meets nothing, and so does one that was taken
    under throttling or on a busy machine."""
    which, limit, where = policy.latency_percentile, policy.latency_ms, device.device
    if measurement.steady is None:
        text = f"latency not measured on {where}: {measurement.reason or 'no steady state was recorded'}"
        return PolicyPoint(name="latency", state="not measured", text=text)
    percentile: Percentile = getattr(measurement.steady, which)
    if percentile.value_us is None or not math.isfinite(percentile.value_us):
        text = (
            f"{measurement.steady.count} measurements on {where} do not support a {which}: "
            f"{percentile.needs_more} more needed (sample median {milliseconds(measurement.steady.median_us)})"
        )
        return PolicyPoint(name="latency", state="unsupported", text=text, needs_more=max(percentile.needs_more, 1))
    value, told = percentile.value_us / 1000, f"{which} {milliseconds(percentile.value_us)}"
    if measurement.process is not None and measurement.process.starved:
        share = f"{measurement.process.cpu_percent:.0f} % of a core"
        text = f"{where} was busy: the process had {share} while it was timed, so {told} does not count"
        return PolicyPoint(name="latency", state="unsupported", text=text, value=value)
    if measurement.throttled:
        text = f"{where} throttled while it was measured, so {told} does not count"
        return PolicyPoint(name="latency", state="unsupported", text=text, value=value)
    text = f"{told}{'' if where == device.device_class else f' on {where}'}, limit {limit:g} ms"
    return PolicyPoint(name="latency", state="met" if value < limit else "not met", text=text, value=value)
