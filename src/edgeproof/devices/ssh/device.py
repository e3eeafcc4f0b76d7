"""A board over SSH as a device: what was probed, what was brought there, jobs run there, files brought back."""

from __future__ import annotations

import contextlib
import shlex
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path

from packaging.requirements import Requirement

from edgeproof.devices.base import Place, Report
from edgeproof.devices.packages import RUNNER_NEEDS, WHEELS, Packages, gather, ours
from edgeproof.devices.real import Facts, Reality, look_at
from edgeproof.devices.ssh.address import Address, parse_address
from edgeproof.devices.ssh.connection import Connection
from edgeproof.devices.ssh.jobs import Programs, Runners
from edgeproof.devices.ssh.probe import Probe, probe_script, read_probe
from edgeproof.devices.ssh.recorder import recorded_there
from edgeproof.devices.ssh.visit import Visit
from edgeproof.documents.device import Board, DeviceClass
from edgeproof.documents.environment import Machine
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.errors import DeviceError, ProcessError
from edgeproof.process import Limits
from edgeproof.scratch import scratch_folder

__all__ = ["DEVICE", "SshDevice"]

PROBE_S = 60.0
CLOCKS = 3
"""Times that its clock is asked; the shortest way tells most."""


class SshDevice:
    """A Linux board.

    Args:
        address: what stands behind ``ssh:``.

    Raises:
        UsageError: that is no address. DeviceError: there is no OpenSSH client here.
    """

    def __init__(self, address: str = "") -> None:
        self.address: Address = parse_address(address)
        self._packages: list[str] = []
        self._versions: dict[str, str] = {}
        self._here = contextlib.ExitStack()
        self._clock: tuple[float, float] | None = None

    @property
    def name(self) -> str:
        return self.address.name

    @property
    def device_class(self) -> DeviceClass:
        if self.address.device_class is not None:
            return self.address.device_class
        return "raspberry-pi" if "Raspberry Pi" in (self.probe.board or "") else "linux"

    @property
    def emulated(self) -> bool:
        return self.reality.emulated != "no"

    @cached_property
    def reality(self) -> Reality:
        """What it shows of itself; what its user says of it where it shows no sign of an emulator."""
        told = self.probe
        seen = look_at(Facts(told.board or "", told.text("cpuinfo"), told.memory_bytes, told.text("emulator")))
        said = self.address.emulated
        if said is None or seen.signs:
            return seen
        return Reality("yes" if said else "no", seen.signs, (*seen.contradictions, "as its user says"))

    def board(self) -> Board:
        told, seen = self.probe, self.reality
        return Board(
            name=told.board,
            libc=told.libc,
            disk_free_bytes=self.place().disk_bytes,
            emulated=seen.emulated,
            signs=seen.signs,
            contradictions=seen.contradictions,
            throttled_bits=told.throttled_bits,
            packages=self._versions,
            clock_offset_ms=self._clock[0] if self._clock is not None else None,
            clock_within_ms=self._clock[1] if self._clock is not None else None,
        )

    @cached_property
    def probe(self) -> Probe:
        """Asked once."""
        try:
            said = self._connection.run(probe_script(self.address.python), timeout_s=PROBE_S)
            probe = read_probe(said.text)
        except ProcessError as error:
            raise DeviceError(f"{self.name} gave no answer within {PROBE_S:g} s", hint="is it busy or gone?") from error
        except DeviceError as error:
            whole = error.message if error.message.startswith(self.name) else f"{self.name}: {error.message}"
            raise DeviceError(whole, hint=error.hint) from error
        self._clock = self._asked_clock() if probe.clock_unix_ns is not None else None
        return probe

    def available(self) -> DeviceError | None:
        try:
            place = self.place()
        except DeviceError as error:
            return error
        if place.system != "linux":
            return DeviceError(f"{self.name} runs {place.system}; boards of Linux are measured over SSH")
        return None

    def machine(self) -> Machine:
        return self.probe.machine()

    def place(self) -> Place:
        place = self.probe.place()
        published = place.architecture in WHEELS and (place.libc or "").startswith("glibc")
        return place if published or self.address.python is not None else replace(place, python=None)

    def equip(self, requirements: Sequence[str], report: Report) -> Mapping[str, str]:
        place = self.place()
        lacking: dict[str, str] = {}
        if place.python is None:
            return lacking
        with scratch_folder("packages") as folder:
            self._packages = [self._bring(ours(folder), report)]
        if self.address.python is not None:
            return self._lacking_there((*RUNNER_NEEDS, *requirements))
        base = gather(" ".join(RUNNER_NEEDS), place, report)
        self._packages.append(self._bring(base, report))
        self._versions = dict(base.versions)
        for requirement in requirements:
            try:
                brought = gather(requirement, place, report, beside=base)
                self._packages.append(self._bring(brought, report))
                self._versions |= brought.versions
            except DeviceError as error:
                lacking[requirement] = str(error)
        return lacking

    def put(self, path: Path) -> str:
        return self._visit.put(path)

    def run(self, job: RunnerJob, limits: Limits) -> RunnerReport:
        python = self.probe.python
        if self.place().python is None or python is None:
            return Programs(self._connection, self._visit, self.machine(), self._scratch).run(job, limits)
        return Runners(self._connection, self._visit, python[0], self._packages).run(job, limits)

    @contextlib.contextmanager
    def recorded(self, meter: str, to: Path) -> Iterator[Callable[[], Path]]:
        """As ``RecordsPower``."""
        python = self.probe.python
        if self.place().python is None or python is None:
            raise DeviceError(f"{self.name} has no Python, which records a meter there")
        with recorded_there(self._connection, self._visit, python[0], self._packages, meter, to) as trace:
            yield trace

    def get(self, path: str, to: Path) -> None:
        if (self._scratch / path).is_file():
            shutil.copyfile(self._scratch / path, to)
        else:
            self._visit.get(path, to)

    def close(self) -> None:
        self._here.close()
        for made in ("_connection", "_visit", "_scratch"):
            self.__dict__.pop(made, None)

    @cached_property
    def _connection(self) -> Connection:
        connection = Connection(self.address)
        self._here.callback(connection.close)
        return connection

    @cached_property
    def _visit(self) -> Visit:
        visit = Visit(self._connection, self.name, self.probe.folder)
        self._here.callback(visit.close)
        return visit

    @cached_property
    def _scratch(self) -> Path:
        """A folder here for what comes back."""
        return self._here.enter_context(scratch_folder("board"))

    def _bring(self, packages: Packages, report: Report) -> str:
        began = time.monotonic()
        there, sent = self._visit.bring(packages)
        if sent:
            seconds = time.monotonic() - began
            report(f"{self.name}: {packages.key}: {sent / 1e6:.0f} MB brought in {seconds:.1f} s")
        return there

    def _lacking_there(self, requirements: Sequence[str]) -> dict[str, str]:
        """Which of them the named Python does not have."""
        look = "import sys, importlib.metadata as m\nfor n in sys.argv[1:]:\n"
        look += " try: m.version(n)\n except Exception: print(n)"
        names = {wanted: Requirement(wanted).name for wanted in requirements}
        missing = self._visit.shell(shlex.join([self.address.python or "", "-c", look, *names.values()])).text.split()
        return {
            wanted: f"{self.address.python} there has no {name}" for wanted, name in names.items() if name in missing
        }

    def _asked_clock(self) -> tuple[float, float] | None:
        """Its clock less this machine's, ms, by the shortest of a few ways there and back, and half of that way."""
        best: tuple[int, float] | None = None
        for _ in range(CLOCKS):
            began = time.time_ns()
            try:
                told = self._connection.run("date +%s%N", timeout_s=PROBE_S).text.strip()
            except (DeviceError, ProcessError):
                return None
            ended = time.time_ns()
            if told.isdigit() and (best is None or ended - began < best[0]):
                best = (ended - began, (int(told) - (began + ended) / 2) / 1e6)
        return (round(best[1], 1), round(best[0] / 2e6, 1)) if best is not None else None


DEVICE = SshDevice
