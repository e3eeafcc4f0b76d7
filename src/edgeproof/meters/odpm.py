"""``odpm``: the on-device power monitor of Pixel phones: counters of energy by rail, through adb.

Source: AOSP's power stats service (pixel): ``/sys/bus/iio/devices/iio:device*/energy_value`` is ``t=MS`` and a line a
rail, ``CH3(T=1234)[S2M_VDD_CPUCL2], 5867920``: milliseconds, and microwatt-seconds since boot.
"""

from __future__ import annotations

import re
from pathlib import Path

from edgeproof.errors import MeterError
from edgeproof.meters.adb_shell import AdbShell, attached
from edgeproof.meters.base import ROOT, About, Found, Garbage, How, Polled, Reading
from edgeproof.meters.counters import EnergyCounter

__all__ = ["METER", "RailCounters", "rails"]

SCRIPT = "cat /sys/bus/iio/devices/iio:device*/energy_value"
LINE = re.compile(r"^CH\d+\(T=(\d+)\)\[([^\]]+)\],\s*(\d+)\s*$", re.MULTILINE)
WHOLE = re.compile(r"VSYS_PWR|VSYS|BATT")
"""Rails that contain others: the sum leaves them out."""


class Odpm:
    """One phone: ``odpm``, ``odpm:SERIAL``; ``odpm:SERIAL/RAIL+RAIL`` for some rails."""

    about = About(
        name="odpm",
        title="on-device power monitor of Pixel 6 and later",
        reads="counters of energy of the rails that the phone's two power chips watch, summed, or of those named",
        resolution="1 µJ; a new value each 125 ms or so",
        omits="rails that are not watched at the time (about 20 of 40 are), and what the power chips lose",
        on_board=False,
        rate_hz=4.0,
        tested_with="an `adb` that prints what a phone printed",
        estimate="sum of the rails that are watched, without those that contain others",
    )

    def find(self, root: Path = ROOT) -> list[Found]:
        found = []
        for serial in attached():
            shell = AdbShell(serial)
            try:
                printed, _ = shell.ask(f"{SCRIPT} 2>&1")
            except MeterError:
                continue
            if names := [name for _, name, _ in LINE.findall(printed)]:
                found.append(Found(f"odpm:{serial}", f"{len(names)} rails"))
            elif "ermission denied" in printed:
                found.append(
                    Found(f"odpm:{serial}", "only root may read it", "attention", "adb root, on a userdebug build")
                )
        return found

    def open(self, address: str, how: How) -> Polled:
        serial, _, wanted = address.partition("/")
        shell = AdbShell(serial)
        printed, _ = shell.ask(f"{SCRIPT} 2>&1")
        names = [name for _, name, _ in LINE.findall(printed)]
        if not names:
            denied = "ermission denied" in printed
            raise MeterError(
                "only root may read the power monitor of this phone"
                if denied
                else "this phone shows no power monitor: Pixel 6 and later have one",
                hint="adb root, on a userdebug build; else record a Perfetto trace with android.power",
            )
        chosen = tuple(wanted.split("+")) if wanted else ()
        if unknown := [name for name in chosen if name not in names]:
            raise MeterError(f"there is no rail {', '.join(unknown)}", hint=f"known: {', '.join(names)}")
        counters = RailCounters(chosen)

        def sample() -> Reading | None:
            told, at = shell.ask(SCRIPT)
            return counters.step(at, told)

        kept = chosen or tuple(name for name in names if not WHOLE.search(name))
        return Polled(
            sample,
            source=f"power monitor of {serial or 'the phone'}: {', '.join(kept)}",
            rate_hz=how.rate_hz or self.about.rate_hz,
            clock=lambda: shell.clock,
        )


def rails(printed: str) -> dict[str, tuple[int, int]]:
    """By rail, the milliseconds since boot and the microjoules since then.

    Raises:
        Garbage: there is none.
    """
    found = {name: (int(at), int(energy)) for at, name, energy in LINE.findall(printed)}
    if not found:
        raise Garbage(f"the power monitor told no rail: {printed[:80]!r}")
    return found


class RailCounters:
    """Power of rails from one look at their counters to the next.

    Args:
        chosen: rails that are summed; empty: all that do not contain others.
    """

    def __init__(self, chosen: tuple[str, ...] = ()) -> None:
        self._chosen = chosen
        self._counters: dict[str, EnergyCounter] = {}
        self._last: dict[str, int] = {}

    def step(self, unix_ns: int, printed: str) -> Reading | None:
        """The power since the last look; None the first time, and where the monitor has no new values.

        Raises:
            Garbage: no rail, or a counter went back.
        """
        found = rails(printed)
        kept = self._chosen or tuple(name for name in found if not WHOLE.search(name))
        lacking = [name for name in kept if name not in found]
        if lacking:
            raise Garbage(f"the power monitor told nothing of {', '.join(lacking)}")
        if self._last and all(found[name][0] == self._last.get(name) for name in kept):
            return None
        self._last = {name: found[name][0] for name in kept}
        steps = []
        for name in kept:
            counter = self._counters.setdefault(name, EnergyCounter(name, None))
            milliseconds, microjoules = found[name]
            steps.append(counter.step(milliseconds * 1_000_000, microjoules))
        if any(step is None for step in steps):
            return None
        known = [step for step in steps if step is not None]
        middle = known[0].unix_ns - found[kept[0]][0] * 1_000_000
        return Reading(unix_ns + middle, sum(step.watts for step in known))


METER = Odpm()
