"""The machine as a measurement needs it: processor, governor, temperature, throttling, virtual or not.

Every reader takes the ``root`` of the file system, so that a tree of another machine can be read. A figure the system
does not give is None, never a guess.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edgeproof.documents.device import DeviceClass
from edgeproof.documents.environment import Machine
from edgeproof.errors import ProcessError
from edgeproof.process import ask, usable_cpus

__all__ = [
    "ROOT",
    "Throttling",
    "cpu_model_of",
    "current_mhz",
    "device_class",
    "governor",
    "is_virtual",
    "read_machine",
    "read_throttling",
    "temperature_c",
    "throttled_between",
    "usable_cpus",
]

ROOT = Path("/")
THROTTLED = "sys/devices/platform/soc*/*firmware*/get_throttled"
VCGENCMD_S = 5.0
RASPBERRY_NOW = 0x0000F
"""``get_throttled`` bits 0-3: under-voltage, frequency capped, throttled, soft temperature limit, at this moment."""
RASPBERRY_SINCE_BOOT = 0xF0000
SLOWING = re.compile(r"cpufreq|^Processor$")
"""Cooling devices that slow a processor down: ``thermal-cpufreq-0``, ``cpufreq-cpu0``, ACPI's ``Processor``."""
HYPERVISOR_NAMES = re.compile(
    r"kvm|qemu|vmware|virtualbox|innotek|bochs|xen|hyper-v|virtual machine|parallels|amazon ec2|google compute"
    r"|firecracker|dummy-virt"
)


class Throttling(NamedTuple):
    """What the system says of throttling at one moment; None where it says nothing.

    ``raspberry_bits`` is the word of ``vcgencmd get_throttled``; ``events`` counts x86 thermal throttle events of all
    cores; ``cooling`` is how far Linux slows processors down to cool them, the sum of its steps.
    """

    raspberry_bits: int | None
    events: int | None
    cooling: int | None = None


def read_machine(root: Path = ROOT) -> Machine:
    """The machine of ``root``, as the documents record it."""
    cpuinfo = _text(root / "proc/cpuinfo") or ""
    cores = len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)) or os.cpu_count() or 1
    return Machine(
        system=platform.system(),
        release=_text(root / "proc/sys/kernel/osrelease") or platform.release(),
        architecture=platform.machine(),
        cpu_model=cpu_model_of(_board(root), cpuinfo) or platform.processor() or None,
        logical_cores=cores,
        usable_cores=len(usable_cpus()) or cores,
        memory_bytes=_memory_bytes(root),
        python=platform.python_version(),
        governor=governor(root),
        max_mhz=_max_mhz(root),
        virtual=_virtual(root, cpuinfo),
        temperature_c=temperature_c(root),
    )


def device_class(root: Path = ROOT) -> DeviceClass:
    """``raspberry-pi`` on one, else ``host``."""
    return "raspberry-pi" if "Raspberry Pi" in (_board(root) or "") else "host"


