"""Why a case of coremltools' own tests is not expected to pass; docs/coreml.md has the same."""

from __future__ import annotations

__all__ = ["KNOWN", "reason_for"]

KNOWN: dict[str, str] = {}
"""Beginning of a case's name to the reason."""


def reason_for(case: str) -> str:
    """The reason, or that there is none."""
    return next((reason for start, reason in KNOWN.items() if case.startswith(start)), "**not known**")
