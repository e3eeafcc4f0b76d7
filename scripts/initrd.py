"""The first file system of a whole emulated machine, made of Debian's packages without rights of root.

What ``virt_board.py`` and ``virt_kernel.py`` have in common.
"""

from __future__ import annotations

import gzip
import shutil
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path

__all__ = ["extract", "lay_busybox", "lay_modules", "write_initrd"]


def extract(root: Path, suite: str, architecture: str, packages: Sequence[str]) -> Path:
    """Unpack packages into a new folder, with what they depend on.

    Args:
        root: that folder.
        suite: of Debian, such as ``bookworm``.
        architecture: as Debian calls it.
        packages: their names, a kernel's among them.

    Returns:
        the kernel.

    Raises:
        OSError: there is no mmdebstrap.
        subprocess.CalledProcessError: no mirror is reached, or it has no such package.
    """
    words = ["mmdebstrap", "--variant=extract", f"--architectures={architecture}", f"--include={','.join(packages)}"]
    subprocess.run([*words, "--quiet", suite, str(root)], check=True)
    return next(root.glob("boot/vmlinuz-*"))


def lay_busybox(tree: Path, root: Path) -> None:
    """Put ``/bin/busybox`` and ``/bin/sh`` into the first file system."""
    (tree / "bin").mkdir(parents=True, exist_ok=True)
    shutil.copy(root / "bin/busybox", tree / "bin/busybox")
    (tree / "bin/sh").symlink_to("busybox")


def lay_modules(tree: Path, root: Path, names: Sequence[str]) -> None:
    """Put modules of the kernel, and what they need, into ``/modules``; ``/modules/order`` is their order.

    A name that the kernel has no file of is left out: other versions have it built in.
    """
    (tree / "modules").mkdir(parents=True, exist_ok=True)
    order = _module_order(root / "lib/modules", names)
    for path in order:
        shutil.copy(path, tree / "modules" / path.name)
    (tree / "modules/order").write_text("".join(f"{path.name.removesuffix('.ko')}\n" for path in order))


def write_initrd(tree: Path, init: str, out: Path) -> None:
    """Pack the first file system, with ``init`` as what the kernel starts, for ``-initrd``."""
    (tree / "init").write_text(init)
    for path in (tree / "init", *(tree / "bin").iterdir()):
        if not path.is_symlink():
            path.chmod(0o755)
    out.write_bytes(gzip.compress(_archive(tree), 6))


def _module_order(folder: Path, names: Sequence[str]) -> list[Path]:
    """Modules with all that they need before them, by their own words."""
    by_name = {path.name.removesuffix(".ko").replace("-", "_"): path for path in folder.rglob("*.ko")}
    order: list[Path] = []

    def take(name: str) -> None:
        path = by_name.get(name.replace("-", "_"))
        if path is None or path in order:
            return
        data = path.read_bytes()
        start = data.find(b"\0depends=")
        needed = data[start + 9 : data.index(b"\0", start + 9)].decode() if start >= 0 else ""
        for one in filter(None, needed.split(",")):
            take(one)
        order.append(path)

    for name in names:
        take(name)
    return order


def _archive(tree: Path) -> bytes:
    """A folder as a kernel unpacks it (the "newc" form of cpio)."""
    parts = []

    def add(name: str, mode: int, data: bytes, number: int) -> None:
        fields = (number, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode() + b"\0"
        parts.append(head + b"\0" * (-len(head) % 4) + data + b"\0" * (-len(data) % 4))

    for number, path in enumerate(sorted(tree.rglob("*")), 1):
        told = path.lstat()
        if path.is_symlink():
            add(str(path.relative_to(tree)), stat.S_IFLNK | 0o777, str(path.readlink()).encode(), number)
        else:
            data = b"" if path.is_dir() else path.read_bytes()
            add(str(path.relative_to(tree)), told.st_mode, data, number)
    add("TRAILER!!!", 0, b"", 0)
    return b"".join(parts)
