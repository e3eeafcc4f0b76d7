"""Conversion and validation of a model that lives in this process, as a notebook or a training script has it.

The same as ``phases.alone``, but the model is exported and run eagerly here; converters and artifacts have processes of
their own all the same.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch

from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.evaluation import DifferenceLimits
from edgeproof.documents.manifest import RunOptions
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.signature import Form
from edgeproof.documents.validation import ValidationDocument
from edgeproof.errors import EdgeProofError
from edgeproof.formats.exporting import ExportResult, FormResult
from edgeproof.formats.supervise import Limits
from edgeproof.model.eager import EagerSession, run_all
from edgeproof.model.resolve import Resolved
from edgeproof.model.samples import resolve_pool
from edgeproof.model.spine import export_spine
from edgeproof.model.subject import Subject
from edgeproof.phases.against import load_reference
from edgeproof.phases.alone import finish_alone
from edgeproof.phases.convert import REFERENCE, SPINE, Source, convert_candidates
from edgeproof.phases.plan import plan
from edgeproof.phases.prepare import draw, prepare_samples
from edgeproof.phases.validate import validate_artifacts

__all__ = ["convert_here", "validate_here"]

Arrays = Mapping[str, npt.NDArray[Any]]
Report = Callable[[str], None]


@dataclass(frozen=True)
class _Prepared:
    """A scratch folder with the samples written into it, as phase 1 leaves a run folder."""

    root: Path
    document: SamplesDocument
    representative: Arrays
    held_out: Arrays


def convert_here(
    resolved: Resolved, candidates: Sequence[str], out: Path, *, limits: Limits, report: Report
) -> ConversionDocument:
    """Convert into ``out``, one folder a candidate. The limits hold for the converters, not for ``torch.export``.

    Without samples of any kind, fp32 and fp16 are tried out on random input; int8 is refused.

    Raises:
        UsageError: a candidate is unknown, or the samples cannot be used.
        ArtifactError: the model itself fails on its samples.
    """
    subject = resolved.subject
    planned = plan(subject.signature, tuple(candidates))
    with _prepared(resolved) as here:
        possible = [one for one in planned if not (here.document.synthetic and one.precision == "int8")]
        report("exporting the model")
        _write_reference(subject, here)
        _export(subject, here, tuple(dict.fromkeys(one.form for one in possible)))
        source = Source(subject.name, (), None, False, subject.name, here.root)
        made = convert_candidates(source, possible, out, limits, report)
        return finish_alone(made, planned, out)


def validate_here(
    resolved: Resolved, title: str, artifacts: Sequence[Path], limits: DifferenceLimits, *, report: Report
) -> ValidationDocument:
    """Hold artifacts against the model, on the samples given or on its held-out ones. The document calls it ``title``.

    Raises:
        SamplesError: the samples cannot be used.
        ArtifactError: the model itself fails on its samples.
    """
    with _prepared(resolved) as here:
        report("running the model eagerly")
        _write_reference(resolved.subject, here)
        reference = load_reference(here.root, here.document)
        return validate_artifacts(title, artifacts, reference, limits, here.root / "outputs", report)


@contextmanager
def _prepared(resolved: Resolved) -> Iterator[_Prepared]:
    """Draw and write the samples. Without any, random ones serve, and the document says so."""
    model, user = resolved.subject.model, resolved.user_samples
    options = RunOptions(
        model=resolved.subject.name,
        model_name=resolved.subject.name,
        samples=None if user is None else user.origin,
        synthetic=user is None and model.samples is None and model.held_out is None,
    )
    pool = resolve_pool(model.held_out) if user is None and model.samples is None else user
    drawn = draw(resolved.subject, pool, options)
    with tempfile.TemporaryDirectory(prefix="edgeproof-") as scratch:
        document = prepare_samples(Path(scratch), drawn)
        yield _Prepared(Path(scratch), document, drawn.representative.inputs, drawn.held_out.inputs)


def _write_reference(subject: Subject, here: _Prepared) -> None:
    threads = torch.get_num_threads()
    try:
        outputs: dict[str, Any] = run_all(EagerSession(subject), here.held_out)
    finally:
        torch.set_num_threads(threads)
    np.savez(here.root / REFERENCE, **outputs)


def _export(subject: Subject, here: _Prepared, forms: Sequence[Form]) -> None:
    """Leave the spines and their result as the export process leaves them."""
    results = []
    for form in forms:
        folder = here.root / SPINE / form
        try:
            document = export_spine(subject, form, here.representative, folder, reference=subject.name)
        except EdgeProofError as error:
            results.append(FormResult(form=form, reason=error.message, remedy=error.hint))
        else:
            results.append(FormResult(form=form, seconds=document.seconds, max_abs=document.export_max_abs))
    (here.root / SPINE).mkdir(parents=True, exist_ok=True)
    (here.root / SPINE / "result.json").write_bytes(msgspec.json.encode(ExportResult(forms=tuple(results))))
