"""An artifact's outputs held against what the eager model gives on the same samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeproof.differences.liveness import what_says_nothing
from edgeproof.differences.outputs import NotFinite, compare_outputs, worst_of
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.samples import Check
from edgeproof.documents.signature import Signature
from edgeproof.documents.validation import Differences, ValidationResult
from edgeproof.metrics.labels import classes_of
from edgeproof.metrics.registry import ACCURACY
from edgeproof.model.arrays import read_npz
from edgeproof.model.workspace import Workspace
from edgeproof.verdict.outputs import judge_outputs, limit_for
from edgeproof.verdict.wording import figure

__all__ = ["Reference", "by_position", "held_against", "load_reference", "unexplained"]


@dataclass(frozen=True)
class Reference:
    """What artifacts are held against.

    Attributes:
        signature: the model's.
        outputs: eager outputs, sample axis first.
        classes: of the same samples, where the task is to tell them; else None.
        held_out: npz or folder of the inputs.
        source: where the samples come from.
    """

    signature: Signature
    outputs: dict[str, npt.NDArray[Any]]
    classes: npt.NDArray[np.int64] | None
    held_out: Path
    source: str

    @cached_property
    def doubts(self) -> tuple[Check, ...]:
        """Warnings of what agreement with these outputs cannot tell."""
        return what_says_nothing(self.signature, self.outputs, self.classes)

    @property
    def warnings(self) -> tuple[str, ...]:
        """The same in words."""
        return tuple(f"{check.detail}: agreement with it is no evidence" for check in self.doubts)


def load_reference(workspace: Workspace) -> Reference:
    """What the model's process left in the workspace."""
    outputs = read_npz(workspace.reference)
    samples = workspace.samples
    told = samples.metric is not None and samples.metric.named == ACCURACY.name
    classes = classes_of(workspace.read(workspace.held_out).labels) if told else None
    return Reference(samples.signature, outputs, classes, workspace.held_out, samples.held_out.source)


def held_against(
    told: ValidationResult,
    document: ArtifactDocument,
    outputs: dict[str, npt.NDArray[Any]],
    reference: Reference,
    policy: PolicyValue,
) -> ValidationResult:
    """The result with its differences and what the policy's limits say of them.

    Args:
        told: what is known of the artifact already.
        outputs: one array per output, sample axis first.
    """
    signature = reference.signature
    named = by_position(outputs, document, signature)
    try:
        differences = compare_outputs(signature.outputs, reference.outputs, named, threshold=policy.threshold)
    except NotFinite as error:
        return msgspec.structs.replace(told, status="failed", reason=str(error))
    except ValueError as error:
        return msgspec.structs.replace(told, status="error", reason=str(error))
    limits = policy.difference
    judged = judge_outputs(differences, limits, document.precision)
    reasons = [point.text for point in judged if point.state == "not met"]
    worst: Differences = worst_of(differences)
    return msgspec.structs.replace(
        told,
        status="failed" if reasons else "passed",
        reason="; ".join(reasons) or None,
        tolerance=limit_for(document.precision, limits, spikes=worst.kind == "spikes"),
        differences=worst,
        outputs=differences,
    )


def unexplained(result: ValidationResult, explained: float | None) -> tuple[str, ...]:
    """A warning where outputs lie further off than their arithmetic explains, though no further than the limits allow.

    Args:
        explained: relative L2; None where that is not known.
    """
    found = result.differences
    if explained is None or found is None or found.kind != "real" or result.status != "passed":
        return ()
    if found.relative_l2 is not None and found.relative_l2 <= explained:
        return ()
    distance = "" if found.relative_l2 is None else f" {figure(found.relative_l2)}"
    return (
        f"it lies{distance} (relative L2) from the eager model, and {result.precision} explains {figure(explained)}: "
        "look for a fault of the conversion",
    )


def by_position(
    outputs: dict[str, npt.NDArray[Any]], document: ArtifactDocument, signature: Signature
) -> dict[str, npt.NDArray[Any]]:
    """Outputs by the model's names; an artifact from elsewhere may have its own, in the same order."""
    wanted = [spec.name for spec in signature.outputs]
    if set(wanted) <= set(outputs) or len(outputs) != len(wanted):
        return outputs
    return {name: outputs[binding.tensor.name] for name, binding in zip(wanted, document.outputs, strict=True)}
