"""Which candidates are made, in which form: asked for by name, possible here, and of the forms the model has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from edgeproof.documents.conversion import ConversionResult, Outcome
from edgeproof.documents.signature import Form
from edgeproof.errors import UsageError
from edgeproof.formats.base import Format
from edgeproof.formats.registry import candidate_names, find_candidate, formats

__all__ = ["Planned", "check_name", "forms_of", "named", "plan", "select"]

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
            eager=self.format.eager,
            reason=reason,
            remedy=remedy,
        )


def plan(names: Sequence[str] = (), *, steps: bool) -> tuple[Planned, ...]:
    """The candidates asked for, or all: each format's first form of each precision.

    For a model with time steps, a format that streams makes its first precision in the other form too.

    Args:
        names: of candidates, or of formats for all their precisions; empty: all.
        steps: whether the model has time steps.

    Raises:
        UsageError: a name is unknown.
    """
    if names:
        return tuple(dict.fromkeys(_planned(name, steps=steps) for word in names for name in named(word)))
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


def named(word: str) -> tuple[str, ...]:
    """The candidates that a word stands for: ``onnx-int8`` for itself; a format, ``onnx``, for all its precisions.

    Either may end in a form: ``onnx-step``, ``onnx-int8-step``. A name of both is the candidate's: ``sdk-native``.

    Raises:
        UsageError: there is no such candidate or format.
    """
    bare, _ = _without_form(word)
    if bare not in candidate_names() and bare in formats():
        return _of_format(word)
    find_candidate(bare)
    return (word,)


def _of_format(word: str, among: Sequence[str] = ()) -> tuple[str, ...]:
    """All candidates of a format, in the form that its name may end in; none where it is no format's name.

    Args:
        among: precisions that are asked for; those that are made on request alone are there where they are.
    """
    bare, form = _without_form(word)
    known = formats().get(bare)
    if known is None:
        return ()
    suffix = "" if form is None else _suffix(form)
    wanted = (*known.precisions, *(precision for precision in known.on_request if precision in among))
    return tuple(known.candidate(precision) + suffix for precision in wanted)


def check_name(word: str) -> None:
    """Whether there is such a format or candidate, of any form.

    Raises:
        UsageError: unknown.
    """
    named(word)


def select(to: Sequence[str], precisions: Sequence[str]) -> tuple[str, ...]:
    """The candidates that formats, or candidates, stand for, in these precisions; a pair that is not there is left out.

    A name of both is the format's here: ``sdk-native``.

    Raises:
        UsageError: an unknown format, candidate or precision, or nothing is left.
    """
    known = formats()
    every = {precision for found in known.values() for precision in (*found.precisions, *found.on_request)}
    strange = [name for name in precisions if name not in every]
    if strange:
        raise UsageError(f"there is no precision {strange[0]}", hint=f"known: {', '.join(sorted(every))}")
    asked = dict.fromkeys(
        name for word in (to or tuple(known)) for name in _of_format(word, among=precisions) or named(word)
    )
    found = {name: find_candidate(_without_form(name)[0]) for name in asked}
    names = tuple(name for name, (_, precision) in found.items() if not precisions or precision in precisions)
    if not names:
        having = {chosen.name: ", ".join(chosen.precisions) for chosen, _ in found.values()}
        raise UsageError(
            f"{', '.join(to)} cannot be made in {', '.join(precisions)}",
            hint="; ".join(f"{name}: {told}" for name, told in having.items()),
        )
    return names


def _without_form(name: str) -> tuple[str, Form | None]:
    for suffix, form in SUFFIXES:
        if name.endswith(suffix):
            return name.removesuffix(suffix), form
    return name, None


def _planned(name: str, *, steps: bool) -> Planned:
    bare, form = _without_form(name)
    found, precision = find_candidate(bare)
    first: Form = found.forms(precision)[0] if steps else "whole"
    if form is not None and not steps:
        raise UsageError(f"{name}: the model has no time steps, so it has one form only")
    if form is None or form == first:
        return Planned(found.candidate(precision), found, precision, first)
    return _other(found, precision, form)


def _other(found: Format, precision: str, form: Form) -> Planned:
    return Planned(found.candidate(precision) + _suffix(form), found, precision, form)


def _suffix(form: Form) -> str:
    return next(suffix for suffix, other in SUFFIXES if other == form)
