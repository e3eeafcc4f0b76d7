"""Phase 1: the environment, the samples that everything later stands on, and what conversions start from."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from edgeproof.documents.manifest import RunOptions
from edgeproof.documents.samples import SAYS_NOTHING, SamplesDocument
from edgeproof.formats.supervise import Means
from edgeproof.model.drawing import Draw
from edgeproof.model.preparing import prepare_workspace
from edgeproof.model.workspace import Workspace
from edgeproof.phases.conversion.planned import forms_of
from edgeproof.phases.preparation.environment import read_environment
from edgeproof.phases.validation.against import load_reference
from edgeproof.process import Limits
from edgeproof.rundir import RunDir

__all__ = ["limits_of", "means_of", "prepare", "workspace_of"]


def limits_of(options: RunOptions) -> Limits:
    """Of one process of the run."""
    return Limits(options.limit_seconds, options.limit_memory_bytes)


def means_of(options: RunOptions) -> Means:
    """What the run's conversions may use."""
    return Means.of(options.jobs, cache=options.cache)


def prepare(run: RunDir, report: Callable[[str], None] = lambda _: None) -> SamplesDocument:
    """Write ``phase1_environment.json``, and all that the model's own process leaves: ``rep_samples/``,
    ``phase1_samples.json``, the held-out npz, the eager reference and the exported forms.

    Raises:
        ModelReferenceError, SignatureError, SamplesError: see there.
    """
    report("looking at the machine")
    run.write(read_environment())
    workspace = workspace_of(run, report)
    samples = workspace.samples
    if not workspace.reference.is_file():
        return samples
    reference = load_reference(workspace)
    for text in reference.warnings:
        report(f"warning: {text}")
    kept = tuple(check for check in samples.checks if check.name not in SAYS_NOTHING)
    document = msgspec.structs.replace(samples, checks=(*kept, *reference.doubts))
    run.write(document)
    return document


def workspace_of(run: RunDir, report: Callable[[str], None] = lambda _: None) -> Workspace:
    """The run's workspace, with everything in it that the run's candidates start from.

    Raises:
        ModelReferenceError, SignatureError, SamplesError: see there.
    """
    manifest, options = run.manifest(), run.options()
    report(f"loading {manifest.options.model}: samples, eager outputs, exported programs")
    workspace = Workspace(run.root.resolve())
    prepare_workspace(
        workspace,
        options.source(manifest.working_directory),
        draw=Draw(
            count=options.sample_count, seed=options.seed, synthetic=options.synthetic, held_out=options.held_out
        ),
        forms=forms_of(options.candidates),
        limits=limits_of(options),
    )
    for note in workspace.samples.signature.notes:
        report(f"note: {note}")
    return workspace
