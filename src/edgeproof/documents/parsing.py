"""JSON of unknown origin: parsed into a type or refused, whatever the parser itself raises on it."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any, TypeVar, overload

import msgspec

__all__ = ["MOST_BYTES", "file_bytes", "parse_json"]

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
