"""A board over SSH as a device: what was probed, what was brought there, jobs run there, files brought back.

All of ours there lies in one folder of the user's cache: packages by their content, kept for the next time, and the
files of this visit, gone at its end.
"""

from __future__ import annotations

import contextlib
import hashlib
import shlex
import shutil
import tarfile
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

import msgspec

from edgeproof.devices.base import Place, Report
from edgeproof.devices.native_program import open_program, program_words, read_outputs, report_of, write_inputs
from edgeproof.devices.packages import RUNNER_NEEDS, Packages, gather, ours
from edgeproof.devices.real import Facts, Reality, look_at
from edgeproof.devices.ssh.address import Address, parse_address
from edgeproof.devices.ssh.connection import Connection, Said
from edgeproof.devices.ssh.probe import Probe, probe_script, read_probe
from edgeproof.documents.base import decode, plain_name
from edgeproof.documents.device import Board, DeviceClass
from edgeproof.documents.environment import Machine
from edgeproof.documents.runner import RUNNER, RunnerJob, RunnerReport
from edgeproof.errors import DeviceError, DocumentError, EdgeProofError, ProcessError
from edgeproof.files import atomic_path
from edgeproof.process import Limits, outcome_of
from edgeproof.scratch import scratch_folder

__all__ = ["DEVICE", "SshDevice"]

PROBE_S, COMMAND_S, TRANSFER_S = 60.0, 60.0, 1800.0
STALE_DAYS = 7
KILLED = 128
"""A shell's exit code of a process that was killed is its signal and this."""
REPORT = "report-of-job.json"
"""Stands for the report's file in a command."""
ENDED = "--edgeproof-ended "
ALONE = """exec 3<&0
{command} </dev/null >{log} 2>&1 & job=$!
(cat <&3 >/dev/null; kill -TERM $job; sleep 2; kill -KILL $job) 2>/dev/null & watch=$!
wait $job; code=$?
kill $watch 2>/dev/null
"""
"""A job that ends with the connection: standard input ends when nobody here waits any longer."""


