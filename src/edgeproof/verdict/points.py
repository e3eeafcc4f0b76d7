"""One candidate on one device class, held against every point of the policy. Chooses nothing."""

from __future__ import annotations

import math

import msgspec

from edgeproof.documents.device import DeviceClass, DeviceDocument, DeviceMeasurement
from edgeproof.documents.evaluation import (
    Evidence,
    PointName,
    PointState,
    PolicyPoint,
    PolicyValue,
    Standing,
)
from edgeproof.documents.latency import Percentile
from edgeproof.verdict.evidence import conversion_of, is_sdk, measurements_of, precision_of, validation_of
from edgeproof.verdict.outputs import judge_outputs
from edgeproof.verdict.wording import TITLES, figure, milliseconds

__all__ = ["mean_power_mw", "point_of", "standing_of"]

SEVERITY: dict[PointState, int] = {"not met": 3, "unsupported": 2, "not measured": 1, "met": 0}


def standing_of(evidence: Evidence, policy: PolicyValue, candidate: str, device_class: DeviceClass) -> Standing:
    """The candidate against every point the policy asks for on this device class.

    ``fails`` as soon as one point is not met, ``meets`` when all are met, ``open`` otherwise. Latency, power and memory
    count only from real devices of the class, and the worst of several devices stands.
    """
    points = [difference_point(evidence, policy, candidate), task_point(evidence, policy, candidate)]
    if "int" in precision_of(evidence, candidate):
        points.append(samples_point(evidence, policy))
    if policy.size_mb is not None:
        points.append(size_point(evidence, policy.size_mb, candidate))
    points += device_points(evidence, policy, candidate, device_class)
    states = {point.state for point in points}
    status = "fails" if "not met" in states else "meets" if states == {"met"} else "open"
    return Standing(
        candidate=candidate,
        sdk=is_sdk(candidate, evidence),
        status=status,  # type: ignore[arg-type]
        points=tuple(points),
    )


def point_of(standing: Standing, name: PointName) -> PolicyPoint | None:
    """The standing's point of that name; None when the policy does not ask for it."""
    return next((point for point in standing.points if point.name == name), None)


def difference_point(evidence: Evidence, policy: PolicyValue, candidate: str) -> PolicyPoint:
    """Outputs against the eager reference, with this policy's limits on the validation's figures.

    A failure for another reason than a tolerance (NaN, a wrong shape) stays a failure under every policy.
    """
    name: PointName = "difference"
    conversion, result = conversion_of(evidence, candidate), validation_of(evidence, candidate)
    if conversion is not None and conversion.status == "failed":
        return PolicyPoint(name=name, state="not met", text=f"not converted: {conversion.reason or 'no reason given'}")
    if conversion is not None and conversion.status == "skipped":
        return PolicyPoint(name=name, state="not measured", text=f"not converted: {conversion.reason or 'skipped'}")
    if result is None:
        return PolicyPoint(name=name, state="not measured", text="outputs were not compared with the eager model")
    if result.status == "skipped":
        reason = result.reason or "it cannot run here"
        return PolicyPoint(name=name, state="not measured", text=f"outputs not compared: {reason}")
    if result.status == "error":
        return PolicyPoint(name=name, state="not met", text=f"does not run: {result.reason or 'no reason given'}")
    outputs = result.outputs or ((result.differences,) if result.differences is not None else ())
    if not outputs:
        state: PointState = "met" if result.status == "passed" else "not met"
        return PolicyPoint(name=name, state=state, text=f"validation {result.status}, without figures")
    judged = judge_outputs(outputs, policy.difference, precision_of(evidence, candidate))
    worst = max(judged, key=lambda point: SEVERITY[point.state])
    by_tolerance = result.tolerance is not None and all(output.relative_l2 is not None for output in outputs)
    if result.status == "failed" and worst.state == "met" and not by_tolerance:
        return PolicyPoint(name=name, state="not met", text=f"validation failed: {result.reason or 'no reason given'}")
    if result.checked_by is not None:
        return msgspec.structs.replace(worst, text=f"{worst.text}, by {result.checked_by}")
    return worst


def task_point(evidence: Evidence, policy: PolicyValue, candidate: str) -> PolicyPoint:
    """Task score lost against the eager model, in percentage points."""
    result = validation_of(evidence, candidate)
    drop = result.task_drop if result is not None else None
    if drop is None:
        validation = evidence.validation
        unlabelled = validation is not None and validation.task is None
        why = "the samples have no labels" if unlabelled else "the candidate has no task score"
        return PolicyPoint(name="task", state="not measured", text=f"task score not measured: {why}")
    task = (evidence.validation.task if evidence.validation else None) or "task score"
    if not math.isfinite(drop):
        return PolicyPoint(name="task", state="not met", text=f"{task} is not finite")
    change = (
        f"no {task} lost"
        if abs(drop) < 0.005
        else f"{abs(drop):.2f} points of {task} {'lost' if drop > 0 else 'gained'}"
    )
    met = drop <= policy.task_drop_points
    limit = policy.task_drop_points
    text = f"{change} (limit {limit:g} {'point' if limit == 1 else 'points'})"
    return PolicyPoint(name="task", state="met" if met else "not met", text=text, value=drop)


