"""Conversion without a run folder, of a MODEL or of a module that lives in this process: one way for both."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.source import ModelSource
from edgeproof.errors import UsageError
from edgeproof.formats.supervise import Means
from edgeproof.model.address import parse_address
from edgeproof.model.drawing import Draw
from edgeproof.model.preparing import prepare_workspace
from edgeproof.model.workspace import Workspace
from edgeproof.phases.conversion.making import Making
from edgeproof.phases.conversion.planned import Planned, forms_of, plan
from edgeproof.process import Limits

if TYPE_CHECKING:
    from edgeproof.model.resolve import Resolved

__all__ = ["checked_title", "convert_alone"]

LACKING = "int8 is calibrated with representative samples, and there are none"


def convert_alone(
    origin: ModelSource | Resolved,
    candidates: Sequence[str],
    out: Path,
    *,
    limits: Limits | None = None,
    means: Means | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> ConversionDocument:
    """Convert into ``out``, one folder a candidate.

    Without samples of any kind, fp32 and fp16 are tried out on random input; int8 is refused.

    Raises:
        UsageError: the model, its signature or its samples; ``out`` is a file.
    """
    if out.exists() and not out.is_dir():
        raise UsageError(f"{out} is a file; expected a folder for the artifacts")
    title = checked_title(origin)
    report(f"loading {title}: samples, eager outputs, exported programs")
    bounds = limits or Limits()
    with Workspace.temporary() as workspace:
        samples = prepare_workspace(workspace, origin, draw=Draw(), forms=forms_of(candidates), limits=bounds)
        for note in samples.signature.notes:
            report(f"note: {note}")
        planned = plan(candidates, steps=samples.signature.timesteps is not None)
        possible = [candidate for candidate in planned if not (samples.synthetic and candidate.precision == "int8")]
        name = workspace.prepared.name
        made = Making(workspace, title, name, out, bounds, report, means or Means()).make(possible)
        return _finished(made, planned, out)


def checked_title(origin: ModelSource | Resolved) -> str:
    """What the documents call the model.

    Raises:
        ModelReferenceError: a MODEL that cannot be right, before a process is started for it.
    """
    if not isinstance(origin, ModelSource):
        return origin.subject.name
    parse_address(origin.model)
    return origin.model


def _finished(made: ConversionDocument, planned: Sequence[Planned], out: Path) -> ConversionDocument:
    """The document with every planned candidate, also those that lacked samples, and with logs that stay."""
    results = {result.candidate: result for result in made.candidates}
    ordered = (
        results.get(candidate.candidate) or candidate.result("skipped", LACKING, "give --samples PATH")
        for candidate in planned
    )
    return msgspec.structs.replace(made, candidates=tuple(_with_log(result, out) for result in ordered))


def _with_log(result: ConversionResult, out: Path) -> ConversionResult:
    """The log of a failed conversion is kept beside the artifacts; the workspace goes."""
    if result.log is None or result.status == "ok" or not Path(result.log).is_file():
        return msgspec.structs.replace(result, log=None)
    kept = out / f"{result.candidate}.log"
    out.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(result.log, kept)
    return msgspec.structs.replace(result, log=str(kept))
