"""What a board is: one script of the shell, one answer, read into what choosing and documents need."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from edgeproof.devices.base import Place
from edgeproof.documents.environment import Machine
from edgeproof.errors import DeviceError
from edgeproof.measure.machine import cpu_model_of, is_virtual

__all__ = ["CACHE", "PYTHONS", "Probe", "probe_script", "read_probe"]

CACHE = "${XDG_CACHE_HOME:-$HOME/.cache}/edgeproof"
"""The folder of ours on a board, in its shell's words."""
PYTHONS = ("python3.13", "python3.12", "python3.11", "python3")
MARK = "--edgeproof-"
FILES = {
    "model": "/proc/device-tree/model",
    "cpuinfo": "/proc/cpuinfo",
    "meminfo": "/proc/meminfo",
    "cpus": "/sys/devices/system/cpu/online",
    "governor": "/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
    "max_khz": "/sys/devices/system/cpu/cpu*/cpufreq/cpuinfo_max_freq",
    "thermal": "/sys/class/thermal/thermal_zone*/temp",
    "throttled": "/sys/devices/platform/soc*/*firmware*/get_throttled",
    "dmi": "/sys/class/dmi/id/sys_vendor /sys/class/dmi/id/product_name /sys/class/dmi/id/board_vendor",
    "hypervisor": "/sys/hypervisor/type",
}
COMMANDS = {
    "system": "uname -s",
    "kernel": "uname -r",
    "architecture": "uname -m",
    "bits": "getconf LONG_BIT",
    "libc": "getconf GNU_LIBC_VERSION || ldd --version 2>&1 | head -2",
    "usable": "nproc",
    "disk": f"mkdir -p {CACHE} && df -Pk {CACHE} | tail -1",
    "folder": f"cd {CACHE} && pwd",
    "clock": "date +%s%N",
    "vcgencmd": "vcgencmd measure_temp; vcgencmd get_throttled",
    "emulator": "grep -c qemu /proc/self/smaps; sleep 1 & readlink /proc/$!/exe; kill $!",
}
LOOK = "import sys; print(sys.executable, *sys.version_info[:2], sys.implementation.cache_tag)"


