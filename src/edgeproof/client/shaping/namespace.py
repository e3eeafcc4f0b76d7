"""Entering another process's user and network namespace. Linux alone; Python has this from 3.12 on only."""

from __future__ import annotations

import ctypes
import os

from edgeproof.errors import ServingError

__all__ = ["NEW_NETWORK", "NEW_USER", "enter_network", "enter_user", "leave_for_own"]

NEW_USER = 0x10000000
"""CLONE_NEWUSER of ``linux/sched.h``."""
NEW_NETWORK = 0x40000000
"""CLONE_NEWNET of ``linux/sched.h``."""


def enter_user(pid: int) -> None:
    """Enter the user namespace of a process, which this process's user has made; it must have one thread as yet.

    Raises:
        ServingError: the kernel does not allow it.
    """
    _enter(f"/proc/{pid}/ns/user", NEW_USER)


def enter_network(pid: int) -> None:
    """Enter the network namespace of a process, with this thread alone: its sockets from now on are made there.

    Raises:
        ServingError: the kernel does not allow it.
    """
    _enter(f"/proc/{pid}/ns/net", NEW_NETWORK)


def leave_for_own(kinds: int) -> None:
    """Leave for namespaces of this process's own.

    Args:
        kinds: ``NEW_USER``, ``NEW_NETWORK`` or both.

    Raises:
        OSError: the kernel does not allow it.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(ctypes.c_int(kinds)) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _enter(path: str, kind: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    try:
        number = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ServingError(f"the network at {path} is gone: {error.strerror}") from error
    try:
        if libc.setns(number, kind) != 0:
            reason = os.strerror(ctypes.get_errno())
            raise ServingError(f"the network at {path} cannot be entered: {reason}")
    finally:
        os.close(number)
