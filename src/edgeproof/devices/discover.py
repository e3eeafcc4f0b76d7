"""Which devices there are: the host, what ``adb`` sees, and SSH targets that the user names. It measures nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from importlib import metadata
from typing import Literal

from edgeproof.devices.adb.listing import Attached, attached, find_adb
from edgeproof.devices.base import Device, DeviceFactory
from edgeproof.documents.base import Value
from edgeproof.documents.device import DeviceClass
from edgeproof.errors import DeviceError, ProcessError, UsageError
from edgeproof.measure.machine import device_class, read_machine
from edgeproof.process import ask

__all__ = ["ListedDevice", "discover", "open_device"]

GROUP = "edgeproof.devices"
NOT_YET = "listed, not measured by this version: use the run's device runbook"
SSH_TIMEOUT_S = 10
SSH_REMEDIES = {
    "Permission denied": "log in by key without a password: ssh-copy-id {target}",
    "Host key verification failed": "log in once by hand and accept its host key: ssh {target}",
    "Connection refused": "no SSH server listens there: start sshd on it",
    "Could not resolve": "no host of that name is known here",
    "timed out": "is it on, and in this network?",
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
    """The host, everything ``adb`` lists, and the named SSH targets.

    Args:
        named: ``ssh:user@host`` or ``ssh:user@host:port``, looked at one by one; nothing is scanned.

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
    found += [_ssh_target(name) for name in named if name != "host"]
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
    if kind in {"ssh", "adb"}:
        raise DeviceError(f"{address} is {NOT_YET}", hint="edgeproof runbook RUN")
    raise UsageError(f"{address} is no device", hint=f"known kinds: {', '.join([*entries, 'ssh', 'adb'])}")


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


def _ssh_target(name: str) -> ListedDevice:
    """Whether a named SSH target lets us in without a password. The only contact is one command that reads its name."""
    match = re.fullmatch(r"ssh:((?:[\w.-]+@)?[\w.-]+|(?:[\w.-]+@)?\[[0-9A-Fa-f:]+\])(?::(\d+))?", name)
    if not match or match.group(1).startswith("-"):
        raise UsageError(f"{name} is no device", hint="give ssh:user@host or ssh:user@host:port")
    target, port = match.groups()
    ssh = shutil.which("ssh")
    if ssh is None:
        return _unreachable(name, "there is no ssh on this machine", "install an OpenSSH client")
    command = [ssh, "-o", "BatchMode=yes", "-o", f"ConnectTimeout={SSH_TIMEOUT_S}"]
    command += ["-p", port] if port else []
    try:
        look = "uname -m; cat /proc/device-tree/model 2>/dev/null || :"
        done = ask([*command, "--", target, look], timeout_s=2 * SSH_TIMEOUT_S)
    except ProcessError as error:
        return _unreachable(name, f"no answer: {error}", "is it on, and in this network?")
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = said[-1] if said else f"ssh ended with {done.returncode}"
        known = (remedy for part, remedy in SSH_REMEDIES.items() if part in reason)
        return _unreachable(name, reason, next(known, "try it by hand: ssh {target}").format(target=target))
    told = done.stdout.decode(errors="replace").replace("\x00", "").split("\n")
    board = " ".join(part for part in told if part)
    return ListedDevice(
        address=name,
        device_class="raspberry-pi" if "Raspberry Pi" in board else None,
        state="ready",
        measurable=False,
        detail=f"{board}: {NOT_YET}",
        remedy="scripts/device/rpi_setup_and_bench.sh measures it",
    )


def _unreachable(name: str, detail: str, remedy: str) -> ListedDevice:
    return ListedDevice(
        address=name, device_class=None, state="unreachable", measurable=False, detail=detail, remedy=remedy
    )
