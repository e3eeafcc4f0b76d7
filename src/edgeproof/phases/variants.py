"""An artifact computed another way as well: what in its outputs hangs on the order and precision of sums."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy.typing as npt

from edgeproof.devices.host import run_outputs
from edgeproof.differences.outputs import NotFinite, compare_outputs, worst_of
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.evaluation import DifferenceLimits
from edgeproof.documents.validation import Variant
from edgeproof.formats.base import Variation
from edgeproof.model.samples import load_arrays
from edgeproof.phases.against import Reference, by_position
from edgeproof.verdict.outputs import judge_outputs
from edgeproof.verdict.wording import figure

__all__ = ["judge_variant", "run_variant"]

SAMPLES = 32
"""Samples that are computed another way: it takes longer, and shows on few what it shows on many."""
TIMEOUT_S = 120.0


def run_variant(
    variation: Variation,
    path: Path,
    document: ArtifactDocument,
    inputs: Path,
    scratch: Path,
    usual: dict[str, npt.NDArray[Any]],
    reference: Reference,
    limits: DifferenceLimits,
) -> Variant:
    """Run the first samples that way, and hold them against the eager model and against the usual way.

    Args:
        variation: as the artifact's format has it.
        scratch: file for its outputs.
        usual: outputs of the usual way, sample axis first.
    """
    name = variation.name
    ran = run_outputs(path, inputs, scratch, limit=SAMPLES, timeout_s=TIMEOUT_S, variant=name)
    if ran.error:
        return Variant(name=name, samples=0, warning=f"computed {name}, it does not run: {ran.error}")
    outputs, _ = load_arrays(scratch)
    scratch.unlink()
    return judge_variant(variation, document, outputs, usual, reference, limits)


def judge_variant(
    variation: Variation,
    document: ArtifactDocument,
    outputs: dict[str, npt.NDArray[Any]],
    usual: dict[str, npt.NDArray[Any]],
    reference: Reference,
    limits: DifferenceLimits,
) -> Variant:
    """What outputs computed another way say of the artifact.

    Args:
        outputs: of the first samples, sample axis first.
        usual: those computed the usual way, of as many samples or more.
    """
    name, signature = variation.name, reference.signature
    named, plain = (by_position(one, document, signature) for one in (outputs, usual))
    count = len(next(iter(named.values())))
    eager = {key: values[:count] for key, values in reference.outputs.items()}
    plain = {key: values[:count] for key, values in plain.items()}
    try:
        differences = compare_outputs(signature.outputs, eager, named)
        spread = compare_outputs(signature.outputs, plain, named)
        usually = compare_outputs(signature.outputs, eager, plain)
    except (NotFinite, ValueError) as error:
        return Variant(name=name, samples=count, warning=f"computed {name}: {error}")
    failed, before = (
        [point.text for point in judge_outputs(one, limits, document.precision) if point.state == "not met"]
        for one in (differences, usually)
    )
    warning = None
    if failed and not before:
        warning = f"the result hangs on how sums are computed: {name}, {'; '.join(failed)}"
    worst = worst_of(differences)
    left = worst.relative_l2
    if variation.exact is not None and worst.kind == "real" and not (left is not None and left <= variation.exact):
        distance = "" if left is None else f" {figure(left)}"
        warning = (
            f"computed without rounding of values it still lies{distance} (relative L2) from the eager model, and "
            f"weights in {document.precision} explain {figure(variation.exact)}: a fault of the conversion"
        )
    return Variant(name=name, samples=count, differences=worst, spread=worst_of(spread), warning=warning)
