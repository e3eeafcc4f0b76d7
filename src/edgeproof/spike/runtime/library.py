"""A compiled engine's code, loaded by what it is made of: the system finds a loaded library by its path, and would give
the old one where a new one was written since."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import weakref
from _ctypes import dlclose

from edgeproof.errors import ArtifactError

TYPE_CHECKING = False  # as in native
if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import Any

__all__ = ["Library"]


class Library:
    """Loaded once for all that share it, and gone from memory when the last of them is.

    It is a copy that nobody else can reach: a file that is overwritten in place changes nothing here.
    """

    def __init__(self, content: bytes) -> None:
        """Load it; ``of`` is for everybody else.

        Raises:
            OSError: not for this machine, or no library.
        """
        self._code, release = _load(content)
        weakref.finalize(self, release).atexit = False  # at the end of the process others may still run in it

    @staticmethod
    def of(path: Path) -> Library:
        """The library that the file holds now.

        Raises:
            ArtifactError: not there, not for this machine, or no library.
        """
        try:
            content = path.read_bytes()
            with _lock:
                found = _loaded.get(content)
                if found is None:
                    found = _loaded[content] = Library(content)
            return found
        except OSError as error:
            raise ArtifactError(f"{path} cannot be loaded as an engine: {error}") from error

    def function(self, name: str, result: Any, *arguments: Any, alone: bool = False) -> Callable[..., Any]:
        """One of its functions, by C name, result and argument types; it must not outlive the library.

        Args:
            name: of the function.
            result: its type; None: nothing.
            arguments: their types; without any they are not looked at, and each must be an object of ctypes.
            alone: whether no other thread of Python's runs during a call: for what takes less than a switch does.

        Raises:
            AttributeError: there is none of that name.
        """
        if alone:
            called: Callable[..., Any] = ctypes.PYFUNCTYPE(result, *arguments)((name, self._code))
            return called
        function = getattr(self._code, name)
        function.restype, function.argtypes = result, list(arguments)
        found: Callable[..., Any] = function
        return found


_loaded: weakref.WeakValueDictionary[bytes, Library] = weakref.WeakValueDictionary()
_lock = threading.Lock()


def _load(content: bytes) -> tuple[ctypes.CDLL, Callable[[], None]]:
    """The code, and what lets go of it. While it is loaded its file stays open, so that no other gets its number."""
    if hasattr(os, "memfd_create"):
        number = os.memfd_create("engine", os.MFD_CLOEXEC)
        try:
            _write(number, content)
            return _opened(f"/proc/self/fd/{number}", number)
        except OSError:
            os.close(number)
            if not content.startswith(_MAGIC):
                raise
    return _from_copy(content)


_MAGIC = b"\xcf\xfa\xed\xfe" if sys.platform == "darwin" else b"\x7fELF"


def _from_copy(content: bytes) -> tuple[ctypes.CDLL, Callable[[], None]]:
    """By a file of a name that nobody had, for systems without files in memory, or that run none of them."""
    import tempfile
    from pathlib import Path

    number, name = tempfile.mkstemp(".so", "engine-")
    try:
        _write(number, content)
        return _opened(name, number)
    except OSError:
        os.close(number)
        raise
    finally:
        Path(name).unlink()


def _opened(name: str, number: int) -> tuple[ctypes.CDLL, Callable[[], None]]:
    try:
        code = ctypes.CDLL(name)
    except OSError as error:
        raise OSError(str(error).removeprefix(f"{name}: ")) from error

    def release() -> None:
        dlclose(code._handle)
        os.close(number)

    return code, release


def _write(number: int, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[os.write(number, left) :]
