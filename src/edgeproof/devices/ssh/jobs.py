"""A job as a process on a board: our runner in its Python, or a static program where it has none. A process there ends
with the connection, whoever ends it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgeproof.devices.native_program import open_program, program_words, read_outputs, report_of, write_inputs
from edgeproof.devices.ssh.connection import Connection, Said
from edgeproof.devices.ssh.visit import Visit
from edgeproof.documents.base import decode
from edgeproof.documents.environment import Machine
from edgeproof.documents.runner import RUNNER, OutputSummary, RunnerJob, RunnerReport
from edgeproof.errors import DeviceError, DeviceLost, DocumentError, EdgeProofError, ProcessError
from edgeproof.process import Limits, outcome_of

__all__ = ["Programs", "Ran", "Runners", "environment", "run_there"]

JOB = "job"
STARTED = '--exec-unix-ns "$now"'
KILLED = 128
"""A shell's exit code of a process that was killed is its signal and this."""
ENDED = "--edgeproof-ended "
PROCESS = """mkdir -p {folder} && cd {folder} || exit 1
now=$(date +%s%N); case $now in *[!0-9]*) now=0;; esac
exec 3<&0
{command} </dev/null >{name}.told 2>{name}.said & job=$!
echo $job >{name}.pid
(cat <&3 >/dev/null; kill -TERM $job; sleep 2; kill -KILL $job) 2>/dev/null & watch=$!
wait $job; code=$?
kill $watch 2>/dev/null
cat {name}.told; echo; echo '{ended}'$code; tail -n 3 {name}.said; rm -f {name}.told {name}.said {name}.pid
"""
"""Standard input ends when nobody here waits any longer, and the job with it."""


@dataclass(frozen=True)
class Ran:
    """How a process ended there.

    Attributes:
        told: what it printed.
        code: its exit code, negative for a signal; None: the board did not tell.
        said: the last lines that it complained with.
    """

    told: str
    code: int | None
    said: str

    @property
    def outcome(self) -> str:
        """In words."""
        return f"the process {outcome_of(self.code or 0)}{f'; it said: {self.said}' if self.said else ''}"


def run_there(connection: Connection, visit: Visit, command: str, limits: Limits, *, name: str = JOB) -> Ran | str:
    """Run a command in a visit's folder, under a limit by the clock.

    Args:
        command: for the shell; ``$now`` is when it was started, nanoseconds.
        limits: of it.
        name: of its files there, while it runs.

    Returns:
        how it ended, or why it was stopped.

    Raises:
        DeviceError: the board was lost.
    """
    script = PROCESS.format(folder=shlex.quote(visit.folder), command=command, ended=ENDED, name=name)
    try:
        said = connection.run(script, timeout_s=limits.wall, held=True)
    except DeviceLost:
        visit.forget()
        raise
    except ProcessError:
        return f"the process was stopped after {limits.wall:.0f} s there"
    return _ended(said)


def _ended(said: Said) -> Ran | str:
    told, _, ended = said.text.rpartition(ENDED)
    code, _, log = ended.partition("\n")
    if not code.strip().isdigit():
        return f"the process wrote no report: {said.reason}"
    number = int(code) if int(code) <= KILLED else KILLED - int(code)
    return Ran(told.strip(), number, " | ".join(line.strip() for line in log.splitlines() if line.strip()))


def environment(packages: Sequence[str], threads: int = 1) -> list[str]:
    """The words before a Python there."""
    pools = [f"{pool}={threads}" for pool in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")]
    return ["env", f"PYTHONPATH={':'.join(packages)}", "ORT_DISABLE_TELEMETRY=1", *pools]


@dataclass(frozen=True)
class Runners:
    """Jobs in the board's Python.

    Attributes:
        connection: to the board.
        visit: whose folder they run in.
        python: the program.
        packages: folders there with what it imports.
    """

    connection: Connection
    visit: Visit
    python: str
    packages: Sequence[str]

    def run(self, job: RunnerJob, limits: Limits) -> RunnerReport:
        """As ``Device.run``."""
        words = [
            *environment(self.packages, job.threads),
            self.python,
            "-m",
            RUNNER,
            *msgspec.structs.replace(job, json=None).words(),
        ]
        ran = run_there(self.connection, self.visit, f"{shlex.join(words)} {STARTED}", limits)
        if isinstance(ran, str):
            return RunnerReport(artifact=job.artifact, error=ran)
        if not ran.told:
            return RunnerReport(artifact=job.artifact, error=ran.outcome)
        try:
            report = decode(ran.told.encode(), RunnerReport)
        except DocumentError as error:
            return RunnerReport(artifact=job.artifact, error=f"the process wrote no valid report: {error}")
        if report.error is None and (ran.code != 0 or report.first_result_monotonic_ns is None):
            contradicted = f"the process reported success and {outcome_of(ran.code or 0)}"
            return RunnerReport(artifact=job.artifact, error=contradicted)
        return report


@dataclass(frozen=True)
class Programs:
    """Jobs of static programs, which need nothing on the board.

    Attributes:
        connection: to the board.
        visit: whose folder they run in.
        machine: the board.
        folder: here, for samples and outputs as raw numbers.
    """

    connection: Connection
    visit: Visit
    machine: Machine
    folder: Path

    def run(self, job: RunnerJob, limits: Limits) -> RunnerReport:
        """As ``Device.run``; outputs are left in the folder here, as the npz that the job names."""
        artifact, samples = self.visit.origins.get(job.artifact), self.visit.origins.get(job.inputs)
        if artifact is None or samples is None:
            raise DeviceError(f"{job.artifact} and {job.inputs} have to be put there first")
        try:
            program = open_program(artifact, trust=job.trust)
            raw = self.folder / f"inputs-{artifact.name}"
            write_inputs(program.document, samples, raw, limit=job.limit)
        except DeviceError:
            raise
        except EdgeProofError as error:
            return RunnerReport(artifact=job.artifact, error=str(error))
        outputs = "outputs" if job.outputs is not None else None
        words = [f"{job.artifact}/{program.document.file}", *program_words(job, self.visit.put(raw), outputs)]
        self.visit.shell(f"chmod 755 {shlex.quote(words[0])}")
        ran = run_there(self.connection, self.visit, f"{shlex.join(words)} {STARTED}", limits)
        if isinstance(ran, str) or ran.code != 0:
            return RunnerReport(artifact=job.artifact, error=ran if isinstance(ran, str) else ran.outcome)
        summaries: tuple[OutputSummary, ...] = ()
        if job.outputs is not None:
            back = self.folder / "outputs"
            self.visit.get("outputs", back)
            summaries = read_outputs(program.document, back, self.folder / job.outputs)
        return report_of(ran.told.encode(), job, machine=self.machine, outputs=summaries)
