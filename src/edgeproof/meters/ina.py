"""``ina``: current sensors of the INA2xx family on a board, through Linux's hwmon.

Source: Documentation/hwmon/{ina2xx,ina238,ina3221}.rst of the kernel: ``power1_input`` in µW, ``curr*_input`` in mA,
``in*_input`` in mV.
"""

from __future__ import annotations

import time
from pathlib import Path

from edgeproof.errors import MeterError
from edgeproof.meters.base import ROOT, About, Found, Garbage, How, Polled, Reading
from edgeproof.meters.sysfs import integer, text

__all__ = ["METER"]

CHANNELS = (1, 2, 3)
PLAUSIBLE_UW = 1_000_000_000


class Ina:
    """One sensor, or one channel of an INA3221: ``ina:hwmon3``, ``ina:hwmon3/VDD_IN``."""

    about = About(
        name="ina",
        title="INA219, INA226, INA260, INA238, INA3221 through hwmon",
        reads="current × voltage of the rail that its shunt is in; on a Jetson `ina:HWMON/VDD_IN` is the whole module",
        resolution="as its shunt is chosen, 1 to 25 mW as a rule; a new value each 1 to 140 ms",
        omits="every rail but its own",
        on_board=True,
        rate_hz=20.0,
        tested_with="a sysfs tree",
    )

    def find(self, root: Path = ROOT) -> list[Found]:
        found = []
        for sensor in sensors(root):
            chip = text(sensor / "name") or "?"
            if (sensor / "power1_input").exists():
                found.append(Found(f"ina:{sensor.name}", f"{chip}, {text(sensor / 'power1_label') or 'one rail'}"))
            for channel in channels(sensor):
                label = text(sensor / f"in{channel}_label") or str(channel)
                found.append(Found(f"ina:{sensor.name}/{label}", f"{chip}, channel {channel}, {label}"))
        return found

    def open(self, address: str, how: How) -> Polled:
        known = [found.address.partition(":")[2] for found in self.find(how.root)]
        if not known:
            raise MeterError("this machine shows no INA2xx sensor", hint="is its driver loaded? modprobe ina2xx")
        if not address and len(known) > 1:
            raise MeterError(f"there are {len(known)} rails", hint=f"name one: ina:{', ina:'.join(known)}")
        chosen = address or known[0]
        if chosen not in known:
            raise MeterError(f"there is no ina:{chosen}", hint=f"known: ina:{', ina:'.join(known)}")
        name, _, label = chosen.partition("/")
        sensor = how.root / "sys/class/hwmon" / name
        chip = text(sensor / "name") or "?"
        channel = next(
            (known for known in channels(sensor) if label in (str(known), text(sensor / f"in{known}_label"))), None
        )
        return Polled(
            lambda: sample(sensor, channel),
            source=f"{chip} {chosen}",
            rate_hz=how.rate_hz or self.about.rate_hz,
        )


def sensors(root: Path) -> list[Path]:
    """The sensors of the family."""
    return [
        sensor
        for sensor in sorted(root.glob("sys/class/hwmon/hwmon*"))
        if (text(sensor / "name") or "").startswith("ina")
    ]


def channels(sensor: Path) -> list[int]:
    """The channels that tell current and voltage and no power of their own."""
    if (sensor / "power1_input").exists():
        return []
    return [
        channel
        for channel in CHANNELS
        if (sensor / f"curr{channel}_input").exists() and (sensor / f"in{channel}_input").exists()
    ]


def sample(sensor: Path, channel: int | None) -> Reading:
    """Power now."""
    if channel is None:
        microwatts = integer(sensor / "power1_input")
    else:
        milliamperes, millivolts = integer(sensor / f"curr{channel}_input"), integer(sensor / f"in{channel}_input")
        microwatts = None if milliamperes is None or millivolts is None else milliamperes * millivolts
    if microwatts is None:
        raise Garbage(f"{sensor.name} gave no number")
    if abs(microwatts) > PLAUSIBLE_UW:
        raise Garbage(f"{sensor.name} gave {microwatts} µW")
    return Reading(time.time_ns(), microwatts / 1e6)


METER = Ina()
