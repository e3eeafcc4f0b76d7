"""An artifact computed another way as well: what in its outputs depends on the order and precision of sums."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy.typing as npt

from edgeproof.devices.host import run_job
from edgeproof.differences.outputs import NotFinite, compare_outputs, worst_of
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.evaluation import DifferenceLimits
from edgeproof.documents.runner import RunnerJob
from edgeproof.documents.validation import Variant
from edgeproof.formats.base import Variation
from edgeproof.model.samples import load_arrays
from edgeproof.phases.validation.against import Reference, by_position
from edgeproof.process import Limits
from edgeproof.verdict.outputs import judge_outputs
from edgeproof.verdict.wording import figure

__all__ = ["Usual", "judge_variant", "run_variant"]

RUN_LIMITS = Limits(seconds=120)


@dataclass(frozen=True)
class Usual:
    """An artifact computed the usual way.

    Attributes:
        job: that ran every sample.
        document: the artifact's.
        outputs: what it gave, sample axis first.
        reference: the eager model's.
        limits: largest differences.
    """

    job: RunnerJob
    document: ArtifactDocument
    outputs: dict[str, npt.NDArray[Any]]
    reference: Reference
    limits: DifferenceLimits


def run_variant(variation: Variation, usual: Usual) -> Variant:
    """Run the first samples that way, and hold them against the eager model and against the usual way. What shows on
    many shows on few.

    Args:
        variation: as the artifact's format has it.
        usual: the artifact, and what it gave the usual way.
    """
    name = variation.name
    job = msgspec.structs.replace(usual.job, limit=variation.samples, variant=name, base=None)
    ran = run_job(job, RUN_LIMITS)
    if ran.error or job.outputs is None:
        return Variant(name=name, samples=0, warning=f"computed {name}, it does not run: {ran.error}")
    outputs, _ = load_arrays(Path(job.outputs))
    Path(job.outputs).unlink()
    return judge_variant(variation, outputs, usual)


def judge_variant(variation: Variation, outputs: dict[str, npt.NDArray[Any]], usual: Usual) -> Variant:
    """What outputs computed another way say of the artifact.

    Args:
        variation: which way.
        outputs: of the first samples, sample axis first.
        usual: those of as many samples or more.
    """
    name, signature, precision = variation.name, usual.reference.signature, usual.document.precision
    named, plain = (by_position(given, usual.document, signature) for given in (outputs, usual.outputs))
    count = len(next(iter(named.values())))
    eager = {key: values[:count] for key, values in usual.reference.outputs.items()}
    plain = {key: values[:count] for key, values in plain.items()}
    try:
        differences = compare_outputs(signature.outputs, eager, named)
    except (NotFinite, ValueError) as error:
        lost = f"computed {name}: {error}"
        return Variant(name=name, samples=count, warning=lost, against=variation.concerns)
    try:
        spread = worst_of(compare_outputs(signature.outputs, plain, named))
        usually = compare_outputs(signature.outputs, eager, plain)
    except (NotFinite, ValueError):
        spread, usually = None, ()  # the usual way gives no numbers, and its own result says so
    failed, before = (
        [point.text for point in judge_outputs(found, usual.limits, precision) if point.state == "not met"]
        for found in (differences, usually)
    )
    warning = None
    if failed and usually and not before:
        helps = f" ({variation.remedy})" if variation.remedy is not None else ""
        warning = f"the result depends on how it is computed: {name}, {'; '.join(failed)}{helps}"
    worst = worst_of(differences)
    left = worst.relative_l2
    if variation.exact is not None and worst.kind == "real" and not (left is not None and left <= variation.exact):
        distance = "" if left is None else f" {figure(left)}"
        warning = (
            f"computed without rounding of values it still lies{distance} (relative L2) from the eager model, and "
            f"weights in {precision} explain {figure(variation.exact)}: a fault of the conversion"
        )
    against = variation.concerns if warning is not None else ()
    return Variant(name=name, samples=count, differences=worst, spread=spread, warning=warning, against=against)
