"""One conversion, in a process of its own that is forked where the format's converter is imported (``supervise``)."""

from __future__ import annotations

import resource
import sys
import time
import traceback
from pathlib import Path

import msgspec

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import decode, encode
from edgeproof.errors import ConversionError, EdgeProofError, OperatorError, UnsupportedError
from edgeproof.files import atomic_folder
from edgeproof.trust import fingerprint

__all__ = ["Job", "Outcome", "load", "make"]

LONGEST_REASON = 1000
LONGEST_DETAIL = 2000


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


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a job."""

    candidate: str
    status: str
    """``ok``, ``failed``, ``crashed``, or ``skipped`` where the format does not take such a model."""
    reason: str | None = None
    remedy: str | None = None
    operator: str | None = None
    """The operator that the format does not take, where the failure is about one."""
    detail: str | None = None
    """What the converter itself said of it."""
    seconds: float = 0.0
    peak_memory_bytes: int | None = None
    cached: str | None = None
    """When it was made, where it was made before; ``seconds`` are those that it took then."""


def _convert(job: Job) -> None:
    """In the child: make the artifact and its document."""
    from importlib import metadata

    import numpy as np
    from packaging.requirements import Requirement

    from edgeproof.formats.answers.explain import explained
    from edgeproof.formats.base import Conversion
    from edgeproof.formats.registry import formats
    from edgeproof.model.spine import load_spine

    found = formats()[job.format]
    folder = Path(job.folder)
    with atomic_folder(folder) as building:
        spine = load_spine(Path(job.spine), Path(job.samples))
        base, base_document = _base(job)
        conversion = Conversion(found, spine, job.precision, building, job.name, base, base_document)
        try:
            produced = found.convert(conversion)
        except UnsupportedError:
            raise
        except Exception as error:
            raise explained(error, conversion) from error
        loop = None if produced.loops else spine.document.loop
        if loop is not None and spine.initial:
            np.savez(building / "initial_state.npz", allow_pickle=False, **dict(spine.initial))
        shipped = building / produced.file
        if not shipped.exists():
            raise ConversionError(f"the converter ended without an error and made no {produced.file}")
        digest, _ = fingerprint(shipped)
        left_out = (ArtifactDocument.FILE, produced.file, *produced.sources)
        beside = {part.name: fingerprint(part)[0] for part in sorted(building.iterdir()) if part.name not in left_out}
        document = ArtifactDocument(
            candidate=job.candidate,
            format=job.format,
            precision=job.precision,
            form="unrolled" if produced.loops and spine.form == "step" else spine.form,
            file=produced.file,
            sha256=digest,
            beside=beside,
            sources={name: fingerprint(building / name)[0] for name in produced.sources},
            bytes=sum(
                part.stat().st_size
                for part in building.rglob("*")
                if part.is_file() and part.name not in produced.sources
            ),
            inputs=produced.inputs,
            outputs=produced.outputs,
            undelegated=dict(produced.undelegated),
            loop=loop,
            rewrites=conversion.rewrites,
            notes=tuple(dict.fromkeys((*spine.document.signature.notes, *produced.notes))),
            versions={Requirement(text).name: metadata.version(Requirement(text).name) for text in found.requires},
            options=produced.options,
        )
        (building / ArtifactDocument.FILE).write_bytes(encode(document.marked()))


def _base(job: Job) -> tuple[Path | None, ArtifactDocument | None]:
    """The first-precision artifact to start from, if it is there."""
    if job.base is None or not Path(job.base).exists():
        return None, None
    document = decode(Path(job.base).with_name(ArtifactDocument.FILE).read_bytes(), ArtifactDocument)
    return Path(job.base), document


def load(name: str) -> None:
    """Do once what each conversion to a format needs.

    Raises:
        KeyError: there is no such format.
    """
    from edgeproof.formats.registry import formats
    from edgeproof.formats.rewrites import base as _rewrites  # noqa: F401

    formats()[name].warm()


def make(job: Job) -> Outcome:
    """Make one candidate, and tell how that ended."""
    began = time.monotonic()
    status, reason, remedy, operator, detail = "ok", None, None, None, None
    try:
        _convert(job)
    except EdgeProofError as error:
        traceback.print_exc()
        status = "skipped" if isinstance(error, UnsupportedError) else "failed"
        reason, remedy = error.message[:LONGEST_REASON], error.hint
        if isinstance(error, OperatorError):
            operator, detail = error.operator, error.detail[:LONGEST_DETAIL]
    except BaseException as error:
        traceback.print_exc()
        text = " ".join(str(error).split())[:LONGEST_REASON]
        status, reason = "failed", f"{type(error).__name__}: {text}"
    return Outcome(
        candidate=job.candidate,
        status=status,
        reason=reason,
        remedy=remedy,
        operator=operator,
        detail=detail,
        seconds=time.monotonic() - began,
        peak_memory_bytes=_peak_memory(),
    )


def _peak_memory() -> int:
    """Resident bytes, at most so far, of the largest of this process and those it has waited for."""
    unit = 1 if sys.platform == "darwin" else 1024
    whose = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    return unit * max(resource.getrusage(who).ru_maxrss for who in whose)
