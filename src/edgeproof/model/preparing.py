"""Has a workspace filled: for a MODEL in a process of its own, under limits, so that the user's code and
``torch.export`` run neither in the command nor without an end; for a module that lives in this process, here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from edgeproof.apart import call_apart
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.signature import Form
from edgeproof.documents.source import ModelSource
from edgeproof.errors import ModelReferenceError, ProcessError
from edgeproof.model.drawing import Draw
from edgeproof.model.warm import with_export, with_torch
from edgeproof.model.workspace import FormResult, ModelJob, Prepared, Workspace
from edgeproof.process import Limits

if TYPE_CHECKING:
    from edgeproof.model.resolve import Resolved

__all__ = ["prepare_workspace"]

WORK = "edgeproof.model.work:prepare_model"
REMEDY = "raise --limit-seconds, or lower the number of time steps in the graph"


def prepare_workspace(
    workspace: Workspace,
    origin: ModelSource | Resolved,
    *,
    draw: Draw,
    forms: Iterable[Form] = (),
    reference: bool = True,
    limits: Limits | None = None,
) -> SamplesDocument:
    """Draw samples, run the model eagerly and export forms of it, as far as that is not done.

    A form that cannot be exported, or that crashes or hangs the process, fails alone; ``workspace.prepared`` has the
    reason, also where the model itself does not run on its samples.

    Args:
        workspace: to be filled.
        origin: how to load the model in a process of its own, or a model that is loaded here: then the limits do not
            hold.
        draw: how samples are chosen.
        forms: to be exported; those that the model does not have are left out.
        reference: whether the model is run eagerly on the held-out samples.
        limits: of the process.

    Raises:
        UsageError: the model, its signature or its samples; it crashed or hung while it was loaded.
    """
    source = origin.absolute() if isinstance(origin, ModelSource) else ModelSource(model=origin.subject.name)
    job = ModelJob(root=str(workspace.root), source=source, draw=draw, reference=reference, forms=tuple(forms))
    if isinstance(origin, ModelSource):
        _prepare_apart(workspace, job, limits or Limits())
    else:
        from edgeproof.model.work import work_here

        work_here(origin, job)
    return workspace.samples


def _prepare_apart(workspace: Workspace, job: ModelJob, limits: Limits) -> None:
    """In a process; one that ends in the middle of a form is followed by another for the forms after it."""
    log = workspace.logs / "model.log"
    while workspace.lacks(job):
        try:
            call_apart(
                WORK,
                job,
                Prepared,
                what="the model",
                limits=limits,
                log=log,
                folder=job.source.folder,
                start=with_export() if job.forms else with_torch(),
            )
            return
        except ProcessError as lost:
            _note(workspace, job, lost)


def _note(workspace: Workspace, job: ModelJob, lost: ProcessError) -> None:
    """Book the end of a process against what it was at.

    Raises:
        ModelReferenceError: it had not come to an end with loading the model.
    """
    if not workspace.has_samples:
        raise ModelReferenceError(
            f"{job.source.model} cannot be loaded: {lost.message}",
            hint="run it alone to see the whole error; --limit-seconds gives it more time",
        ) from lost
    if workspace.lacks_reference(job):
        workspace.give_up(job, lost.message, REMEDY)
    else:
        workspace.note(FormResult(form=workspace.lacking_forms(job)[0], reason=lost.message, remedy=REMEDY))
