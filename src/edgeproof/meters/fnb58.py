"""``fnb58``: FNIRSI's FNB58, FNB48S and FNB48 USB testers, as USB HID through Linux's hidraw.

The protocol is known from others' reading of it, not from its maker: reports of 64 bytes that begin with 0xAA; type 4
carries four samples of 15 bytes, 10 ms apart (little-endian voltage and current, 10 µV and 10 µA a step), and a CRC-8
(polynomial 0x39, begun at 0x42) over all but the first and last byte.
"""

from __future__ import annotations

import contextlib
import os
import select
import struct
import time
from collections.abc import Sequence
from pathlib import Path

from edgeproof.errors import MeterError
from edgeproof.meters.base import ROOT, About, Found, Garbage, How, Reading
from edgeproof.meters.sysfs import text

__all__ = ["METER", "crc8", "decode"]

LENGTH = 64
BEGIN, DATA = 0xAA, 0x04
SAMPLES, SAMPLE_BYTES, STEP_NS = 4, 15, 10_000_000
ASK_AGAIN_S = 1.0
MODELS = {"00002E3C:00005558": "FNB58", "00002E3C:00000049": "FNB48S", "00000483:0000003A": "FNB48"}
"""By the USB numbers as hidraw's ``HID_ID`` has them."""


def crc8(data: bytes) -> int:
    """The check byte of a report: polynomial 0x39, begun at 0x42, nothing reflected."""
    value = 0x42
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = ((value << 1) ^ 0x39 if value & 0x80 else value << 1) & 0xFF
    return value


def command(number: int) -> bytes:
    """A report to the tester; hidraw wants the report's number, 0, before it."""
    body = bytes([number]) + bytes(LENGTH - 3)
    return b"\x00" + bytes([BEGIN]) + body + bytes([crc8(body)])


def decode(report: bytes, arrived_ns: int) -> list[Reading]:
    """Four readings of a report of data, the last at its arrival; none of another one.

    Raises:
        Garbage: it is damaged.
    """
    if len(report) != LENGTH or report[0] != BEGIN:
        raise Garbage(f"{len(report)} bytes that begin with 0x{report[:1].hex() or '--'} are no report of the tester")
    if crc8(report[1:-1]) != report[-1]:
        raise Garbage("the check byte of a report is wrong: it was damaged on its way")
    if report[1] != DATA:
        return []
    readings = []
    for index in range(SAMPLES):
        volts, amperes = struct.unpack_from("<II", report, 2 + SAMPLE_BYTES * index)
        at = arrived_ns - (SAMPLES - 1 - index) * STEP_NS
        readings.append(Reading(at, volts * 1e-5 * amperes * 1e-5))
    return readings


class Fnb58:
    """One tester: ``fnb58:/dev/hidraw2``."""

    about = About(
        name="fnb58",
        title="FNIRSI FNB58, FNB48S, FNB48 (USB tester)",
        reads="voltage × current of the USB cable that feeds the device",
        resolution="10 µV × 10 µA; 100 samples a second",
        omits="what does not come through the cable",
        on_board=False,
        rate_hz=100.0,
        tested_with="a pseudo terminal that speaks the protocol",
    )

    def find(self, root: Path = ROOT) -> list[Found]:
        found = []
        for node in sorted(root.glob("sys/class/hidraw/hidraw*")):
            told = text(node / "device/uevent") or ""
            model = next((name for number, name in MODELS.items() if number in told.upper()), None)
            if model is None:
                continue
            path = root / "dev" / node.name
            if os.access(path, os.R_OK | os.W_OK):
                found.append(Found(f"fnb58:{path}", f"FNIRSI {model}"))
            else:
                found.append(Found(f"fnb58:{path}", f"FNIRSI {model}", "attention", f"sudo chmod a+rw {path}"))
        return found

    def open(self, address: str, how: How) -> Fnb58Reader:
        path = address or next((known.address.partition(":")[2] for known in self.find(how.root)), None)
        if path is None:
            raise MeterError("no FNIRSI tester is attached", hint="name its node: fnb58:/dev/hidraw0")
        return Fnb58Reader(path)


class Fnb58Reader:
    """Asks for data each second and takes what comes in between."""

    charging: bool | None = None
    clock = None

    def __init__(self, path: str) -> None:
        self.source, self.rate_hz = f"FNIRSI tester at {path}", METER.about.rate_hz
        self._path, self._rest = path, b""
        self._asked = 0.0
        try:
            self._file = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOCTTY)
        except OSError as error:
            hint = f"sudo chmod a+rw {path}" if isinstance(error, PermissionError) else "`edgeproof power list`"
            raise MeterError(f"{path} cannot be opened: {error.strerror}", hint=hint) from error
        for number in (0x81, 0x82, 0x82):
            self._write(command(number))

    def read(self) -> Sequence[Reading]:
        if time.monotonic() - self._asked > ASK_AGAIN_S:
            self._asked = time.monotonic()
            self._write(command(0x83))
        ready, _, _ = select.select([self._file], [], [], 0.5)
        if not ready:
            return ()
        try:
            self._rest += os.read(self._file, LENGTH)
        except BlockingIOError:
            return ()
        except OSError as error:
            raise MeterError(f"{self._path} is gone: {error.strerror}", hint="it was unplugged") from error
        if len(self._rest) < LENGTH:
            return ()
        report, self._rest = self._rest[:LENGTH], self._rest[LENGTH:]
        if report[0] != BEGIN:  # half a report: go on at the next beginning
            begins = (report + self._rest).find(bytes([BEGIN]))
            self._rest = (report + self._rest)[begins:] if begins > 0 else b""
        return decode(report, time.time_ns())

    def _write(self, report: bytes) -> None:
        try:
            os.write(self._file, report)
        except BlockingIOError:
            return
        except OSError as error:
            raise MeterError(f"{self._path} is gone: {error.strerror}", hint="it was unplugged") from error

    def close(self) -> None:
        if self._file >= 0:
            with contextlib.suppress(OSError):
                os.close(self._file)
            self._file = -1

    def __enter__(self) -> Fnb58Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


METER = Fnb58()
