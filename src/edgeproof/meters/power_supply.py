"""``battery``: the battery of the machine itself, through Linux's power_supply class.

Source: Documentation/ABI/testing/sysfs-class-power of the kernel: µA, µV, µW; the sign of the current is the driver's.
"""

from __future__ import annotations

import time
from pathlib import Path

from edgeproof.errors import MeterError
from edgeproof.meters.base import ROOT, About, Found, Garbage, How, Polled, Reading
from edgeproof.meters.sysfs import integer, text

__all__ = ["METER"]


class PowerSupply:
    """What is drawn from the battery; nothing while something else feeds the machine."""

    about = About(
        name="battery",
        title="battery through power_supply (laptops, UPS boards, Linux phones)",
        reads="current × voltage of the battery while it discharges: the whole machine",
        resolution="1 to 10 mW; a new value each 1 to 30 s, as the fuel gauge has it",
        omits="what a charger feeds: with one connected it says nothing, and is refused",
        on_board=True,
        rate_hz=2.0,
        tested_with="a sysfs tree",
    )

    def find(self, root: Path = ROOT) -> list[Found]:
        found = []
        for battery in batteries(root):
            told, fed = text(battery / "status") or "unknown", fed_from_outside(root, battery)
            if fed:
                found.append(Found(f"battery:{battery.name}", f"{told}: {fed}", "attention", "unplug the charger"))
            else:
                found.append(Found(f"battery:{battery.name}", told))
        return found

    def open(self, address: str, how: How) -> Polled:
        known = {battery.name: battery for battery in batteries(how.root)}
        if not known:
            raise MeterError("this machine shows no battery that tells its current or power")
        battery = known.get(address) if address else next(iter(known.values()))
        if battery is None:
            raise MeterError(f"there is no battery {address}", hint=f"known: {', '.join(known)}")
        fed = fed_from_outside(how.root, battery)
        if fed:
            raise MeterError(
                f"{battery.name}: {fed}: its current is not what the machine draws", hint="unplug the charger"
            )
        return Polled(
            lambda: sample(battery),
            source=f"battery {battery.name}",
            rate_hz=how.rate_hz or self.about.rate_hz,
            charging=lambda: fed_from_outside(how.root, battery) is not None,
        )


def batteries(root: Path) -> list[Path]:
    """Those that tell what flows."""
    return [
        supply
        for supply in sorted(root.glob("sys/class/power_supply/*"))
        if text(supply / "type") == "Battery" and ((supply / "power_now").exists() or (supply / "current_now").exists())
    ]


def fed_from_outside(root: Path, battery: Path) -> str | None:
    """What else feeds the machine, in words; None where the battery alone does."""
    if text(battery / "status") == "Charging":
        return "the battery is charging"
    for supply in sorted(root.glob("sys/class/power_supply/*")):
        if text(supply / "type") not in (None, "Battery", "UPS") and integer(supply / "online") == 1:
            return f"{supply.name} is connected"
    return None


def sample(battery: Path) -> Reading:
    """Power now; which sign a discharge has differs from driver to driver."""
    microwatts = integer(battery / "power_now")
    if microwatts is None:
        current, voltage = integer(battery / "current_now"), integer(battery / "voltage_now")
        if current is None or voltage is None:
            raise Garbage(f"{battery.name} gave no current or no voltage")
        microwatts = current * voltage // 1_000_000
    return Reading(time.time_ns(), abs(microwatts) / 1e6)


METER = PowerSupply()
