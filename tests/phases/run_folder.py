"""A run folder as phases 1 and 3 leave it, with a real artifact for each candidate."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.doubles.artifact import write_onnx, write_samples

from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.manifest import Manifest, RunOptions
from edgeproof.documents.samples import HELD_OUT_FILE, HeldOut, SamplesDocument
from edgeproof.documents.signature import Signature, TensorSpec
from edgeproof.documents.validation import ValidationDocument, ValidationResult
from edgeproof.files import utc_now
from edgeproof.rundir import RunDir

__all__ = ["add_conversion", "add_validation", "make_run"]


def make_run(root: Path) -> RunDir:
    """A run with its manifest and its samples."""
    manifest = Manifest(
        created=utc_now(),
        edgeproof="0",
        command="edgeproof run tiny",
        working_directory=str(root),
        options=RunOptions(model="tiny.py:model", model_name="tiny"),
        phases=(),
    )
    run = RunDir.create(manifest, root / "run")
    write_samples(run.path(HELD_OUT_FILE))
    run.write(
        SamplesDocument(
            signature=Signature(
                inputs=(TensorSpec(name="x", dtype="float32", shape=(1, 4)),),
                outputs=(TensorSpec(name="scores", dtype="float32", shape=(1, 3)),),
            ),
            source="model",
            origin="here",
            folder="rep_samples",
            count=16,
            labelled=True,
            seed=0,
            per_class={"0": 16},
            synthetic=False,
            under_sampled=True,
            checks=(),
            held_out=HeldOut(count=16, labelled=True, source="model", file=HELD_OUT_FILE),
        ),
    )
    return run


def artifact_of(run: RunDir, candidate: str) -> Path:
    """A real artifact in the run, made when it is not there."""
    path = run.path(f"artifacts/{candidate}/tiny.onnx")
    if not path.exists():
        path.parent.mkdir(parents=True)
        write_onnx(path)
    return path


def add_conversion(run: RunDir, candidates: Sequence[str], failed: Sequence[str] = ()) -> None:
    """``phase3_conversion.json`` with an artifact for each candidate, and none for the failed ones."""
    results = []
    for name in [*candidates, *failed]:
        good = name in candidates
        results.append(
            ConversionResult(
                candidate=name,
                format="onnx",
                precision="fp32",
                form="whole",
                status="ok" if good else "failed",
                sdk=name.startswith("sdk-"),
                artifact=run.relative(artifact_of(run, name)) if good else None,
                reason=None if good else "unsupported operator",
            )
        )
    run.write(
        ConversionDocument(model="tiny", limit_seconds=1, limit_memory_bytes=1, candidates=tuple(results)),
    )


def add_validation(run: RunDir, statuses: dict[str, str]) -> None:
    """``phase3_validation.json``: candidate → status."""
    results = tuple(
        ValidationResult(candidate=name, artifact=None, status=status, reason=f"because {status}")  # type: ignore[arg-type]
        for name, status in statuses.items()
    )
    run.write(
        ValidationDocument(
            model="tiny", samples=16, sample_source="model", task=None, reference_score=None, results=results
        ),
    )
