"""What a phone is, asked in one round trip: model, processor, ABI, Android, memory, disk, clocks, and whether it is
emulated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from edgeproof.devices.adb.health import HEALTH, read_conditions
from edgeproof.devices.base import Place
from edgeproof.documents.conditions import Conditions
from edgeproof.documents.environment import Machine
from edgeproof.errors import DeviceError

__all__ = ["HOME", "PROBE", "Phone", "read_phone"]

HOME = "/data/local/tmp"
"""Where a shell may write files and run them."""
PROBE = (
    "echo @clock; date +%s%N; echo @properties; getprop; echo @kernel; uname -r; echo @memory; cat /proc/meminfo; "
    f"echo @disk; df -k {HOME}; echo @cpu; cat /proc/cpuinfo; echo @governors; "
    "cat /sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor 2>/dev/null; echo @limits; "
    "cat /sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq 2>/dev/null; "
    f"{HEALTH}"
)
"""A script of the phone's shell."""
CLOCK_DIGITS = 18
"""Of nanoseconds since 1970, at the least."""
ARCHITECTURES = {
    "arm64-v8a": "aarch64",
    "armeabi-v7a": "armv7l",
    "x86_64": "x86_64",
    "x86": "i686",
    "riscv64": "riscv64",
}
"""Android's ABIs as other systems name architectures, best first."""
VIRTUAL_HARDWARE = ("goldfish", "ranchu", "cutf", "vsoc", "vbox86", "ttvm", "nox", "windows_x86", "redroid", "waydroid")
"""``ro.hardware`` of emulators, of virtual phones in clouds and of Android in a container."""
VIRTUAL_NAMES = re.compile(
    r"sdk_gphone|android sdk built for|emulator|generic_x86|emu64|vsoc|cuttlefish|cf_x86|cf_arm|vbox86|genymotion"
    r"|waydroid|redroid|subsystem for android",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Phone:
    """A device as its probe told it.

    Attributes:
        place: for choosing.
        machine: for documents.
        conditions: its heat, clocks and battery then.
        emulated: what says that it is no hardware; None where nothing does.
        clock_unix_ns: its clock when it was asked; None where it tells whole seconds alone.
    """

    place: Place
    machine: Machine
    conditions: Conditions
    emulated: str | None
    clock_unix_ns: int | None


def read_phone(text: str, serial: str) -> Phone:
    """What ``PROBE`` printed.

    Args:
        text: of its stdout.
        serial: of the device.

    Raises:
        DeviceError: it is no Android, or of an unknown architecture.
    """
    told: dict[str, str] = dict(
        re.findall(r"^\[([^\]]+)\]: \[(.*?)\]$", _part(text, "properties"), re.MULTILINE | re.DOTALL)
    )
    abis = (told.get("ro.product.cpu.abilist") or told.get("ro.product.cpu.abi") or "").split(",")
    architecture = next((ARCHITECTURES[abi] for abi in ARCHITECTURES if abi in abis), None)
    if architecture is None:
        raise DeviceError(
            f"{serial} tells no ABI that is known: {','.join(abis) or 'none'}",
            hint=f"known: {', '.join(ARCHITECTURES)}",
        )
    memory = dict(re.findall(r"^(\w+):\s*(\d+) kB", _part(text, "memory"), re.MULTILINE))
    available = memory.get("MemAvailable", memory.get("MemFree"))
    cores = len(re.findall(r"^processor\s*:", _part(text, "cpu"), re.MULTILINE)) or 1
    governors = list(dict.fromkeys(_part(text, "governors").split()))
    limits = [int(word) for word in _part(text, "limits").split() if word.isdigit()]
    clock = _part(text, "clock").strip()
    conditions, emulated = read_conditions(text), _emulated(told, serial)
    hottest = [value for value in conditions.temperatures_c.values() if value > 0]
    android = told.get("ro.build.version.release", "of unknown version")
    return Phone(
        place=Place(
            system="android",
            architecture=architecture,
            libc="bionic",
            python=None,
            memory_bytes=int(available) * 1024 if available else None,
            disk_bytes=_free(_part(text, "disk")),
        ),
        machine=Machine(
            system=f"Android {android}",
            release=_part(text, "kernel").strip() or "unknown",
            architecture=architecture,
            cpu_model=_name(told),
            logical_cores=cores,
            usable_cores=cores,
            memory_bytes=int(memory.get("MemTotal", 0)) * 1024,
            python="none",
            governor="+".join(governors) or None,
            max_mhz=max(limits) / 1000 if limits else None,
            virtual=emulated is not None,
            temperature_c=max(hottest, default=None),
        ),
        conditions=conditions,
        emulated=emulated,
        clock_unix_ns=int(clock) if clock.isdigit() and len(clock) > CLOCK_DIGITS else None,
    )


def _name(told: Mapping[str, str]) -> str | None:
    """``Google Pixel 7 (Google GS201)``."""
    maker, model = told.get("ro.product.manufacturer", ""), told.get("ro.product.model", "")
    name = model if model.lower().startswith(maker.lower()) else f"{maker} {model}".strip()
    chip = " ".join(filter(None, (told.get("ro.soc.manufacturer"), told.get("ro.soc.model"))))
    chip = chip or told.get("ro.board.platform", "") or told.get("ro.hardware", "")
    return f"{name} ({chip})" if name and chip else name or chip or None


def _emulated(told: Mapping[str, str], serial: str) -> str | None:
    """What says that this is no hardware, in words."""
    if serial.startswith("emulator-"):
        return f"its serial is {serial}"
    for name in ("ro.kernel.qemu", "ro.boot.qemu"):
        if told.get(name) == "1":
            return f"{name} is 1"
    hardware = told.get("ro.hardware", "").lower()
    if hardware.startswith(VIRTUAL_HARDWARE):
        return f"ro.hardware is {hardware}"
    if "emulator" in told.get("ro.build.characteristics", ""):
        return "ro.build.characteristics names an emulator"
    for name in ("ro.product.model", "ro.product.device", "ro.product.manufacturer", "ro.build.fingerprint"):
        if VIRTUAL_NAMES.search(told.get(name, "")):
            return f"{name} is {told[name]}"
    return None


def _free(df: str) -> int | None:
    """Bytes that ``df -k`` has available: the fourth column, behind a name that may stand on a line of its own."""
    numbers = re.findall(r"\s(\d+)\s+(\d+)\s+(\d+)\s+\d+%", df)
    return int(numbers[-1][2]) * 1024 if numbers else None


def _part(text: str, name: str) -> str:
    """What stands between ``@name`` and the next mark."""
    found = re.search(rf"^@{name}\n(.*?)(?=^@\w+$|\Z)", text, re.MULTILINE | re.DOTALL)
    return found[1] if found else ""
