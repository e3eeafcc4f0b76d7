"""Conversion and validation without a run folder: the same work on a scratch folder of their own."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.evaluation import PolicyValue
from edgeproof.documents.manifest import RunOptions
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.validation import ValidationDocument
from edgeproof.errors import ConversionError, UsageError
from edgeproof.formats.exporting import ExportJob, export_model
from edgeproof.formats.supervise import Limits
from edgeproof.model.model import Samples
from edgeproof.model.resolve import resolve
from edgeproof.model.samples import resolve_pool
from edgeproof.model.subject import Subject
from edgeproof.phases.against import load_reference
from edgeproof.phases.convert import REFERENCE, SPINE, Source, convert_candidates
from edgeproof.phases.plan import Planned, plan
from edgeproof.phases.prepare import HELD_OUT, REPRESENTATIVE, draw, prepare_samples
from edgeproof.phases.validate import validate_artifacts
from edgeproof.verdict.policy import load_policy

__all__ = ["convert_alone", "finish_alone", "validate_alone"]

Report = Callable[[str], None]


def convert_alone(
    model: str,
    candidates: Sequence[str],
    out: Path,
    *,
    inputs: tuple[str, ...] = (),
    samples: str | None = None,
    trust: bool = False,
    limits: Limits | None = None,
    report: Report = lambda _: None,
) -> ConversionDocument:
    """Convert MODEL into ``out``, one folder a candidate.

    Without samples of any kind, fp32 and fp16 are tried out on random input; int8 is refused.

    Raises:
        UsageError: MODEL, its signature or its samples; ``out`` is a file.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; expected a folder for the artifacts")
    with tempfile.TemporaryDirectory(prefix="edgeproof-") as scratch:
        root = Path(scratch)
        report(f"loading {model}")
        subject, document = _prepare(model, root, inputs=inputs, samples=samples, trust=trust)
        planned = plan(document.signature, tuple(candidates))
        source = Source(model, inputs, samples, trust, subject.name, root)
        possible = [one for one in planned if not (document.synthetic and one.precision == "int8")]
        made = convert_candidates(source, possible, out, limits or Limits(), report)
        return finish_alone(made, planned, out)


def finish_alone(made: ConversionDocument, planned: Sequence[Planned], out: Path) -> ConversionDocument:
    """The document with every planned candidate, also those that lacked samples, and with logs that stay."""
    results = {one.candidate: one for one in made.candidates}
    lacking = "int8 is calibrated with representative samples, and there are none"
    ordered = (results.get(one.candidate) or one.result("skipped", lacking, "give --samples PATH") for one in planned)
    return msgspec.structs.replace(made, candidates=tuple(_kept_log(one, out) for one in ordered))


def _kept_log(one: ConversionResult, out: Path) -> ConversionResult:
    """The log of a failed conversion is kept beside the artifacts; the scratch folder goes."""
    if one.log is None or one.status == "ok" or not Path(one.log).is_file():
        return msgspec.structs.replace(one, log=None)
    kept = out / f"{one.candidate}.log"
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(one.log, kept)
    return msgspec.structs.replace(one, log=str(kept))


def validate_alone(
    model: str,
    artifacts: Sequence[Path],
    scratch: Path,
    *,
    inputs: tuple[str, ...] = (),
    samples: str | None = None,
    trust: bool = False,
    policy: Path | None = None,
    report: Report = lambda _: None,
) -> ValidationDocument:
    """Hold artifacts against MODEL on ``samples``, or on the model's held-out ones.

    Raises:
        UsageError: MODEL, its signature, its samples or the policy.
        ConversionError: the eager model itself does not run.
    """
    limits = (load_policy(policy) if policy else PolicyValue()).difference
    report(f"loading {model}")
    _, document = _prepare(model, scratch, inputs=inputs, samples=samples, trust=trust)
    report("running the model eagerly")
    job = ExportJob(
        model=model,
        inputs=inputs,
        user_samples=samples,
        trust=trust,
        forms=(),
        samples=str(scratch / REPRESENTATIVE),
        held_out=str(scratch / HELD_OUT),
        folder=str(scratch / SPINE),
        reference=str(scratch / REFERENCE),
    )
    export_model(job, seconds=Limits().seconds)
    if not (scratch / REFERENCE).is_file():
        raise ConversionError(f"{model} does not run on its samples", hint="run it alone to see the whole error")
    reference = load_reference(scratch, document)
    return validate_artifacts(model, artifacts, reference, limits, scratch / "outputs", report)


def _prepare(
    model: str, root: Path, *, inputs: tuple[str, ...], samples: str | None, trust: bool
) -> tuple[Subject, SamplesDocument]:
    resolved = resolve(model, inputs=inputs, samples=samples, trust=trust)
    subject = resolved.subject
    lacking = samples is None and not _brings_samples(subject)
    options = RunOptions(
        model=model, model_name=subject.name, inputs=inputs, samples=samples, synthetic=lacking, trust=trust
    )
    prepared = draw(subject, _pool(subject, resolved.user_samples), options)
    return subject, prepare_samples(root, prepared)


def _brings_samples(subject: Subject) -> bool:
    return subject.model.samples is not None or subject.model.held_out is not None


def _pool(subject: Subject, user: Samples | None) -> Samples | None:
    """The user's samples; failing those, and without a pool, the model's held-out ones."""
    if user is None and subject.model.samples is None:
        return resolve_pool(subject.model.held_out)
    return user
