"""What compressed weights are held against: the same format's artifact of its first precision, from among those to be
validated, or made for it where the model is there."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.signature import Form
from edgeproof.errors import ArtifactError
from edgeproof.formats.base import Format
from edgeproof.formats.registry import artifact_document
from edgeproof.phases.conversion.making import Making
from edgeproof.phases.conversion.planned import Planned
from edgeproof.trust import hold

__all__ = ["Bases", "bases_among", "lacking_bases", "made_bases", "wants_base"]

Bases = Mapping[tuple[str, Form], Path]
"""By format and form."""


def wants_base(document: ArtifactDocument, kind: Format) -> bool:
    """Whether faults of an artifact's weights may hide behind their compression, and would show beside its base."""
    return "int" in document.precision and type(kind).storage_faults is not Format.storage_faults


def bases_among(artifacts: Sequence[Path], *, trust: bool) -> Bases:
    """The artifacts that others may be held against; of one that is damaged nothing."""
    found: dict[tuple[str, Form], Path] = {}
    for path in artifacts:
        with contextlib.suppress(Exception):
            document, folder, kind = artifact_document(path, trust=trust)
            if document.precision == kind.precisions[0]:
                with contextlib.suppress(ArtifactError):
                    hold(folder, document.file, document.sha256, document.beside)
                    found[document.format, document.form] = folder / document.file
    return found


def lacking_bases(artifacts: Sequence[Path], *, trust: bool) -> tuple[Planned, ...]:
    """What would have to be made to hold all artifacts against their bases."""
    there = bases_among(artifacts, trust=trust)
    lacking: dict[tuple[str, Form], Planned] = {}
    for path in artifacts:
        with contextlib.suppress(Exception):
            document, _, kind = artifact_document(path, trust=trust)
            key = document.format, document.form
            if wants_base(document, kind) and key not in there:
                first = kind.precisions[0]
                lacking[key] = Planned(f"{kind.candidate(first)}-{document.form}", kind, first, document.form)
    return tuple(lacking.values())


def made_bases(making: Making, lacking: Sequence[Planned]) -> Bases:
    """Make them; one that cannot be made is left out."""
    if not lacking:
        return {}
    making.report(f"making {', '.join(base.candidate for base in lacking)} to hold compressed weights against")
    made = making.make(lacking)
    return {
        (planned.format.name, planned.form): Path(result.artifact)
        for planned, result in zip(lacking, made.candidates, strict=True)
        if result.status == "ok" and result.artifact is not None
    }
