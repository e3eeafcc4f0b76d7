"""Which devices there are: the host, what ``adb`` sees, and SSH targets that the user names. It measures nothing."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from importlib import metadata
from typing import Literal

from edgeproof.devices.base import Device, DeviceFactory
from edgeproof.documents.base import Value
from edgeproof.documents.device import DeviceClass
from edgeproof.errors import DeviceError, ProcessError, UsageError
from edgeproof.measure.machine import device_class, read_machine
from edgeproof.process import ask

__all__ = ["ListedDevice", "discover", "open_device", "read_adb_list"]

GROUP = "edgeproof.devices"
NOT_YET = "listed, not measured by this version: use the run's device runbook"
ADB_TIMEOUT_S = 15
SSH_TIMEOUT_S = 10
ADB_REMEDIES = {
    "unauthorized": "unlock the phone and allow USB debugging for this computer",
    "offline": "reconnect it: adb reconnect offline, or unplug it and plug it in again",
    "no permissions": "add a udev rule for it, or restart adb as a user who may open USB devices",
    "recovery": "start Android on it",
    "bootloader": "start Android on it: fastboot reboot",
}


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