class SshDevice:
    """A Linux board.

    Args:
        address: what stands behind ``ssh:``.

    Raises:
        UsageError: that is no address. DeviceError: there is no OpenSSH client here.
    """

    def __init__(self, address: str = "") -> None:
        self.address: Address = parse_address(address)
        self._visit = uuid.uuid4().hex[:12]
        self._packages: list[str] = []
        self._brought: dict[str, str] = {}
        self._here: dict[str, Path] = {}
        self._folders = contextlib.ExitStack()
        self._outputs: Path | None = None
        self._jobs = 0
        self._closed = False

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
            clock_offset_ms=self._clock_offset_ms,
            clock_within_ms=self._clock_within_ms,
        )

    @cached_property
    def probe(self) -> Probe:
        """Asked once."""
        began = time.time_ns()
        said = self._run(probe_script(self.address.python), PROBE_S)
        ended = time.time_ns()
        try:
            probe = read_probe(said.text)
        except DeviceError as error:
            raise DeviceError(f"{self.name}: {error.message} ({said.reason})", hint=error.hint) from error
        clock = probe.clock_unix_ns
        self._clock_offset_ms = round((clock - (began + ended) / 2) / 1e6, 1) if clock else None
        self._clock_within_ms = round((ended - began) / 2e6, 1) if clock else None
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
        return self.probe.place()

    def equip(self, requirements: Sequence[str], report: Report) -> Mapping[str, str]:
        lacking: dict[str, str] = {}
        if self.place().python is None:
            return lacking
        with scratch_folder("packages") as folder:
            self._packages = [self._bring_packages(ours(folder), report)]
        if self.address.python is not None:
            return self._lacking_there((*RUNNER_NEEDS, *requirements))
        place = self.place()
        base = gather(" ".join(RUNNER_NEEDS), place, report)
        self._packages.append(self._bring_packages(base, report))
        for requirement in requirements:
            try:
                packages = gather(requirement, place, report, beside=base)
                self._packages.append(self._bring_packages(packages, report))
            except DeviceError as error:
                lacking[requirement] = str(error)
        return lacking

    def put(self, path: Path) -> str:
        digest = _digest(path)
        if digest not in self._brought:
            self._send(path, f"{self._mine}/{digest}")
            self._brought[digest] = f"{self._mine}/{digest}/{path.name}"
        self._here[self._brought[digest]] = path
        return self._brought[digest]

    def run(self, job: RunnerJob, limits: Limits) -> RunnerReport:
        if self.probe.python is None:
            return self._run_program(job, limits)
        words = msgspec.structs.replace(job, json=REPORT).words()
        packages = ":".join(self._packages)
        pools = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "ORT_DISABLE_TELEMETRY=1 MKL_NUM_THREADS")
        environment = " ".join(f"{pool}={job.threads}" for pool in pools)
        command = (
            f"env PYTHONPATH={shlex.quote(packages)} {environment} {shlex.quote(self.probe.python[0])} -m {RUNNER}"
        )
        return self._process(job, f'{command} {shlex.join(words)} --exec-unix-ns "$now"', limits)[0]

    def _run_program(self, job: RunnerJob, limits: Limits) -> RunnerReport:
        """Run the artifact's own program, where there is no Python."""
        folder, samples = self._here[job.artifact], self._here[job.inputs]
        try:
            program = open_program(folder, trust=job.trust)
            with scratch_folder("inputs") as made:
                write_inputs(program.document, samples, made / "inputs", limit=job.limit)
                inputs = self.put(made / "inputs")
        except DeviceError:
            raise
        except EdgeProofError as error:
            return RunnerReport(artifact=job.artifact, error=str(error))
        words = [
            f"{job.artifact}/{program.document.file}",
            *program_words(job, inputs, "outputs" if job.outputs else None),
        ]
        inner = f'exec {shlex.join(words)} --exec-unix-ns "$now" > {REPORT}'
        report, said = self._process(job, f'env now="$now" sh -c {shlex.quote(inner)}', limits)
        if report.error is not None:
            return report
        if job.outputs is None:
            return report_of(said, job, machine=self.machine())
        self._outputs = self._outputs or self._folders.enter_context(scratch_folder("outputs"))
        raw, npz = self._outputs / "raw", self._outputs / f"{plain_name(job.outputs)}.npz"
        self.get("outputs", raw)
        return report_of(said, job, machine=self.machine(), outputs=read_outputs(program.document, raw, npz))

    def _process(self, job: RunnerJob, command: str, limits: Limits) -> tuple[RunnerReport, bytes]:
        """Run a command that writes a report there, with ``$now`` as its start; the report, and its text."""
        self._jobs += 1
        report, log = f"report-{self._jobs}.json", f"log-{self._jobs}.txt"
        script = f"mkdir -p {self._mine} && cd {self._mine} || exit 1\n"
        script += "now=$(date +%s%N); case $now in *[!0-9]*) now=0;; esac\n"
        script += ALONE.format(command=command.replace(REPORT, report), log=log)
        script += f"cat {report} 2>/dev/null; echo; echo '{ENDED}'$code; tail -n 3 {log}; rm -f {report} {log}"
        try:
            said = self._connection.run(script, timeout_s=limits.wall, held=True)
        except ProcessError:
            stopped = f"the process was stopped after {limits.wall:.0f} s there"
            return RunnerReport(artifact=job.artifact, error=stopped), b""
        return _report_of(job, said), said.text.rpartition(ENDED)[0].strip().encode()

    def get(self, path: str, to: Path) -> None:
        if self._outputs is not None and (kept := self._outputs / f"{plain_name(path)}.npz").is_file():
            shutil.copyfile(kept, to)
            return
        with atomic_path(to) as making, making.open("wb") as file:
            said = self._run(f"cd {self._mine} && cat {shlex.quote(path)}", TRANSFER_S, into=file)
            if said.code:
                raise DeviceError(f"{self.name}: {path} cannot be brought back: {said.reason}")

    def close(self) -> None:
        self._folders.close()
        if self._closed or "_connection" not in self.__dict__:
            return
        self._closed = True
        try:
            if "probe" in self.__dict__:
                self._run(f"rm -rf {self._mine}", COMMAND_S)
        except (DeviceError, ProcessError):
            pass  # the link is gone, and what lies there is named by its visit
        finally:
            self._connection.close()

    @cached_property
    def _connection(self) -> Connection:
        return Connection(self.address)

    @property
    def _mine(self) -> str:
        """The folder of this visit there."""
        return f"{shlex.quote(self.probe.folder)}/visits/{self._visit}"

    def _run(self, script: str, timeout_s: float, **more: object) -> Said:
        try:
            return self._connection.run(script, timeout_s=timeout_s, **more)  # type: ignore[arg-type]
        except ProcessError as error:
            raise DeviceError(
                f"{self.name} gave no answer within {timeout_s:g} s", hint="is it busy or gone?"
            ) from error

    def _bring_packages(self, packages: Packages, report: Report) -> str:
        """Where they lie there; brought unless they do already."""
        there = f"{shlex.quote(self.probe.folder)}/packages/{packages.key}"
        if self._run(f"test -d {there}", COMMAND_S).code:
            size = sum(path.stat().st_size for path in packages.folder.rglob("*") if path.is_file())
            report(f"{self.name}: bringing {packages.key} ({size / 1e6:.0f} MB)")
            old = f"-maxdepth 1 -name 'edgeproof-*' -mtime +{STALE_DAYS}"  # of this package, each state of it is one
            self._run(f"find {shlex.quote(self.probe.folder)}/packages {old} -exec rm -rf {{}} +", COMMAND_S)
            self._send(packages.folder, there, whole=True)
        return f"{self.probe.folder}/packages/{packages.key}"

    def _lacking_there(self, requirements: Sequence[str]) -> dict[str, str]:
        """Which of them the named Python does not have."""
        look = "import sys, importlib.metadata as m\nfor n in sys.argv[1:]:\n"
        look += " try: m.version(n)\n except Exception: print(n)"
        names = [word.partition("=")[0].partition(">")[0].partition("<")[0].strip() for word in requirements]
        said = self._run(shlex.join([self.address.python or "", "-c", look, *names]), COMMAND_S)
        missing = said.text.split()
        return {
            wanted: f"{self.address.python} there has no {name}"
            for wanted, name in zip(requirements, names, strict=True)
            if name in missing
        }

    def _send(self, path: Path, there: str, *, whole: bool = False) -> None:
        """Bring a file or folder into a folder there, which is whole or not there.

        Args:
            whole: the folder becomes that folder, instead of lying in it.
        """
        making = f"{there}.{self._visit}"
        with tempfile.TemporaryFile() as packed:
            with tarfile.open(fileobj=packed, mode="w") as archive:
                archive.add(path, arcname="." if whole else path.name, filter=_plain)
            size = packed.tell()
            packed.seek(0)
            script = f"mkdir -p {making} && tar -xf - -C {making} && rm -rf {there} && mv {making} {there}"
            said = self._run(f"{script} || {{ rm -rf {making}; exit 1; }}", TRANSFER_S, given=packed)
        if said.code:
            reason, hint, free = said.reason, None, self._free_bytes()
            if free is not None and free < size:
                reason = f"it takes {size / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free on its disk"
                hint = "make room there"
            raise DeviceError(f"{self.name}: {path.name} cannot be brought there: {reason}", hint=hint)

    def _free_bytes(self) -> int | None:
        words = self._run(f"df -Pk {shlex.quote(self.probe.folder)} | tail -1", COMMAND_S).text.split()
        return 1024 * int(words[3]) if len(words) > 4 and words[3].isdigit() else None


