"""The spikes of one sample, as a run keeps them for its drawing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from edgeproof.documents.activity import ActivityDocument
from edgeproof.errors import RunFolderError, SamplesError
from edgeproof.rundir import RunDir

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["RASTER", "load_raster"]

RASTER = "phase3_raster.npz"


def load_raster(run: RunDir, document: ActivityDocument) -> dict[str, npt.NDArray[Any]]:
    """Spikes of one sample by neurons, bool ``[time steps, neurons]``; nothing where the file is gone or damaged."""
    if document.raster is None:
        return {}
    from edgeproof.model.arrays import read_npz

    try:
        found = read_npz(run.path(document.raster.file))
    except (RunFolderError, SamplesError):
        return {}
    return {name: train != 0 for name, train in found.items() if train.ndim == 2}
