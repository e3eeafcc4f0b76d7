"""Outputs that came as a file, held against the eager model and against the same candidate on this machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy.typing as npt

from edgeproof.devices.base import Target
from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.device import OutputsThere
from edgeproof.documents.runner import RunnerJob
from edgeproof.errors import DocumentError
from edgeproof.formats.registry import artifact_document
from edgeproof.model.arrays import read_npz
from edgeproof.model.workspace import Workspace
from edgeproof.phases.measurement.choosing import Chosen
from edgeproof.phases.measurement.verifying import Verifying
from edgeproof.phases.validation.untimed import run_untimed
from edgeproof.process import Limits
from edgeproof.rundir import RunDir
from edgeproof.scratch import scratch_folder

__all__ = ["seen"]

LIMITS = Limits(seconds=600)


def seen(
    run: RunDir, candidate: str, outputs: dict[str, npt.NDArray[Any]], report: Callable[[str], None]
) -> OutputsThere | None:
    """What the outputs say; None where the run has nothing to hold them against.

    Args:
        run: the run.
        candidate: one of its own.
        outputs: by name, sample axis first, of the held-out samples in order.
        report: takes a line of progress.

    Raises:
        DocumentError: they are not the model's.
    """
    result = next(found for found in run.read(ConversionDocument).candidates if found.candidate == candidate)
    if result.artifact is None:
        return None
    artifact = run.path(result.artifact)
    document, _, kind = artifact_document(artifact, trust=run.trust)
    one = Chosen(Target(candidate, artifact), artifact, document, kind)
    with scratch_folder("import") as folder:
        verifying = Verifying.of_run(run, folder, report)
        if verifying is None:
            return None
        here = folder / f"{candidate}-here.npz"
        report(f"{candidate}: running it here, to be held beside")
        held_out = Workspace(run.root).held_out
        job = RunnerJob(artifact=str(artifact), inputs=str(held_out), outputs=str(here), served=True, trust=run.trust)
        beside = read_npz(here) if run_untimed(job, kind, LIMITS).error is None else None
        try:
            return verifying.judge(one, outputs, beside, folder / f"{candidate}-there.npz")[0]
        except (KeyError, ValueError, IndexError) as error:
            raise DocumentError(f"the outputs of {candidate} are not those of the model: {error}") from error
