"""What a soak has seen so far: windows and pieces, and the report of them. It runs nothing."""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from edgeproof.documents.soak import Outage, SoakReport, SoakSegment, SoakWindow

__all__ = ["Soaking"]

CHECKPOINT_S = 1.0
"""Between two checkpoints, at least."""


class Soaking:
    """A soak at work.

    Args:
        report: what is known before it begins; or what an earlier one saw, to go on with.
        keep: takes the report now and then, marked as partial, so that what was seen survives this process.
    """

    def __init__(self, report: SoakReport, keep: Callable[[SoakReport], None] | None = None) -> None:
        self._report = report
        self._keep = keep
        self._kept = 0.0
        self.windows = list(report.windows)
        self.segments = list(report.segments)
        self.outages = list(report.outages)
        self._died = sum(segment.fault is not None for segment in report.segments)

    @property
    def seconds(self) -> float:
        """Of soaking so far."""
        return self.segments[-1].start_s + self.segments[-1].seconds if self.segments else 0.0

    @property
    def left(self) -> float:
        """Seconds until it is over."""
        return max(0.0, (self._report.asked_seconds or 0.0) - self.seconds)

    def begin(self, begin_unix_ns: int) -> None:
        """A process of it begins."""
        self.segments.append(
            SoakSegment(number=len(self.segments), start_s=round(self.seconds, 3), begin_unix_ns=begin_unix_ns)
        )

    def add(self, window: SoakWindow, seconds: float) -> None:
        """A window of the process that is at work; ``seconds`` since that began."""
        segment = self.segments[-1]
        start = round(segment.start_s + window.start_s, 3)
        self.windows.append(msgspec.structs.replace(window, start_s=start, segment=segment.number))
        calls = segment.calls + window.count
        self.segments[-1] = msgspec.structs.replace(segment, seconds=round(seconds, 3), calls=calls)
        if self._keep is not None and time.monotonic() - self._kept > CHECKPOINT_S:
            self.checkpoint()

    def died(self, fault: str) -> None:
        """The process at work ended by itself."""
        self.segments[-1] = msgspec.structs.replace(self.segments[-1], fault=fault)
        self._died += 1

    def checkpoint(self) -> None:
        """Have what was seen kept."""
        if self._keep is not None and self.windows:
            self._keep(self.report(partial=True))
            self._kept = time.monotonic()

    def report(self, *, partial: bool) -> SoakReport:
        """All that was seen; there is a window."""
        first, last = self.windows[0], self.windows[-1]
        of_last = next(window for window in self.windows if window.segment == last.segment)
        growth = None
        if of_last.resident_bytes is not None and last.resident_bytes is not None:
            growth = last.resident_bytes - of_last.resident_bytes
        told = [window.throttled for window in self.windows if window.throttled is not None]
        missing = dict(self._report.not_measured)
        if all(window.temperature_c is None for window in self.windows):
            missing["temperature"] = "the system shows no temperature sensor"
        if not told:
            missing["throttling"] = "the system shows no throttle counter"
        return msgspec.structs.replace(
            self._report,
            seconds=round(self.seconds, 3),
            count=sum(window.count for window in self.windows),
            windows=tuple(self.windows),
            drift=round(last.median_us / first.median_us - 1, 4) if first.median_us else 0.0,
            resident_growth_bytes=growth,
            throttled=any(told) if told else None,
            not_measured=missing,
            partial=partial,
            segments=tuple(self.segments),
            outages=tuple(self.outages),
            errors=sum(window.errors for window in self.windows) + self._died,
        )

    def outage(self, reason: str, *, lost_s: float = 0.0) -> None:
        """There is nothing to soak with from now on."""
        self.outages.append(Outage(start_s=round(self.seconds, 3), reason=reason, lost_s=round(lost_s, 3)))

    def back(self, seconds: float) -> None:
        """It goes on after the last outage."""
        self.outages[-1] = msgspec.structs.replace(self.outages[-1], seconds=round(seconds, 3))
