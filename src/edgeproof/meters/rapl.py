"""``rapl``: the energy counters of x86 processors, through Linux's powercap.

Source: Documentation/power/powercap/powercap.rst of the kernel; ``energy_uj`` begins anew at ``max_energy_range_uj``.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from edgeproof.errors import MeterError
from edgeproof.meters.base import ROOT, About, Found, How, Polled, Reading
from edgeproof.meters.counters import EnergyCounter
from edgeproof.meters.sysfs import denied, integer, text

__all__ = ["METER"]

PLATFORM = "psys"


class Rapl:
    """Packages and, where they are counted, their memory; or ``rapl:psys``, the platform, where the board has it."""

    about = About(
        name="rapl",
        title="RAPL through powercap (Intel and AMD processors)",
        reads="energy counters of the processor packages and, where counted, of memory; `rapl:psys`: of the platform",
        resolution="61 µJ; a new value each millisecond",
        omits="board, storage, screen, fans and what the supply loses; memory where no counter of it is shown; "
        "on AMD and older Intel processors the counter is a model of the processor's own",
        on_board=True,
        rate_hz=10.0,
        tested_with="a sysfs tree",
    )

    def find(self, root: Path = ROOT) -> list[Found]:
        found = []
        for address, domains in (("rapl", counted(root)), (f"rapl:{PLATFORM}", platform(root))):
            if not domains:
                continue
            names = ", ".join(text(domain / "name") or domain.name for domain in domains)
            if any(denied(domain / "energy_uj") for domain in domains):
                remedy = f"as root: chmod a+r {' '.join(str(domain / 'energy_uj') for domain in domains)}"
                found.append(Found(address, f"{names}: only root may read it", "attention", remedy))
            else:
                found.append(Found(address, names))
        return found

    def open(self, address: str, how: How) -> Polled:
        domains = platform(how.root) if address == PLATFORM else counted(how.root)
        if address not in ("", PLATFORM):
            raise MeterError(f"rapl:{address}: expected rapl or rapl:{PLATFORM}")
        if not domains:
            raise MeterError(
                "this machine shows no RAPL counter: a virtual machine has none, and neither has an ARM processor",
                hint="use a meter outside of it: `edgeproof power list`",
            )
        for domain in domains:
            if denied(domain / "energy_uj"):
                raise MeterError(
                    f"{domain / 'energy_uj'} may be read by root only", hint=f"sudo chmod a+r {domain / 'energy_uj'}"
                )
        counters = [
            (domain, EnergyCounter(text(domain / "name") or domain.name, integer(domain / "max_energy_range_uj")))
            for domain in domains
        ]
        names = ", ".join(text(domain / "name") or domain.name for domain, _ in counters)
        return Polled(lambda: summed(counters), source=f"RAPL: {names}", rate_hz=how.rate_hz or self.about.rate_hz)


def counted(root: Path) -> list[Path]:
    """The domains that add up: packages, and memory, which is in no package's counter."""
    top = sorted(root.glob("sys/class/powercap/intel-rapl:[0-9]*"))
    packages = [path for path in top if path.name.count(":") == 1 and text(path / "name") != PLATFORM]
    memory = [path for path in top if path.name.count(":") == 2 and text(path / "name") == "dram"]
    return packages + memory


def platform(root: Path) -> list[Path]:
    """The domain of the whole platform, where the board has one."""
    top = sorted(root.glob("sys/class/powercap/intel-rapl:[0-9]*"))
    return [path for path in top if path.name.count(":") == 1 and text(path / "name") == PLATFORM]


def summed(counters: Sequence[tuple[Path, EnergyCounter]]) -> Reading | None:
    """The power of all domains together since the last time; None the first time."""
    now, steps = time.time_ns(), []
    for domain, counter in counters:
        value = integer(domain / "energy_uj")
        if value is None:
            raise MeterError(f"{domain / 'energy_uj'} cannot be read any more")
        steps.append((counter, value))
    readings = [counter.step(now, value) for counter, value in steps]
    known = [reading for reading in readings if reading is not None]
    if len(known) < len(counters):
        return None
    return Reading(known[0].unix_ns, sum(reading.watts for reading in known))


METER = Rapl()
