"""Sentences that name a device class: two that differ in that name alone are one sentence about both."""

from __future__ import annotations

from collections.abc import Iterable

from edgeproof.documents.device import DeviceClass
from edgeproof.report.content import DEVICE_TITLES
from edgeproof.verdict.wording import TITLES, and_list

__all__ = ["SOMEWHERE", "named", "titles", "unnamed"]

SOMEWHERE = "\0"
"""Stands where a device class was named."""


def unnamed(text: str, device: DeviceClass) -> str:
    """The text without its device class."""
    return text.replace(TITLES[device], SOMEWHERE)


def named(text: str, devices: Iterable[DeviceClass]) -> str:
    """The text with all these classes named where one was."""
    return text.replace(SOMEWHERE, and_list([TITLES[device] for device in devices]))


def titles(devices: Iterable[DeviceClass]) -> str:
    """``Raspberry Pi, Android``."""
    return ", ".join(DEVICE_TITLES[device] for device in devices)
