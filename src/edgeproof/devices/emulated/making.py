"""What emulating a board takes, made by one command."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edgeproof.devices.emulated.boards import find_board
from edgeproof.devices.emulated.lodging import Lodging, lacking
from edgeproof.devices.emulated.root import make_root
from edgeproof.devices.emulation import foreign_root

__all__ = ["Made", "emulate"]


@dataclass(frozen=True)
class Made:
    """A board that can be emulated from now on.

    Attributes:
        address: as a device.
        folder: its system.
        bytes: of that.
        left_out: formats whose runtime is not in it, with the reason.
    """

    address: str
    folder: str
    bytes: int
    left_out: tuple[str, ...]


def emulate(board: str, *, suite: str = "bookworm", progress: Callable[[str], None] = lambda _line: None) -> Made:
    """Make what emulating a board takes: a small Debian of its processor, and the runtimes' wheels for it.

    Args:
        board: such as ``"raspberrypi4"``.
        suite: of Debian.
        progress: takes a line.

    Raises:
        UsageError: there is no such board.
        MissingDependency: a program is not here.
        DeviceError: the system or the wheels are not to be had, or it does not start.
    """
    found = find_board(board)
    missing = lacking(found)
    if missing is not None:
        raise missing
    left_out = make_root(found.architecture, progress, suite=suite)
    progress("starting it")
    root = foreign_root(found.architecture)
    with tempfile.TemporaryDirectory(prefix="edgeproof-home-") as home:
        Lodging(found, Path(home)).close()
    size = sum(part.lstat().st_size for part in root.rglob("*"))
    return Made(f"emulated:{found.name}", str(root), size, tuple(left_out))
