"""Outputs held against a policy's limits: the one rule that validation and verdict apply.

In a spiking model a value near the threshold flips a spike in any reordering of a sum, so a largest error of 1 is no
fault by itself: spikes are held to the share of equal counts, and what depends on them to less.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from edgeproof.documents.evaluation import PolicyPoint
from edgeproof.documents.policy import DifferenceLimits
from edgeproof.documents.validation import Differences
from edgeproof.verdict.wording import figure, share

__all__ = ["judge_outputs", "judged_outputs", "limit_for"]


def limit_for(precision: str, limits: DifferenceLimits, *, spikes: bool) -> float:
    """The largest ``smallest_passing_tolerance`` that passes: relative L2, or 1 - share of equal spike counts.

    A precision that is not known is held to fp32's limit.
    """
    key = known_precision(precision)
    return float(1.0 - getattr(limits, f"spike_agreement_{key}") if spikes else getattr(limits, key))


def known_precision(precision: str) -> str:
    return next((known for known in ("fp16", "int8") if precision.startswith(known)), "fp32")


def judge_outputs(outputs: Sequence[Differences], limits: DifferenceLimits, precision: str) -> list[PolicyPoint]:
    """One point an output, by the rule that validation applies."""
    return [point for _, point in judged_outputs(outputs, limits, precision)]


def judged_outputs(
    outputs: Sequence[Differences], limits: DifferenceLimits, precision: str
) -> list[tuple[Differences, PolicyPoint]]:
    """The outputs that are held to something, each with its point.

    Spikes are held to the share of equal counts. Beside spikes that flip, a real output jumps by a threshold: at fp16
    and int8 it is not held to anything, at fp32 the square root of the share of flips is allowed.
    """
    key = known_precision(precision)
    flipped = [1.0 - output.spikes.agreement for output in outputs if output.spikes is not None]
    allowed = max(flipped, default=0.0) ** 0.5 if all(math.isfinite(share) for share in flipped) else 0.0
    floor: float = getattr(limits, f"spike_agreement_{key}")
    limit: float = max(getattr(limits, key), allowed)
    return [
        (output, judge_spikes(output, floor, key) if output.spikes is not None else judge_real(output, limit, key))
        for output in outputs
        if output.spikes is not None or not flipped or key == "fp32"
    ]


def judge_spikes(output: Differences, floor: float, key: str) -> PolicyPoint:
    agreement = output.spikes.agreement if output.spikes is not None else math.nan
    met = math.isfinite(agreement) and agreement >= floor - 1e-12
    text = f"spike counts{of(output)} agree in {share(agreement)} %, policy asks {100 * floor:g} % at {key}"
    return PolicyPoint(name="difference", state="met" if met else "not met", text=text, value=agreement)


def judge_real(output: Differences, limit: float, key: str) -> PolicyPoint:
    value = output.relative_l2
    if value is None or not math.isfinite(value):
        return PolicyPoint(name="difference", state="not met", text=f"relative L2 difference{of(output)} is not finite")
    text = f"relative L2 difference{of(output)} {figure(value)}, limit {figure(limit)} at {key}"
    return PolicyPoint(name="difference", state="met" if value <= limit else "not met", text=text, value=value)


def of(output: Differences) -> str:
    return f" of output {output.name}" if output.name else ""
