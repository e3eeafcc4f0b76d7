"""Artifacts that were made elsewhere, brought into a run as candidates: described, copied, and held like ours."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec

from edgeproof.apart import call_apart
from edgeproof.documents.artifact import ArtifactDocument, Binding
from edgeproof.documents.base import encode
from edgeproof.documents.conversion import ConversionResult
from edgeproof.documents.signature import Signature, TensorSpec
from edgeproof.errors import ArtifactError, EdgeProofError, UsageError
from edgeproof.files import atomic_folder
from edgeproof.formats.base import Format
from edgeproof.formats.registry import artifact_document, candidate_names, formats
from edgeproof.process import Limits
from edgeproof.trust import ask_for_trust, fingerprint, hold

__all__ = ["Adoption", "adopt", "adopted", "check_adopted", "parse_adopted"]

TARGET = "edgeproof.phases.conversion.adopted:adopted"

NOTE = "made elsewhere, and brought into the run as it is"


def parse_adopted(words: Sequence[str]) -> dict[str, Path]:
    """``NAME=PATH`` words by name.

    Raises:
        UsageError: another form, a name twice, or one that a candidate of ours has.
    """
    found: dict[str, Path] = {}
    for word in words:
        name, _, path = word.partition("=")
        if not name or not path or not name.replace("-", "").replace("_", "").isalnum() or not name.isascii():
            raise UsageError(
                f"--artifact {word}: expected NAME=PATH",
                hint="for example vendor-int8=model.tflite; letters, digits, - and _",
            )
        if name in found:
            raise UsageError(f"--artifact {word}: {name} is named twice")
        if name in candidate_names():
            raise UsageError(f"--artifact {word}: {name} is a candidate that a run makes", hint="choose another name")
        found[name] = Path(path)
    return found


def check_adopted(words: Sequence[str], *, trust: bool) -> None:
    """What can be known to be wrong of artifacts from elsewhere before anything is written.

    Raises:
        UsageError: as ``parse_adopted``; a path that is not there, or of no known format.
        TrustError: it is code, and not trusted.
    """
    for name, path in parse_adopted(words).items():
        if not path.exists():
            raise UsageError(f"--artifact {name}: there is no {path}")
        known = [kind for kind in formats().values() if path.suffix == kind.suffix]
        if not known and not (path / ArtifactDocument.FILE).is_file():
            suffixes = ", ".join(sorted({kind.suffix for kind in formats().values()}))
            raise UsageError(f"--artifact {name}: {path} is of no known format", hint=f"known suffixes: {suffixes}")
        for kind in known:
            if kind.runs_code is not None and not trust:
                raise ask_for_trust(f"--artifact {name}: {path}", runs=kind.runs_code)


class Adoption(msgspec.Struct, frozen=True, kw_only=True):
    """One artifact to take.

    Attributes:
        name: the candidate's, whose end tells the precision: ``-int8``, ``-fp16``.
        path: its file or folder.
        signature: the model's: inputs and outputs are paired by name, or by position.
        out: folder of the artifacts, one folder a candidate inside.
        trust: whether one that this user did not make may run code.
    """

    name: str
    path: str
    signature: Signature
    out: str
    trust: bool


def adopt(adoption: Adoption, limits: Limits, log: Path | None = None) -> ConversionResult:
    """Copy an artifact into a run as a candidate. One that cannot be taken is a result with its reason.

    Its runtime opens it in a process of its own: nobody knows what is in it.

    Args:
        adoption: what, and where to.
        limits: of that process.
        log: what the process says.
    """
    try:
        return call_apart(TARGET, adoption, ConversionResult, what=adoption.name, limits=limits, log=log)
    except EdgeProofError as error:
        suffix = Path(adoption.path).suffix
        kind = next((known.name for known in formats().values() if suffix == known.suffix), "unknown")
        return ConversionResult(
            candidate=adoption.name,
            format=kind,
            precision=_precision(adoption.name, "unknown"),
            form="whole",
            status="failed",
            reason=f"it cannot be taken: {error.message}",
            remedy=error.hint,
        )


def adopted(adoption: Adoption) -> ConversionResult:
    """The other end, in the process of its own.

    Raises:
        ArtifactError: it cannot be read, or is of other inputs and outputs. MissingDependency: its runtime is not here.
    """
    name, folder, signature = adoption.name, Path(adoption.out) / adoption.name, adoption.signature
    told, source, kind = artifact_document(Path(adoption.path), trust=adoption.trust)
    if told.sha256:
        hold(source, told.file, told.sha256, told.beside)
    with atomic_folder(folder) as building:
        for part in _parts(told, source, kind):
            (shutil.copytree if part.is_dir() else shutil.copy2)(part, building / part.name)
        digest, _ = fingerprint(building / told.file)
        beside = {part.name: fingerprint(part)[0] for part in sorted(building.iterdir()) if part.name != told.file}
        document = msgspec.structs.replace(
            told,
            candidate=name,
            precision=_precision(name, told.precision),
            sha256=digest,
            beside=beside,
            bytes=sum(part.stat().st_size for part in building.rglob("*") if part.is_file()),
            inputs=_paired(told.inputs, signature.inputs, "inputs") if told.loop is None else told.inputs,
            outputs=_paired(told.outputs, signature.outputs, "outputs") if told.loop is None else told.outputs,
            notes=(*told.notes, NOTE),
        )
        # what runs code is not ours because it was copied
        (building / ArtifactDocument.FILE).write_bytes(encode(document if kind.runs_code else document.marked()))
    return ConversionResult(
        candidate=name,
        format=document.format,
        precision=document.precision,
        form=document.form,
        status="ok",
        sdk=kind.sdk,
        eager=kind.eager,
        artifact=str(folder / document.file),
        bytes=document.bytes,
        sha256=document.sha256,
        notes=document.notes,
    )


def _parts(told: ArtifactDocument, source: Path, kind: Format) -> list[Path]:
    file = source / told.file
    if told.sha256:
        return [file, *(source / name for name in told.beside)]
    return [part for part in ([file] if file.is_dir() else kind.parts(file)) if part.exists()]


def _precision(name: str, told: str) -> str:
    tail = name.rpartition("-")[2]
    return tail if tail in ("fp32", "fp16", "int8") else told


def _paired(bindings: Sequence[Binding], specs: Sequence[TensorSpec], what: str) -> tuple[Binding, ...]:
    """The bindings under the model's names.

    Raises:
        ArtifactError: they are not as many, or of other shapes.
    """
    if len(bindings) != len(specs):
        raise ArtifactError(f"it has {len(bindings)} {what}; the model has {len(specs)}")
    by_name = {binding.tensor.name: binding for binding in bindings}
    same = all(spec.name in by_name for spec in specs)
    pairs = [(by_name[spec.name] if same else binding, spec) for binding, spec in zip(bindings, specs, strict=True)]
    for binding, spec in pairs:
        if binding.tensor.shape != spec.shape:
            raise ArtifactError(
                f"its {binding.tensor.name} is {list(binding.tensor.shape)}; "
                f"the model's {spec.name} is {list(spec.shape)}",
                hint="export it with the model's fixed shapes, the batch axis included",
            )
    return tuple(
        msgspec.structs.replace(binding, tensor=msgspec.structs.replace(binding.tensor, name=spec.name, kind=spec.kind))
        for binding, spec in pairs
    )
