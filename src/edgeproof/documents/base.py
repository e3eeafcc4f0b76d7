"""How a document is written and read: JSON, typed, versioned. Knows no particular document.

A document's first field is ``schema``, ``"<name>/<version>"``. Fields are added, never renamed; a reader ignores
fields it does not know and refuses a version newer than its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar

import msgspec

from edgeproof.documents.parsing import file_bytes, parse_json
from edgeproof.errors import DocumentError
from edgeproof.files import write_bytes
from edgeproof.trust import is_ours, mark_of

__all__ = [
    "Document",
    "Marked",
    "Value",
    "decode",
    "encode",
    "plain_name",
    "read_document",
    "read_marked",
    "to_builtins",
    "write_document",
]


LONGEST_VERSION = 10


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


class Marked(Document, frozen=True, kw_only=True):
    """A document that leads to code: it says whether this user made it (``edgeproof.trust``)."""

    UNMARKED: ClassVar[tuple[str, ...]] = ()
    """Fields that may change without the mark."""

    mark: str | None = None
    """The mark of the user who wrote it, over the rest; None where that user has no key."""

    def marked(self) -> Self:
        """The same with this user's mark."""
        plain = msgspec.json.decode(msgspec.json.encode(self))
        return msgspec.structs.replace(self, mark=mark_of(plain, besides=self.UNMARKED))


D = TypeVar("D", bound=Document)
M = TypeVar("M", bound=Marked)


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
        head = parse_json(raw)
        schema = head.get("schema") if isinstance(head, dict) else None
        if not isinstance(schema, str) or "/" not in schema:
            raise DocumentError(f"expected a {name} document, found JSON without a schema field")
        found_name, _, found_version = schema.partition("/")
        if found_name != name:
            raise DocumentError(f"expected a {name} document, found {schema}")
        plain = found_version.isascii() and found_version.isdigit() and len(found_version) < LONGEST_VERSION
        if not plain or int(found_version) > version:
            raise DocumentError(
                f"{schema} is newer than this version reads ({name}/{version})", hint="update edgeproof"
            )
        return msgspec.convert(head, kind)
    except msgspec.MsgspecError as error:
        raise DocumentError(f"not a valid {name} document: {error}") from error


def read_document(path: Path, kind: type[D]) -> D:
    """Read a document's file.

    Raises:
        DocumentError: it is missing, cannot be read, or is not valid.
    """
    return decode(_bytes_of(path), kind)


def read_marked(path: Path, kind: type[M]) -> tuple[M, bool]:
    """Read a document's file, and tell whether this user made it.

    Raises:
        DocumentError: as ``read_document``.
    """
    raw = _bytes_of(path)
    document = decode(raw, kind)
    return document, is_ours(parse_json(raw), besides=kind.UNMARKED)


def _bytes_of(path: Path) -> bytes:
    try:
        return file_bytes(path)
    except OSError as error:
        raise DocumentError(f"cannot read {path}: {error.strerror}") from error


def plain_name(name: str) -> str:
    """A name as it can stand in a file's."""
    return "".join(letter if letter.isalnum() or letter in "-._@" else "-" for letter in name)


def write_document(path: Path, document: Value | Document) -> None:
    """Write a document whole or not at all."""
    write_bytes(path, encode(document))
