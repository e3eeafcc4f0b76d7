"""The runner that is pushed to a device: open one artifact in this fresh process, run it, measure it, report as JSON.

    python -m edgeproof.devices.runner ARTIFACT --inputs samples.npz --measure 700 --warmup 50 --json report.json

It needs numpy, msgspec and the artifact's own runtime. It imports nothing heavy itself, so that the time to the
first result is the artifact's.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgeproof.documents.runner import OutputSummary, RunnerJob, RunnerReport
    from edgeproof.formats.base import Array, Session

__all__ = ["main"]

MOST_WARMUP = 10
"""Times the calls of a warm-up, at most, until it is stable."""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m edgeproof.devices.runner", description="Run one artifact in this process and report as JSON."
    )
    parser.add_argument("artifact", help="the artifact's file or folder")
    parser.add_argument("--inputs", required=True, metavar="NPZ", help="samples: a key per input, sample axis first")
    parser.add_argument("--outputs", metavar="NPZ", help="run every sample and write the outputs here")
    parser.add_argument("--limit", type=int, metavar="N", help="use at most N samples")
    parser.add_argument(
        "--measure", type=int, default=0, metavar="N", help="time N calls after the warm-up (default 0)"
    )
    parser.add_argument("--warmup", type=int, default=10, metavar="W", help="calls before the timed ones (default 10)")
    parser.add_argument(
        "--pace", type=float, metavar="S", help="begin a timed call every S seconds, and rest in between"
    )
    parser.add_argument("--hold", type=float, metavar="S", help="then call back to back for S seconds, with marks")
    parser.add_argument("--window", type=float, metavar="S", help="seconds of one window of what is held")
    parser.add_argument("--below", type=float, metavar="C", help="first wait until the device is at most so warm")
    parser.add_argument("--wait", type=float, default=300.0, metavar="S", help="for S seconds at most (default 300)")
    parser.add_argument("--seconds", type=float, metavar="S", help="stop timing, or running samples, after S seconds")
    parser.add_argument("--variant", help="another way to compute the same, as its format names it")
    parser.add_argument("--served", action="store_true", help="open it as a server does, with the fast kernels")
    parser.add_argument("--base", help="hold its weights against those of this artifact")
    parser.add_argument("--delegation", action="store_true", help="tell where its operators run, and time nothing")
    parser.add_argument("--untimed", action="store_true", help="with --delegation: without a profile")
    parser.add_argument("--threads", type=int, default=1, help="threads of the runtime (default 1)")
    parser.add_argument("--memory-limit", type=int, metavar="BYTES", help="fail instead of using more memory")
    parser.add_argument("--trust", action="store_true", help="run code of an artifact that this user did not make")
    parser.add_argument("--json", metavar="FILE", help="write the report here instead of to stdout")
    parser.add_argument(
        "--exec-unix-ns", type=int, metavar="NS", help="when the process was started, for the cold start"
    )
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run, write the report, and give the exit code: 0, or 1 with ``error`` in the report. Wrong use exits 2."""
    started = (time.monotonic_ns(), time.time_ns())
    words = vars(_parser().parse_args(arguments))
    executed_unix_ns: int | None = words.pop("exec_unix_ns")

    from edgeproof.documents.base import encode
    from edgeproof.documents.runner import RunnerJob, RunnerReport
    from edgeproof.errors import EdgeProofError, MissingDependency

    job = RunnerJob(**words)
    try:
        report = _told(job, started) if job.delegation else _run(job, started, executed_unix_ns)
    except EdgeProofError as error:
        missing = isinstance(error, MissingDependency)
        report = RunnerReport(artifact=job.artifact, error=str(error), missing=missing)
    except MemoryError:
        limit = f" of {job.memory_limit} bytes" if job.memory_limit else ""
        report = RunnerReport(artifact=job.artifact, error=f"out of memory: the limit{limit} was reached")
    except Exception as error:
        report = RunnerReport(artifact=job.artifact, error=f"{type(error).__name__}: {error}")
    if job.json:
        Path(job.json).write_bytes(encode(report))
    else:
        sys.stdout.buffer.write(encode(report))
        sys.stdout.buffer.flush()
    return 1 if report.error else 0


