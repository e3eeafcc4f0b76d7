"""The classes of devices that a verdict is about."""

from __future__ import annotations

from typing import Literal, get_args

__all__ = ["DEVICE_CLASSES", "EVERY_CLASS", "DeviceClass", "ships_as"]

DeviceClass = Literal["host", "raspberry-pi", "android", "iphone", "linux"]
"""``linux``: a board of Linux that is none of the others; there is a verdict on it where it was measured."""
DEVICE_CLASSES: tuple[DeviceClass, ...] = ("host", "raspberry-pi", "android", "iphone")
"""Those that every run has a verdict on."""
EVERY_CLASS: tuple[DeviceClass, ...] = get_args(DeviceClass)


def ships_as(device_class: DeviceClass) -> DeviceClass:
    """The class whose formats and runtimes are those of this one."""
    return "raspberry-pi" if device_class == "linux" else device_class
