"""A converter's failure put into words: the operator, its line, why the format does not take it, and what to do.

What a converter names, its format tells by patterns (``Format.blames``). The converter's own words are the detail.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from edgeproof.errors import EdgeProofError, OperatorError
from edgeproof.formats.answers.places import Place, calls, places_at, places_of
from edgeproof.formats.answers.table import answer_for

if TYPE_CHECKING:
    import torch

    from edgeproof.formats.base import Conversion, Format

__all__ = ["explained"]

MOST = 3
"""Lines that are told of one operator."""
UNKNOWN = "write that line with other operators of PyTorch, or ship a format that takes it"


def explained(error: Exception, conversion: Conversion) -> Exception:
    """What to raise in a failure's place: an ``OperatorError`` where it is about an operator of the program, else the
    failure as it is."""
    detail = "\n".join(dict.fromkeys(_texts(error)))
    program = conversion.spine.program
    found = _blamed(detail, conversion.format, program)
    named = bool(found)
    if not found:
        found = _suspects(program, conversion.format.name)
    if not found:
        return error
    operator = found[0].operator
    answer = answer_for(operator, conversion.format.name)
    where = ", and ".join(str(place) for place in found[:MOST]) + (", and more" if len(found) > MOST else "")
    title = conversion.format.title
    if not named:
        what = f"{title}'s converter fails and names no operator; the model has {where}, which it is known to fail on"
    else:
        what = f"{title} does not take {where}"
    message = what if answer is None else f"{what}: {answer.why}"
    hint = UNKNOWN if answer is None else answer.remedy
    return OperatorError(message, hint=hint, operator=operator, detail=detail)


def _texts(error: BaseException) -> Iterator[str]:
    """What an error and its causes say, the innermost first, with what was noted of them."""
    cause = error.__cause__ or error.__context__
    if cause is not None:
        yield from _texts(cause)
    elif isinstance(error, EdgeProofError):
        yield error.message
    if not isinstance(error, EdgeProofError):
        yield f"{type(error).__name__}: {error}".strip()
        yield from getattr(error, "__notes__", ())


def _blamed(detail: str, blamer: Format, program: torch.export.ExportedProgram) -> list[Place]:
    for pattern in blamer.blames:
        for match in re.finditer(pattern, detail):
            told = match.groupdict()
            names = re.split(r"[,\s]+", told["operator"].strip(" {}'"))
            for name in (name.strip("'") for name in names):
                location = told.get("location")
                found = places_at(program, location, name) if location else []
                found = found or places_of(program, name)
                if found:
                    return _known_first(found, blamer.name)
    return []


def _known_first(places: list[Place], format_name: str) -> list[Place]:
    """The calls of one operator: one that is known to fail there, where there are several at a line."""
    operators = list(dict.fromkeys(place.operator for place in places))
    chosen = next((operator for operator in operators if answer_for(operator, format_name) is not None), None)
    return [place for place in places if place.operator == (chosen or operators[0])]


def _suspects(program: torch.export.ExportedProgram, format_name: str) -> list[Place]:
    """The calls of an operator that is known to fail in this format, where there is just one such operator."""
    known = []
    for place in calls(program):
        answer = answer_for(place.operator, format_name)
        if answer is not None and answer.always:
            known.append(place)
    operators = {place.operator for place in known}
    return list(dict.fromkeys(known)) if len(operators) == 1 else []
