"""Beside phase 3: what a run's spiking network does on its held-out samples, and the spikes of one of them."""

from __future__ import annotations

from collections.abc import Callable

from edgeproof.documents.activity import ActivityDocument
from edgeproof.documents.samples import HeldOutSource, SamplesDocument
from edgeproof.errors import EdgeProofError
from edgeproof.model.workspace import Workspace
from edgeproof.phases.activity.counting import CountJob, count_apart
from edgeproof.phases.activity.raster import RASTER
from edgeproof.phases.activity.totals import DEFINITIONS
from edgeproof.process import Limits
from edgeproof.rundir import RunDir

__all__ = ["count_activity"]

SOURCES: dict[HeldOutSource, str] = {
    "model": "held out by the model",
    "user": "held out, as given",
    "representative": "the representative ones: none are held out",
}
COUNTED = 32
"""Held-out samples, evenly chosen."""


def count_activity(run: RunDir, report: Callable[[str], None] = lambda _: None) -> ActivityDocument | None:
    """Count on held-out samples and write ``phase3_activity.json`` and ``phase3_raster.npz``.

    A network of which nothing can be counted gets a document with the reason. Needs the export of one time step.

    Returns:
        the document; None for a model that does not spike: nothing is written.
    """
    samples = run.read(SamplesDocument)
    if not samples.signature.spiking:
        return None
    workspace, model = Workspace(run.root.resolve()), run.manifest().options.model_name
    step = next((result for result in workspace.prepared.forms if result.form == "step"), None)
    if step is not None and step.reason is None:
        report("counting spikes and operations")
        source = SOURCES[samples.held_out.source]
        job = CountJob(
            root=str(workspace.root), model=model, form="step", samples=COUNTED, source=source, raster=RASTER
        )
        try:
            document = count_apart(job, Limits(run.options().limit_seconds))
        except EdgeProofError as error:
            document = ActivityDocument(model=model, definitions=DEFINITIONS, reason=error.message)
    else:
        if samples.signature.timesteps is None:
            why = samples.signature.whole_because
            reason = f"the model loops over time by itself, so no step of it is known{f': {why}' if why else ''}"
        else:
            reason = "no candidate of this run was made from one time step; sdk-native is one"
        document = ActivityDocument(model=model, definitions=DEFINITIONS, reason=reason)
    run.write(document)
    return document
