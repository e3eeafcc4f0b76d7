"""Testers on a pseudo terminal: UM25C and TC66C as serial ports, FNB58 as a hidraw node.

They stand for the real ones' answers, with voltage and current that a test sets, and for how they fail: silence,
garbage, an unplugged cable. They leave out baud rates, Bluetooth, screens and recordings; that the
TC66C's key and the FNB58's check byte are the real ones is known from others' programs alone. A hidraw node gives whole
reports; a pseudo terminal gives bytes.
"""

from __future__ import annotations

import contextlib
import os
import pty
import select
import struct
import threading
import tty
from collections.abc import Callable

__all__ = ["Terminal", "fnb58_report", "tc66c_answer", "um25c_answer"]


class Terminal:
    """A pseudo terminal with a device at its far end; a context manager.

    Args:
        answer: gives what is sent back to what has come, and how many of its bytes are used up.
        every_s: also asked so often without anything having come; None: never.
    """

    def __init__(self, answer: Callable[[bytes], tuple[bytes, int]], *, every_s: float | None = None) -> None:
        self._answer, self._every = answer, every_s
        self._device, self._port = pty.openpty()
        tty.setraw(self._port)
        self.path = os.ttyname(self._port)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def _serve(self) -> None:
        come = b""
        while not self._over.is_set():
            ready, _, _ = select.select([self._device], [], [], self._every or 0.05)
            if ready:
                try:
                    come += os.read(self._device, 4096)
                except OSError:
                    return
            if come or self._every is not None:
                sent, used = self._answer(come)
                come = come[used:]
                with contextlib.suppress(OSError):
                    os.write(self._device, sent)

    def unplug(self) -> None:
        """The cable is pulled."""
        self._over.set()
        self._thread.join()
        os.close(self._port)
        os.close(self._device)

    def __enter__(self) -> Terminal:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if not self._over.is_set():
            self.unplug()


def um25c_answer(volts: float, amperes: float, model: int = 0x09C9) -> bytes:
    """130 bytes of a UM24C, UM25C or UM34C."""
    volt, ampere = (1e-3, 1e-4) if model == 0x09C9 else (1e-2, 1e-3)
    answer = bytearray(130)
    watts = volts * amperes
    struct.pack_into(">HHHI", answer, 0, model, round(volts / volt), round(amperes / ampere), round(watts * 1000))
    struct.pack_into(">HH", answer, 10, 25, 77)
    struct.pack_into(">H", answer, 128, 0xFFF1)
    if model == 0x0D4C:
        checked = [1, 3, 7, 9, 15, 17, 19, 23, 31, 39, 41, 45, 49, 53, 55, 57, 59, 63, 67, 69, 73, 79, 83, 89, 97, 99]
        parity = 0
        for place in [*checked, 109, 111, 113, 119, 121, 127]:
            parity ^= answer[place]
        answer[129] = parity
    return bytes(answer)


def tc66c_answer(volts: float, amperes: float, *, damaged: bool = False) -> bytes:
    """192 encrypted bytes of a TC66C."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from tc66_serial import crc16_modbus

    key = bytes.fromhex("5821fa5601b2f02687ff1204622a4fb086f40260816f9a0ba7f106619ab87288")
    plain = b""
    for number in (1, 2, 3):
        packet = bytearray(64)
        packet[:4] = b"pac%d" % number
        if number == 1:
            packet[4:8], packet[8:12] = b"TC66", b"1.14"
            struct.pack_into("<III", packet, 48, round(volts * 1e4), round(amperes * 1e5), round(volts * amperes * 1e4))
        struct.pack_into("<I", packet, 60, crc16_modbus(bytes(packet[:60])) ^ (damaged and number == 1))
        plain += bytes(packet)
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(plain) + encryptor.finalize()


def fnb58_report(volts: float, amperes: float, kind: int = 0x04) -> bytes:
    """A report of four equal samples."""
    from edgeproof.meters.fnb58 import crc8

    report = bytearray(64)
    report[0], report[1] = 0xAA, kind
    for index in range(4):
        struct.pack_into("<IIHHBH", report, 2 + 15 * index, round(volts * 1e5), round(amperes * 1e5), 600, 600, 1, 251)
    report[63] = crc8(bytes(report[1:63]))
    return bytes(report)
