"""Reading sysfs: a file as text or as a whole number. What is missing or may not be read is None."""

from __future__ import annotations

from pathlib import Path

__all__ = ["denied", "integer", "text"]


def text(path: Path) -> str | None:
    """What stands in the file, without blanks around it; None where it cannot be read or is empty."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip("\x00\n ") or None
    except OSError:
        return None


def integer(path: Path) -> int | None:
    """The whole number in the file; None where there is none."""
    try:
        return int(text(path) or "")
    except ValueError:
        return None


def denied(path: Path) -> bool:
    """Whether the file is there and this user may not read it."""
    try:
        with path.open("rb") as file:
            file.read(1)
    except PermissionError:
        return True
    except OSError:
        return False
    return False
