"""``um25c``: RDTech's UM24C, UM25C and UM34C USB testers, over Bluetooth's serial port.

Source: sigrok's description of the protocol (rdtech-um): 0xF0 asks for 130 bytes, big-endian; voltage at 2, current at
4; the last two bytes are 0xFFF1, of a UM34C the last is a parity over some of the others.
"""

from __future__ import annotations

import struct
import time
from pathlib import Path

from edgeproof.errors import MeterError
from edgeproof.meters.base import ROOT, About, Found, Garbage, How, Polled, Reading
from edgeproof.meters.serial_port import exchange, open_port, ports

__all__ = ["METER", "decode"]

QUESTION = b"\xf0"
LENGTH = 130
BAUD = 9600
TIMEOUT_S = 1.0
END = 0xFFF1
MODELS = {0x0963: ("UM24C", 1e-2, 1e-3), 0x09C9: ("UM25C", 1e-3, 1e-4), 0x0D4C: ("UM34C", 1e-2, 1e-3)}
"""By the number it sends: name, volts and amperes of one step."""
PARITY_OF = (
    1, 3, 7, 9, 15, 17, 19, 23, 31, 39, 41, 45, 49, 53, 55, 57, 59, 63, 67, 69, 73, 79, 83, 89, 97, 99, 109, 111, 113,
    119, 121, 127,
)  # fmt: skip
"""Bytes whose exclusive or is the last byte of a UM34C's answer."""


class Um25c:
    """One tester on a port: ``um25c:/dev/rfcomm0``."""

    about = About(
        name="um25c",
        title="RDTech UM24C, UM25C, UM34C (USB tester, Bluetooth)",
        reads="voltage × current of the USB cable that feeds the device",
        resolution="1 mV × 0.1 mA (UM25C), 10 mV × 1 mA (others); two new values a second",
        omits="what does not come through the cable",
        on_board=False,
        rate_hz=2.0,
        tested_with="a pseudo terminal that speaks the protocol",
        requires=("pyserial",),
    )

    def find(self, root: Path = ROOT) -> list[Found]:
        return [Found(f"um25c:{port}", "RDTech USB tester") for port in ports(product="UM25C")]

    def open(self, address: str, how: How) -> Polled:
        if not address:
            raise MeterError("a Bluetooth tester is not found by itself", hint="name its port: um25c:/dev/rfcomm0")
        port = open_port(address, BAUD, timeout_s=TIMEOUT_S)

        def sample() -> Reading | None:
            asked = time.time_ns()
            answer = exchange(port, QUESTION, LENGTH)
            if not answer:
                return None
            _name, watts = decode(answer)
            return Reading((asked + time.time_ns()) // 2, watts)

        return Polled(
            sample,
            source=f"RDTech USB tester at {address}",
            rate_hz=how.rate_hz or self.about.rate_hz,
            ended=port.close,
        )


def decode(answer: bytes) -> tuple[str, float]:
    """The model's name and watts of an answer.

    Raises:
        Garbage: it is none.
    """
    if len(answer) != LENGTH:
        raise Garbage(f"{len(answer)} bytes came, expected {LENGTH}")
    number, volts, amperes = struct.unpack_from(">HHH", answer)
    if number not in MODELS:
        raise Garbage(f"0x{number:04x} is no model of the family")
    name, volt_step, ampere_step = MODELS[number]
    if name == "UM34C":
        parity = 0
        for place in PARITY_OF:
            parity ^= answer[place]
        whole = parity == answer[-1]
    else:
        whole = struct.unpack_from(">H", answer, LENGTH - 2)[0] == END
    if not whole:
        raise Garbage(f"the answer of {name} does not end as it should: it was damaged on its way")
    return name, volts * volt_step * amperes * ampere_step


METER = Um25c()