def governor(root: Path = ROOT) -> str | None:
    """The frequency governor of the first core, or all of them joined when they differ."""
    policies = sorted(root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_governor"))
    names = list(dict.fromkeys(name for name in map(_text, policies) if name))
    return "+".join(names) or None


def temperature_c(root: Path = ROOT) -> float | None:
    """The hottest thermal zone in degrees Celsius, else the hottest hwmon sensor of a processor; None without any."""
    zones = root.glob("sys/class/thermal/thermal_zone*/temp")
    degrees = [value / 1000 for value in map(_integer, zones) if value is not None and 0 < value < 150_000]
    if not degrees:
        for sensor in root.glob("sys/class/hwmon/hwmon*"):
            if _text(sensor / "name") in {"coretemp", "k10temp", "zenpower", "cpu_thermal"}:
                values = map(_integer, sensor.glob("temp*_input"))
                degrees += [value / 1000 for value in values if value is not None and 0 < value < 150_000]
    return round(max(degrees), 1) if degrees else None


def read_throttling(root: Path = ROOT) -> Throttling:
    """Raspberry Pi's throttle word, the x86 throttle counters, and the steps of what cools a processor by slowing it
    down; a fan's are none."""
    bits = _asked_bits() if root == ROOT else None
    for word in sorted(root.glob(THROTTLED)):
        with contextlib.suppress(ValueError):
            bits = int(_text(word) or "", 16)
    counters = root.glob("sys/devices/system/cpu/cpu[0-9]*/thermal_throttle/core_throttle_count")
    counts = [count for count in map(_integer, counters) if count is not None]
    return Throttling(raspberry_bits=bits, events=sum(counts) if counts else None, cooling=_cooling(root))


def _cooling(root: Path) -> int | None:
    devices = root.glob("sys/class/thermal/cooling_device*")
    slowing = [device for device in devices if SLOWING.search(_text(device / "type") or "")]
    steps = [step for device in slowing if (step := _integer(device / "cur_state")) is not None]
    return sum(steps) if steps else None


def current_mhz(root: Path = ROOT, cpus: Sequence[int] = ()) -> float | None:
    """What the kernel says that the fastest of these cores runs at now, in MHz; empty: of all cores."""
    folder = root / "sys/devices/system/cpu"
    files = [folder / f"cpu{cpu}/cpufreq/scaling_cur_freq" for cpu in cpus] or folder.glob(
        "cpu[0-9]*/cpufreq/scaling_cur_freq"
    )
    known = [khz for khz in map(_integer, files) if khz]
    return max(known) / 1000 if known else None


def _asked_bits() -> int | None:
    """The same word by Raspberry Pi's own program, where the system does not show it as a file."""
    program = shutil.which("vcgencmd")
    if program is None or any(ROOT.glob(THROTTLED)):
        return None
    try:
        said = ask([program, "get_throttled"], timeout_s=VCGENCMD_S).stdout.decode(errors="replace")
    except ProcessError:
        return None
    found = re.search(r"throttled=0x([0-9A-Fa-f]+)", said)
    return int(found.group(1), 16) if found else None


def throttled_between(before: Throttling, after: Throttling) -> bool | None:
    """Whether the machine throttled between two readings: a bit that is set now, a sticky bit or counter that is new, a
    processor that is slowed down to cool it.

    None when the system says nothing of throttling.
    """
    answers: list[bool] = []
    if before.raspberry_bits is not None and after.raspberry_bits is not None:
        now = (before.raspberry_bits | after.raspberry_bits) & RASPBERRY_NOW
        new = after.raspberry_bits & ~before.raspberry_bits & RASPBERRY_SINCE_BOOT
        answers.append(bool(now or new))
    if before.events is not None and after.events is not None:
        answers.append(after.events > before.events)
    if before.cooling is not None and after.cooling is not None:
        answers.append(before.cooling + after.cooling > 0)
    return any(answers) if answers else None


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\x00\n ") or None
    except OSError:
        return None


def _integer(path: Path) -> int | None:
    try:
        return int(_text(path) or "")
    except ValueError:
        return None


def _board(root: Path) -> str | None:
    return _text(root / "proc/device-tree/model") or _text(root / "sys/firmware/devicetree/base/model")


def cpu_model_of(board: str | None, cpuinfo: str) -> str | None:
    """What a processor is called: by its board, by ``/proc/cpuinfo``, or by both; None where neither tells."""
    named = re.search(r"^(?:model name|Hardware|cpu model)\s*:\s*(.+)$", cpuinfo, re.MULTILINE)
    model = named.group(1).strip() if named else None
    if board:
        return f"{board} ({model})" if model else board
    return model


def _memory_bytes(root: Path) -> int:
    total = re.search(r"^MemTotal:\s*(\d+) kB", _text(root / "proc/meminfo") or "", re.MULTILINE)
    if total:
        return int(total.group(1)) * 1024
    import psutil

    return int(psutil.virtual_memory().total)


def _max_mhz(root: Path) -> float | None:
    limits = map(_integer, root.glob("sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq"))
    known = [limit for limit in limits if limit]
    return max(known) / 1000 if known else None


def _virtual(root: Path, cpuinfo: str) -> bool | None:
    hypervisor = (root / "sys/hypervisor/type").exists() or (root / "proc/device-tree/hypervisor").exists()
    names = [_text(root / f"sys/class/dmi/id/{field}") for field in ("sys_vendor", "product_name", "board_vendor")]
    return is_virtual(cpuinfo, [*names, _board(root)], hypervisor=hypervisor)


def is_virtual(cpuinfo: str, names: Sequence[str | None], *, hypervisor: bool) -> bool | None:
    """True with proof of a hypervisor, False with a board or vendor that is none, None without a sign.

    Args:
        cpuinfo: the text of ``/proc/cpuinfo``.
        names: of board and vendor.
        hypervisor: whether the system shows one by itself.
    """
    flags = re.search(r"^flags\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    if hypervisor or (flags and "hypervisor" in flags.group(1).split()):
        return True
    told = " ".join(name for name in names if name).lower()
    if HYPERVISOR_NAMES.search(told):
        return True
    return False if told or flags else None
