"""JSON of unknown origin: parsed into a type or refused, whatever the parser itself raises on it."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar, overload

import msgspec

__all__ = ["MOST_BYTES", "file_bytes", "parse_json", "strictly"]

MOST_BYTES = 256 << 20
"""Of a JSON file; raw latencies of ten million calls have fewer."""

T = TypeVar("T")


@overload
def parse_json(raw: bytes | str) -> Any: ...
@overload
def parse_json(raw: bytes | str, kind: type[T]) -> T: ...
def parse_json(raw: bytes | str, kind: Any = Any) -> Any:
    """JSON as a ``kind``.

    Raises:
        msgspec.MsgspecError: it is none, or not of that kind; it is nested too deeply, or is no text.
    """
    try:
        return msgspec.json.decode(raw, type=kind)
    except (RecursionError, MemoryError, UnicodeDecodeError, OverflowError) as error:
        raise msgspec.DecodeError(f"it cannot be read as JSON: {error}") from error


def strictly(value: Any, kind: type[T]) -> T:
    """What was parsed, as a ``kind`` that has every field of it: none is dropped in silence.

    Raises:
        msgspec.ValidationError: it is not of that kind, or has a field that the kind has not.
    """
    found = msgspec.convert(value, kind)
    unknown = next(_unknown(value, msgspec.to_builtins(found), ""), None)
    if unknown is not None:
        raise msgspec.ValidationError(f"it has a field `{unknown}` that is not known")
    return found


def _unknown(given: Any, known: Any, path: str) -> Iterator[str]:
    """Fields that are given and not known, with their path."""
    if isinstance(given, dict) and isinstance(known, dict):
        for name, value in given.items():
            where = f"{path}.{name}" if path else str(name)
            if name not in known:
                yield where
            else:
                yield from _unknown(value, known[name], where)
    elif isinstance(given, list) and isinstance(known, list | tuple):
        for number, (one, other) in enumerate(zip(given, known, strict=False)):
            yield from _unknown(one, other, f"{path}[{number}]")


def file_bytes(path: Path) -> bytes:
    """What a JSON file holds.

    Raises:
        OSError: it cannot be read, is no file, or larger than any that is read.
    """
    with path.open("rb") as file:
        told = path.stat()
        if not stat.S_ISREG(told.st_mode) or told.st_size > MOST_BYTES:
            raise OSError(0, f"it is no file of at most {MOST_BYTES:,} bytes", str(path))
        return file.read()
