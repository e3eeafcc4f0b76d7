"""Benchmark programs of other runtimes, where the user has built one for Android and says where it is.

They time calls on inputs that they generate, and give no outputs. Only those are used that tell single times: a mean
gives no percentile.
"""

from __future__ import annotations

import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.errors import DeviceError

__all__ = ["Benchmark", "benchmarks_here"]

ONNX_RUNTIME = "EDGEPROOF_ONNXRUNTIME_PERF_TEST"
"""The environment variable that names ONNX Runtime's program, built for the phone."""


@dataclass(frozen=True)
class Benchmark:
    """``onnxruntime_perf_test``.

    Its results are a line a call: model, seconds, peak bytes, processor in percent, number of the call
    (``onnxruntime/test/perftest/performance_runner.cc``, ``DumpToFile``).

    Attributes:
        program: on this machine.
        suffix: of the files that it opens.
    """

    program: Path
    suffix: str = ".onnx"
    title: str = "onnxruntime_perf_test"

    def words(self, program: str, model: str, results: str, job: RunnerJob) -> list[str]:
        """Its command line: one process, calls one after the other, on generated inputs.

        Args:
            program: where it is on the phone.
            model: likewise.
            results: file for single times, likewise.
            job: how many, and on how many threads.
        """
        threads, calls = str(job.threads), str(job.warmup + max(1, job.measure))
        return [program, "-e", "cpu", "-x", threads, "-m", "times", "-r", calls, "-I", model, results]

    def read(self, said: str, results: str, job: RunnerJob) -> RunnerReport:
        """Its single times as a report, without the first ``job.warmup`` of them.

        Args:
            said: what it printed.
            results: its file.
            job: what it was asked.
        """
        rows = [line.rsplit(",", 4) for line in results.splitlines()]
        try:
            seconds = [float(row[1]) for row in rows if len(row) == 5]
            peaks = [int(row[2]) for row in rows if len(row) == 5]
        except ValueError as error:
            return RunnerReport(artifact=job.artifact, error=f"{self.title} wrote no times: {error}")
        timed = seconds[job.warmup :]
        if not timed or not all(math.isfinite(value) and value > 0 for value in timed):
            return RunnerReport(artifact=job.artifact, error=f"{self.title} wrote {len(seconds)} times")
        load = re.search(r"Session creation time cost: ([\d.e+-]+) s", said)
        first = re.search(r"First inference time cost: ([\d.e+-]+) ms", said)
        return RunnerReport(
            artifact=job.artifact,
            threads=job.threads,
            load_ms=1e3 * float(load[1]) if load else None,
            first_inference_us=1e3 * float(first[1]) if first else None,
            warmup=job.warmup,
            steady_us=tuple(round(1e6 * value, 3) for value in timed),
            peak_memory_bytes=max(peaks, default=0) or None,
        )


def benchmarks_here() -> dict[str, Benchmark]:
    """Programs that the user has named, by the suffix of the files that they open.

    Raises:
        DeviceError: a variable names no file.
    """
    named = os.environ.get(ONNX_RUNTIME)
    if not named:
        return {}
    program = Path(named).expanduser()
    if not program.is_file():
        raise DeviceError(f"{ONNX_RUNTIME} names {program}, and there is no such file")
    benchmark = Benchmark(program)
    return {benchmark.suffix: benchmark}
