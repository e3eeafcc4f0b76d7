"""What a network does on held-out samples, counted in a process of its own: the engine's program is run in numpy."""

from __future__ import annotations

from pathlib import Path

import msgspec

from edgeproof.apart import call_apart
from edgeproof.documents.activity import ActivityDocument, RasterFile
from edgeproof.documents.signature import Form
from edgeproof.files import atomic_path
from edgeproof.model.warm import with_export
from edgeproof.model.workspace import Workspace
from edgeproof.phases.activity.totals import activity_document
from edgeproof.process import Limits

__all__ = ["CountJob", "count", "count_apart"]


class CountJob(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be counted.

    Attributes:
        root: the workspace, with its samples and an exported form.
        model: what the document calls the model.
        form: the form.
        samples: how many, at most, evenly chosen from the held-out ones.
        source: where these come from, in words.
        raster: npz for the spikes of the first of them, relative to ``root``; None: not kept.
    """

    root: str
    model: str
    form: Form
    samples: int
    source: str
    raster: str | None = None


def count_apart(job: CountJob, limits: Limits) -> ActivityDocument:
    """Count in a process of its own.

    Raises:
        ConversionError: the engine does not take the program, so there is nothing to count on.
        ProcessError: the process crashed or passed a limit.
    """
    log = Workspace(Path(job.root)).logs / "activity.log"
    return call_apart(
        f"{__name__}:count", job, ActivityDocument, what="counting", limits=limits, log=log, start=with_export()
    )


def count(job: CountJob) -> ActivityDocument:
    """Count the operations of an exported program; writes the raster where one is asked for.

    Raises:
        ConversionError: the engine does not take the program.
    """
    import numpy as np

    from edgeproof.metrics.labels import classes_of
    from edgeproof.model.samples import evenly
    from edgeproof.model.spine import load_spine
    from edgeproof.model.step_program import program_of
    from edgeproof.spike.counts.operations import count_operations

    workspace = Workspace(Path(job.root))
    samples = workspace.read(workspace.held_out)
    arrays, classes = samples.inputs, classes_of(samples.labels)
    program = program_of(load_spine(workspace.spine(job.form), arrays))
    chosen = evenly(min(map(len, arrays.values())), job.samples)
    counted = count_operations(program, [{name: values[at] for name, values in arrays.items()} for at in chosen])
    raster, first = None, int(chosen[0])
    if counted.raster and job.raster is not None:
        with atomic_path(workspace.root / job.raster) as path, path.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **dict(counted.raster))
        raster = RasterFile(file=job.raster, sample=first, label=None if classes is None else int(classes[first]))
    return activity_document(job.model, counted, source=job.source, raster=raster)
