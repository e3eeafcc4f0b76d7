"""Whether differences pass: one threshold per precision for real outputs, one for spike agreement.

In a spiking model a value near the threshold flips a spike in any reordering of a sum, so a largest error of 1
is no fault by itself: spikes are gated on the share of equal counts, and a spiking model's real outputs (membranes)
only at fp32.
"""

from __future__ import annotations

from collections.abc import Sequence

from edgeproof.documents.evaluation import DifferenceLimits
from edgeproof.documents.validation import Differences

__all__ = ["failures", "limit_for"]


def limit_for(precision: str, limits: DifferenceLimits, *, spikes: bool) -> float:
    """The largest ``smallest_passing_tolerance`` that passes: relative L2, or 1 - spike agreement.

    A precision that is not known is held to fp32's limit.
    """
    known = precision if precision in ("fp16", "int8") else "fp32"
    if spikes:
        return float(1.0 - getattr(limits, f"spike_agreement_{known}"))
    return float(getattr(limits, known))


def failures(
    outputs: Sequence[Differences], precision: str, limits: DifferenceLimits, *, spiking: bool
) -> tuple[str, ...]:
    """One sentence per output that does not pass; empty when all do."""
    found = []
    gate_real = not spiking or precision not in ("fp16", "int8") or not any(one.kind == "spikes" for one in outputs)
    for one in outputs:
        limit = limit_for(precision, limits, spikes=one.kind == "spikes")
        if one.kind == "spikes":
            assert one.spikes is not None
            if 1.0 - one.spikes.agreement > limit + 1e-12:
                found.append(
                    f"{one.name}: {one.spikes.agreement:.4f} of spike counts agree; {1.0 - limit:.4f} are needed"
                )
        elif gate_real and one.relative_l2 is not None and not one.relative_l2 <= _real_limit(limit, outputs):
            found.append(f"{one.name}: relative L2 is {one.relative_l2:.3g}; at most {limit:.3g} passes")
    return tuple(found)


def _real_limit(limit: float, outputs: Sequence[Differences]) -> float:
    """Beside spikes that flip, a membrane jumps by a threshold: its share of flips is allowed for."""
    flipped = max((1.0 - other.spikes.agreement for other in outputs if other.spikes), default=0.0)
    return limit if flipped == 0.0 else max(limit, flipped**0.5)
