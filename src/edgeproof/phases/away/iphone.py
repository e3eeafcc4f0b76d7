"""The run's artifacts in an app for an iPhone: an Xcode project, to be built on a Mac."""

from __future__ import annotations

from pathlib import Path

from edgeproof.devices.iphone.project import AppEffort, Shipped, write_project
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.samples import SamplesDocument
from edgeproof.errors import RunFolderError, UsageError
from edgeproof.formats.registry import artifact_document, formats
from edgeproof.rundir import RunDir

__all__ = ["write_iphone_project"]

OURS = "EdgeProofBench.xcodeproj"


def write_iphone_project(run: RunDir, out: Path, effort: AppEffort | None = None) -> dict[str, str]:
    """Write the project with every artifact of the run that ships to an iPhone.

    Args:
        run: the run; phases 1 and 3 are done.
        out: folder of its own; a project that was written there before is replaced.
        effort: how hard the app measures.

    Returns:
        candidates that ship to an iPhone and cannot be in the app, and why.

    Raises:
        DocumentError: an earlier phase has written nothing.
        UsageError: the folder holds something else.
        RunFolderError: the run has nothing that ships to an iPhone.
        ArtifactError: nothing of it can be in an app.
    """
    if out.exists() and (not out.is_dir() or (any(out.iterdir()) and not (out / OURS).is_dir())):
        raise UsageError(f"{out} is there and no project of ours", hint="name a folder that is not there yet")
    known = formats()
    made = [result for result in run.read(ConversionDocument).candidates if result.status == "ok" and result.artifact]
    shipping = [result for result in made if result.format in known and "iphone" in known[result.format].platforms]
    if not shipping:
        raise RunFolderError(
            f"{run.root} has no artifact that ships to an iPhone", hint="convert to coreml or sdk-native"
        )
    samples = run.read(SamplesDocument)
    return write_project(
        out,
        run.options().model_name,
        [_shipped(run, result) for result in shipping],
        run.path(samples.held_out.file),
        effort,
    )


def _shipped(run: RunDir, result: ConversionResult) -> Shipped:
    assert result.artifact is not None
    artifact = run.path(result.artifact)
    document: ArtifactDocument
    document, folder, _ = artifact_document(artifact, trust=run.trust)
    return Shipped(result.candidate, folder, document)
