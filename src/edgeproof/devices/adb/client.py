"""One Android device through the ``adb`` client: its shell and its files, time limits, and the way back from offline.

The client is the user's own, with its keys and its server, and every call is a process of it.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from edgeproof.devices.adb.listing import remedy_for
from edgeproof.errors import DeviceError, ProcessError
from edgeproof.process import ask

__all__ = ["Adb", "Answer", "LinkLost"]

T = TypeVar("T")

SHELL_SECONDS = 60.0
FILE_SECONDS = 60.0
"""For a file, and more for a large one."""
SLOWEST_BYTES_PER_S = 200_000
TRIES = 3
BACK_SECONDS = 6.0
"""How long a device is waited for after each attempt to reach it again."""
NETWORK = re.compile(r"^(?:[\w.-]+|\[[0-9a-fA-F:]+\]):\d+$")
LOST = (
    "device offline",
    "error: closed",
    "protocol fault",
    "connection reset",
    "broken pipe",
    "no such device",
    "failed to read copy response",
    "failed to read from copy",
    "connect failed",
    "remote failed: closed",
    "lost",
)
"""What the client says where the link is gone."""
NO_ROOM = ("no space left", "not enough space", "disk quota")


class LinkLost(DeviceError):
    """The device went away in the middle of something."""


@dataclass(frozen=True)
class Answer:
    """What a shell said.

    Attributes:
        code: its exit code.
        out: its stdout.
        err: its stderr.
    """

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        """Its stdout."""
        return self.out.decode(errors="replace").replace("\r\n", "\n")


class Adb:
    """The device of a serial.

    Args:
        program: the client.
        serial: of the device.
        report: takes a line where something is tried again.
    """

    def __init__(self, program: str, serial: str, report: Callable[[str], None] = lambda _line: None) -> None:
        self.program, self.serial, self.report = program, serial, report

    @property
    def network(self) -> bool:
        """Whether it is reached over the network by an address."""
        return NETWORK.match(self.serial) is not None

    def shell(self, script: str, *, timeout_s: float = SHELL_SECONDS, again: bool = True) -> Answer:
        """Run a script of the device's ``sh``.

        Args:
            script: its text.
            timeout_s: by the clock.
            again: whether it may be run again after the link was lost.

        Raises:
            LinkLost: the device is gone, and did not come back. DeviceError: it cannot be used.
        """

        def once() -> Answer:
            answer = self._ask(["shell", script], timeout_s)
            if answer.code != 0:
                self._check(answer.err.decode(errors="replace"))
            return answer

        return self._held(once, again=again)

    def push(self, path: Path, to: str) -> None:
        """Bring a file or folder there.

        Raises:
            LinkLost: the device is gone. DeviceError: it has no room, or refuses.
        """
        self._held(lambda: self._copy(["push", str(path), to], _bytes_of(path)))

    def pull(self, path: str, to: Path, *, size: int = 0) -> None:
        """Bring a file from there.

        Args:
            path: there.
            to: here.
            size: bytes, as far as known, for the time it may take.

        Raises:
            LinkLost: the device is gone. DeviceError: there is no such file.
        """
        self._held(lambda: self._copy(["pull", path, str(to)], size))

    def connect(self) -> str:
        """Ask adb's server to connect to a device in the network; what it said."""
        done = ask([self.program, "connect", self.serial], timeout_s=SHELL_SECONDS)
        return (done.stdout + done.stderr).decode(errors="replace").strip()

    def _copy(self, words: Sequence[str], size: int) -> None:
        answer = self._ask(words, FILE_SECONDS + size / SLOWEST_BYTES_PER_S)
        if answer.code == 0:
            return
        said = (answer.out + b"\n" + answer.err).decode(errors="replace")
        self._check(said)
        line = next((line for line in said.splitlines() if "error" in line or "failed" in line), said.strip())
        if any(part in said.lower() for part in NO_ROOM):
            raise DeviceError(f"{self.serial} has no room: {line}", hint="make room on it, and repeat")
        raise DeviceError(f"{self.serial}: {line or f'adb {words[0]} failed'}")

    def _ask(self, words: Sequence[str], timeout_s: float) -> Answer:
        try:
            done = ask([self.program, "-s", self.serial, *words], timeout_s=timeout_s)
            return Answer(done.returncode, done.stdout, done.stderr)
        except ProcessError as error:
            raise LinkLost(f"{self.serial} gave no answer within {timeout_s:.0f} s") from error

    def _check(self, said: str) -> None:
        """Raise where the client itself speaks, and not what ran on the device."""
        low = said.lower()
        if not low.startswith(("error:", "adb:")) and "adb: error:" not in low:
            return
        if "unauthorized" in low:
            raise DeviceError(f"{self.serial} does not allow this computer", hint=remedy_for("unauthorized"))
        if "still authorizing" in low or "still connecting" in low:
            raise LinkLost(f"{self.serial} is not ready yet", hint=remedy_for("authorizing"))
        if "insufficient permissions" in low or "no permissions" in low:
            raise DeviceError(f"{self.serial} may not be opened by this user", hint=remedy_for("no permissions"))
        if "not found" in low or any(part in low for part in LOST):
            first = said.strip().splitlines()[0]
            raise LinkLost(f"{self.serial} was lost: {first}", hint=remedy_for("offline"))

    def _held(self, once: Callable[[], T], *, again: bool = True) -> T:
        """Do it; where the link is lost, reach the device again and repeat, a few times."""
        for attempt in range(1, TRIES + 1):
            try:
                return once()
            except LinkLost as error:
                if not again or attempt == TRIES or not self.back():
                    raise
                self.report(f"{error.message}: reached again, tried again")
        raise AssertionError

    def back(self) -> bool:
        """Reach a device again that was lost; whether it answers."""
        for words in self._ways():
            try:
                for command in words:
                    ask([self.program, *command], timeout_s=SHELL_SECONDS)
                end = time.monotonic() + BACK_SECONDS
                while time.monotonic() < end:
                    state = ask([self.program, "-s", self.serial, "get-state"], timeout_s=SHELL_SECONDS)
                    if state.stdout.strip() == b"device":
                        return True
                    time.sleep(0.2)
            except ProcessError:
                continue
        return False

    def _ways(self) -> list[list[list[str]]]:
        """Commands that bring a device back, the mildest first; a server holds on to a link that is gone."""
        if self.network:
            return [[["disconnect", self.serial], ["connect", self.serial]]] * 2
        return [[["reconnect", "offline"]], [["-s", self.serial, "reconnect"]]]


def _bytes_of(path: Path) -> int:
    return (
        sum(part.stat().st_size for part in path.rglob("*") if part.is_file()) if path.is_dir() else path.stat().st_size
    )
