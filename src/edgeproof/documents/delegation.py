"""``phase3_delegation.json``: which operators of a candidate run in its runtime's fast part, and which do not, and why.

What a runtime told of itself (*seen*) and what follows from an artifact for a runtime that is not here (*predicted*)
are entries of their own, and never added up.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from edgeproof.documents.base import Document, Value

__all__ = ["CandidateDelegation", "DelegatedOperator", "Delegation", "DelegationDocument", "How"]

How = Literal["seen", "predicted"]


class DelegatedOperator(Value, frozen=True, kw_only=True):
    """All operators of one name that run in the same part for the same reason."""

    name: str
    """As the runtime calls it."""
    inside: bool
    """Whether it runs in the delegate, or on the fast kernels."""
    count: int
    time_share: float | None = None
    """Of the time of all operators, 0..1; None where no time was taken."""
    operator: str | None = None
    """PyTorch's name of what it was made of, such as ``aten.erf``; None where the artifact does not tell."""
    lines: tuple[str, ...] = ()
    """``file:line`` of the calls in the model, where they are known."""
    cause: str | None = None
    """Why it runs outside."""
    remedy: str | None = None
    """The cheapest change that is known to bring it inside; None: none is known, or it is inside."""


class Delegation(Value, frozen=True, kw_only=True):
    """Where the operators of an artifact run, in one runtime."""

    delegate: str
    """The fast part: ``XNNPACK``."""
    how: How
    partitions: int
    """Stretches that the fast part runs at a time: 1 and nothing outside is no split at all."""
    operators: tuple[DelegatedOperator, ...]
    """Those outside first, by time where it was taken, else by count."""
    time_inside: float | None = None
    """Share of the operators' time that is spent inside, 0..1."""
    no_time: str | None = None
    """Why no time was taken."""
    call_us: float | None = None
    """The operators of one call of the graph, all together, under the runtime's profiler: slower than without."""
    calls: int = 0
    """Calls that were profiled."""
    degraded: str | None = None
    """Why the fast part that was asked for runs nothing at all: the runtime has fallen back without a word."""
    notes: tuple[str, ...] = ()

    @property
    def inside(self) -> int:
        """Operators that run inside."""
        return sum(operator.count for operator in self.operators if operator.inside)

    @property
    def outside(self) -> int:
        """Operators that run outside."""
        return sum(operator.count for operator in self.operators if not operator.inside)


class CandidateDelegation(Value, frozen=True, kw_only=True):
    """One candidate."""

    candidate: str
    artifact: str | None
    delegations: tuple[Delegation, ...] = ()
    """What was seen first."""
    reason: str | None = None
    """Why there is none."""
    undivided: bool = False
    """Whether one thing runs all of it alike, as the reason says."""

    @property
    def told(self) -> bool:
        """Whether it is known where its operators run."""
        return bool(self.delegations) or self.undivided

    @property
    def degraded(self) -> str | None:
        """Why its runtime has fallen back on this machine; None where it has not."""
        return next((found.degraded for found in self.delegations if found.how == "seen" and found.degraded), None)


class DelegationDocument(Document, frozen=True, kw_only=True):
    """Phase 3, beside the validation."""

    SCHEMA: ClassVar[tuple[str, int]] = ("edgeproof.delegation", 1)
    FILE: ClassVar[str] = "phase3_delegation.json"

    model: str
    candidates: tuple[CandidateDelegation, ...]
