"""Running one session for long: latency, temperature and memory in windows, and how far the last is from the first."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgeproof.documents.soak import SoakReport, SoakWindow
from edgeproof.errors import UsageError
from edgeproof.formats.base import Session
from edgeproof.formats.registry import open_artifact
from edgeproof.measure.latency import Settings, still_collector, time_calls
from edgeproof.measure.machine import ROOT, read_machine, read_throttling, temperature_c, throttled_between
from edgeproof.measure.process import own_memory
from edgeproof.model.samples import Call, calls_of, read_calls, synthetic_samples

__all__ = ["SoakLength", "soak", "soak_artifact"]

RANDOM_SAMPLES = 16
SEED = 0


@dataclass(frozen=True)
class SoakLength:
    """How long to soak.

    Attributes:
        seconds: of the whole.
        window_seconds: of one window; None: a twentieth of the whole, 10 s at most.
    """

    seconds: float = 60.0
    window_seconds: float | None = None

    @property
    def window(self) -> float:
        """Seconds of one window."""
        return self.window_seconds or max(0.1, min(10.0, self.seconds / 20))


def soak_artifact(
    artifact: str | Path,
    length: SoakLength,
    *,
    samples: str | Path | None = None,
    threads: int = 1,
    trust: bool = False,
    report: Callable[[str], None] = lambda _line: None,
) -> SoakReport:
    """Run an artifact on this host for long, and hold the last window against the first.

    Args:
        artifact: its file or folder.
        length: how long, in which windows.
        samples: npz or folder of inputs; None: seeded random ones.
        threads: of the runtime.
        trust: whether an artifact that this user did not make may run code.
        report: takes a line of progress a window.

    Raises:
        TrustError: it would run code, this user did not make it, and it is not trusted.
        ArtifactError: it cannot be opened, or its times cannot be had here.
        SamplesError: the samples cannot be read, or do not fit.
        UsageError: the time has no room for two windows.
    """
    with open_artifact(Path(artifact), threads=threads, timed=True, trust=trust) as session:
        if samples is not None:
            calls = read_calls(Path(samples), session.inputs)
        else:
            calls = calls_of(synthetic_samples(session.inputs, RANDOM_SAMPLES, SEED, below=2))
        return soak(session, calls, artifact=str(artifact), length=length, report=report)


def soak(
    session: Session,
    calls: Sequence[Call],
    *,
    artifact: str,
    length: SoakLength,
    root: Path = ROOT,
    report: Callable[[str], None] = lambda _line: None,
) -> SoakReport:
    """Call the session with the inputs in turn until the time is over.

    Args:
        session: what runs; it is warmed up for a window, one second at most.
        calls: its inputs, call by call.
        artifact: its name in the report.
        length: how long.
        root: file system of the machine's sensors.
        report: takes a line of progress a window.

    Raises:
        UsageError: the time has no room for two windows.
    """
    window_s = length.window
    if window_s <= 0 or length.seconds < 2 * window_s:
        raise UsageError(
            f"a soak of {length.seconds:g} s has no two windows of {window_s:g} s",
            hint="soak longer, or take --window smaller",
        )
    windows: list[SoakWindow] = []
    with still_collector():
        time_calls(session.run, calls, Settings(seconds=min(1.0, window_s)))
        throttling = read_throttling(root)
        began, made = time.perf_counter(), 0
        for number in range(int(length.seconds / window_s + 1e-9)):
            start = time.perf_counter()
            left = began + (number + 1) * window_s - start
            stretch = _stretch(session, calls, Settings(seconds=left, minimum=1, first=made))
            made += stretch.calls
            windows.append(_window(start - began, stretch, root))
            report(f"{windows[-1].start_s:6.0f} s  {windows[-1].median_us:.1f} µs")
    first, last = windows[0], windows[-1]
    growth = None
    if first.resident_bytes is not None and last.resident_bytes is not None:
        growth = last.resident_bytes - first.resident_bytes
    throttled = throttled_between(throttling, read_throttling(root))
    missing = {"energy": "no power meter is attached"}
    if first.temperature_c is None:
        missing["temperature"] = "the system shows no temperature sensor"
    if throttled is None:
        missing["throttling"] = "the system shows no throttle counter"
    return SoakReport(
        artifact=artifact,
        device="host",
        machine=read_machine(root),
        seconds=round(time.perf_counter() - began, 3),
        window_seconds=window_s,
        count=made,
        windows=tuple(windows),
        drift=round(last.median_us / first.median_us - 1, 4) if first.median_us else 0.0,
        resident_growth_bytes=growth,
        throttled=throttled,
        not_measured=missing,
    )


@dataclass(frozen=True)
class Stretch:
    """What is kept of one window's calls."""

    calls: int
    median_us: float
    max_us: float


def _stretch(session: Session, calls: Sequence[Call], settings: Settings) -> Stretch:
    """Time calls; their single values are gone with it: they are the soak's memory and not the session's."""
    timed = time_calls(session.run, calls, settings)
    return Stretch(timed.calls, statistics.median(timed.values_us), max(timed.values_us))


def _window(start_s: float, stretch: Stretch, root: Path) -> SoakWindow:
    return SoakWindow(
        start_s=round(start_s, 3),
        count=stretch.calls,
        median_us=round(stretch.median_us, 3),
        max_us=round(stretch.max_us, 3),
        temperature_c=temperature_c(root),
        resident_bytes=own_memory().resident_bytes,
    )
