"""What is data and what is code, told apart in one place: the mark of what this user made, the folder that an artifact
may not leave, and the sha256 that it is held against. It parses no format and imports nothing heavy."""

from __future__ import annotations

import json
import os
from pathlib import Path

from edgeproof.errors import ArtifactError, TrustError

TYPE_CHECKING = False  # opening an engine of ours starts in milliseconds, and typing is some of them
if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from typing import Any

__all__ = ["MARK", "ask_for_trust", "contained", "fingerprint", "hold", "is_ours", "lies_in", "mark_of"]

MARK = "mark"
"""The field of a document that holds its mark."""
KEY_BYTES = 32
SCHEME = "hmac-sha256:"
SMALL_BYTES = 1 << 20
"""Of a file that is hashed before OpenSSL, which is quicker, were loaded."""


def _key_file() -> Path:
    state = Path(os.environ.get("XDG_STATE_HOME", ""))
    return (state if state.is_absolute() else Path("~/.local/state").expanduser()) / "edgeproof" / "key"


def _read_key(path: Path) -> bytes | None:
    """A key that others can read, or that is of another length, is none."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError:
        return None
    try:
        told = os.fstat(descriptor)
        if told.st_mode & 0o077 or told.st_uid != os.geteuid():
            return None
        key = os.read(descriptor, KEY_BYTES + 1)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return key if len(key) == KEY_BYTES else None


def _make_key(path: Path) -> bytes | None:
    """Whole and at once: of two processes that make one at the same time, both have the first one's."""
    import contextlib

    beside = path.with_name(f"{path.name}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        path.parent.mkdir(parents=True, mode=0o700, exist_ok=True)
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, os.urandom(KEY_BYTES))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        with contextlib.suppress(FileExistsError):
            path.hardlink_to(beside)
    except OSError:
        return None
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)
    return _read_key(path)


def mark_of(content: Mapping[str, Any], *, besides: Collection[str] = ()) -> str | None:
    """The mark of a document that this user makes: HMAC-SHA256 over its canonical JSON (sorted keys, ASCII).

    The key is the user's own, ``$XDG_STATE_HOME/edgeproof/key``, made when it is first needed.

    Args:
        content: the document as JSON has it; a mark that is in it already does not count.
        besides: fields that may change without it.

    Returns:
        the mark, or None where a key cannot be kept.
    """
    path = _key_file()
    key = _read_key(path) or _make_key(path)
    return None if key is None else _mark(key, content, besides)


def is_ours(content: Mapping[str, Any], *, besides: Collection[str] = ()) -> bool:
    """Whether this user made the document: its mark is the one that ``mark_of`` gives."""
    found = content.get(MARK)
    key = _read_key(_key_file())
    if key is None or not isinstance(found, str) or not found.isascii():
        return False
    key, expected = os.urandom(KEY_BYTES), _mark(key, content, besides)
    return _hmac(key, found.encode()) == _hmac(key, expected.encode())  # tells by no time how much of it is right


def _mark(key: bytes, content: Mapping[str, Any], besides: Collection[str]) -> str:
    told = {name: value for name, value in content.items() if name != MARK and name not in besides}
    return SCHEME + _hmac(key, json.dumps(told, sort_keys=True, separators=(",", ":")).encode())


def _hmac(key: bytes, message: bytes) -> str:
    """HMAC-SHA256 (RFC 2104) of a key of at most 64 bytes, as hexadecimal digits."""
    sha256 = _sha256()
    inner, outer = (bytes(byte ^ pad for byte in key.ljust(64, b"\0")) for pad in (0x36, 0x5C))
    found: str = sha256(outer + sha256(inner + message).digest()).hexdigest()
    return found


def _sha256() -> Any:
    """The interpreter's own: ``hashlib`` loads OpenSSL, which takes longer than hashing a small engine."""
    import importlib

    for name in ("_sha2", "_sha256", "hashlib"):
        try:
            return importlib.import_module(name).sha256
        except ImportError:
            continue
    raise AssertionError("hashlib is always there")


def ask_for_trust(what: str, *, runs: str) -> TrustError:
    """The refusal of code whose origin is not known.

    Args:
        what: the file or folder.
        runs: what it would do: ``it is a shared library, and loading it runs its code``.
    """
    return TrustError(
        f"{what} was not made by this user here: {runs}",
        hint="repeat with --trust (in Python: trust=True) if you trust its origin",
    )


def lies_in(folder: Path, file: str) -> bool:
    """Whether a path relative to a folder is of something in that folder, wherever links lead."""
    try:
        place, home = (folder / file).resolve(), folder.resolve()
    except (OSError, ValueError, RuntimeError):
        return False
    return place != home and place.is_relative_to(home)


def contained(folder: Path, file: str) -> Path:
    """The file that a document in ``folder`` names, which lies in that folder wherever its links lead.

    Raises:
        ArtifactError: an absolute path, one that leaves the folder, or no path at all.
    """
    if not file or Path(file).is_absolute() or not lies_in(folder, file):
        raise ArtifactError(
            f"{folder} says that its file is {file!r}, which lies outside it; an artifact's files lie in its folder",
            hint="copy the file itself into the folder, and convert again where it is not yours",
        )
    return folder / file


def fingerprint(path: Path) -> tuple[str, int]:
    """sha256 and size of a file; for a folder of the sorted (path, sha256) list and the total size.

    Raises:
        ArtifactError: a part of the folder is a link to somewhere else.
        OSError: it cannot be read.
    """
    if not path.is_dir():
        return _digest(path), path.stat().st_size
    whole, size = _sha256()(), 0
    for part in sorted(path.rglob("*")):
        if part.is_symlink():
            contained(path, part.relative_to(path).as_posix())
        if part.is_file():
            digest, length = fingerprint(part)
            whole.update(f"{part.relative_to(path).as_posix()} {digest}\n".encode())
            size += length
    return whole.hexdigest(), size


def _digest(path: Path) -> str:
    if path.stat().st_size <= SMALL_BYTES:
        return str(_sha256()(path.read_bytes()).hexdigest())
    import hashlib

    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def hold(folder: Path, file: str, sha256: str, beside: Mapping[str, str]) -> Path:
    """Hold an artifact against its folder and the sha256 in its document, and give its file.

    Args:
        folder: of the artifact.
        file: what a runtime opens, relative to it.
        sha256: of that file or folder; empty for one that came without a document.
        beside: sha256 of the files that it reads as well.

    Raises:
        ArtifactError: a file is not there, is another than the document describes, or lies elsewhere.
    """
    for name, expected in ((file, sha256), *beside.items()):
        path = contained(folder, name)
        try:
            path.stat()
            found = fingerprint(path)[0] if expected else ""
        except FileNotFoundError as error:
            raise ArtifactError(f"{path} is not there, and its document says that it is") from error
        except OSError as error:
            raise ArtifactError(f"{path} cannot be read: {error.strerror}") from error
        if found != expected:
            raise ArtifactError(
                f"{path} is not the file that artifact.json describes: its sha256 differs",
                hint="copy the artifact's whole folder again, or convert again",
            )
    return folder / file
