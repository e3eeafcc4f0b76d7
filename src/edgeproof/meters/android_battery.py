"""``android``: a phone's battery, through adb: ``dumpsys battery`` and the fuel gauge's current.

Source: android.os.BatteryManager: voltage in mV, status 2 charging, 5 full; ``current_now`` is in µA by its definition,
and some makers write mA. On a cable the current is the charger's, so a phone that is fed is refused.
"""

from __future__ import annotations

import re
from pathlib import Path

from edgeproof.errors import MeterError
from edgeproof.meters.adb_shell import AdbShell, attached
from edgeproof.meters.base import ROOT, About, Found, Garbage, How, Polled, Reading

__all__ = ["METER", "fed_by", "power_of"]

SCRIPT = (
    "dumpsys battery; "
    "echo current_now: $(cat /sys/class/power_supply/battery/current_now 2>/dev/null "
    "|| cmd battery get -f current_now 2>/dev/null)"
)
FIELD = re.compile(r"^\s*([A-Za-z][A-Za-z _]*?):\s*(\S+)\s*$", re.MULTILINE)
CHARGING, FULL = "2", "5"
LARGEST_MA = 20_000
"""Above it a current is in µA: no phone draws 20 A, and none that computes draws less than 20 mA."""


class AndroidBattery:
    """One phone: ``android``, ``android:SERIAL``."""

    about = About(
        name="android",
        title="Android phone's battery through adb",
        reads="current × voltage of the battery while it discharges: the whole phone, its screen and radio too",
        resolution="as the fuel gauge has it: about 1 mA; a new value each 0.25 to 30 s",
        omits="what a cable feeds: on one it says nothing, and is refused, so use adb over Wi-Fi",
        on_board=False,
        rate_hz=2.0,
        tested_with="an `adb` that prints what a phone printed",
    )

    def find(self, root: Path = ROOT) -> list[Found]:
        return [Found(f"android:{serial}", "battery; unplug it and use adb over Wi-Fi") for serial in attached()]

    def open(self, address: str, how: How) -> Polled:
        shell = AdbShell(address)
        printed, _ = shell.ask(SCRIPT)
        fed = fed_by(printed)
        if fed is not None:
            raise MeterError(
                f"the phone's battery is charged ({fed}): its current is not what the phone draws",
                hint="unplug it and use adb over Wi-Fi: adb tcpip 5555; adb connect ADDRESS:5555",
            )
        power_of(printed)
        latest = [printed]

        def sample() -> Reading:
            latest[0], at = shell.ask(SCRIPT)
            return Reading(at, power_of(latest[0]))

        return Polled(
            sample,
            source=f"battery of the phone {address or 'that is attached'}",
            rate_hz=how.rate_hz or self.about.rate_hz,
            charging=lambda: fed_by(latest[0]) is not None,
            clock=lambda: shell.clock,
        )


def fields(printed: str) -> dict[str, str]:
    """What ``dumpsys battery`` says, by name in lower case."""
    return {name.lower(): value for name, value in FIELD.findall(printed)}


def fed_by(printed: str) -> str | None:
    """What feeds the phone, in words; None where its battery alone does."""
    told = fields(printed)
    fed = [name.split()[0] for name, value in told.items() if name.endswith("powered") and value == "true"]
    if fed:
        return f"powered by {', '.join(fed)}"
    return "its status is charging" if told.get("status") in (CHARGING, FULL) else None


def power_of(printed: str) -> float:
    """Watts: current × voltage.

    Raises:
        Garbage: one of them is not told.
    """
    told = fields(printed)
    try:
        millivolts, current = int(told["voltage"]), abs(int(told["current_now"]))
    except (KeyError, ValueError):
        lacking = " and ".join(name for name in ("voltage", "current_now") if name not in told) or "a number"
        raise Garbage(f"the phone does not tell {lacking}: its makers may deny it to the shell") from None
    if not 1000 < millivolts < 30_000:
        raise Garbage(f"a battery of {millivolts} mV is none")
    milliamperes = current / 1000 if current > LARGEST_MA else float(current)
    return millivolts * milliamperes / 1e6


METER = AndroidBattery()
