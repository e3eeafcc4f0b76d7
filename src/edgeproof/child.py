"""What a process of ours does when it begins: it ties itself to the one that started it, and tells its error in a line.

It imports next to nothing: many processes are started for one call.
"""

from __future__ import annotations

import os
import signal
import sys

from edgeproof.errors import EdgeProofError

TYPE_CHECKING = False  # the name is enough for a type checker, and typing is a part of a start
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import NoReturn

__all__ = ["PARENT", "child_main", "die_with_parent", "tie_to_parent", "untie_from_parent"]

PARENT = "EDGEPROOF_PARENT"
"""In a child's environment: the process it is to die with."""


def die_with_parent() -> None:
    """Have Linux kill this process when the one that started it for its own work is gone, so that a run that is killed
    leaves nothing behind. Elsewhere, and in a process that was started by hand, nothing happens."""
    parent = os.environ.pop(PARENT, "")
    if parent.isdigit() and int(parent) == os.getppid():
        tie_to_parent()
    elif parent.isdigit() and not os.path.exists(f"/proc/{parent}") and os.path.exists("/proc/self"):  # noqa: PTH110
        os._exit(1)  # it was gone before this line


def tie_to_parent() -> None:
    """Have Linux kill this process with the thread that started it; elsewhere nothing happens."""
    _on_death_of_parent(signal.SIGKILL)


def untie_from_parent() -> None:
    """Have it live on without the thread that started it: for one that hears of its parent's end in another way."""
    _on_death_of_parent(0)


def _on_death_of_parent(number: int) -> None:
    if sys.platform == "linux":
        import ctypes

        parent_death_signal = 1
        ctypes.CDLL(None).prctl(parent_death_signal, number)


def child_main(main: Callable[[Sequence[str]], int]) -> NoReturn:
    """Run a module as a process: it dies with its parent, and an error is one line on stderr and an exit code."""
    die_with_parent()
    try:
        code = main(sys.argv[1:])
    except EdgeProofError as error:
        print(f"error: {error}", file=sys.stderr)
        code = error.exit_code
    sys.exit(code)
