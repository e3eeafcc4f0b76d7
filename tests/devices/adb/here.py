"""The real ``adb`` with a server of its own and a phone's double, for one test."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.doubles.adb.daemon import Daemon
from tests.spike.installed import need

__all__ = ["adb", "phone_at"]


def adb(*words: str) -> str:
    """What the client says."""
    done = subprocess.run(["adb", *words], capture_output=True, timeout=60, text=True)
    return done.stdout + done.stderr


@contextmanager
def phone_at(folder: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    """A phone that a server with its own port, keys and home may be connected to.

    Args:
        folder: of ``write_phone``.
        home: for keys.
    """
    need("adb", "qemu-aarch64-static")
    for name in ("ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS", "ANDROID_SERIAL"):
        monkeypatch.delenv(name, raising=False)
    home.mkdir(exist_ok=True)
    monkeypatch.setenv("HOME", str(home))
    try:
        with Daemon(folder) as daemon:
            with socket.create_server(("127.0.0.1", 0)) as free:
                monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(free.getsockname()[1]))
            yield daemon
    finally:
        adb("kill-server")
