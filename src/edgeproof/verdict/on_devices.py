"""A candidate's measurements on the real devices of a class, held against the policy."""

from __future__ import annotations

import math

from msgspec.structs import replace

from edgeproof.documents.device import DeviceClass, DeviceDocument, DeviceMeasurement
from edgeproof.documents.evaluation import PointName, PointState, PolicyPoint
from edgeproof.documents.latency import Percentile, Steady
from edgeproof.documents.policy import PercentileName, PolicyValue
from edgeproof.verdict.cases import Case
from edgeproof.verdict.enduring import sustained_point
from edgeproof.verdict.figures import mean_power_mw, told
from edgeproof.verdict.limits import SEVERITY, Limit
from edgeproof.verdict.wording import TITLES, figure, milliseconds

__all__ = ["DEVICE_LIMITS", "device_points"]


def power_bounds(found: DeviceMeasurement) -> tuple[float, float] | None:
    """The confidence interval of mean power, mW."""
    energy = found.energy
    if energy is None or energy.mean_low_mw is None or energy.mean_high_mw is None:
        return None
    return energy.mean_low_mw, energy.mean_high_mw


def power_at_least(found: DeviceMeasurement) -> str | None:
    """Why the power may be more than the figure: it is an estimate, and what it leaves out is not in it."""
    energy = found.energy
    if energy is None or energy.estimate is None:
        return None
    return f"an estimate that leaves out {energy.omits or 'an unknown part'}: a meter in the supply decides"


SURE = 0.01
"""A percentile that so many calls above the limit would have by chance, at most, cannot pass."""
DEVICE_LIMITS: tuple[Limit[DeviceMeasurement], ...] = (
    Limit(
        "power", "power_mw", "mW", mean_power_mw, 1, "power", "mean power",
        why=told("energy.reason"), bounds=power_bounds, least=power_at_least,
    ),
    Limit("memory", "memory_mb", "MB", told("process.peak_memory_bytes"), 1e6, "peak memory", "peak memory"),
    Limit("cold start", "cold_start_ms", "ms", told("cold_start.median_ms"), 1, "cold start", "cold start"),
)  # fmt: skip
"""What is held against every device by itself."""


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
        for seen in points_on(policy, device, measurement):
            point = replace(seen, device=device.device)
            worst[point.name] = max(
                worst.get(point.name, point), point, key=lambda each: (SEVERITY[each.state], each.value or 0)
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
    points = [latency_point(policy, device, measurement), *relative_points(policy, device, measurement)]
    for limit in DEVICE_LIMITS:
        points += limit.hold(policy, measurement, f" on {where}")
    return points


def latency_point(policy: PolicyValue, device: DeviceDocument, measurement: DeviceMeasurement) -> PolicyPoint:
    """The policy's percentile. One that the count does not support meets nothing, and so does one that was taken
    under throttling, unless the policy says otherwise. Where minutes under load were measured, their end decides. On a
    busy machine a process is slower than it is: what is below the limit there is met, and what
    is above it tells nothing."""
    which, limit, where = policy.latency_percentile, policy.latency_ms, device.device
    if measurement.steady is None:
        text = f"latency not measured on {where}: {measurement.reason or 'no steady state was recorded'}"
        return PolicyPoint(name="latency", state="not measured", text=text)
    if measurement.sustained is not None:
        return sustained_point(policy, device, measurement.sustained)
    percentile: Percentile = getattr(measurement.steady, which)
    if percentile.value_us is None or not math.isfinite(percentile.value_us):
        above = cannot_pass(measurement.steady, which, limit)
        if above is not None:
            text = (
                f"{above} of {measurement.steady.count} calls on {where} took {limit:g} ms or more: no {which} below it"
            )
            value = measurement.steady.median_us / 1000
            return PolicyPoint(name="latency", state="not met", text=text, value=value, limit=limit)
        text = (
            f"{measurement.steady.count} measurements on {where} do not support a {which}: "
            f"{percentile.needs_more} more needed (sample median {milliseconds(measurement.steady.median_us)})"
        )
        return PolicyPoint(name="latency", state="unsupported", text=text, needs_more=max(percentile.needs_more, 1))
    value, told = percentile.value_us / 1000, f"{which} ≤ {milliseconds(percentile.value_us)}"
    if measurement.throttled and policy.throttled == "fatal":
        text = f"{where} throttled while it was measured ({told})"
        return PolicyPoint(name="latency", state="not met", text=text, value=value, limit=limit)
    if measurement.throttled and policy.throttled == "exclude":
        text = f"{where} throttled while it was measured, so {told} does not count"
        return PolicyPoint(name="latency", state="unsupported", text=text, value=value)
    text = f"{told}{'' if where == device.device_class else f' on {where}'}, limit {limit:g} ms"
    text = f"{text}, though {where} throttled" if measurement.throttled else text
    if measurement.process is not None and measurement.process.starved:
        share = f"the process had {measurement.process.cpu_percent:.0f} % of a core"
        if value >= limit:
            text = f"{where} was busy: {share} while it was timed, so {told} does not count"
            return PolicyPoint(name="latency", state="unsupported", text=text, value=value)
        text = f"{text}, though {where} was busy: {share}"
    state: PointState = "met" if value < limit else "not met"
    return PolicyPoint(name="latency", state=state, text=text, value=value, limit=limit)


def cannot_pass(steady: Steady, which: PercentileName, limit_ms: float) -> int | None:
    """How many calls at least are not below the limit, where that many are more than chance leaves a percentile that
    is; else None."""
    limit = 1000 * limit_ms
    count = steady.count
    above = count if steady.min_us >= limit else math.ceil(count / 2) if steady.median_us >= limit else 0
    allowed = 1 - int(which[1:]) / 100
    few = sum(math.comb(count, n) * allowed**n * (1 - allowed) ** (count - n) for n in range(above))
    return above if above and 1 - few <= SURE else None


def relative_points(policy: PolicyValue, device: DeviceDocument, measurement: DeviceMeasurement) -> list[PolicyPoint]:
    """The policy's percentile beside that of another candidate, measured interleaved on the same device."""
    other = policy.latency_not_above
    if other is None or measurement.candidate == other:
        return []
    which, where = policy.latency_percentile, device.device
    found = next((known for known in device.measurements if known.candidate == other), None)
    both = [known.steady for known in (measurement, found) if known is not None and known.steady is not None]
    values = [value for steady in both if (value := getattr(steady, which).value_us) is not None]
    if len(values) < 2 or measurement.ratio_to_baseline is None or found is None or found.ratio_to_baseline is None:
        text = f"{which} beside {other} on {where} not measured"
        return [PolicyPoint(name="relative latency", state="not measured", text=text, limit=1)]
    ratio = values[0] / values[1]
    text = f"{which} {figure(ratio)} × that of {other} on {where}, limit 1 ×"
    state: PointState = "met" if ratio <= 1 else "not met"
    return [PolicyPoint(name="relative latency", state=state, text=text, value=ratio, limit=1)]
