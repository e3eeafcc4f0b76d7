"""Running one session for long on this host: latency, heat, memory and errors in windows.

What was seen is kept as it is seen, so that it survives an interruption and the death of this process, and can be gone
on with. What it means stands in ``verdict.soaks``.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgeproof.documents.base import read_document, write_document
from edgeproof.documents.soak import SoakReport
from edgeproof.errors import ArtifactError, UsageError
from edgeproof.formats.base import Session
from edgeproof.formats.registry import open_artifact
from edgeproof.measure.heat import HeatWatch
from edgeproof.measure.holding import windows
from edgeproof.measure.latency import Settings, still_collector, time_calls
from edgeproof.measure.machine import ROOT, device_class, read_machine
from edgeproof.measure.soaking import Soaking
from edgeproof.model.samples import Call, calls_of, read_calls, synthetic_samples

__all__ = ["SoakLength", "begun", "gone_on_with", "held_to", "keeper", "soak", "soak_artifact"]

RANDOM_SAMPLES = 16
SEED = 0
MOST_WINDOWS = 5000


@dataclass(frozen=True)
class SoakLength:
    """How long to soak.

    Attributes:
        seconds: of the whole.
        window_seconds: of one window; None: a twentieth of the whole, 10 s at most, and longer where that would make
            more than 5,000.
    """

    seconds: float = 60.0
    window_seconds: float | None = None

    @property
    def window(self) -> float:
        """Seconds of one window."""
        return self.window_seconds or max(0.1, min(10.0, self.seconds / 20), self.seconds / MOST_WINDOWS)

    def check(self) -> None:
        """Refuse a time without room for two windows.

        Raises:
            UsageError: it has none.
        """
        if self.window <= 0 or self.seconds < 2 * self.window:
            raise UsageError(
                f"a soak of {self.seconds:g} s has no two windows of {self.window:g} s",
                hint="soak longer, or take --window smaller",
            )


def soak_artifact(
    artifact: Path,
    start: SoakReport,
    *,
    samples: str | Path | None = None,
    trust: bool = False,
    keep: Callable[[SoakReport], None] | None = None,
    report: Callable[[str], None] = lambda _line: None,
) -> SoakReport:
    """Run an artifact on this host for long, in this process, and watch it.

    Args:
        artifact: its file or folder.
        start: what is known before it begins (``begun``), or what an earlier soak of it saw.
        samples: npz or folder of inputs; None: seeded random ones.
        trust: whether an artifact that this user did not make may run code.
        keep: takes the report now and then, marked as partial.
        report: takes a line of progress a window.

    Raises:
        TrustError: it would run code, this user did not make it, and it is not trusted.
        ArtifactError: it cannot be opened, is another than its document describes, or its times cannot be had here.
        SamplesError: the samples cannot be read, or do not fit.
    """
    with open_artifact(artifact, threads=start.threads, timed=True, trust=trust) as session:
        if samples is not None:
            calls = read_calls(Path(samples), session.inputs)
        else:
            calls = calls_of(synthetic_samples(session.inputs, RANDOM_SAMPLES, SEED, below=2))
        return soak(session, calls, start=start, keep=keep, report=report)


def held_to(before: SoakReport, sha256: str | None) -> None:
    """Refuse to go on with another artifact than was soaked.

    Raises:
        ArtifactError: it is another one.
    """
    if before.sha256 != sha256:
        raise ArtifactError(
            f"{before.artifact} is another file than was soaked before: its sha256 differs",
            hint="begin anew, without --resume",
        )


def begun(artifact: str, length: SoakLength, *, root: Path = ROOT) -> SoakReport:
    """The report of a soak on this host that has seen nothing yet."""
    return SoakReport(
        artifact=artifact,
        device="host",
        device_class=device_class(root),
        machine=read_machine(root),
        seconds=0.0,
        asked_seconds=length.seconds,
        window_seconds=length.window,
        count=0,
        windows=(),
        drift=0.0,
        resident_growth_bytes=None,
        throttled=None,
        not_measured={"energy": "no power meter is attached"},
    )


def keeper(path: Path) -> Callable[[SoakReport], None]:
    """Writes what was seen to a file, whole or not at all."""
    return lambda seen: write_document(path, seen)


def gone_on_with(path: Path) -> SoakReport:
    """A soak that ended before its time, as its file has it.

    Raises:
        DocumentError: it is none.
        UsageError: it is over.
    """
    found = read_document(path, SoakReport)
    if not found.partial or found.asked_seconds is None:
        raise UsageError(f"{path}: that soak is over", hint="begin a new one, or name one that was stopped")
    return found


def soak(
    session: Session,
    calls: Sequence[Call],
    *,
    artifact: str = "",
    length: SoakLength | None = None,
    start: SoakReport | None = None,
    root: Path = ROOT,
    keep: Callable[[SoakReport], None] | None = None,
    report: Callable[[str], None] = lambda _line: None,
) -> SoakReport:
    """Call the session with the inputs in turn until the time is over.

    What a call raises is counted and gone on after. An interruption has what was seen kept, marked as partial.

    Args:
        session: what runs; it is warmed up for a window, one second at most.
        calls: its inputs, call by call.
        artifact: its name in the report.
        length: how long.
        start: the report to go on with, in place of the two.
        root: file system of the machine's sensors.
        keep: takes the report now and then.
        report: takes a line of progress a window.

    Raises:
        UsageError: the time has no room for two windows.
        ArtifactError: a whole window had no answer; where there are windows before it, they are told instead.
    """
    if start is None:
        length = length or SoakLength()
        length.check()
        start = begun(artifact, length, root=root)
    soaking = Soaking(start, keep)
    window_s, partial = start.window_seconds, False
    with still_collector():
        time_calls(session.run, calls, Settings(seconds=min(1.0, window_s)))
        watch, began = HeatWatch(root), time.perf_counter()
        soaking.begin(time.time_ns())
        try:
            for window in windows(session.run, calls, max(soaking.left, window_s), window_s, watch):
                soaking.add(window, time.perf_counter() - began)
                report(f"{soaking.windows[-1].start_s:6.0f} s  {window.median_us:.1f} µs")
        except KeyboardInterrupt:
            soaking.checkpoint()
            raise
        except ArtifactError as error:
            if not soaking.windows:
                raise
            soaking.died(str(error))
            partial = True
    seen = soaking.report(partial=partial)
    if keep is not None:
        keep(seen)
    return msgspec.structs.replace(seen, machine=read_machine(root))
