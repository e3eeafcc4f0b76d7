"""Representative samples of a MODEL in a folder of their own, with what they are and the held-out ones beside them."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec

from edgeproof.documents.base import write_document
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.source import ModelSource
from edgeproof.errors import UsageError
from edgeproof.model.drawing import Draw
from edgeproof.model.preparing import prepare_workspace
from edgeproof.model.workspace import Workspace
from edgeproof.phases.alone.conversion import checked_title
from edgeproof.process import Limits

__all__ = ["draw_alone"]

HELD_OUT = "held_out/held_out.npz"
"""In a folder of its own: every .npy and .npz beside the samples is a sample."""


def draw_alone(
    source: ModelSource,
    out: Path,
    how: Draw,
    *,
    limits: Limits | None = None,
    report: Callable[[str], None] = lambda _: None,
) -> SamplesDocument:
    """Draw samples into ``out``.

    Raises:
        UsageError: the model, its signature or its samples; ``out`` is in use.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"{out} exists and is not an empty folder", hint="choose another --out")
    report(f"loading {checked_title(source)}")
    with Workspace.temporary() as workspace:
        drawn = prepare_workspace(workspace, source, draw=how, reference=False, limits=limits)
        shutil.copytree(workspace.sample_folder, out, dirs_exist_ok=True)
        file = "."
        if drawn.held_out.source != "representative":
            file = HELD_OUT
            (out / file).parent.mkdir(exist_ok=True)
            shutil.copyfile(workspace.held_out, out / file)
    held_out = msgspec.structs.replace(drawn.held_out, file=file)
    document = msgspec.structs.replace(drawn, folder=".", held_out=held_out)
    write_document(out / SamplesDocument.FILE, document)
    return document
