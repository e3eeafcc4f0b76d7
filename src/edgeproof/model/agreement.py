"""Whether two ways to compute the same tensor agree: one rule for exports, rewrites and time steps."""

from __future__ import annotations

from dataclasses import dataclass

import torch

__all__ = ["Gap", "gap"]


@dataclass(frozen=True)
class Gap:
    """How far a tensor lies from the expected one.

    Attributes:
        max_abs: largest difference; NaN where either holds NaN.
        scale: what it is held against: the largest finite value that is expected, at least 1.
    """

    max_abs: float
    scale: float

    def within(self, tolerance: float) -> bool:
        """Whether they agree to this part of the scale. NaN never does."""
        return self.max_abs <= tolerance * self.scale


def gap(mine: torch.Tensor, expected: torch.Tensor) -> Gap:
    """The gap between two tensors of one shape, in float64. Infinities of one sign are equal."""
    a, b = mine.double(), expected.double()
    if not b.numel():
        return Gap(0.0, 1.0)
    finite = torch.where(b.isfinite(), b, 0.0).abs().max()
    return Gap(float(torch.where(a == b, 0.0, (a - b).abs()).max()), max(1.0, float(finite)))
