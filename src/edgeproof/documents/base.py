"""How a document is written and read: JSON, typed, versioned. Knows no particular document.

A document's first field is ``schema``, ``"<name>/<version>"``. Fields are added, never renamed; a reader ignores
fields it does not know and refuses a version newer than its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, TypeVar

import msgspec

from edgeproof.errors import DocumentError
from edgeproof.files import write_bytes

__all__ = ["Document", "Value", "decode", "encode", "read_document", "to_builtins", "write_document"]


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """A value inside a document."""


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A document; subclasses set ``SCHEMA`` to ``(name, version)``, and ``FILE`` where it has a name of its own."""

    SCHEMA: ClassVar[tuple[str, int]] = ("document", 1)
    FILE: ClassVar[str] = ""
    """Its file in the run's or the artifact's folder."""

    schema: str = ""

    def __post_init__(self) -> None:
        if not self.schema:
            name, version = self.SCHEMA
            msgspec.structs.force_setattr(self, "schema", f"{name}/{version}")

    def path_in_run(self) -> str:
        """Where it stands in the run folder."""
        return self.FILE


D = TypeVar("D", bound=Document)


def to_builtins(value: Value | Document) -> dict[str, Any]:
    """A document as plain dicts and lists, for ``--json`` and templates."""
    return dict(msgspec.to_builtins(value))


def encode(value: Value | Document) -> bytes:
    """A document as indented UTF-8 JSON with a final newline. NaN and Inf become ``null``."""
    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"


def decode(raw: bytes | str, kind: type[D]) -> D:
    """Parse ``raw`` as a ``kind``.

    Raises:
        DocumentError: not JSON, not this document, or of a newer version.
    """
    name, version = kind.SCHEMA
    try:
        head = msgspec.json.decode(raw)
        schema = head.get("schema") if isinstance(head, dict) else None
        if not isinstance(schema, str) or "/" not in schema:
            raise DocumentError(f"expected a {name} document, found JSON without a schema field")
        found_name, _, found_version = schema.partition("/")
        if found_name != name:
            raise DocumentError(f"expected a {name} document, found {schema}")
        if not found_version.isdigit() or int(found_version) > version:
            raise DocumentError(
                f"{schema} is newer than this version reads ({name}/{version})", hint="update edgeproof"
            )
        return msgspec.convert(head, kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise DocumentError(f"not a valid {name} document: {error}") from error


def read_document(path: Path, kind: type[D]) -> D:
    """Read a document's file.

    Raises:
        DocumentError: it is missing, cannot be read, or is not valid.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DocumentError(f"cannot read {path}: {error.strerror}") from error
    return decode(raw, kind)


def write_document(path: Path, document: Value | Document) -> None:
    """Write a document whole or not at all."""
    write_bytes(path, encode(document))
