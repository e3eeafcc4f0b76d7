"""The host as a device: the transport that has nothing to carry. Every job runs in a fresh process of this machine.

A process that dies of a signal, hangs or writes garbage becomes a report with an ``error``, never an exception.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from edgeproof.devices.base import Place, Report
from edgeproof.documents.base import decode
from edgeproof.documents.device import Board, DeviceClass
from edgeproof.documents.environment import Machine
from edgeproof.documents.runner import RUNNER, RunnerJob, RunnerReport
from edgeproof.errors import DeviceError, DocumentError, ProcessError
from edgeproof.measure.machine import device_class, read_machine
from edgeproof.process import Child, Ended, Limits, Start, module_command, spawn
from edgeproof.scratch import scratch_folder

__all__ = ["DEVICE", "HostDevice", "run_job"]


def run_job(
    job: RunnerJob, limits: Limits | None = None, *, python: Sequence[str] = (), start: Start = spawn
) -> RunnerReport:
    """Run a job in a process of its own on this machine.

    Args:
        job: what to run.
        limits: of the process.
        python: the words that start another Python than this one, such as one on another processor.
        start: how the process comes to be; what is timed is started afresh.

    Returns:
        the runner's report; with ``error`` set when it failed, was killed, hung, or wrote no valid report.
    """
    with scratch_folder("runner") as folder:
        answer = folder / "report.json"
        words = msgspec.structs.replace(job, json=str(answer)).words()
        try:
            with Child(module_command(RUNNER, *words, python=python), threads=job.threads, start=start) as child:
                ended = child.wait(limits)
        except ProcessError as error:
            return RunnerReport(artifact=job.artifact, error=f"the runner did not start: {error.message}")
        return _read(job, answer, ended, child.spawned_monotonic_ns)


class HostDevice:
    """The machine this runs on."""

    name = "host"
    emulated = False

    def __init__(self, address: str = "") -> None:
        if address not in {"", "host"}:
            raise DeviceError(f"the host has no address; found {address!r}")

    @property
    def device_class(self) -> DeviceClass:
        return device_class()

    def available(self) -> DeviceError | None:
        return None

    def machine(self) -> Machine:
        return read_machine()

    def place(self) -> Place | None:
        return None

    def board(self) -> Board | None:
        return None

    def equip(self, requirements: Sequence[str], report: Report) -> Mapping[str, str]:
        return {}

    def put(self, path: Path) -> str:
        return str(path)

    def run(self, job: RunnerJob, limits: Limits) -> RunnerReport:
        return run_job(job, limits)

    def get(self, path: str, to: Path) -> None:
        if Path(path) != to:
            shutil.copyfile(path, to)

    def close(self) -> None:
        """Every job had a process of its own, which is gone."""


DEVICE = HostDevice


def _read(job: RunnerJob, answer: Path, ended: Ended, spawned_monotonic_ns: int) -> RunnerReport:
    if ended.stopped is not None or ended.code < 0:
        return RunnerReport(artifact=job.artifact, error=f"the process {ended}")
    try:
        report = decode(answer.read_bytes(), RunnerReport)
    except OSError:
        return RunnerReport(artifact=job.artifact, error=f"the process wrote no report: it {ended}")
    except DocumentError as error:
        return RunnerReport(artifact=job.artifact, error=f"the process wrote no valid report: {error}")
    if report.error is None and (ended.code != 0 or report.first_result_monotonic_ns is None):
        return RunnerReport(artifact=job.artifact, error=f"the process reported success and {ended}")
    if report.first_result_monotonic_ns is None:
        return report
    elapsed_ms = (report.first_result_monotonic_ns - spawned_monotonic_ns) / 1e6
    return msgspec.structs.replace(report, exec_to_first_ms=round(elapsed_ms, 3))
