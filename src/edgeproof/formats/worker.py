"""The conversion process: imports a format's converter once, then forks a child per candidate.

    python -m edgeproof.formats.worker FORMAT

reads one JSON job a line on stdin and writes one JSON result a line on stdout. Each child is a process of its own; the
parent (``supervise``) limits its time and memory.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

import msgspec

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import decode, encode
from edgeproof.errors import ConversionError, EdgeProofError, UnsupportedError
from edgeproof.process import child_main, kill_group, outcome_of, tie_to_parent

__all__ = ["Job", "Outcome", "Started", "building_folder", "fingerprint", "main"]

LONGEST_REASON = 1000

SPINE_PRELOAD = (
    "torch._export.passes",
    "torch._export.serde.serialize",
    "torch._functorch.aot_autograd",
    "torch._inductor.fx_passes",
    "torch.export._trace",
    "torch.export._unlift",
    "torch.export.pt2_archive._package",
    "edgeproof.model.spine",
    "edgeproof.formats.rewrites.base",
)
"""What every child needs to load and export a program: seconds each, unless they are there before the fork."""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate to make."""

    candidate: str
    format: str
    precision: str
    spine: str
    """Folder of the exported program."""
    samples: str
    """npz of representative samples, keyed by input name."""
    folder: str
    """Where the artifact goes; made by the worker."""
    name: str
    log: str
    base: str | None = None
    """Artifact of the format's first precision in the same form, if it is made by then."""


class Started(msgspec.Struct, frozen=True, kw_only=True, tag="started"):
    """The child of a job runs."""

    candidate: str
    pid: int


class Outcome(msgspec.Struct, frozen=True, kw_only=True, tag="outcome"):
    """What became of a job."""

    candidate: str
    status: str
    """``ok``, ``failed``, ``crashed``, or ``skipped`` where the format does not take such a model."""
    reason: str | None = None
    remedy: str | None = None
    seconds: float = 0.0
    peak_memory_bytes: int | None = None


def fingerprint(path: Path) -> tuple[str, int]:
    """sha256 and size of a file; for a folder of the sorted (path, sha256) list and the total size."""
    import hashlib

    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest(), path.stat().st_size
    whole, size = hashlib.sha256(), 0
    for part in sorted(path.rglob("*")):
        if part.is_file():
            digest, length = fingerprint(part)
            whole.update(f"{part.relative_to(path).as_posix()} {digest}\n".encode())
            size += length
    return whole.hexdigest(), size


def building_folder(job: Job) -> Path:
    """Where the artifact is made, before it is moved to its folder as a whole."""
    folder = Path(job.folder)
    return folder.with_name(f".{folder.name}.building")


def _convert(job: Job) -> None:
    """In the child: make the artifact and its document."""
    from importlib import metadata

    import numpy as np
    from packaging.requirements import Requirement

    from edgeproof.formats.base import Conversion
    from edgeproof.formats.registry import formats
    from edgeproof.model.samples import load_arrays
    from edgeproof.model.spine import load_spine

    found = formats()[job.format]
    folder = Path(job.folder)
    building = building_folder(job)
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        samples, _ = load_arrays(Path(job.samples))
        spine = load_spine(Path(job.spine), samples)
        base, base_document = _base(job)
        conversion = Conversion(found, spine, job.precision, building, job.name, base, base_document)
        produced = found.convert(conversion)
        loop = None if produced.loops else spine.document.loop
        if loop is not None and spine.initial:
            np.savez(building / "initial_state.npz", allow_pickle=False, **dict(spine.initial))
        shipped = building / produced.file
        if not shipped.exists():
            raise ConversionError(f"the converter ended without an error and made no {produced.file}")
        digest, _ = fingerprint(shipped)
        document = ArtifactDocument(
            candidate=job.candidate,
            format=job.format,
            precision=job.precision,
            form="unrolled" if produced.loops and spine.form == "step" else spine.form,
            file=produced.file,
            sha256=digest,
            bytes=sum(
                part.stat().st_size
                for part in building.rglob("*")
                if part.is_file() and part.name not in produced.sources
            ),
            inputs=produced.inputs,
            outputs=produced.outputs,
            loop=loop,
            rewrites=conversion.rewrites,
            notes=tuple(dict.fromkeys((*spine.document.signature.notes, *produced.notes))),
            versions={Requirement(text).name: metadata.version(Requirement(text).name) for text in found.requires},
            options=produced.options,
        )
        (building / ArtifactDocument.FILE).write_bytes(encode(document))
        shutil.rmtree(folder, ignore_errors=True)
        building.replace(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _base(job: Job) -> tuple[Path | None, ArtifactDocument | None]:
    """The first-precision artifact to start from, if it is there."""
    if job.base is None or not Path(job.base).exists():
        return None, None
    document = decode(Path(job.base).with_name(ArtifactDocument.FILE).read_bytes(), ArtifactDocument)
    return Path(job.base), document


def _child(job: Job, result: int) -> None:
    """Run one job with its output in its log; write the outcome to the file ``result`` and leave."""
    log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    outcome = Outcome(candidate=job.candidate, status="ok")
    try:
        _convert(job)
    except EdgeProofError as error:
        traceback.print_exc()
        reason = error.message[:LONGEST_REASON]
        status = "skipped" if isinstance(error, UnsupportedError) else "failed"
        outcome = Outcome(candidate=job.candidate, status=status, reason=reason, remedy=error.hint)
    except BaseException as error:
        traceback.print_exc()
        text = " ".join(str(error).split())[:LONGEST_REASON]
        outcome = Outcome(candidate=job.candidate, status="failed", reason=f"{type(error).__name__}: {text}")
    os.write(result, msgspec.json.encode(outcome))
    with contextlib.suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(0)


def _run(job: Job, say: BinaryIO) -> Outcome:
    began = time.monotonic()
    Path(job.log).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile() as answer:
        pid = os.fork()
        if pid == 0:
            os.setpgid(0, 0)
            tie_to_parent()
            _child(job, answer.fileno())
        _say(say, Started(candidate=job.candidate, pid=pid))
        _, status, usage = os.wait4(pid, 0)
        kill_group(pid)
        answer.seek(0)
        raw = answer.read()
    seconds, peak = time.monotonic() - began, usage.ru_maxrss * 1024
    if raw:
        outcome = msgspec.json.decode(raw, type=Outcome)
        return msgspec.structs.replace(outcome, seconds=seconds, peak_memory_bytes=peak)
    return Outcome(
        candidate=job.candidate,
        status="crashed",
        reason=f"the converter {outcome_of(os.waitstatus_to_exitcode(status))} without a result",
        seconds=seconds,
        peak_memory_bytes=peak,
    )


def _say(say: BinaryIO, message: Started | Outcome) -> None:
    say.write(msgspec.json.encode(message) + b"\n")
    say.flush()


def main(words: Sequence[str]) -> int:
    """Serve jobs until stdin ends. What libraries print goes to stderr, not between the messages."""
    say = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    from edgeproof.formats.registry import formats

    formats()[words[0]].warm()
    for name in SPINE_PRELOAD:
        importlib.import_module(name)
    for line in sys.stdin.buffer:
        _say(say, _run(msgspec.json.decode(line, type=Job), say))
    return 0


if __name__ == "__main__":
    child_main(main)
