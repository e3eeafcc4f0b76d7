"""The conversion process: imports a format's converter once, then forks a child per candidate.

    python -m edgeproof.formats.worker FORMAT

reads one JSON job a line on stdin and writes one JSON result a line on stdout. Each child is a process of its own; the
parent (``supervise``) limits its time and memory.
"""

from __future__ import annotations

import importlib
import os
import sys
import time
import traceback
from pathlib import Path
from typing import BinaryIO

import msgspec

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import decode, encode
from edgeproof.errors import ConversionError, EdgeProofError

__all__ = ["Job", "Outcome", "Started", "fingerprint", "main"]


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
    """``ok``, ``failed`` or ``crashed``."""
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
    for one in sorted(path.rglob("*")):
        if one.is_file():
            digest, length = fingerprint(one)
            whole.update(f"{one.relative_to(path).as_posix()} {digest}\n".encode())
            size += length
    return whole.hexdigest(), size


def _convert(job: Job) -> None:
    """In the child: make the artifact and its document."""
    import shutil
    from importlib import metadata

    import numpy as np

    from edgeproof.formats.registry import DOCUMENT_NAME, formats
    from edgeproof.formats.base import Conversion
    from edgeproof.model.spine import load_spine
    from packaging.requirements import Requirement

    one = formats()[job.format]
    folder = Path(job.folder)
    building = folder.with_name(f".{folder.name}.building")
    shutil.rmtree(building, ignore_errors=True)
    building.mkdir(parents=True)
    try:
        with np.load(job.samples, allow_pickle=False) as archive:
            samples = {name: archive[name] for name in archive.files if name != "labels"}
        spine = load_spine(Path(job.spine), samples)
        base, base_document = _base(job)
        produced = one.convert(Conversion(spine, job.precision, building, job.name, base, base_document))
        loop = spine.document.loop
        if loop is not None and spine.initial:
            np.savez(building / "initial_state.npz", **dict(spine.initial))
        shipped = building / produced.file
        if not shipped.exists():
            raise ConversionError(f"the converter ended without an error and made no {produced.file}")
        digest, _ = fingerprint(shipped)
        document = ArtifactDocument(
            candidate=job.candidate,
            format=job.format,
            precision=job.precision,
            form=spine.form,
            file=produced.file,
            sha256=digest,
            bytes=sum(part.stat().st_size for part in building.rglob("*") if part.is_file()),
            inputs=produced.inputs,
            outputs=produced.outputs,
            loop=loop,
            rewrites=produced.rewrites,
            notes=produced.notes,
            versions={Requirement(text).name: metadata.version(Requirement(text).name) for text in one.requires},
            options=produced.options,
        )
        if one.runs_here is not None:
            document = msgspec.structs.replace(document, structure=one.inspect(document, building))
        (building / DOCUMENT_NAME).write_bytes(encode(document))
        shutil.rmtree(folder, ignore_errors=True)
        building.replace(folder)
    finally:
        shutil.rmtree(building, ignore_errors=True)


def _base(job: Job) -> tuple[Path | None, ArtifactDocument | None]:
    """The first-precision artifact to start from, if it is there."""
    if job.base is None or not Path(job.base).exists():
        return None, None
    document = decode(Path(job.base).with_name("artifact.json").read_bytes(), ArtifactDocument)
    return Path(job.base), document


def _child(job: Job, result: int) -> None:
    """Run one job with its output in its log; write the outcome to the pipe and leave."""
    log = os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    outcome = Outcome(candidate=job.candidate, status="ok")
    try:
        _convert(job)
    except EdgeProofError as error:
        traceback.print_exc()
        outcome = Outcome(candidate=job.candidate, status="failed", reason=error.message, remedy=error.hint)
    except BaseException as error:
        traceback.print_exc()
        text = " ".join(str(error).split())[:600]
        outcome = Outcome(candidate=job.candidate, status="failed", reason=f"{type(error).__name__}: {text}")
    sys.stderr.flush()
    os.write(result, msgspec.json.encode(outcome))
    os._exit(0)


def _run(job: Job, say: BinaryIO) -> Outcome:
    began = time.monotonic()
    read, write = os.pipe()
    Path(job.log).parent.mkdir(parents=True, exist_ok=True)
    pid = os.fork()
    if pid == 0:
        os.close(read)
        os.setpgid(0, 0)
        _child(job, write)
    os.close(write)
    _say(say, Started(candidate=job.candidate, pid=pid))
    with os.fdopen(read, "rb") as pipe:
        raw = pipe.read()
    _, status, usage = os.wait4(pid, 0)
    measured = {"seconds": time.monotonic() - began, "peak_memory_bytes": usage.ru_maxrss * 1024}
    if raw:
        return msgspec.structs.replace(msgspec.json.decode(raw, type=Outcome), **measured)
    how = f"signal {os.WTERMSIG(status)}" if os.WIFSIGNALED(status) else f"exit code {os.WEXITSTATUS(status)}"
    return Outcome(candidate=job.candidate, status="crashed", reason=f"the converter crashed: {how}", **measured)


def _say(say: BinaryIO, message: Started | Outcome) -> None:
    say.write(msgspec.json.encode(message) + b"\n")
    say.flush()


def main() -> None:
    """Serve jobs until stdin ends. What libraries print goes to stderr, not between the messages."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from edgeproof.formats.registry import formats

    one = formats()[sys.argv[1]]
    say = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for name in one.preload:
        importlib.import_module(name)
    for line in sys.stdin.buffer:
        _say(say, _run(msgspec.json.decode(line, type=Job), say))


if __name__ == "__main__":
    main()
