"""An artifact computed another way as well: what in its outputs depends on the order and precision of sums."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy.typing as npt

from edgeproof.differences.outputs import NotFinite, compare_outputs, worst_of
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.policy import DifferenceLimits
from edgeproof.documents.runner import RunnerJob
from edgeproof.documents.validation import Differences, Variant
from edgeproof.formats.base import Format, Variation
from edgeproof.model.arrays import read_npz
from edgeproof.phases.validation.against import Reference, by_position
from edgeproof.phases.validation.untimed import Untimed
from edgeproof.process import Limits
from edgeproof.verdict.outputs import judge_outputs
from edgeproof.verdict.wording import figure

__all__ = ["FirstSamples", "Usual", "hold_first", "judge_variant", "run_variant"]

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
        untimed: runs jobs.
    """

    job: RunnerJob
    document: ArtifactDocument
    outputs: dict[str, npt.NDArray[Any]]
    reference: Reference
    limits: DifferenceLimits
    untimed: Untimed = field(default_factory=Untimed)


@dataclass(frozen=True)
class FirstSamples:
    """What outputs of the first samples say, computed in another way or place.

    Attributes:
        worst: differences to the eager model, the worst over all outputs.
        spread: to what they are held beside, the worst over all outputs; None where one of both is no numbers.
        failed: limits that they miss, in words.
        usually: limits that the usual way misses on the same samples; None where it gives no numbers, which its own
            result says.
    """

    worst: Differences
    spread: Differences | None
    failed: tuple[str, ...]
    usually: tuple[str, ...] | None


def hold_first(outputs: dict[str, npt.NDArray[Any]], beside: dict[str, npt.NDArray[Any]], usual: Usual) -> FirstSamples:
    """Hold outputs of the first samples against the eager model, and against others of the same artifact.

    Args:
        outputs: of the first samples, sample axis first.
        beside: of as many samples or more.
        usual: the artifact, and what it gave the usual way, of as many samples or more.

    Raises:
        NotFinite: they are no numbers. ValueError: of other names or shapes.
    """
    specs, count = usual.reference.signature.outputs, len(next(iter(outputs.values())))
    there, others, plain = (
        {name: values[:count] for name, values in by_position(given, usual.document, usual.reference.signature).items()}
        for given in (outputs, beside, usual.outputs)
    )
    eager = {name: values[:count] for name, values in usual.reference.outputs.items()}

    def missed(differences: tuple[Differences, ...]) -> tuple[str, ...]:
        judged = judge_outputs(differences, usual.limits, usual.document.precision)
        return tuple(point.text for point in judged if point.state == "not met")

    differences = compare_outputs(specs, eager, there)
    spread, usually = None, None
    with contextlib.suppress(NotFinite, ValueError):
        spread, usually = (
            worst_of(compare_outputs(specs, others, there)),
            missed(compare_outputs(specs, eager, plain)),
        )
    return FirstSamples(worst_of(differences), spread, missed(differences), usually)


def run_variant(variation: Variation, usual: Usual, kind: Format) -> Variant:
    """Run the first samples that way, and hold them against the eager model and against the usual way. What shows on
    many shows on few.

    Args:
        variation: as the artifact's format has it.
        usual: the artifact, and what it gave the usual way.
        kind: its format.
    """
    name = variation.name
    job = msgspec.structs.replace(usual.job, limit=variation.samples, variant=name, base=None)
    ran = usual.untimed.run(job, kind, RUN_LIMITS)
    if ran.error or job.outputs is None:
        return Variant(name=name, samples=0, warning=f"computed {name}, it does not run: {ran.error}")
    outputs = read_npz(Path(job.outputs))
    Path(job.outputs).unlink()
    return judge_variant(variation, outputs, usual)


def judge_variant(variation: Variation, outputs: dict[str, npt.NDArray[Any]], usual: Usual) -> Variant:
    """What outputs computed another way say of the artifact.

    Args:
        variation: which way.
        outputs: of the first samples, sample axis first.
        usual: those of as many samples or more.
    """
    name, precision, count = variation.name, usual.document.precision, len(next(iter(outputs.values())))
    try:
        found = hold_first(outputs, usual.outputs, usual)
    except (NotFinite, ValueError) as error:
        lost = f"computed {name}: {error}"
        return Variant(name=name, samples=count, warning=lost, against=variation.concerns)
    warning = None
    if found.failed and found.usually == ():
        helps = f" ({variation.remedy})" if variation.remedy is not None else ""
        warning = f"the result depends on how it is computed: {name}, {'; '.join(found.failed)}{helps}"
    worst, left = found.worst, found.worst.relative_l2
    if variation.exact is not None and worst.kind == "real" and not (left is not None and left <= variation.exact):
        distance = "" if left is None else f" {figure(left)}"
        warning = (
            f"computed without rounding of values it still lies{distance} (relative L2) from the eager model, and "
            f"weights in {precision} explain {figure(variation.exact)}: a fault of the conversion"
        )
    against = variation.concerns if warning is not None else ()
    return Variant(name=name, samples=count, differences=worst, spread=found.spread, warning=warning, against=against)
