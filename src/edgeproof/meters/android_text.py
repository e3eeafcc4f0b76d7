"""What a phone printed, as a trace: the history of ``dumpsys batterystats``, and repeated looks at its power monitor.

Source: AOSP's BatteryStats history: lines of time since the beginning, level and states; ``charge=`` is the fuel
gauge's counter in mAh, ``volt=`` in mV. A step of 1 mAh is 14 J: minutes, not seconds, are what such a trace can tell.
"""

from __future__ import annotations

import datetime
import re
from pathlib import Path

import numpy as np

from edgeproof.documents.power import ClockOffset, Fault, FaultKind, PowerTrace
from edgeproof.errors import DocumentError
from edgeproof.meters.base import CounterBroken, Garbage, Reading
from edgeproof.meters.odpm import METER as ODPM
from edgeproof.meters.odpm import RailCounters
from edgeproof.meters.recording import ascending
from edgeproof.meters.traces import Trace, gaps_of

__all__ = ["is_batterystats", "is_odpm", "read_batterystats", "read_odpm"]

HISTORY = re.compile(r"^\s*Battery History", re.MULTILINE)
LINE = re.compile(r"^\s*(?:\+(?P<since>(?:\d+(?:d|h|ms|m|s))+)|0)\s+\(\d+\)\s+(?P<rest>.*)$")
PART = re.compile(r"(\d+)(ms|d|h|m|s)")
SECONDS = {"d": 86400.0, "h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3}
MOMENT = re.compile(r"TIME: (\d{4}(?:-\d{2}){5})")
VOLTS, CHARGE = re.compile(r"\bvolt=(\d+)"), re.compile(r"\bcharge=(\d+)")
FED = re.compile(r"\bplug=(?!none)\w+|\bstatus=(?:charging|full)|(?<!\S)\+charging\b")
COULOMBS_A_MAH = 3.6
SNAPSHOT = re.compile(r"^(\d{19})$", re.MULTILINE)
"""A line of unix time in ns, as ``date +%s%N`` prints it, before each look."""


def is_batterystats(text: str) -> bool:
    """Whether a text is a battery history."""
    return HISTORY.search(text[:200_000]) is not None


def is_odpm(text: str) -> bool:
    """Whether a text is looks at the power monitor, each behind its time."""
    return SNAPSHOT.search(text[:10_000]) is not None and "CH" in text[:10_000] and "(T=" in text[:10_000]


def read_batterystats(file: Path, text: str, *, clock: ClockOffset | None = None) -> Trace:
    """A battery history as a trace: mean power between two steps of the charge counter, at the middle of each.

    Its times are the phone's, told in whole seconds of its own zone, which is taken for this machine's.

    Raises:
        DocumentError: it has no charge counter, no time, or too few steps.
    """
    base: float | None = None
    volts: float | None = None
    charge: tuple[float, int] | None = None
    readings: list[Reading] = []
    fed = False
    head = HISTORY.search(text)
    for line in text[head.start() if head is not None else 0 :].splitlines():
        found = LINE.match(line)
        if found is None:
            continue
        since = sum(int(count) * SECONDS[unit] for count, unit in PART.findall(found["since"] or ""))
        rest = found["rest"]
        moment = MOMENT.search(rest)
        if moment:
            base = datetime.datetime.strptime(moment[1], "%Y-%m-%d-%H-%M-%S").timestamp() - since
        volts = int(told[1]) / 1000 if (told := VOLTS.search(rest)) else volts
        fed = fed or FED.search(rest) is not None
        step = CHARGE.search(rest)
        if step is None or base is None:
            continue
        now, amount = base + since, int(step[1])
        if charge is not None and volts is not None and now > charge[0] and amount != charge[1]:
            watts = (charge[1] - amount) * COULOMBS_A_MAH * volts / (now - charge[0])
            readings.append(Reading(round((now + charge[0]) * 0.5e9), watts))
        charge = (now, amount) if charge is None or amount != charge[1] else charge
    if len(readings) < 2:
        raise DocumentError(
            f"{file.name} has {len(readings)} steps of a charge counter",
            hint="dumpsys batterystats --reset on the phone, unplug it, run for ten minutes, then dumpsys batterystats",
        )
    return _trace(
        file,
        readings,
        source="dumpsys batterystats: steps of the charge counter × voltage",
        clock=clock,
        charging=fed,
        notes=("times are the phone's, in whole seconds, and its zone was taken for this machine's",),
    )


def read_odpm(file: Path, text: str, *, clock: ClockOffset | None = None) -> Trace:
    """Looks at a Pixel's power monitor as a trace.

    The text is what this prints, on the phone:
    ``while sleep 0.25; do date +%s%N; cat /sys/bus/iio/devices/iio:device*/energy_value; done``

    Raises:
        DocumentError: too few looks have rails.
    """
    parts = SNAPSHOT.split(text)[1:]
    counters, readings, faults = RailCounters(), [], []
    for at, printed in zip(parts[::2], parts[1::2], strict=True):
        try:
            reading = counters.step(int(at), printed)
        except Garbage as error:
            kind: FaultKind = "counter" if isinstance(error, CounterBroken) else "garbage"
            faults.append(Fault(kind, int(at), str(error)))
            continue
        readings += [reading] if reading is not None else []
    if len(readings) < 2:
        raise DocumentError(f"{file.name} has {len(readings)} steps of energy", hint="look at the monitor for longer")
    return _trace(
        file,
        readings,
        source="on-device power monitor: rails that do not contain others, summed",
        clock=clock or ClockOffset(0.0, 0.0, "the times are the phone's own"),
        faults=tuple(faults),
        omits=ODPM.about.omits,
        estimate=ODPM.about.estimate,
    )


def _trace(file: Path, readings: list[Reading], *, source: str, clock: ClockOffset | None, **known: object) -> Trace:
    times, watts, left_out = ascending(readings)
    if left_out:
        raise DocumentError(f"{file.name}: its time goes back {left_out} times", hint="keep one recording in it")
    document = PowerTrace(
        meter="text",
        address=file.name,
        source=source,
        count=len(times),
        begin_unix_ns=int(times[0]),
        end_unix_ns=int(times[-1]),
        clock=clock,
        gaps=gaps_of(times),
        raw="",
        sha256="",
        **known,  # type: ignore[arg-type]
    )
    return Trace(document, times, np.asarray(watts))
