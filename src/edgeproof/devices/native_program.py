"""A job for a static program instead of the runner: its words, its samples as raw numbers, and its answer as a report.

The program is that of ``spike.toolchain.main_program``, as ``Format.program_for`` leaves it in a folder with its
document. A transport brings files there and starts it; it needs neither Python nor anything else on the device.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgeproof.devices.runner import MOST_WARMUP
from edgeproof.documents.artifact import ArtifactDocument, Binding
from edgeproof.documents.base import decode, read_marked
from edgeproof.documents.environment import Machine
from edgeproof.documents.held import Held
from edgeproof.documents.runner import OutputSummary, RunnerJob, RunnerReport
from edgeproof.documents.soak import SoakWindow
from edgeproof.errors import ArtifactError, DocumentError, SignatureError
from edgeproof.measure.holding import window_of
from edgeproof.measure.statistics import percentile
from edgeproof.trust import ask_for_trust, hold

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = ["FLOAT", "Program", "open_program", "program_words", "read_outputs", "report_of", "write_inputs"]

FLOAT = "<f4"
"""What it reads and writes: one number after another, sample after sample."""
WORDS = ("limit", "measure", "warmup", "seconds", "pace", "hold", "window")
"""Fields of a job that are words of it."""
RUNS_CODE = "it is a program, and a device would run it"


class Program(msgspec.Struct, frozen=True):
    """A program and what describes it."""

    file: Path
    document: ArtifactDocument


def open_program(folder: Path, *, trust: bool = False) -> Program:
    """The program of a folder that ``Format.program_for`` has made.

    Raises:
        DocumentError: it has no document. ArtifactError: the program is not the one that this describes.
        TrustError: this user did not make it, and it is not trusted.
    """
    document, ours = read_marked(folder / ArtifactDocument.FILE, ArtifactDocument)
    if not (ours or trust):
        raise ask_for_trust(str(folder), runs=RUNS_CODE)
    return Program(hold(folder, document.file, document.sha256, document.beside), document)


def program_words(job: RunnerJob, inputs: str, outputs: str | None = None) -> list[str]:
    """The words of its command line, without the program itself.

    Args:
        job: what to run; what only Python's runtimes know, such as threads and variants, is none of its words.
        inputs: the file of ``write_inputs``, where it runs.
        outputs: where its outputs go there; None: the first sample is run alone.
    """
    words = ["--inputs", inputs, *(("--outputs", outputs) if outputs is not None else ())]
    for name in WORDS:
        value = getattr(job, name)
        if name == "window" and value is None and job.hold is not None:
            value = window_of(job.hold)
        if value is not None and (value or name == "warmup"):
            words += [f"--{name}", f"{value:.9g}"]
    return [*words, "--most-warmup", str(MOST_WARMUP * job.warmup)] if job.measure else words


def write_inputs(document: ArtifactDocument, samples: Path, to: Path, *, limit: int | None = None) -> int:
    """Samples as the program reads them: the inputs of each call one after another, float32.

    Args:
        document: of the program.
        samples: npz or folder, as a session is given them.
        to: file that is written.
        limit: at most so many.

    Returns:
        how many there are.

    Raises:
        SamplesError: they cannot be read, or do not fit. SignatureError: an input is no float32.
    """
    from edgeproof.model.streaming import stream_calls

    other = next((binding.tensor for binding in document.inputs if binding.tensor.dtype != "float32"), None)
    if other is not None:
        raise SignatureError(f"the input {other.name} is {other.dtype}; the program takes float32")
    calls = stream_calls(samples, [binding.tensor for binding in document.inputs], limit=limit)
    with to.open("wb") as file:
        for call in calls:
            for binding in document.inputs:
                file.write(call[binding.tensor.name].astype(FLOAT, copy=False).tobytes())
    return len(calls)


def read_outputs(document: ArtifactDocument, raw: Path, to: Path | None = None) -> tuple[OutputSummary, ...]:
    """What the program wrote, as npz: a key an output, sample axis first.

    Args:
        document: of the program.
        raw: what it wrote.
        to: file that is written; None: none.

    Raises:
        ArtifactError: it holds no whole number of samples.
    """
    import numpy as np

    from edgeproof.files import atomic_path

    sizes = [math.prod(binding.tensor.shape) for binding in document.outputs]
    size = raw.stat().st_size
    if not size or size % (4 * sum(sizes)):
        raise ArtifactError(f"{raw.name} has {size} bytes of outputs; expected a whole number of {4 * sum(sizes)}")
    rows = np.fromfile(raw, FLOAT).astype(np.float32, copy=False).reshape(-1, sum(sizes))
    parts = np.split(rows, np.cumsum(sizes)[:-1], axis=1)
    outputs = {
        binding.tensor.name: part.reshape(-1, *binding.tensor.shape)
        for binding, part in zip(document.outputs, parts, strict=True)
    }
    if to is not None:
        with atomic_path(to) as temporary, temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **outputs)
    return tuple(_summary(binding, outputs[binding.tensor.name]) for binding in document.outputs)


def _summary(binding: Binding, values: npt.NDArray[np.float32]) -> OutputSummary:
    import numpy as np

    return OutputSummary(
        name=binding.tensor.name,
        dtype="float32",
        shape=binding.tensor.shape,
        nan=int(np.isnan(values).sum()),
        inf=int(np.isinf(values).sum()),
    )


def report_of(
    said: bytes, job: RunnerJob, *, machine: Machine | None = None, outputs: Sequence[OutputSummary] = ()
) -> RunnerReport:
    """The program's document as the report of its job; ``error`` says that it is none.

    Args:
        said: what it printed.
        job: what it was asked.
        machine: where it ran.
        outputs: of ``read_outputs``.
    """
    try:
        told, load = decode(said, RunnerReport), msgspec.json.decode(said, type=_Told).load
    except (DocumentError, msgspec.MsgspecError) as error:
        return RunnerReport(artifact=job.artifact, error=f"the program's answer cannot be read: {error}")
    return msgspec.structs.replace(
        told,
        artifact=job.artifact,
        machine=machine,
        outputs=tuple(outputs),
        held=_held(load) if load is not None else None,
    )


class _Window(msgspec.Struct):
    """A window of a load, as the program tells it; nanoseconds."""

    start_ns: int
    count: int
    total_ns: int
    most_ns: int
    kept_ns: list[int]
    temperature_c: float | None = None
    mhz: float | None = None
    resident_bytes: int | None = None


class _Load(msgspec.Struct):
    """A load, as the program tells it; nanoseconds."""

    windows: list[_Window]
    begin_unix_ns: int
    end_unix_ns: int
    begin_monotonic_ns: int
    end_monotonic_ns: int
    used_ns: int


class _Told(msgspec.Struct):
    load: _Load | None = None


def _held(load: _Load) -> Held:
    """The load in figures, as ``measure.holding`` makes them."""
    windows = tuple(_window(window) for window in load.windows)
    lasted = load.end_monotonic_ns - load.begin_monotonic_ns
    calls, inside = (sum(getattr(window, name) for window in load.windows) for name in ("count", "total_ns"))
    return Held(
        seconds=round(lasted / 1e9, 6),
        calls=calls,
        begin_unix_ns=load.begin_unix_ns,
        end_unix_ns=load.end_unix_ns,
        median_us=round(statistics.median(window.median_us for window in windows), 3),
        mean_us=round(inside / calls / 1e3, 3),
        busy_share=round(inside / lasted, 4),
        cpu_percent=round(100 * load.used_ns / lasted, 1),
        windows=windows,
    )


def _window(told: _Window) -> SoakWindow:
    ascending = sorted(value / 1e3 for value in told.kept_ns)
    return SoakWindow(
        start_s=round(told.start_ns / 1e9, 3),
        count=told.count,
        median_us=round(statistics.median(ascending), 3),
        max_us=told.most_ns / 1e3,
        temperature_c=told.temperature_c,
        resident_bytes=told.resident_bytes,
        mean_us=round(told.total_ns / told.count / 1e3, 3),
        p90_us=percentile(ascending, 0.90).value_us,
        p95_us=percentile(ascending, 0.95).value_us,
        p99_us=percentile(ascending, 0.99).value_us,
        mhz=told.mhz,
    )