@dataclass(frozen=True)
class Probe:
    """A board's answer: the text of each thing that was asked, empty where it said nothing."""

    told: Mapping[str, str]

    def text(self, name: str) -> str:
        """Of one thing."""
        return self.told.get(name, "").strip("\x00\n ")

    @property
    def board(self) -> str | None:
        """What it calls itself: ``Raspberry Pi 4 Model B Rev 1.4``."""
        return self.text("model") or " ".join(self.text("dmi").split("\n")) or None

    @property
    def architecture(self) -> str:
        """Of its programs, which a 64-bit kernel under a 32-bit system does not tell."""
        machine = self.text("architecture")
        return "armv7l" if machine == "aarch64" and self.text("bits") == "32" else machine

    @property
    def libc(self) -> str | None:
        """``glibc 2.36``, ``musl``."""
        text = self.text("libc")
        version = re.search(r"(?:glibc|GLIBC|GNU libc)\D*(\d+\.\d+)", text)
        return f"glibc {version.group(1)}" if version else "musl" if "musl" in text else None

    @property
    def python(self) -> tuple[str, str] | None:
        """Its path and its version, ``3.11``; None where there is none of 3.11 or newer."""
        words = self.text("python").split()
        if len(words) != 4 or not words[1].isdigit() or not words[2].isdigit():
            return None
        return (words[0], f"{words[1]}.{words[2]}") if (int(words[1]), int(words[2])) >= (3, 11) else None

    @property
    def folder(self) -> str:
        """Ours there."""
        return self.text("folder")

    @property
    def memory_bytes(self) -> int | None:
        """All of it."""
        return self._kilobytes("MemTotal")

    @property
    def clock_unix_ns(self) -> int | None:
        """Its clock while it answered; None where its ``date`` knows seconds only."""
        text = self.text("clock")
        return int(text) if text.isdigit() and len(text) > 15 else None

    @property
    def throttled_bits(self) -> int | None:
        """Raspberry Pi's word."""
        match = re.search(r"throttled=0x([0-9A-Fa-f]+)", self.text("vcgencmd"))
        word = match.group(1) if match else self.text("throttled").split("\n")[0]
        try:
            return int(word, 16)
        except ValueError:
            return None

    @property
    def temperature_c(self) -> float | None:
        """The hottest of what it shows, degrees Celsius."""
        match = re.search(r"temp=([\d.]+)", self.text("vcgencmd"))
        zones = [int(word) / 1000 for word in self.text("thermal").split() if word.isdigit()]
        degrees = [value for value in (*zones, *([float(match.group(1))] if match else [])) if 0 < value < 150]
        return round(max(degrees), 1) if degrees else None

    def place(self) -> Place:
        """What choosing needs."""
        words = self.text("disk").split()
        free = int(words[3]) * 1024 if len(words) > 4 and words[3].isdigit() else None
        return Place(
            system=self.text("system").lower() or "linux",
            architecture=self.architecture,
            libc=self.libc,
            python=self.python[1] if self.python else None,
            memory_bytes=self._kilobytes("MemAvailable") or self.memory_bytes,
            disk_bytes=free,
        )

    def machine(self) -> Machine:
        """As documents record it."""
        cpuinfo = self.text("cpuinfo")
        cores = len(re.findall(r"^processor\s*:", cpuinfo, re.MULTILINE)) or 1
        usable = self.text("usable")
        governors = list(dict.fromkeys(self.text("governor").split()))
        limits = [int(word) for word in self.text("max_khz").split() if word.isdigit()]
        return Machine(
            system=self.text("system"),
            release=self.text("kernel"),
            architecture=self.architecture,
            cpu_model=cpu_model_of(self.text("model") or None, cpuinfo),
            logical_cores=cores,
            usable_cores=int(usable) if usable.isdigit() else cores,
            memory_bytes=self.memory_bytes or 0,
            python=self.python[1] if self.python else "none",
            governor="+".join(governors) or None,
            max_mhz=max(limits) / 1000 if limits else None,
            virtual=is_virtual(
                cpuinfo, [self.text("model"), self.text("dmi")], hypervisor=bool(self.text("hypervisor"))
            ),
            temperature_c=self.temperature_c,
        )

    def _kilobytes(self, name: str) -> int | None:
        found = re.search(rf"^{name}:\s*(\d+) kB", self.text("meminfo"), re.MULTILINE)
        return int(found.group(1)) * 1024 if found else None


def probe_script(python: str | None = None) -> str:
    """The script: it changes nothing but makes our folder, and what is not there is left out.

    Args:
        python: of the board, that is to be used; None: the newest one that is there.
    """
    lines = []
    for name, files in FILES.items():
        lines.append(f"echo '{MARK}{name}'; for f in {files}; do cat \"$f\" 2>/dev/null && echo; done")
    for name, command in COMMANDS.items():
        lines.append(f"echo '{MARK}{name}'; {{ {command}; }} 2>/dev/null")
    pythons = shlex.quote(python) if python else " ".join(PYTHONS)
    lines.append(
        f"echo '{MARK}python'; for p in {pythons}; do \"$p\" -c {shlex.quote(LOOK)} 2>/dev/null && break; done"
    )
    return "\n".join([*lines, f"echo '{MARK}end'"])


def read_probe(text: str) -> Probe:
    """The answer.

    Raises:
        DeviceError: it is no whole answer.
    """
    parts = re.split(rf"^{MARK}(\w+)\n", text, flags=re.MULTILINE)
    told = dict(zip(parts[1::2], parts[2::2], strict=True))
    if "end" not in told or not told.get("architecture", "").strip():
        raise DeviceError("its shell gave no whole answer", hint="is its login shell one that takes `sh -c`?")
    return Probe(told)
