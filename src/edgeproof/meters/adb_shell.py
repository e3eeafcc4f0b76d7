"""A phone asked through the real ``adb`` client, and how its clock stands to this machine's."""

from __future__ import annotations

import re
import time

from edgeproof.documents.power import ClockOffset
from edgeproof.errors import MeterError, ProcessError
from edgeproof.process import ask

__all__ = ["AdbShell", "attached"]

TIMEOUT_S = 10.0
CLOCK = "echo EDGEPROOF_CLOCK $(date +%s%N)"
CLOCK_LINE = re.compile(r"^EDGEPROOF_CLOCK (\d{19})\s*$", re.MULTILINE)
DEVICE = re.compile(r"^(\S.*?)\s+device(?:\s|$)", re.MULTILINE)


def attached() -> list[str]:
    """Serials of the phones that answer; none where there is no ``adb``."""
    try:
        done = ask(("adb", "devices"), timeout_s=TIMEOUT_S)
    except ProcessError:
        return []
    _, _, listed = done.stdout.decode(errors="replace").partition("List of devices attached")
    return DEVICE.findall(listed)


class AdbShell:
    """A phone's shell. Each answer brings the phone's time along; the quickest one tells the offset best.

    Args:
        serial: as ``adb devices`` lists it; empty: the only one.
    """

    def __init__(self, serial: str) -> None:
        self.serial = serial
        self.clock: ClockOffset | None = None

    def ask(self, script: str) -> tuple[str, int]:
        """What a script prints, and the middle of its run by this machine's clock.

        Raises:
            MeterError: the phone did not answer.
        """
        chosen = ("-s", self.serial) if self.serial else ()
        begin = time.time_ns()
        try:
            done = ask(("adb", *chosen, "shell", f"{CLOCK}; {script}"), timeout_s=TIMEOUT_S)
        except ProcessError as error:
            raise MeterError(error.message, hint="install adb, connect the phone, then `adb devices`") from error
        end = time.time_ns()
        printed = done.stdout.decode(errors="replace").replace("\r", "")
        told = CLOCK_LINE.search(printed)
        if done.returncode != 0 and told is None:
            why = done.stderr.decode(errors="replace").strip() or printed.strip() or "it said nothing"
            raise MeterError(f"adb shell failed: {why}", hint="`adb devices` says how the phone is connected")
        middle = (begin + end) // 2
        if told is not None:
            within = (end - begin) / 2e6
            if self.clock is None or within < self.clock.within_ms:
                how = "asked through adb: the phone's time, within half of the quickest answer"
                self.clock = ClockOffset(round((int(told[1]) - middle) / 1e6, 3), round(within, 3), how)
        return CLOCK_LINE.sub("", printed), middle
