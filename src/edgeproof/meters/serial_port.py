"""A serial port for meters: opened with what to do when it cannot be, asked with a time limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeproof.errors import MeterError, MissingDependency

if TYPE_CHECKING:
    from serial import Serial

__all__ = ["EXTRA", "exchange", "open_port", "ports"]

EXTRA = "pip install 'edgeproof[power]'"


def ports(*, vid: int | None = None, pid: int | None = None, product: str | None = None) -> list[str]:
    """Serial ports of USB devices with these numbers, or with these words in their name; none without pyserial."""
    try:
        from serial.tools import list_ports
    except ImportError:
        return []
    return [
        port.device
        for port in list_ports.comports()
        if (vid is None or port.vid == vid)
        and (pid is None or port.pid == pid)
        and (product is None or product.lower() in f"{port.product} {port.description}".lower())
    ]


def open_port(path: str, baud: int, *, timeout_s: float) -> Serial:
    """Open a port.

    Raises:
        MissingDependency: pyserial is not installed.
        MeterError: there is no such port, or this user may not open it.
    """
    try:
        import serial
    except ImportError as error:
        raise MissingDependency("a serial meter needs pyserial", hint=EXTRA) from error
    try:
        return serial.Serial(path, baud, timeout=timeout_s, write_timeout=timeout_s)
    except (serial.SerialException, OSError, ValueError) as error:
        denied = "ermission" in str(error)
        hint = (
            "put this user into the group of the port: sudo usermod -aG dialout $USER, and log in again"
            if denied
            else "is it plugged in, and is the port its own? for Bluetooth: rfcomm bind 0 ADDRESS gives /dev/rfcomm0"
        )
        raise MeterError(f"{path} cannot be opened: {error}", hint=hint) from error


def exchange(port: Any, question: bytes, length: int) -> bytes:
    """Send a question and read its answer of so many bytes; fewer where it is silent before.

    Raises:
        MeterError: the port is gone.
    """
    import serial

    try:
        port.reset_input_buffer()
        port.write(question)
        answer: bytes = port.read(length)
    except (serial.SerialException, OSError) as error:
        raise MeterError(
            f"{port.port} is gone: {error}", hint="it was unplugged, or lost its Bluetooth link"
        ) from error
    return answer
