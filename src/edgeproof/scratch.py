"""The folder for everything temporary of this process and of those it starts: gone at its end, and where it was killed,
with the next one that makes its own."""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = ["SCRATCH", "scratch", "scratch_folder"]

SCRATCH = "EDGEPROOF_SCRATCH"
"""In a child's environment: the folder of the process that started it."""
PREFIX = "edgeproof-"
LOCK = ".lock"
"""Locked by the process whose folder it is, as long as that lives."""


def scratch() -> Path:
    """This process's folder, or that of the one that started it for its own work."""
    given = os.environ.get(SCRATCH)
    if given and Path(given).is_dir():
        return Path(given)
    return _own(os.getpid())


@contextlib.contextmanager
def scratch_folder(purpose: str) -> Iterator[Path]:
    """A folder inside, while the block runs."""
    with tempfile.TemporaryDirectory(prefix=f"{purpose}-", dir=scratch(), ignore_cleanup_errors=True) as folder:
        yield Path(folder).resolve()


@functools.cache
def _own(pid: int) -> Path:
    """Made anew in a fork, which must not remove what its parent uses."""
    root = Path(tempfile.gettempdir())
    _remove_abandoned(root)
    made = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root)).resolve()
    held = os.open(made / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def remove() -> None:
        if os.getpid() == pid:
            shutil.rmtree(made, ignore_errors=True)
            os.close(held)

    atexit.register(remove)
    return made


def _remove_abandoned(root: Path) -> None:
    """Folders of ours whose process is gone."""
    for lock in root.glob(f"{PREFIX}*/{LOCK}"):
        with contextlib.suppress(OSError):
            number = os.open(lock, os.O_RDWR | os.O_NOFOLLOW)
            try:
                if os.fstat(number).st_uid == os.getuid():
                    fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(lock.parent, ignore_errors=True)
            finally:
                os.close(number)
