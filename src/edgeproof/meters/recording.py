"""The recorder: reads an open meter until its time is over, and tells what went wrong on the way.

What was read is kept whatever happens: a meter that falls silent, sends garbage or is unplugged, a clock that is set,
an interruption. Each is a fault of the trace, with its moment; who makes figures of it decides what a fault costs.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgeproof.documents.power import Fault, FaultKind, PowerTrace
from edgeproof.errors import MeterError
from edgeproof.meters.base import About, CounterBroken, Garbage, Reader, Reading, SamplesLost
from edgeproof.meters.traces import Times, Watts, gaps_of, write_trace

__all__ = ["Clock", "Recording", "record", "save"]

STALL_S = 2.0
"""A meter is silent for so long, or for ten of its intervals, before it is said."""
GIVE_UP_S = 30.0
JUMP_NS = 50_000_000
"""Between two readings the clock of the day moved so much against the steady one: it was set."""
MOST_GARBAGE = 50
"""In a row: what comes is no meter of this kind."""
MOST_FAULTS = 200
TELL_S = 5.0


@dataclass(frozen=True)
class Clock:
    """The clock of the day, and the one that only goes on; ns."""

    unix_ns: Callable[[], int] = time.time_ns
    steady_ns: Callable[[], int] = time.monotonic_ns


@dataclass
class Recording:
    """What was recorded so far.

    Attributes:
        readings: in order of time.
        faults: what went wrong.
        partial: why it ended before its time.
        stopped: the interruption that ended it; the caller raises it again once the trace is kept.
    """

    readings: list[Reading] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    partial: str | None = None
    stopped: BaseException | None = None

    def fault(self, kind: FaultKind, unix_ns: int, text: str) -> None:
        """Note what went wrong, the first two hundred times."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(Fault(kind, unix_ns, text))


def record(
    reader: Reader,
    seconds: float | None,
    report: Callable[[str], None] = lambda _line: None,
    *,
    clock: Clock | None = None,
    over: Callable[[], bool] = lambda: False,
) -> Recording:
    """Read until the time is over, the meter ends it, or an interruption does.

    Args:
        reader: an open meter.
        seconds: how long; None: until interrupted, which is then no early end.
        report: takes a line of progress every few seconds.
        clock: of this machine.
        over: asked after each reading; True ends it, and is no early end.
    """
    clock = clock or Clock()
    seen, began = Recording(), clock.steady_ns()
    heard, told, garbage = began, began, 0
    silence_ns = int(max(STALL_S, 10 / reader.rate_hz) * 1e9)
    silent = False
    ahead = clock.unix_ns() - clock.steady_ns()
    try:
        while True:
            now = clock.steady_ns()
            if over() or (seconds is not None and now - began >= seconds * 1e9):
                break
            try:
                readings = reader.read()
                garbage = 0 if readings else garbage
            except Garbage as error:
                kind: FaultKind = "counter" if isinstance(error, CounterBroken) else "garbage"
                seen.fault(kind, clock.unix_ns(), str(error))
                readings, garbage = (), garbage + 1
            except SamplesLost as error:
                seen.fault("lost samples", clock.unix_ns(), str(error))
                readings = ()
            except MeterError as error:
                seen.partial = f"the meter is gone: {error.message}"
                break
            now, unix = clock.steady_ns(), clock.unix_ns()
            if abs(unix - now - ahead) > JUMP_NS:
                moved = (unix - now - ahead) / 1e9
                seen.fault("clock jump", unix, f"the clock of this machine was set by {moved:+.3f} s")
                ahead = unix - now
            if readings:
                seen.readings += readings
                heard, silent = now, False
            elif now - heard > silence_ns and not silent:
                silent = True
                seen.fault("stall", unix, f"no reading for {(now - heard) / 1e9:.1f} s")
            if now - heard > GIVE_UP_S * 1e9:
                seen.partial = f"the meter was silent for {GIVE_UP_S:.0f} s"
                break
            if garbage >= MOST_GARBAGE:
                seen.partial = f"{garbage} answers in a row were no readings: {seen.faults[-1].text}"
                break
            if now - told > TELL_S * 1e9:
                told = now
                report(_progress(seen, (now - began) / 1e9, seconds))
    except KeyboardInterrupt as interruption:
        after = (clock.steady_ns() - began) / 1e9
        if seconds is not None:
            seen.partial = f"it was stopped after {after:.1f} of {seconds:g} s"
            seen.stopped = interruption
    return seen


def _progress(seen: Recording, after: float, seconds: float | None) -> str:
    last = f", {seen.readings[-1].watts * 1000:.1f} mW" if seen.readings else ""
    faults = f", {len(seen.faults)} faults" if seen.faults else ""
    of = f" of {seconds:g}" if seconds is not None else ""
    return f"{after:.0f}{of} s: {len(seen.readings):,} samples{last}{faults}"


def save(path: Path, seen: Recording, reader: Reader, about: About, address: str) -> PowerTrace:
    """Write what was recorded as a trace, with its gaps; a time that does not ascend is left out and said.

    Raises:
        MeterError: nothing was recorded.
    """
    if not seen.readings:
        why = seen.partial or (seen.faults[0].text if seen.faults else "it sent nothing")
        raise MeterError(f"{address} gave no reading: {why}", hint="is the right meter named? `edgeproof power list`")
    faults = list(seen.faults)
    times, watts, left_out = ascending(seen.readings)
    if left_out and not any(fault.kind == "clock jump" for fault in faults):
        faults.append(Fault("clock jump", int(times[-1]), f"{left_out} readings are older than the one before"))
    document = PowerTrace(
        meter=about.name,
        address=address,
        source=reader.source,
        omits=about.omits,
        estimate=about.estimate,
        count=0,
        begin_unix_ns=0,
        end_unix_ns=0,
        rate_hz=reader.rate_hz,
        clock=reader.clock,
        gaps=gaps_of(times, reader.rate_hz),
        faults=tuple(faults),
        charging=reader.charging,
        partial=seen.partial,
        recorder=platform.node() or None,
        raw="",
        sha256="",
    )
    return write_trace(path, document, times, watts)


def ascending(readings: list[Reading]) -> tuple[Times, Watts, int]:
    """Times and watts of readings, without those that are not after all before them, and how many these were."""
    times = np.array([reading.unix_ns for reading in readings], dtype=np.int64)
    watts = np.array([reading.watts for reading in readings], dtype=np.float64)
    after = np.ones(len(times), dtype=bool)
    after[1:] = times[1:] > np.maximum.accumulate(times)[:-1]
    return times[after], watts[after], int(np.count_nonzero(~after))
