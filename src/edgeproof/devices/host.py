"""The host as a device: every measurement in a fresh process, all candidates interleaved in rounds.

A process that dies of a signal, hangs or writes garbage becomes a report with an ``error``, never an exception.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgeproof.devices.base import Effort, Measured, Report, Target
from edgeproof.devices.runner_report import RunnerReport
from edgeproof.documents.base import decode
from edgeproof.documents.device import DeviceClass
from edgeproof.documents.environment import Machine
from edgeproof.errors import DeviceError, DocumentError
from edgeproof.measure.machine import device_class, read_machine
from edgeproof.measure.process import environment_for

__all__ = ["DEVICE", "HostDevice", "run_outputs", "run_runner"]


def run_runner(
    artifact: Path,
    inputs: Path,
    *,
    outputs: Path | None = None,
    limit: int | None = None,
    count: int = 0,
    warmup: int = 10,
    seconds: float | None = None,
    threads: int = 1,
    timeout_s: float = 180.0,
    memory_limit: int | None = None,
    variant: str | None = None,
    base: Path | None = None,
) -> RunnerReport:
    """Run the runner in a fresh process on this machine.

    Args:
        artifact: what to open.
        inputs: npz of samples.
        outputs: where to write every sample's outputs, or None to run only the first.
        limit: at most so many samples.
        count: timed calls; 0 times nothing.
        warmup: calls before them.
        seconds: cap on the timed stretch.
        threads: of the runtime and of every known thread pool.
        timeout_s: after which the process and its children are killed.
        memory_limit: bytes of private memory.
        variant: another way to compute the same, as its format names it.
        base: the same format's artifact that its weights are held against.

    Returns:
        the runner's report; with ``error`` set when it failed, was killed, hung, or wrote no valid report.
    """
    with tempfile.TemporaryDirectory(prefix="edgeproof-runner-") as folder:
        answer = Path(folder) / "report.json"
        command = [sys.executable, "-m", "edgeproof.devices.runner", str(artifact), "--inputs", str(inputs)]
        command += ["--json", str(answer), "--threads", str(threads), "--measure", str(count), "--warmup", str(warmup)]
        command += ["--outputs", str(outputs)] if outputs else []
        command += ["--limit", str(limit)] if limit is not None else []
        command += ["--seconds", str(seconds)] if seconds is not None else []
        command += ["--memory-limit", str(memory_limit)] if memory_limit else []
        command += ["--variant", variant] if variant else []
        command += ["--base", str(base)] if base else []
        spawned = time.monotonic_ns()
        try:
            code, noise = _wait(command, environment_for(threads), timeout_s)
        except subprocess.TimeoutExpired:
            return RunnerReport(
                artifact=str(artifact), error=f"no result after {timeout_s:g} s: the process was killed"
            )
        except OSError as error:
            return RunnerReport(artifact=str(artifact), error=f"the runner could not be started: {error}")
        return _read(artifact, answer, code, noise, spawned)


def run_outputs(
    artifact: Path,
    inputs: Path,
    outputs: Path,
    *,
    limit: int | None = None,
    threads: int = 1,
    timeout_s: float = 300.0,
    memory_limit: int | None = None,
    variant: str | None = None,
    base: Path | None = None,
) -> RunnerReport:
    """Run every sample of ``inputs`` through ``artifact`` in a fresh process and keep the outputs.

    Args:
        artifact: what to open.
        inputs: npz, one key per input, sample axis first.
        outputs: npz to write, one key per output, sample axis first; not written when the report has an ``error``.
        limit: at most so many samples.
        threads: of the runtime.
        timeout_s: after which the process is killed.
        memory_limit: bytes of private memory.
        variant: another way to compute the same, as its format names it.
        base: the same format's artifact that its weights are held against.
    """
    return run_runner(
        artifact,
        inputs,
        outputs=outputs,
        limit=limit,
        threads=threads,
        timeout_s=timeout_s,
        memory_limit=memory_limit,
        variant=variant,
        base=base,
    )


class HostDevice:
    """The machine this runs on."""

    emulated = False

    def __init__(self, address: str = "") -> None:
        if address not in {"", "host"}:
            raise DeviceError(f"the host has no address; found {address!r}")

    @property
    def name(self) -> str:
        return "host"

    @property
    def device_class(self) -> DeviceClass:
        return device_class()

    def available(self) -> str | None:
        return None

    def machine(self) -> Machine:
        return read_machine()

    def measure(self, targets: Sequence[Target], inputs: Path, *, effort: Effort, report: Report) -> list[Measured]:
        reports: dict[str, list[RunnerReport]] = {target.candidate: [] for target in targets}
        failures: dict[str, str] = {}
        for index in range(effort.rounds):
            turn = index % max(1, len(targets))
            for target in [*targets[turn:], *targets[:turn]]:
                if target.candidate in failures:
                    continue
                report(f"host: {target.candidate}, process {index + 1} of {effort.rounds}")
                result = run_runner(
                    target.artifact,
                    inputs,
                    count=effort.count,
                    warmup=effort.warmup,
                    seconds=effort.seconds / effort.rounds,
                    threads=effort.threads,
                    timeout_s=effort.timeout_s,
                )
                if result.error:
                    failures[target.candidate] = result.error
                else:
                    reports[target.candidate].append(result)
        return [
            Measured(target.candidate, tuple(reports[target.candidate]), failures.get(target.candidate))
            for target in targets
        ]


DEVICE = HostDevice


def _wait(command: Sequence[str], environment: dict[str, str], timeout_s: float) -> tuple[int, str]:
    """Exit code and what it printed; the whole process group is killed when time is up.

    Raises:
        subprocess.TimeoutExpired: time was up.
    """
    with tempfile.TemporaryFile() as printed:
        child = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=printed, stderr=printed, start_new_session=True
        )
        try:
            code = child.wait(timeout_s)
        finally:
            if child.poll() is None:
                os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        printed.seek(0)
        return code, printed.read().decode(errors="replace")


def _read(artifact: Path, answer: Path, code: int, noise: str, spawned_monotonic_ns: int) -> RunnerReport:
    tail = " | ".join(line.strip() for line in noise.splitlines()[-3:] if line.strip())
    said = f"; it said: {tail}" if tail else ""
    if code < 0:
        return RunnerReport(artifact=str(artifact), error=f"the process was killed by {_signal_name(-code)}{said}")
    try:
        report = decode(answer.read_bytes(), RunnerReport)
    except OSError:
        return RunnerReport(
            artifact=str(artifact), error=f"the process ended with exit code {code} and no report{said}"
        )
    except DocumentError as error:
        return RunnerReport(artifact=str(artifact), error=f"the process wrote no valid report: {error}")
    if report.error is None and (code != 0 or report.first_result_monotonic_ns is None):
        return RunnerReport(artifact=str(artifact), error=f"the process reported success and exit code {code}{said}")
    if report.first_result_monotonic_ns is None:
        return report
    elapsed_ms = (report.first_result_monotonic_ns - spawned_monotonic_ns) / 1e6
    return msgspec.structs.replace(report, exec_to_first_ms=round(elapsed_ms, 3))


def _signal_name(number: int) -> str:
    try:
        name = signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
    return f"{name} (signal {number})" + (", as the system does when memory runs out" if name == "SIGKILL" else "")
