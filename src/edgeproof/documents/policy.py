"""The policy: the thresholds that a verdict is held against."""

from __future__ import annotations

from typing import Literal

import msgspec

from edgeproof.documents.base import Value
from edgeproof.documents.device import DeviceClass

__all__ = ["DeviceLimits", "DifferenceLimits", "HeldTo", "PercentileName", "PolicyValue", "Preference", "Throttled"]

PercentileName = Literal["p50", "p90", "p95", "p99"]
Preference = Literal["fastest", "smallest", "faithful", "sdk"]
HeldTo = Literal["interval", "estimate"]
Throttled = Literal["exclude", "fatal", "count"]
Drop = float | str
"""In the metric's unit, points for a share; or of the eager model's score, ``"2 %"``."""


class DifferenceLimits(Value, frozen=True, kw_only=True):
    """Largest relative L2 per precision for real outputs; for spike outputs the share of equal counts at least."""

    fp32: float = 1e-3
    fp16: float = 1e-2
    int8: float = 0.1
    spike_agreement_fp32: float = 0.999
    spike_agreement_fp16: float = 0.98
    spike_agreement_int8: float = 0.80


class DeviceLimits(Value, frozen=True, kw_only=True):
    """What one device class is held to in place of the policy's own; None: as the policy has it."""

    latency_percentile: PercentileName | None = None
    latency_ms: float | None = None
    cold_start_ms: float | None = None
    power_mw: float | None = None
    memory_mb: float | None = None
    size_mb: float | None = None
    prefer: Preference | None = None


class PolicyValue(Value, frozen=True, kw_only=True):
    """The thresholds a verdict is held against; None is no limit. ``docs/policy.md`` says what each means."""

    latency_percentile: PercentileName = "p90"
    latency_ms: float = 10.0
    latency_not_above: str | None = None
    """A candidate whose latency, measured interleaved, is the limit."""
    cold_start_ms: float | None = None
    task_drop: Drop | None = None
    """None: ``task_drop_points``."""
    task_drop_points: float = 1.0
    """Percentage points of a share; percent of the eager model's score where the metric is none."""
    task_held_to: HeldTo = "interval"
    """Whether the end of the interval or the estimate must be within the limit."""
    slice_drop: Drop | None = None
    cosine_min: float | None = None
    threshold: float = 0.5
    threshold_agreement: float | None = None
    """Share of real output values on the same side of ``threshold`` as the eager model's, at least."""
    output_saturation: float | None = None
    """Share of a quantised output's values that stand at its end while the eager model's lie beyond, at most."""
    power_mw: float | None = None
    """Mean power budget in milliwatts."""
    memory_mb: float | None = None
    size_mb: float | None = None
    throttled: Throttled = "exclude"
    """What was taken while the device throttled: it does not count, it speaks against the candidate, or it counts."""
    soak_hours: float | None = None
    """How long it must have run and been stable."""
    soak_drift: float = 0.1
    """Share by which latency may rise over a soak."""
    soak_growth: float = 0.1
    """Share of what was resident at first by which memory may grow over the hours asked for, or ``soak_growth_mb``."""
    soak_growth_mb: float = 10.0
    soak_errors: float = 0.0
    """Share of a soak's calls that may fail."""
    minimum_samples: int = 200
    prefer: Preference = "fastest"
    prefer_sdk_for_spiking: bool = True
    served_network_ms: float = 5.0
    """Round trip between a phone and an edge server nearby, beside what the server itself takes."""
    difference: DifferenceLimits = DifferenceLimits()
    device: dict[DeviceClass, DeviceLimits] = {}

    def on(self, device_class: DeviceClass) -> PolicyValue:
        """The policy as one device class is held to it."""
        own = self.device.get(device_class)
        if own is None:
            return self
        changed = {name: value for name in own.__struct_fields__ if (value := getattr(own, name)) is not None}
        return msgspec.structs.replace(self, **changed)
