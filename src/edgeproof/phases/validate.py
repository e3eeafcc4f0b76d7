"""Phase 3, second half: every artifact run on the held-out samples and held against the eager reference."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec

from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.manifest import NO_PROCESSORS, RunOptions
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.validation import ValidationDocument
from edgeproof.model.workspace import Workspace
from edgeproof.phases.conversion.making import Making
from edgeproof.phases.delegation.of_run import tell_delegation
from edgeproof.phases.prepare import limits_of, means_of
from edgeproof.phases.validation.against import load_reference
from edgeproof.phases.validation.artifacts import Validating
from edgeproof.phases.validation.bases import lacking_bases, made_bases
from edgeproof.phases.validation.elsewhere import Elsewhere, find_elsewhere, usual_processors
from edgeproof.phases.validation.scoring import score
from edgeproof.phases.validation.untimed import Untimed
from edgeproof.rundir import RUNS, RunDir
from edgeproof.scratch import scratch_folder

__all__ = ["validate"]

OUTPUTS = "work/outputs"
BASES = "work/bases"


def validate(run: RunDir, report: Callable[[str], None] = lambda _: None) -> ValidationDocument:
    """Validate every converted candidate and write ``phase3_validation.json``."""
    manifest, samples = run.manifest(), run.read(SamplesDocument)
    options = manifest.options
    source = options.source(manifest.working_directory)
    conversion = run.read(ConversionDocument)
    policy = run.policy()[0]
    made = [run.path(result.artifact) for result in conversion.candidates if result.artifact]
    workspace = Workspace(run.root)
    if workspace.reference.is_file():
        lacking = lacking_bases(made, trust=run.trust)
        out, bounds = run.path(BASES), limits_of(options)
        means = means_of(options)
        making = Making(workspace, options.model, options.model_name, out, bounds, report, means)
        bases = made_bases(making, lacking)
        with scratch_folder("processors") as folder:
            elsewhere = _elsewhere(options, folder)
            for gap in elsewhere.gaps:
                report(f"{'warning' if options.processors else 'note'}: {gap}")
            document = Validating(
                load_reference(workspace),
                policy,
                run.path(OUTPUTS),
                report,
                trust=run.trust,
                bases=bases,
                elsewhere=elsewhere,
                score=lambda outputs: score(workspace, source, outputs, bounds),
                jobs=options.jobs,
                untimed=Untimed(run.path(RUNS)),
            ).validate(options.model, made)
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
        msgspec.structs.replace(result, artifact=run.written(result.artifact)) for result in document.results
    )
    document = msgspec.structs.replace(document, results=results)
    run.write(document)
    if not options.quick:
        tell_delegation(run, report)
    return document


def _elsewhere(options: RunOptions, folder: Path) -> Elsewhere:
    """Asked for by name: every candidate there; unasked: those that round values, on the usual ones."""
    if options.processors == NO_PROCESSORS:
        return Elsewhere()
    return find_elsewhere(options.processors or usual_processors(), folder, every=bool(options.processors))