def samples_point(evidence: Evidence, policy: PolicyValue) -> PolicyPoint:
    """int8 stands on its representative samples: real ones, and enough of them. Else it cannot pass."""
    samples = evidence.samples
    if samples is None:
        return PolicyPoint(
            name="samples", state="not met", text="int8 on samples that no document describes cannot pass"
        )
    if samples.synthetic or samples.source == "synthetic":
        text = f"int8 on synthetic samples cannot pass: {samples.origin}"
        return PolicyPoint(name="samples", state="not met", text=text)
    if samples.under_sampled or samples.count < policy.minimum_samples:
        text = f"int8 is under-sampled: {samples.count} representative samples, policy asks {policy.minimum_samples}"
        lacking = max(policy.minimum_samples - samples.count, 0)
        return PolicyPoint(name="samples", state="not met", text=text, needs_more=lacking)
    return PolicyPoint(name="samples", state="met", text=f"int8 on {samples.count} real representative samples")


def size_point(evidence: Evidence, limit_mb: float, candidate: str) -> PolicyPoint:
    conversion = conversion_of(evidence, candidate)
    if conversion is None or conversion.bytes is None:
        return PolicyPoint(name="size", state="not measured", text="size not measured")
    size = conversion.bytes / 1e6
    state: PointState = "met" if size <= limit_mb else "not met"
    return PolicyPoint(name="size", state=state, text=f"{figure(size)} MB, limit {limit_mb:g} MB", value=size)


def device_points(
    evidence: Evidence, policy: PolicyValue, candidate: str, device_class: DeviceClass
) -> list[PolicyPoint]:
    """Latency, power and memory, each the worst over the real devices of the class."""
    found = measurements_of(evidence, candidate, device_class)
    asked = ["latency"]
    if policy.power_mw is not None:
        asked.append("power")
    if policy.memory_mb is not None:
        asked.append("memory")
    if not found:
        where = TITLES[device_class]
        return [PolicyPoint(name=name, state="not measured", text=f"{name} not measured on {where}") for name in asked]  # type: ignore[arg-type]
    per_device = [points_on(policy, device, measurement) for device, measurement in found]
    names = list(dict.fromkeys(point.name for points in per_device for point in points))
    every = [point for points in per_device for point in points]
    return [
        max(
            (point for point in every if point.name == name),
            key=lambda point: (SEVERITY[point.state], point.value or 0),
        )
        for name in names
    ]


def points_on(policy: PolicyValue, device: DeviceDocument, measurement: DeviceMeasurement) -> list[PolicyPoint]:
    where = device.device
    if measurement.status == "failed":
        text = f"fails on {where}: {measurement.reason or 'no reason given'}"
        return [PolicyPoint(name="runs", state="not met", text=text)]
    if measurement.status == "skipped":
        text = f"latency not measured on {where}: {measurement.reason or 'skipped'}"
        return [PolicyPoint(name="latency", state="not measured", text=text)]
    points = [latency_point(policy, device, measurement)]
    if policy.power_mw is not None:
        points.append(power_point(policy.power_mw, where, measurement))
    if policy.memory_mb is not None:
        points.append(memory_point(policy.memory_mb, where, measurement))
    return points


def latency_point(policy: PolicyValue, device: DeviceDocument, measurement: DeviceMeasurement) -> PolicyPoint:
    """The policy's percentile. One that the count does not support meets nothing, and so does a throttled one."""
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
    value = percentile.value_us / 1000
    at = "" if where == device.device_class else f" on {where}"
    text = f"{which} {milliseconds(percentile.value_us)}{at}, limit {limit:g} ms"
    if measurement.throttled:
        text = f"{where} throttled while it was measured, so {which} {milliseconds(percentile.value_us)} does not count"
        return PolicyPoint(name="latency", state="unsupported", text=text, value=value)
    return PolicyPoint(name="latency", state="met" if value < limit else "not met", text=text, value=value)


def mean_power_mw(measurement: DeviceMeasurement) -> float | None:
    """Mean power while inferring back to back: energy per inference over mean time per inference, mJ/s = mW."""
    if measurement.energy_mj is None or measurement.steady is None or measurement.steady.mean_us <= 0:
        return None
    return measurement.energy_mj / (measurement.steady.mean_us / 1e6)


def power_point(limit_mw: float, where: str, measurement: DeviceMeasurement) -> PolicyPoint:
    power = mean_power_mw(measurement)
    if power is None or not math.isfinite(power):
        return PolicyPoint(name="power", state="not measured", text=f"power not measured on {where}")
    text = f"mean power {figure(power)} mW on {where}, limit {limit_mw:g} mW"
    return PolicyPoint(name="power", state="met" if power <= limit_mw else "not met", text=text, value=power)


def memory_point(limit_mb: float, where: str, measurement: DeviceMeasurement) -> PolicyPoint:
    peak = measurement.process.peak_memory_bytes if measurement.process is not None else None
    if peak is None:
        return PolicyPoint(name="memory", state="not measured", text=f"peak memory not measured on {where}")
    value = peak / 1e6
    text = f"peak memory {figure(value)} MB on {where}, limit {limit_mb:g} MB"
    return PolicyPoint(name="memory", state="met" if value <= limit_mb else "not met", text=text, value=value)
