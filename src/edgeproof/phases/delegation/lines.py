"""The lines of the model that operators outside of a delegate come from, looked up in the exported programs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgeproof.apart import call_apart
from edgeproof.documents.delegation import CandidateDelegation, DelegatedOperator, Delegation
from edgeproof.documents.signature import Form
from edgeproof.errors import EdgeProofError
from edgeproof.formats.delegation.origins import origins_of
from edgeproof.model.lines import of_the_model
from edgeproof.model.warm import with_export
from edgeproof.model.workspace import Workspace
from edgeproof.process import Limits

if TYPE_CHECKING:
    import torch

__all__ = ["LineJob", "Lines", "find_lines", "with_lines"]

LIMITS = Limits(seconds=120)
MOST = 5
"""Lines that are told of one operator."""


class LineJob(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked up.

    Attributes:
        root: the workspace with the exported forms.
        names: per form, operators as runtimes or PyTorch call them.
    """

    root: str
    names: dict[Form, tuple[str, ...]]


class Found(msgspec.Struct, frozen=True):
    """An operator of the program, and the lines that call it."""

    operator: str
    lines: tuple[str, ...]


class Lines(msgspec.Struct, frozen=True):
    """Per form, what was found of the names; the rest is not in it."""

    found: dict[Form, dict[str, Found]]


def with_lines(
    candidates: Sequence[CandidateDelegation], forms: dict[str, Form], workspace: Workspace
) -> tuple[CandidateDelegation, ...]:
    """The candidates with the lines of what runs outside, where the exported program has them.

    Args:
        candidates: what was told of them.
        forms: what each was made of, by candidate.
        workspace: with the exported forms.
    """
    wanted: dict[Form, tuple[str, ...]] = {}
    for candidate in candidates:
        form = forms.get(candidate.candidate)
        if form is not None and workspace.spine(form).is_dir():
            names = (name for delegation in candidate.delegations for name in _names(delegation))
            wanted[form] = tuple(dict.fromkeys((*wanted.get(form, ()), *names)))
    wanted = {form: names for form, names in wanted.items() if names}
    if not wanted:
        return tuple(candidates)
    job = LineJob(root=str(workspace.root.resolve()), names=wanted)
    log = workspace.logs / "lines.log"
    try:
        target = f"{__name__}:find_lines"
        found = call_apart(
            target, job, Lines, what="looking lines up", limits=LIMITS, log=log, start=with_export()
        ).found
    except EdgeProofError:  # a line is a comfort: nothing depends on it
        return tuple(candidates)
    return tuple(_placed(candidate, found, forms.get(candidate.candidate)) for candidate in candidates)


def find_lines(job: LineJob) -> Lines:
    """Look operators up in the exported programs of their forms."""
    from edgeproof.model.spine import load_spine

    workspace, found = Workspace(Path(job.root)), dict[Form, dict[str, Found]]()
    for form, names in job.names.items():
        program = load_spine(workspace.spine(form), workspace.held_out).program
        looked_up = {name: _look_up(program, name) for name in names}
        found[form] = {name: told for name, told in looked_up.items() if told is not None}
    return Lines(found)


def _look_up(program: torch.export.ExportedProgram, name: str) -> Found | None:
    from edgeproof.formats.answers.places import places_of

    for operator in origins_of(name) or (name.removesuffix("_copy"),):
        places = places_of(program, operator)
        if places:
            known = (place.location for place in places if place.location and of_the_model(place.location))
            lines = tuple(dict.fromkeys(known))
            return Found(f"aten.{places[0].operator}", lines[:MOST])
    return None


def _names(delegation: Delegation) -> Iterable[str]:
    return (_name(operator) for operator in delegation.operators if not operator.inside and not operator.lines)


def _name(operator: DelegatedOperator) -> str:
    """What an operator is looked up by."""
    return operator.operator or operator.name


def _placed(
    candidate: CandidateDelegation, found: dict[Form, dict[str, Found]], form: Form | None
) -> CandidateDelegation:
    known = found.get(form, {}) if form is not None else {}

    def placed(operator: DelegatedOperator) -> DelegatedOperator:
        told = known.get(_name(operator)) if not operator.inside and not operator.lines else None
        if told is None:
            return operator
        return msgspec.structs.replace(operator, operator=operator.operator or told.operator, lines=told.lines)

    delegations = tuple(
        msgspec.structs.replace(delegation, operators=tuple(map(placed, delegation.operators)))
        for delegation in candidate.delegations
    )
    return msgspec.structs.replace(candidate, delegations=delegations)