def _run(job: RunnerJob, started: tuple[int, int], executed_unix_ns: int | None) -> RunnerReport:
    if job.memory_limit:
        _limit_memory(job.memory_limit)

    from edgeproof.documents.runner import RunnerReport
    from edgeproof.formats.base import StorageFaults
    from edgeproof.formats.registry import artifact_document, open_artifact
    from edgeproof.measure.heat import HeatWatch, cool_down
    from edgeproof.measure.holding import hold, window_of
    from edgeproof.measure.latency import Schedule, Settings, Timed, time_calls
    from edgeproof.measure.machine import (
        read_machine,
        read_throttling,
        temperature_c,
        throttled_between,
        usable_cpus,
    )
    from edgeproof.measure.process import own_memory
    from edgeproof.model.streaming import stream_calls

    artifact = Path(job.artifact)
    waited_s = 0.0 if job.below is None else cool_down(job.below, job.wait)
    temperature_before, throttling_before = temperature_c(), read_throttling()
    baseline = own_memory().resident_bytes
    load_begin = time.perf_counter_ns()
    with open_artifact(
        artifact,
        threads=job.threads,
        timed=job.measure > 0 or job.hold is not None,
        compared=job.outputs is not None and job.measure == 0 and job.hold is None and not job.served,
        variant=job.variant,
        trust=job.trust,
    ) as session:
        load_ms = (time.perf_counter_ns() - load_begin) / 1e6
        degraded: str | None = getattr(session, "degraded", None)
        calls = stream_calls(Path(job.inputs), session.inputs, limit=job.limit)
        first_begin = time.perf_counter_ns()
        first = session.run(calls[0])
        first_us = (time.perf_counter_ns() - first_begin) / 1e3
        first_result = (time.monotonic_ns(), time.time_ns())
        results = [first]
        if job.outputs:
            results = _results(session, calls, job.seconds)
        outputs, ran = _summaries(results), len(results) if job.outputs else len(calls)
        if job.outputs:
            _write_outputs(Path(job.outputs), results)
        results.clear()
        timed = Timed(values_us=[], calls=0, warmup=0, seconds=0.0, cpu_percent=None)
        watch, held = HeatWatch(), None
        if job.measure:
            watch.look()
            settings = Settings(
                count=job.measure, warmup=job.warmup, most_warmup=MOST_WARMUP * job.warmup, seconds=job.seconds
            )
            timed = time_calls(session.run, calls, settings, schedule=Schedule(pace_s=job.pace), beside=watch)
            watch.look()
        if job.hold is not None:
            if not job.measure:
                time_calls(session.run, calls, Settings(count=max(1, job.warmup), seconds=1.0, minimum=1))
            held = hold(session.run, calls, job.hold, job.window or window_of(job.hold), watch)
    faults = StorageFaults()
    cautions: tuple[str, ...] = ()
    if job.outputs and job.variant is None:
        document, folder, found = artifact_document(artifact, trust=job.trust)
        cautions = found.cautions(folder / document.file)
        if job.base:
            faults = found.storage_faults(folder / document.file, Path(job.base))
        cautions += (faults.unheld,) if faults.unheld else ()
    return RunnerReport(
        artifact=job.artifact,
        samples=ran,
        threads=job.threads,
        cpus=usable_cpus(),
        instructions=_instructions(),
        started_monotonic_ns=started[0],
        started_unix_ns=started[1],
        first_result_monotonic_ns=first_result[0],
        first_result_unix_ns=first_result[1],
        finished_unix_ns=time.time_ns(),
        exec_to_first_ms=(first_result[1] - executed_unix_ns) / 1e6 if executed_unix_ns else None,
        load_ms=round(load_ms, 3),
        first_inference_us=round(first_us, 3),
        waited_s=waited_s,
        warmup=timed.warmup,
        stable=timed.stable,
        steady_us=tuple(timed.values_us),
        steady_begin_unix_ns=timed.begin_unix_ns or None,
        steady_end_unix_ns=timed.end_unix_ns or None,
        held=held,
        heat=watch.told(),
        cpu_percent=timed.cpu_percent,
        baseline_memory_bytes=baseline,
        peak_memory_bytes=own_memory().peak_bytes,
        temperature_before_c=temperature_before,
        temperature_after_c=temperature_c(),
        throttled=throttled_between(throttling_before, read_throttling()),
        outputs=outputs,
        storage_faults=faults.faults,
        cautions=cautions,
        degraded=degraded,
        machine=read_machine(),
    )


def _told(job: RunnerJob, started: tuple[int, int]) -> RunnerReport:
    from edgeproof.devices.delegation import delegations_of
    from edgeproof.documents.runner import RunnerReport
    from edgeproof.measure.machine import read_machine

    if job.memory_limit:
        _limit_memory(job.memory_limit)
    delegations = delegations_of(job)
    return RunnerReport(
        artifact=job.artifact,
        threads=job.threads,
        started_monotonic_ns=started[0],
        started_unix_ns=started[1],
        first_result_monotonic_ns=time.monotonic_ns(),
        degraded=next((told.degraded for told in delegations if told.how == "seen"), None),
        delegations=delegations,
        machine=read_machine(),
    )


def _results(session: Session, calls: Sequence[dict[str, Array]], seconds: float | None) -> list[dict[str, Array]]:
    """What every call gives, or those that begin within so many seconds, one at least."""
    end = math.inf if seconds is None else time.monotonic() + seconds
    results = []
    for call in calls:
        results.append(_kept(session.run(call)))
        if time.monotonic() >= end:
            break
    return results


def _instructions() -> tuple[str, ...]:
    import numpy as np

    told: Any = np.show_config(mode="dicts")
    extensions = told.get("SIMD Extensions", {})
    return tuple(sorted((*extensions.get("baseline", ()), *extensions.get("found", ()))))


def _kept(outputs: dict[str, Array]) -> dict[str, Array]:
    """A copy: a runtime may hand out its own buffer, which the next call overwrites."""
    return {name: array.copy() for name, array in outputs.items()}


def _limit_memory(limit_bytes: int) -> None:
    """Cap private memory: past it an allocation fails, which costs this process and no other."""
    import resource

    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))


def _summaries(results: Sequence[dict[str, Array]]) -> tuple[OutputSummary, ...]:
    import numpy as np

    from edgeproof.documents.runner import OutputSummary

    summaries = []
    for name, first in results[0].items():
        floats = np.issubdtype(first.dtype, np.inexact)
        summaries.append(
            OutputSummary(
                name=name,
                dtype=str(first.dtype),
                shape=tuple(first.shape),
                nan=sum(int(np.isnan(result[name]).sum()) for result in results) if floats else 0,
                inf=sum(int(np.isinf(result[name]).sum()) for result in results) if floats else 0,
            )
        )
    return tuple(summaries)


def _write_outputs(path: Path, results: Sequence[dict[str, Array]]) -> None:
    """One key per output, sample axis first."""
    import numpy as np

    from edgeproof.files import atomic_path

    stacked = {name: np.stack([result[name] for result in results]) for name in results[0]}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **stacked)


if __name__ == "__main__":
    from edgeproof.child import child_main

    child_main(main)
