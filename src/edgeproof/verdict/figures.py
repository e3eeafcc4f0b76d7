"""The table of figures: what is known of a candidate in numbers, each with its name, unit, source and absence.

A new figure is a row here, and a field of ``CandidateRow``; tables, plots and the comparison of runs iterate over both.
Writes nothing: how a unit is written stands in ``report.quantities``.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from edgeproof.documents.device import DeviceMeasurement
from edgeproof.documents.latency import Percentile, Steady
from edgeproof.documents.policy import PercentileName
from edgeproof.documents.task import SHARE, MetricSpec
from edgeproof.verdict.cases import Case

__all__ = [
    "FIGURES",
    "ON_HOST",
    "OUTPUTS",
    "SHIPPED",
    "Figure",
    "Unit",
    "figures_in",
    "mean_power_mw",
    "told",
    "unsupported",
]

Unit = str
"""``relative L2``, ``max_abs``, ``share``, ``points``, ``µs``, ``ms``, ``bytes``, ``tolerance``, or a metric's own.
``share``: 0..1, written in percent; ``tolerance``: relative L2, or 1 - the share of equal spike counts."""
ABBREVIATIONS = ("mae", "rmse", "r2", "auroc", "wer", "cer")
Place = Literal["always", "some", "never"]


@dataclass(frozen=True)
class Figure:
    """One figure of a candidate.

    Attributes:
        key: the field of ``CandidateRow``.
        title: what a column is called.
        unit: of the value.
        of: the value; None, NaN and Inf are no figure.
        absent: why there is no figure.
        better: which of two values is preferred.
        column: whether the table of candidates has it: always, when some candidate has the figure, or never.
    """

    key: str
    title: str
    unit: Unit
    of: Callable[[Case], float | None]
    absent: Callable[[Case], str]
    better: Literal["lower", "higher"] = "lower"
    column: Place = "always"

    @property
    def words(self) -> str:
        """What it is called in a line of text: a difference is called by its norm."""
        return self.unit if self.unit == "relative L2" else self.title.lower()

    @property
    def head(self) -> str:
        """What it is called with its unit."""
        unit = "%" if self.unit == "share" else self.unit
        return self.words if unit in (self.words, "") else f"{self.words}, {unit}"

    def value(self, case: Case) -> float | None:
        """The figure, or None."""
        value = self.of(case)
        return value if value is not None and math.isfinite(value) else None


def unconverted(case: Case) -> str | None:
    status, reason = case.ending
    return f"not converted: {reason or 'no reason given'}" if status == "not converted" else None


def no_size(case: Case) -> str:
    return unconverted(case) or case.ending[1] or "no phase recorded a size"


def not_compared(case: Case) -> str:
    status, reason = case.ending
    apart = f"outputs not compared: {reason or status}"
    return unconverted(case) or (apart if case.differences is None else "not finite, or not defined here")


def no_spikes(case: Case) -> str:
    return not_compared(case) if case.differences is None else "no output is spikes"


def no_task(case: Case) -> str:
    document = case.evidence.validation
    return "the samples have no labels" if document is not None and document.task is None else not_compared(case)


def not_on_host(case: Case) -> str:
    if (reason := unconverted(case)) is not None:
        return reason
    if case.host is not None:
        return case.host.reason or "the host did not record it"
    if any(device.device_class == "host" and not device.emulated for device in case.evidence.devices):
        return "not among the candidates that the host measured"
    return "nothing was measured on the host"


def no_percentile(name: PercentileName) -> Callable[[Case], str]:
    def absent(case: Case) -> str:
        steady = case.host.steady if case.host is not None else None
        return unsupported(steady, name) if steady is not None else not_on_host(case)

    return absent


def unsupported(steady: Steady, name: PercentileName) -> str:
    """Why a percentile has no value although there are measurements."""
    percentile: Percentile = getattr(steady, name)
    return f"{steady.count} measurements do not support a {name}: {percentile.needs_more} more needed"


def told(path: str) -> Callable[[object], Any]:
    """Reads a field of a field, such as ``host.steady.median_us``; None as soon as one of them is None."""

    def read(value: object) -> Any:
        for name in path.split("."):
            value = getattr(value, name) if value is not None else None
        return value

    return read


def mean_power_mw(found: DeviceMeasurement) -> float | None:
    """Mean power while inferring back to back: that of the held load; else energy per inference over mean time per
    inference, mJ/s = mW."""
    if found.energy is not None and found.energy.mean_mw is not None:
        return found.energy.mean_mw
    if found.energy_mj is None or found.steady is None or found.steady.mean_us <= 0:
        return None
    return found.energy_mj / (found.steady.mean_us / 1e6)


def scored_agreement(case: Case) -> float | None:
    """Of the output that is scored, where that is spikes; else the lowest of all spikes."""
    return (
        case.scored.spikes.agreement if case.scored is not None and case.scored.spikes is not None else case.agreement
    )


def passing_tolerance(case: Case) -> float | None:
    """In the kind of figure that the tolerance is for: 1 - agreement where there are spikes, else relative L2."""
    if case.differences is None or case.agreement is None:
        return case.differences.smallest_passing_tolerance if case.differences is not None else None
    return 1.0 - case.agreement


def above_python(case: Case) -> float | None:
    """Peak memory less what the process had before it opened the artifact."""
    use = case.host.process if case.host is not None else None
    if use is None or use.peak_memory_bytes is None or use.baseline_memory_bytes is None:
        return None
    return max(use.peak_memory_bytes - use.baseline_memory_bytes, 0)


SHIPPED = (
    Figure("bytes", "Artifact", "bytes", told("conversion.bytes"), no_size),
    Figure("peak_memory_bytes", "Peak memory", "bytes", told("host.process.peak_memory_bytes"), not_on_host),
    Figure("memory_above_python_bytes", "Above Python", "bytes", above_python, not_on_host, column="some"),
)
"""What a candidate takes."""
OUTPUTS = (
    Figure("relative_l2", "Difference", "relative L2", told("differences.relative_l2"), not_compared),
    Figure("max_abs", "Largest", "max_abs", told("differences.max_abs"), not_compared, column="never"),
    Figure("spike_agreement", "Equal spike counts", "share", scored_agreement, no_spikes, "higher", "some"),
    Figure(
        "argmax_agreement", "Argmax agreement", "share", told("scored.argmax_agreement"), not_compared, "higher",
        "never",
    ),
    Figure("task_score", "Task score", "share", told("validation.task_score"), no_task, "higher"),
    Figure("task_drop", "Lost", "points", told("validation.task_drop"), no_task),
)  # fmt: skip
"""How far its outputs are from the eager model's."""
ON_HOST = (
    Figure("median_us", "Host median", "µs", told("host.steady.median_us"), not_on_host),
    Figure("p50_us", "Host p50 ≤", "µs", told("host.steady.p50.value_us"), no_percentile("p50"), column="never"),
    Figure("p90_us", "Host p90 ≤", "µs", told("host.steady.p90.value_us"), no_percentile("p90")),
    Figure("cold_start_ms", "Cold start", "ms", told("host.cold_start.median_ms"), not_on_host),
)
"""How fast it is on the host."""
FIGURES = (
    *SHIPPED,
    *OUTPUTS,
    *ON_HOST,
    Figure("smallest_passing_tolerance", "Passes at", "tolerance", passing_tolerance, not_compared, column="never"),
    Figure("tolerance", "Tolerance", "tolerance", told("validation.tolerance"), not_compared, column="never"),
)


def figures_in(metric: MetricSpec | None, figures: Sequence[Figure] = FIGURES) -> tuple[Figure, ...]:
    """The figures with the score as its metric has it: name, unit, and which of two values is preferred."""
    if metric is None:
        return tuple(figures)
    share = metric.unit == SHARE
    own = {
        "task_score": {"title": capital(metric.name), "unit": SHARE if share else metric.unit, "better": metric.better},
        "task_drop": {"unit": "points" if share else metric.unit},
    }
    return tuple(dataclasses.replace(figure, **own.get(figure.key, {})) for figure in figures)  # type: ignore[arg-type]


def capital(name: str) -> str:
    """A metric's name as a column has it: ``MAE``, ``Accuracy``, ``mAP`` as it is."""
    return name.upper() if name in ABBREVIATIONS else name if name != name.lower() else name[:1].upper() + name[1:]
