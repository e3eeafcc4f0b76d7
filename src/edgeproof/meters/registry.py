"""Which meters there are. They are entry points; ours are known without them too, so that they can be used on a board
that has the files alone."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping
from importlib import metadata

from edgeproof.errors import MeterError, MissingDependency, UsageError
from edgeproof.meters.base import ROOT, Found, How, Meter, Reader

__all__ = ["OURS", "broken_meters", "find_meters", "meters", "open_meter"]

GROUP = "edgeproof.meters"
OURS = {
    "rapl": "edgeproof.meters.rapl:METER",
    "ina": "edgeproof.meters.ina:METER",
    "battery": "edgeproof.meters.power_supply:METER",
    "pmic": "edgeproof.meters.pmic:METER",
    "android": "edgeproof.meters.android_battery:METER",
    "odpm": "edgeproof.meters.odpm:METER",
    "ppk2": "edgeproof.meters.ppk2:METER",
    "joulescope": "edgeproof.meters.joulescope:METER",
    "um25c": "edgeproof.meters.um25c:METER",
    "tc66c": "edgeproof.meters.tc66c:METER",
    "fnb58": "edgeproof.meters.fnb58:METER",
}
"""As the entry points have them."""


def meters() -> Mapping[str, Meter]:
    """Every meter by name: ours, then those of other packages."""
    return _registered()[0]


def broken_meters() -> Mapping[str, str]:
    """Why a registered meter cannot be loaded, by name."""
    return _registered()[1]


@functools.cache
def _registered() -> tuple[Mapping[str, Meter], Mapping[str, str]]:
    found: dict[str, Meter] = {}
    broken: dict[str, str] = {}
    others = {entry.name: entry.value for entry in metadata.entry_points(group=GROUP)}
    for name, target in (OURS | others).items():
        module, _, attribute = target.partition(":")
        try:
            found[name] = getattr(importlib.import_module(module), attribute)
        except Exception as error:
            broken[name] = f"it cannot be loaded from {target}: {type(error).__name__}: {error}"
    return found, broken


def find_meters() -> list[Found]:
    """What is attached to this machine, or part of it."""
    found: list[Found] = []
    for name, meter in meters().items():
        try:
            found += meter.find(ROOT)
        except (MeterError, MissingDependency) as error:
            found.append(Found(name, error.message, "attention", error.hint))
    return found


def open_meter(address: str, how: How) -> tuple[Meter, Reader]:
    """Open the meter of an address: its name, and what follows a colon.

    Raises:
        UsageError: there is no such meter.
        MeterError: it is not there, or cannot be read.
        MissingDependency: its package is not installed.
    """
    name, _, rest = address.partition(":")
    if name in broken_meters():
        raise MeterError(f"{name}: {broken_meters()[name]}", hint="reinstall the package that registers it")
    meter = meters().get(name)
    if meter is None:
        raise UsageError(f"there is no meter {name}", hint=f"known: {', '.join(meters())}")
    return meter, meter.open(rest, how)
