"""Which devices there are: the host, what ``adb`` sees, boards that can be emulated here, and what the user names."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from importlib import metadata
from typing import Literal

from edgeproof.devices.base import Device, DeviceFactory
from edgeproof.devices.emulated.boards import BOARDS
from edgeproof.devices.emulated.lodging import lacking
from edgeproof.devices.emulated.root import ready
from edgeproof.devices.telling import described
from edgeproof.documents.base import Value
from edgeproof.documents.device import DeviceClass
from edgeproof.errors import DeviceError, ProcessError, UsageError
from edgeproof.measure.machine import device_class, read_machine
from edgeproof.process import ask

__all__ = ["ListedDevice", "discover", "open_device", "read_adb_list"]

GROUP = "edgeproof.devices"
NOT_YET = "listed, not measured by this version: use the run's device runbook"
ADB_TIMEOUT_S = 15
ADB_REMEDIES = {
    "unauthorized": "unlock the phone and allow USB debugging for this computer",
    "offline": "reconnect it: adb reconnect offline, or unplug it and plug it in again",
    "no permissions": "add a udev rule for it, or restart adb as a user who may open USB devices",
    "recovery": "start Android on it",
    "bootloader": "start Android on it: fastboot reboot",
}


class ListedDevice(Value, frozen=True):
    """A device that was found or named."""

    address: str
    device_class: DeviceClass | None
    state: Literal["ready", "attention", "unreachable"]
    measurable: bool
    detail: str
    remedy: str | None = None


def discover(named: Sequence[str] = ()) -> list[ListedDevice]:
    """The host, everything ``adb`` lists, boards that can be emulated here, and what is named.

    Args:
        named: ``ssh:user@host`` or ``ssh:user@host:port``, asked one by one; nothing is scanned.

    Raises:
        UsageError: a name is of no known kind.
    """
    machine = read_machine()
    model = machine.cpu_model or machine.architecture
    found = [
        ListedDevice(
            address="host",
            device_class=device_class(),
            state="ready",
            measurable=True,
            detail=f"{model}, {machine.usable_cores} cores" + (", virtual machine" if machine.virtual else ""),
        )
    ]
    found += _attached_phones()
    found += _emulated_boards()
    found += [_named(name) for name in named if name != "host"]
    return found


def open_device(address: str) -> Device:
    """The device of an address, through the entry points of ``edgeproof.devices``.

    Raises:
        UsageError: the kind is unknown.
        DeviceError: this version lists it and does not measure it.
    """
    kind, _, rest = address.partition(":")
    entries = {entry.name: entry for entry in metadata.entry_points(group=GROUP)}
    if kind in entries:
        factory: DeviceFactory = entries[kind].load()
        return factory(rest)
    if kind == "adb":
        raise DeviceError(f"{address} is {NOT_YET}", hint="edgeproof runbook RUN")
    raise UsageError(
        f"{address} is no device", hint=f"known kinds: {', '.join(dict.fromkeys([*sorted(entries), 'adb']))}"
    )


def read_adb_list(text: str) -> list[ListedDevice]:
    """The lines of ``adb devices -l`` as devices."""
    found = []
    for line in text.splitlines():
        match = re.match(r"^(\S+)\s+(no permissions|\S+)(.*)$", line)
        if not match or line.startswith(("List of devices", "*")):
            continue
        serial, state, rest = match.groups()
        told = dict(part.split(":", 1) for part in rest.split() if ":" in part)
        product = told.get("model", "").replace("_", " ")
        ready = state == "device"
        found.append(
            ListedDevice(
                address=f"adb:{serial}",
                device_class="android",
                state="ready" if ready else "attention",
                measurable=False,
                detail=f"{product or 'Android device'}: {NOT_YET if ready else state}",
                remedy=None if ready else ADB_REMEDIES.get(state, f"adb says {state!r}: reconnect it"),
            )
        )
    return found


def _attached_phones() -> list[ListedDevice]:
    adb = shutil.which("adb")
    if adb is None:
        return []
    try:
        done = ask([adb, "devices", "-l"], timeout_s=ADB_TIMEOUT_S)
    except ProcessError as error:
        return [_broken_adb(f"adb does not answer: {error}")]
    if done.returncode != 0:
        return [_broken_adb(f"adb failed: {done.stderr.decode(errors='replace').strip()}")]
    return read_adb_list(done.stdout.decode(errors="replace"))


def _broken_adb(detail: str) -> ListedDevice:
    return ListedDevice(
        address="adb:",
        device_class="android",
        state="attention",
        measurable=False,
        detail=detail,
        remedy="restart it: adb kill-server && adb start-server",
    )


def _named(name: str) -> ListedDevice:
    """Whether a device that is named can be measured: it is asked what it is, and nothing is brought there."""
    device = open_device(name)
    try:
        refused = device.available()
        if refused is not None:
            raise refused
        return ListedDevice(
            address=device.name,
            device_class=device.device_class,
            state="ready",
            measurable=True,
            detail=described(device),
        )
    except DeviceError as error:
        return _unreachable(name, error.message.removeprefix(f"{device.name}: "), error.hint)
    finally:
        device.close()


def _emulated_boards() -> list[ListedDevice]:
    """Boards that can be had by emulation as this machine is."""
    return [
        ListedDevice(
            address=f"emulated:{board.name}",
            device_class="raspberry-pi",
            state="ready",
            measurable=True,
            detail=f"{board.model}, emulated: outputs, and no times",
        )
        for board in BOARDS.values()
        if lacking(board) is None and ready(board.core.architecture)
    ]


def _unreachable(name: str, detail: str, remedy: str | None) -> ListedDevice:
    return ListedDevice(
        address=name, device_class=None, state="unreachable", measurable=False, detail=detail, remedy=remedy
    )
