"""Which candidates a run makes, in which form: asked for by name, possible here, and of the forms the model has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from edgeproof.documents.conversion import ConversionResult
from edgeproof.documents.signature import Form, Signature
from edgeproof.errors import UsageError
from edgeproof.formats.base import Format
from edgeproof.formats.registry import find_candidate, formats

__all__ = ["Planned", "check_name", "plan", "select"]

STEP_SUFFIX = "-step"
UNROLLED_SUFFIX = "-unrolled"


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

    def result(
        self, status: Literal["ok", "failed", "skipped"], reason: str | None = None, remedy: str | None = None
    ) -> ConversionResult:
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


def plan(signature: Signature, names: Sequence[str] = ()) -> tuple[Planned, ...]:
    """The candidates asked for, or all: each format's first form of each precision.

    For a model with time steps, a format that streams makes its first precision in the other form too.

    Raises:
        UsageError: a name is unknown.
    """
    if names:
        return tuple(dict.fromkeys(_named(name, signature) for name in names))
    found = []
    for one in formats().values():
        for precision in one.precisions:
            forms = one.forms(precision)
            found.append(Planned(one.candidate(precision), one, precision, _first(signature, forms)))
            if signature.timesteps is not None and one.streams and precision == one.precisions[0]:
                found += [_other(one, precision, form) for form in forms[1:]]
    return tuple(found)


def check_name(name: str) -> None:
    """Whether there is such a candidate, of any form.

    Raises:
        UsageError: unknown.
    """
    find_candidate(name.removesuffix(STEP_SUFFIX).removesuffix(UNROLLED_SUFFIX))


def select(to: Sequence[str], precisions: Sequence[str]) -> tuple[str, ...]:
    """Candidate names of formats and precisions; a pair the format does not have is left out.

    Raises:
        UsageError: an unknown format or precision, or nothing is left.
    """
    known = formats()
    unknown = [name for name in to if name not in known]
    if unknown:
        raise UsageError(f"there is no format {unknown[0]}", hint=f"known: {', '.join(known)}")
    every = {precision for one in known.values() for precision in one.precisions}
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


def _named(name: str, signature: Signature) -> Planned:
    for suffix, form in ((STEP_SUFFIX, "step"), (UNROLLED_SUFFIX, "unrolled")):
        if name.endswith(suffix):
            one, precision = find_candidate(name.removesuffix(suffix))
            if signature.timesteps is None:
                raise UsageError(f"{name}: the model has no time steps, so it has one form only")
            if _first(signature, one.forms(precision)) == form:
                return Planned(one.candidate(precision), one, precision, form)
            return _other(one, precision, form)  # type: ignore[arg-type]
    one, precision = find_candidate(name)
    return Planned(name, one, precision, _first(signature, one.forms(precision)))


def _other(one: Format, precision: str, form: Form) -> Planned:
    suffix = STEP_SUFFIX if form == "step" else UNROLLED_SUFFIX
    return Planned(one.candidate(precision) + suffix, one, precision, form)


def _first(signature: Signature, forms: tuple[Form, ...]) -> Form:
    return "whole" if signature.timesteps is None else forms[0]
