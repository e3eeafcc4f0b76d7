"""Validation without a run folder, against a MODEL or a module that lives in this process: one way for both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.source import ModelSource
from edgeproof.documents.validation import ValidationDocument
from edgeproof.errors import ConversionError
from edgeproof.model.drawing import Draw
from edgeproof.model.preparing import prepare_workspace
from edgeproof.model.workspace import Workspace
from edgeproof.phases.alone.conversion import checked_title
from edgeproof.phases.conversion.making import Making
from edgeproof.phases.validation.against import load_reference
from edgeproof.phases.validation.artifacts import Validating
from edgeproof.phases.validation.bases import lacking_bases, made_bases
from edgeproof.phases.validation.elsewhere import find_elsewhere
from edgeproof.phases.validation.scoring import score
from edgeproof.process import Limits
from edgeproof.verdict.policy import load_policy

if TYPE_CHECKING:
    from edgeproof.model.resolve import Resolved

__all__ = ["validate_alone"]


def validate_alone(
    origin: ModelSource | Resolved,
    artifacts: Sequence[Path],
    *,
    policy: Path | None = None,
    limits: Limits | None = None,
    report: Callable[[str], None] = lambda _: None,
    trust: bool = False,
    processors: Sequence[str] = (),
) -> ValidationDocument:
    """Hold artifacts against the model, on the samples that come with it, or on its held-out ones.

    Args:
        trust: whether artifacts of unknown origin may run code.
        processors: names of others than this machine's to run them on as well, by emulation.

    Raises:
        UsageError: the model, its signature, its samples, the policy or a processor.
        ConversionError: the eager model itself does not run.
    """
    asked = load_policy(policy) if policy else PolicyValue()
    title = checked_title(origin)
    report(f"loading {title} and running it eagerly")
    with Workspace.temporary() as workspace:
        elsewhere = find_elsewhere(processors, workspace.root / "processors")
        for gap in elsewhere.gaps:
            report(f"warning: {gap}")
        lacking = lacking_bases(artifacts, trust=trust)
        forms = tuple(dict.fromkeys(base.form for base in lacking))
        prepare_workspace(workspace, origin, draw=Draw(), forms=forms, limits=limits)
        broken = workspace.prepared.broken
        if broken is not None:
            raise ConversionError(
                f"{title} does not run on its samples: {broken}", hint="run it alone to see the whole error"
            )
        name, out = workspace.prepared.name, workspace.root / "bases"
        bases = made_bases(Making(workspace, title, name, out, limits or Limits(), report), lacking)
        reference, outputs = load_reference(workspace), workspace.root / "outputs"
        validating = Validating(
            reference,
            asked,
            outputs,
            report,
            trust=trust,
            bases=bases,
            elsewhere=elsewhere,
            score=lambda found: score(workspace, origin, found, limits or Limits()),
        )
        return validating.validate(title, artifacts)
