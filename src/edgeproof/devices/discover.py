"""Which devices there are: the host, what ``adb`` sees, boards that can be emulated here, and what the user names."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import metadata
from typing import Literal

from edgeproof.devices.adb.listing import Attached, attached, find_adb
from edgeproof.devices.base import Device, DeviceFactory
from edgeproof.devices.emulated.boards import BOARDS
from edgeproof.devices.emulated.lodging import lacking
from edgeproof.devices.emulated.root import ready
from edgeproof.devices.telling import described
from edgeproof.documents.base import Value
from edgeproof.documents.device import DeviceClass
from edgeproof.errors import DeviceError, ProcessError, UsageError
from edgeproof.measure.machine import device_class, read_machine

__all__ = ["ListedDevice", "discover", "open_device"]

GROUP = "edgeproof.devices"


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
    raise UsageError(f"{address} is no device", hint=f"known kinds: {', '.join(sorted(entries))}")


def _attached_phones() -> list[ListedDevice]:
    adb = find_adb()
    if adb is None:
        return []
    try:
        return [_phone(found) for found in attached(adb)]
    except ProcessError as error:
        return [
            ListedDevice(
                address="adb:",
                device_class="android",
                state="attention",
                measurable=False,
                detail=error.message,
                remedy=error.hint or "restart it: adb kill-server && adb start-server",
            )
        ]


def _phone(found: Attached) -> ListedDevice:
    emulated = "; emulated: outputs, no latency" if found.emulator else ""
    return ListedDevice(
        address=f"adb:{found.serial}",
        device_class="android",
        state="ready" if found.ready else "attention",
        measurable=found.ready,
        detail=f"{found.model or 'Android device'}{emulated if found.ready else f': {found.state}'}",
        remedy=found.remedy,
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
        if lacking(board) is None and ready(board.architecture)
    ]


def _unreachable(name: str, detail: str, remedy: str | None) -> ListedDevice:
    return ListedDevice(
        address=name, device_class=None, state="unreachable", measurable=False, detail=detail, remedy=remedy
    )