DEVICE = SshDevice


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Nobody's file: who owns it here is no business of the board's."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return None if "__pycache__" in member.name else member


def _digest(path: Path) -> str:
    """Of a file, or of a folder's files with their names."""
    digest = hashlib.sha256(path.name.encode())
    for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(str(file.relative_to(path.parent)).encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:16]


def _report_of(job: RunnerJob, said: Said) -> RunnerReport:
    told, _, ended = said.text.rpartition(ENDED)
    code, _, log = ended.partition("\n")
    if not code.strip().isdigit():
        return RunnerReport(artifact=job.artifact, error=f"the process wrote no report: {said.reason}")
    number = int(code) if int(code) <= KILLED else KILLED - int(code)
    last = " | ".join(line.strip() for line in log.splitlines() if line.strip())
    if not told.strip():
        outcome = f"the process {outcome_of(number)}{f'; it said: {last}' if last else ''}"
        return RunnerReport(artifact=job.artifact, error=outcome)
    try:
        report = decode(told.strip().encode(), RunnerReport)
    except DocumentError as error:
        return RunnerReport(artifact=job.artifact, error=f"the process wrote no valid report: {error}")
    if report.error is None and (number != 0 or report.first_result_monotonic_ns is None):
        return RunnerReport(artifact=job.artifact, error=f"the process reported success and {outcome_of(number)}")
    return report
