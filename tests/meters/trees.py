"""Trees of sysfs as the kernel has them, for meters that are part of a machine."""

from __future__ import annotations

from pathlib import Path

__all__ = ["write_tree"]


def write_tree(root: Path, files: dict[str, object]) -> Path:
    """Write files below ``root``, folders as needed, and give it."""
    for name, value in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    return root
