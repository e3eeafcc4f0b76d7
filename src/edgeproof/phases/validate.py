"""Phase 3, second half: every artifact run on the held-out samples and held against the eager reference."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np

from edgeproof.devices.host import run_outputs
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.evaluation import DifferenceLimits, PolicyValue
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.validation import ValidationDocument, ValidationResult
from edgeproof.errors import EdgeProofError
from edgeproof.formats.registry import artifact_document
from edgeproof.formats.worker import fingerprint
from edgeproof.model.samples import load_arrays
from edgeproof.phases.against import Reference, held_against, load_reference, unexplained
from edgeproof.phases.convert import CONVERSION, REFERENCE
from edgeproof.phases.prepare import SAMPLES
from edgeproof.phases.variants import run_variant
from edgeproof.rundir import RunDir
from edgeproof.verdict.policy import load_policy

__all__ = ["validate", "validate_artifacts"]

VALIDATION = "phase3_validation.json"
OUTPUTS = "work/outputs"
PARALLEL = 2


def validate(run: RunDir, report: Callable[[str], None] = lambda _: None) -> ValidationDocument:
    """Validate every converted candidate and write ``phase3_validation.json``."""
    options = run.manifest().options
    samples = run.read(SAMPLES, SamplesDocument)
    conversion = run.read(CONVERSION, ConversionDocument)
    limits = (load_policy(Path(options.policy)) if options.policy else PolicyValue()).difference
    made = [run.path(one.artifact) for one in conversion.candidates if one.artifact]
    if run.has(REFERENCE):
        document = validate_artifacts(
            options.model, made, load_reference(run.root, samples), limits, run.path(OUTPUTS), report
        )
    else:
        document = ValidationDocument(
            model=options.model,
            samples=0,
            sample_source=samples.held_out.source,
            task=None,
            reference_score=None,
            results=(),
        )
    results = tuple(
        msgspec.structs.replace(one, artifact=run.relative(Path(one.artifact))) if one.artifact else one
        for one in document.results
    )
    document = msgspec.structs.replace(document, results=results)
    run.write(VALIDATION, document)
    return document


def validate_artifacts(
    model: str,
    artifacts: Sequence[Path],
    reference: Reference,
    limits: DifferenceLimits,
    scratch: Path,
    report: Callable[[str], None] = lambda _: None,
) -> ValidationDocument:
    """Run artifacts, each in a fresh process, and compare.

    Args:
        scratch: folder for the outputs of each.
    """
    scratch.mkdir(parents=True, exist_ok=True)
    bases = _bases(artifacts)

    def one(number: int, path: Path) -> ValidationResult:
        result = _validate_one(path, reference, limits, scratch / f"{number:02d}.npz", bases)
        report(f"{result.candidate}: {result.status}")
        return result

    with ThreadPoolExecutor(max_workers=PARALLEL) as pool:
        results = tuple(pool.map(one, range(len(artifacts)), artifacts))
    score = reference.score
    return ValidationDocument(
        model=model,
        samples=len(next(iter(reference.outputs.values()))),
        sample_source=reference.source,
        task=None if score is None else "accuracy",
        reference_score=score,
        results=results,
    )


def _bases(artifacts: Sequence[Path]) -> dict[tuple[str, str], Path]:
    """By format and form, the artifact of the format's first precision: what others were compressed from."""
    found: dict[tuple[str, str], Path] = {}
    for path in artifacts:
        with contextlib.suppress(Exception):
            document, folder, one = artifact_document(path)
            if document.precision == one.precisions[0] and _damage(document, folder) is None:
                found[document.format, document.form] = folder / document.file
    return found


def _validate_one(
    path: Path,
    reference: Reference,
    limits: DifferenceLimits,
    scratch: Path,
    bases: Mapping[tuple[str, str], Path],
) -> ValidationResult:
    try:
        document, folder, one = artifact_document(path)
    except EdgeProofError as error:
        return ValidationResult(candidate=path.stem, artifact=str(path), status="error", reason=str(error))
    except Exception as error:
        return ValidationResult(
            candidate=path.stem, artifact=str(path), status="error", reason=f"it cannot be opened: {error}"
        )
    told = ValidationResult(
        candidate=document.candidate,
        artifact=str(path),
        status="error",
        format=document.format,
        precision=document.precision,
        form=document.form,
        checked_by=one.stands_in,
    )
    damage = _damage(document, folder)
    if damage:
        return msgspec.structs.replace(told, reason=damage)
    if one.runs_here is not None:
        return msgspec.structs.replace(told, status="skipped", reason=one.runs_here, structure=document.structure)
    inputs = _inputs_for(document, reference, scratch)
    try:
        base = bases.get((document.format, document.form))
        ran = run_outputs(path, inputs, scratch, base=None if base == folder / document.file else base)
        if ran.error:
            return msgspec.structs.replace(told, reason=f"it does not run: {ran.error}")
        outputs, _ = load_arrays(scratch)
        scratch.unlink()
        result = held_against(told, document, outputs, reference, limits)
        variants = tuple(
            run_variant(variation, path, document, inputs, scratch, outputs, reference, limits)
            for variation in one.variants(document.precision)
        )
    finally:
        if inputs != reference.held_out:
            inputs.unlink()
    if ran.storage_faults:
        reason = "; ".join([*([result.reason] if result.reason else []), *ran.storage_faults])
        result = msgspec.structs.replace(result, status="failed", reason=reason)
    warnings = unexplained(result, one.explained(document.precision))
    return msgspec.structs.replace(result, variants=variants, warnings=warnings)


def _inputs_for(document: ArtifactDocument, reference: Reference, scratch: Path) -> Path:
    """The held-out inputs under the artifact's names; one from elsewhere may have its own, in the same order."""
    count = len(document.inputs) - (len(document.loop.states) if document.loop else 0)
    names = [one.tensor.name for one in document.inputs[:count]]
    known = [spec.name for spec in reference.signature.inputs]
    if set(names) == set(known) or len(names) != len(known):
        return reference.held_out
    path = scratch.with_name(f"{scratch.stem}-inputs.npz")
    with np.load(reference.held_out, allow_pickle=False) as archive:
        np.savez(path, allow_pickle=False, **{name: archive[old] for name, old in zip(names, known, strict=True)})
    return path


def _damage(document: ArtifactDocument, folder: Path) -> str | None:
    file = folder / document.file
    if not file.exists():
        return f"{file} is not there"
    if document.sha256 and fingerprint(file)[0] != document.sha256:
        return f"{file} is not the file that artifact.json describes: its sha256 differs"
    return None
