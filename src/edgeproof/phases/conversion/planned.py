"""Which candidates are made, in which form: asked for by name, possible here, and of the forms the model has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeproof.documents.conversion import ConversionResult, Outcome
from edgeproof.documents.signature import Form
from edgeproof.errors import UsageError
from edgeproof.formats.base import Format
from edgeproof.formats.registry import find_candidate, formats

__all__ = ["Planned", "check_name", "forms_of", "plan", "select"]

SUFFIXES: tuple[tuple[str, Form], ...] = (("-step", "step"), ("-unrolled", "unrolled"))
"""What the name of a candidate ends in that is made from another form than its format's first."""


@dataclass(frozen=True)
class Planned:
    """One candidate to make.

    Attributes:
        candidate: its name; the other form of a model with time steps carries the form in its name.
        format: the format that makes it.
        precision: one of the format's.
        form: the form it is made from.
    """

    candidate: str
    format: Format
    precision: str
    form: Form

    @property
    def is_base(self) -> bool:
        """Whether it is of the format's first precision, which later ones may start from."""
        return self.precision == self.format.precisions[0]

    def result(self, status: Outcome, reason: str | None = None, remedy: str | None = None) -> ConversionResult:
        """What became of it; an artifact and its figures are added where there is one."""
        return ConversionResult(
            candidate=self.candidate,
            format=self.format.name,
            precision=self.precision,
            form=self.form,
            status=status,
            sdk=self.format.sdk,
            reason=reason,
            remedy=remedy,
        )


def plan(names: Sequence[str] = (), *, steps: bool) -> tuple[Planned, ...]:
    """The candidates asked for, or all: each format's first form of each precision.

    For a model with time steps, a format that streams makes its first precision in the other form too.

    Args:
        names: candidates; empty: all.
        steps: whether the model has time steps.

    Raises:
        UsageError: a name is unknown.
    """
    if names:
        return tuple(dict.fromkeys(_named(name, steps=steps) for name in names))
    found = []
    for known in formats().values():
        for precision in known.precisions:
            first, *others = known.forms(precision)
            found.append(Planned(known.candidate(precision), known, precision, first if steps else "whole"))
            if steps and known.streams and precision == known.precisions[0]:
                found += [_other(known, precision, form) for form in others]
    return tuple(found)


def forms_of(names: Sequence[str] = ()) -> tuple[Form, ...]:
    """Every form that these candidates, or all, may be made from, whether or not the model has time steps."""
    return tuple(dict.fromkeys(("whole", *(planned.form for planned in plan(names, steps=True)))))


def check_name(name: str) -> None:
    """Whether there is such a candidate, of any form.

    Raises:
        UsageError: unknown.
    """
    find_candidate(_without_form(name)[0])


def select(to: Sequence[str], precisions: Sequence[str]) -> tuple[str, ...]:
    """Candidate names of formats and precisions; a pair the format does not have is left out.

    Raises:
        UsageError: an unknown format or precision, or nothing is left.
    """
    known = formats()
    unknown = [name for name in to if name not in known]
    if unknown:
        raise UsageError(f"there is no format {unknown[0]}", hint=f"known: {', '.join(known)}")
    every = {precision for found in known.values() for precision in found.precisions}
    strange = [name for name in precisions if name not in every]
    if strange:
        raise UsageError(f"there is no precision {strange[0]}", hint=f"known: {', '.join(sorted(every))}")
    names = tuple(
        known[name].candidate(precision)
        for name in (to or tuple(known))
        for precision in known[name].precisions
        if not precisions or precision in precisions
    )
    if not names:
        raise UsageError(
            f"{', '.join(to)} cannot be made in {', '.join(precisions)}",
            hint="; ".join(f"{name}: {', '.join(known[name].precisions)}" for name in to),
        )
    return names


def _without_form(name: str) -> tuple[str, Form | None]:
    for suffix, form in SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix), form
    return name, None


def _named(name: str, *, steps: bool) -> Planned:
    bare, form = _without_form(name)
    found, precision = find_candidate(bare)
    first: Form = found.forms(precision)[0] if steps else "whole"
    if form is not None and not steps:
        raise UsageError(f"{name}: the model has no time steps, so it has one form only")
    if form is None or form == first:
        return Planned(found.candidate(precision), found, precision, first)
    return _other(found, precision, form)


def _other(found: Format, precision: str, form: Form) -> Planned:
    suffix = next(suffix for suffix, other in SUFFIXES if other == form)
    return Planned(found.candidate(precision) + suffix, found, precision, form)
