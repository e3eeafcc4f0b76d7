"""What a device that was probed is, in a line."""

from __future__ import annotations

from edgeproof.devices.base import Device

__all__ = ["described"]


def described(device: Device) -> str:
    """``Raspberry Pi 4 Model B Rev 1.4, aarch64, glibc 2.36, Python 3.11``, and what speaks against its being one.

    Raises:
        DeviceError: it cannot be reached.
    """
    place, board = device.place(), device.board()
    if place is None:
        return device.machine().cpu_model or device.machine().architecture
    named = board.name if board is not None else None
    words = [word for word in (named, place.architecture, place.libc) if word]
    words.append(f"Python {place.python}" if place.python else "no Python")
    if board is not None and board.emulated == "yes":
        words.append(f"emulated ({'; '.join(board.signs) or 'as its user says'}): outputs, and no times")
    elif board is not None and board.emulated == "unknown":
        doubt = "; ".join(board.contradictions) or "it does not say what it is"
        real = f"{device.name}?emulated=0"
        words.append(f"perhaps no real board ({doubt}): outputs, and no times; where it is one, say {real}")
    return ", ".join(words)
