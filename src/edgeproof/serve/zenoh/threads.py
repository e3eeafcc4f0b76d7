"""Python in threads that are not Python's: what each call into it from zenoh's threads would set up and tear down."""

from __future__ import annotations

import ctypes
import threading

__all__ = ["ForeignThreads"]


class ForeignThreads:
    """Threads of a library that call Python again and again.

    Python makes a thread's state anew for each call from a thread that it did not start, with a page of stack that it
    asks the system for, and gives all of it back behind the call: a tenth of a small query. A state that is claimed
    once more than it is let go of stays (``PyGILState_Ensure``, which may be nested), one a thread, as long as that
    lives.
    """

    def __init__(self) -> None:
        self._kept = threading.local()

    def keep(self) -> None:
        """Keep the state of the thread that calls."""
        try:
            self._kept.state  # noqa: B018
        except AttributeError:
            self._kept.state = ctypes.pythonapi.PyGILState_Ensure()
