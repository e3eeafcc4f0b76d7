"""``tc66c``: RDTech's TC66 and TC66C USB-C testers, over USB serial, with the codec of ``tc66-serial``.

``getva`` asks for 192 encrypted bytes: three packets, each with a checksum.
"""

from __future__ import annotations

import time
from pathlib import Path

from edgeproof.errors import MeterError, MissingDependency
from edgeproof.meters.base import ROOT, About, Found, Garbage, How, Polled, Reading
from edgeproof.meters.serial_port import EXTRA, exchange, open_port, ports

__all__ = ["METER"]

QUESTION = b"getva"
LENGTH = 192
BAUD = 115200
TIMEOUT_S = 1.0
USB = (0x28E9, 0x018A)


class Tc66c:
    """One tester on a port: ``tc66c:/dev/ttyACM0``."""

    about = About(
        name="tc66c",
        title="RDTech TC66, TC66C (USB-C tester)",
        reads="voltage × current of the USB-C cable that feeds the device, as the tester multiplies them",
        resolution="0.1 mW of 0.1 mV × 10 µA; about five new values a second",
        omits="what does not come through the cable",
        on_board=False,
        rate_hz=5.0,
        tested_with="a pseudo terminal that speaks the protocol",
        requires=("pyserial", "tc66-serial"),
    )

    def find(self, root: Path = ROOT) -> list[Found]:
        vid, pid = USB
        return [Found(f"tc66c:{port}", "RDTech TC66") for port in ports(vid=vid, pid=pid)]

    def open(self, address: str, how: How) -> Polled:
        try:
            from tc66_serial import Tc66ProtocolError, decrypt, parse
        except ImportError as error:
            raise MissingDependency("a TC66C needs tc66-serial", hint=EXTRA) from error
        path = address or next(iter(ports(vid=USB[0], pid=USB[1])), None)
        if path is None:
            raise MeterError("no TC66C is attached", hint="name its port: tc66c:/dev/ttyACM0")
        port = open_port(path, BAUD, timeout_s=TIMEOUT_S)

        def sample() -> Reading | None:
            asked = time.time_ns()
            answer = exchange(port, QUESTION, LENGTH)
            if not answer:
                return None
            if len(answer) != LENGTH:
                raise Garbage(f"{len(answer)} bytes came, expected {LENGTH}")
            try:
                told = parse(decrypt(answer))
            except Tc66ProtocolError as error:
                raise Garbage(str(error)) from error
            if not told.pac1_checksum_valid:
                raise Garbage("the checksum of the answer is wrong: it was damaged on its way")
            return Reading((asked + time.time_ns()) // 2, told.power)

        return Polled(sample, source=f"TC66C at {path}", rate_hz=how.rate_hz or self.about.rate_hz, ended=port.close)


METER = Tc66c()
