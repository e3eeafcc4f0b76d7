"""What a candidate does at the end of minutes under load, as the policy takes throttling. Decides no order."""

from __future__ import annotations

from edgeproof.documents.device import DeviceDocument
from edgeproof.documents.evaluation import PointState, PolicyPoint
from edgeproof.documents.policy import PercentileName, PolicyValue
from edgeproof.documents.soak import SoakWindow
from edgeproof.documents.sustained import Sustained
from edgeproof.verdict.wording import lasting, milliseconds

__all__ = ["end_of", "end_percentile_us", "sustained_point"]

END = 2 / 3
"""Share of the time, after which a window is of the end."""


def end_of(sustained: Sustained | None, policy: PolicyValue) -> SoakWindow | None:
    """The last window that counts; None where none of the last third does, or nothing was sustained."""
    if sustained is None:
        return None
    begins = END * sustained.windows[-1].start_s
    counted = [
        window
        for window in sustained.windows
        if window.start_s >= begins and not (policy.throttled == "exclude" and window.throttled)
    ]
    return counted[-1] if counted else None


def end_percentile_us(window: SoakWindow, which: PercentileName) -> float | None:
    """A percentile of one window, µs; its median for the middle one."""
    found: float | None = getattr(window, f"{which}_us", None)
    return window.median_us if which == "p50" else found


def sustained_point(policy: PolicyValue, device: DeviceDocument, sustained: Sustained) -> PolicyPoint:
    """The policy's percentile in the last window under load, in place of calls that are over before a device warms."""
    which, limit, where = policy.latency_percentile, policy.latency_ms, device.device
    took = lasting(sustained.seconds / 3600)
    first = next((window for window in sustained.windows if window.throttled), None)
    if first is not None and policy.throttled == "fatal":
        text = f"{where} throttled {lasting(first.start_s / 3600)} into {took} under load"
        return PolicyPoint(name="latency", state="not met", text=text, limit=limit)
    end = end_of(sustained, policy)
    if end is None:
        since = lasting(first.start_s / 3600) if first is not None else "the beginning"
        text = f"{where} throttled from {since} on under load, and nothing of the end of {took} counts"
        return PolicyPoint(name="latency", state="unsupported", text=text)
    value = end_percentile_us(end, which)
    if value is None:
        text = f"{end.count} calls in the last {lasting(sustained.window_seconds / 3600)} on {where} support no {which}"
        return PolicyPoint(name="latency", state="unsupported", text=text)
    state: PointState = "met" if value / 1000 < limit else "not met"
    text = f"{which} ≤ {milliseconds(value)} after {took} under load on {where}, limit {limit:g} ms"
    return PolicyPoint(name="latency", state=state, text=text, value=value / 1000, limit=limit)
