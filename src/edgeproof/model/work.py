"""What is done with the user's model, in the process that loads it: draw samples, run it eagerly, export its forms."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgeproof.documents.base import write_document
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.signature import Form
from edgeproof.errors import EdgeProofError
from edgeproof.files import atomic_path
from edgeproof.model.drawing import Drawn, draw
from edgeproof.model.eager import EagerSession, run_all
from edgeproof.model.resolve import Resolved, resolve
from edgeproof.model.samples import save, write_samples
from edgeproof.model.spine import export_spine
from edgeproof.model.subject import Subject
from edgeproof.model.task import check_metric, metric_of, scored_labels, scored_outputs
from edgeproof.model.workspace import FormResult, ModelJob, Prepared, Workspace

__all__ = ["prepare_model", "work_here", "work_on"]


log = logging.getLogger(__name__)


def prepare_model(job: ModelJob) -> Prepared:
    """Load the model and do the job.

    Raises:
        UsageError: the model, its signature or its samples.
    """
    return work_on(resolve(job.source), job)


def work_on(resolved: Resolved, job: ModelJob) -> Prepared:
    """Do with a loaded model what of the job is not done; each part stands on disk when it is finished.

    Raises:
        SamplesError: the samples cannot be used.
    """
    workspace, subject = Workspace(Path(job.root)), resolved.subject
    if not workspace.has_samples:
        drawn = draw(subject, resolved.user_samples, job.draw)
        workspace.note(name=subject.name, held_out_origin=drawn.held_out.origin)
        _write(workspace, drawn)
    if workspace.lacks_reference(job):
        try:
            outputs = run_all(EagerSession(subject), workspace.read(workspace.held_out).inputs)
        except EdgeProofError as error:
            log.info("the model does not run on its samples", exc_info=error)
            return workspace.give_up(job, error.message, error.hint)
        _try_metric(workspace, subject, outputs)
        with atomic_path(workspace.reference) as path:
            np.savez(path, allow_pickle=False, **outputs)
    for form in workspace.lacking_forms(job):
        workspace.note(_exported(subject, form, workspace, job.source.model))
    return workspace.prepared


def work_here(resolved: Resolved, job: ModelJob) -> Prepared:
    """The same in the process that the model lives in, whose settings stay as they are.

    Raises:
        SamplesError: the samples cannot be used.
    """
    threads, fused = torch.get_num_threads(), torch.backends.mha.get_fastpath_enabled()
    try:
        return work_on(resolved, job)
    finally:
        torch.set_num_threads(threads)
        torch.backends.mha.set_fastpath_enabled(fused)


def _write(workspace: Workspace, drawn: Drawn) -> None:
    """Leave the samples, each set once, and the document last."""
    write_samples(drawn.representative, workspace.sample_folder)
    if drawn.document.held_out.file != drawn.document.folder:
        save(drawn.held_out, workspace.root / drawn.document.held_out.file)
    write_document(workspace.root / SamplesDocument.FILE, drawn.document)


def _try_metric(workspace: Workspace, subject: Subject, outputs: dict[str, Any]) -> None:
    """Score the eager model once, before anything is converted.

    Raises:
        UsageError: the metric does not take its outputs or labels. MissingDependency: a package for it is not there.
    """
    spec, labels = workspace.samples.metric, workspace.read(workspace.held_out).labels
    if spec is not None:
        metric, signature = metric_of(subject.model), subject.signature
        given = scored_labels(labels, signature, outputs)
        check_metric(metric, scored_outputs(signature, outputs), given)


def _exported(subject: Subject, form: Form, workspace: Workspace, address: str) -> FormResult:
    samples = workspace.read(workspace.sample_folder).inputs
    try:
        document = export_spine(subject, form, samples, workspace.spine(form), address=address)
    except EdgeProofError as error:
        log.info("%s cannot be exported", form, exc_info=error)
        return FormResult(form=form, reason=error.message, remedy=error.hint)
    except Exception as error:
        log.info("%s cannot be exported", form, exc_info=error)
        said = " ".join(str(error).split())[:1000]
        return FormResult(form=form, reason=f"the export failed: {type(error).__name__}: {said}")
    return FormResult(form=form, seconds=document.seconds, max_abs=document.export_max_abs)
