"""``pmic``: the power management chip of a Raspberry Pi 5, by ``vcgencmd pmic_read_adc``.

Source: Raspberry Pi's documentation of ``vcgencmd``. It tells current and voltage of twelve rails, and of the 5 V input
the voltage alone.
"""

from __future__ import annotations

import re
import shutil
import time
from pathlib import Path

from edgeproof.errors import MeterError, ProcessError
from edgeproof.meters.base import ROOT, About, Found, Garbage, How, Polled, Reading
from edgeproof.meters.sysfs import text
from edgeproof.process import ask

__all__ = ["FORMULA", "METER", "rails"]

COMMAND = ("vcgencmd", "pmic_read_adc")
LINE = re.compile(r"^\s*(\w+?)_([AV])\s+(?:current|volt)\(\d+\)=([-+.\deE]+)([AV])\s*$", re.MULTILINE)
TIMEOUT_S = 5.0
FORMULA = "sum of voltage × current over the chip's rails; a published fit of one board: watts = 1.1451 × sum + 0.5879"


class Pmic:
    """The sum over the rails, as it is told; no fit is applied to it."""

    about = About(
        name="pmic",
        title="Raspberry Pi 5 power management chip",
        reads="voltage × current of twelve rails behind the chip, summed",
        resolution="about 1 mW a rail; a process of `vcgencmd` a reading, which is itself a load of a few percent",
        omits="what hangs on the 5 V rail (USB, HAT, display, fan) and what the chip loses",
        on_board=True,
        rate_hz=4.0,
        tested_with="a `vcgencmd` that prints what a board printed",
        estimate=FORMULA,
    )

    def find(self, root: Path = ROOT) -> list[Found]:
        model = text(root / "proc/device-tree/model") or ""
        if "Raspberry Pi 5" not in model and "Compute Module 5" not in model:
            return []
        if shutil.which(COMMAND[0]) is None:
            return [Found("pmic", model, "attention", "install vcgencmd: sudo apt install raspi-utils")]
        return [Found("pmic", model)]

    def open(self, address: str, how: How) -> Polled:
        if shutil.which(COMMAND[0]) is None:
            raise MeterError("there is no vcgencmd: it stands on Raspberry Pi's own system", hint="use another meter")
        count = len(rails(told()))
        return Polled(
            lambda: Reading(time.time_ns(), sum(rails(told()).values())),
            source=f"Raspberry Pi power management chip, {count} rails",
            rate_hz=how.rate_hz or self.about.rate_hz,
        )


def told() -> str:
    """What the command prints now."""
    try:
        done = ask(COMMAND, timeout_s=TIMEOUT_S)
    except ProcessError as error:
        raise MeterError(error.message) from error
    if done.returncode != 0:
        why = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise MeterError(
            f"vcgencmd pmic_read_adc failed: {why or done.returncode}",
            hint="a Raspberry Pi 4 and older have no such chip; a user must be in the group video",
        )
    return done.stdout.decode(errors="replace")


def rails(printed: str) -> dict[str, float]:
    """Watts by rail, of the rails that have both current and voltage.

    Raises:
        Garbage: there is none.
    """
    volts: dict[str, float] = {}
    amperes: dict[str, float] = {}
    for name, kind, number, _unit in LINE.findall(printed):
        try:
            (amperes if kind == "A" else volts)[name] = float(number)
        except ValueError:
            raise Garbage(f"vcgencmd printed {number!r} for {name}") from None
    both = {name: volts[name] * amperes[name] for name in amperes if name in volts}
    if not both:
        raise Garbage(f"vcgencmd printed no rail with current and voltage: {printed[:80]!r}")
    return both


METER = Pmic()
