"""A folder of the run's own on a phone: files are brought into it, processes run in it, and it is gone at the end."""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from edgeproof.devices.adb.client import Adb, LinkLost
from edgeproof.devices.adb.health import HEALTH
from edgeproof.devices.adb.probe import HOME
from edgeproof.errors import DeviceError, ProcessError
from edgeproof.process import Limits

__all__ = ["Ran", "Visit"]

TRIES = 2
"""Of a process whose link was lost."""
ROOM = 4 << 20
"""Left free on the phone beside what is brought."""
STARTED = "--exec-unix-ns $(date +%s%N)"


class Ran(NamedTuple):
    """What came of a process there.

    Attributes:
        code: exit code of the shell, 128 and the signal where it was killed.
        said: its stderr.
        report: its stdout.
        before: what ``HEALTH`` printed before it.
        after: and after it.
    """

    code: int
    said: str
    report: str
    before: str
    after: str


class Visit:
    """The folder.

    Args:
        client: of the phone.
        free_bytes: of its disk; None: it does not tell.

    Raises:
        DeviceError: no folder can be made there.
    """

    def __init__(self, client: Adb, free_bytes: int | None) -> None:
        self._client, self._free = client, free_bytes
        self._held: dict[tuple[str, str], tuple[Path, str]] = {}
        self.folder = f"{HOME}/edgeproof-{secrets.token_hex(4)}"
        made = client.shell(f"mkdir -p {self.folder} && chmod 700 {self.folder}")
        if made.code != 0:
            said = made.err.decode(errors="replace").strip()
            raise DeviceError(f"adb:{client.serial} has no folder to work in: {said}")

    def bring(self, path: Path) -> str:
        """Push a file into a folder named by its content, unless it is there, hold what arrived against it, and give
        its path there.

        Raises:
            DeviceError: the device was lost, has no room, or what arrived is something else.
        """
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        if (digest, path.name) in self._held:
            return self._held[digest, path.name][1]
        client, size = self._client, path.stat().st_size
        name = f"adb:{client.serial}"
        if self._free is not None and size + ROOM > self._free:
            raise DeviceError(f"{name} has {self._free >> 20} MiB free, and {path.name} has {size >> 20}")
        there = f"{self.folder}/{digest[:12]}/{path.name}"
        file = shlex.quote(there)
        found = client.shell(f"mkdir -p {self.folder}/{digest[:12]}; sha256sum {file} 2>/dev/null").text.split()
        if not found or found[0] != digest:
            client.push(path, there)
            found = client.shell(f"chmod 755 {file}; sha256sum {file} 2>/dev/null || wc -c < {file}").text.split()
        if not found or found[0] not in (digest, str(size)):
            raise DeviceError(f"{path.name} arrived on {name} as something else: {' '.join(found) or 'nothing'}")
        self._held[digest, path.name] = path, there
        return there

    def renew(self) -> None:
        """Bring anew what a phone that started anew had not written yet."""
        held = [path for path, _ in self._held.values()]
        self._held.clear()
        for path in held:
            self.bring(path)

    def run(self, words: Sequence[str], limits: Limits, *, start: bool) -> Ran | str:
        """A process there, once more where the link was lost in it; why it was stopped, where it took too long.

        Args:
            words: of its command line.
            limits: of the process.
            start: whether it is told when it was started.

        Raises:
            LinkLost: the device did not come back.
        """
        for attempt in range(1, TRIES + 1):
            began = time.monotonic()
            try:
                return self._once(words, limits, start=start)
            except LinkLost as error:
                self.stop()
                if time.monotonic() - began >= limits.wall:
                    return f"the program was stopped after {limits.wall:.0f} s by the clock"
                if attempt == TRIES or not self._client.back():
                    raise
                self._client.report(f"{error.message}: it was reached again, the process is run again")
                self.renew()
        raise AssertionError

    def _once(self, words: Sequence[str], limits: Limits, *, start: bool) -> Ran:
        """With the phone's conditions around it, in one round trip."""
        folder, mark = self.folder, secrets.token_hex(4)
        command = f"{shlex.join(words)} {STARTED if start else ''}"
        script = (
            f"{HEALTH}; echo {mark}\n"
            f"{command} > {folder}/report 2> {folder}/said < /dev/null & "
            f"echo $! > {folder}/pid; wait $!; code=$?; rm -f {folder}/pid\n"
            f"echo {mark}; echo $code; echo {mark}; cat {folder}/said; echo {mark}; cat {folder}/report; echo {mark}\n"
            f"{HEALTH}; echo {mark}"
        )
        answer = self._client.shell(script, timeout_s=limits.wall, again=False)
        parts = answer.text.split(f"{mark}\n")
        if len(parts) != 6 + 1 or not parts[2].strip().isdigit():
            raise LinkLost(f"adb:{self._client.serial} was lost while a process ran there")
        before, _, code, said, report, after, _ = parts
        return Ran(int(code), said.strip(), report, before, after)

    def stop(self) -> None:
        """Kill what runs there, where the device answers."""
        with contextlib.suppress(DeviceError, ProcessError):
            self._client.shell(f"[ -f {self.folder}/pid ] && kill -9 $(cat {self.folder}/pid); rm -f {self.folder}/pid")

    def close(self) -> None:
        """Stop what runs there, and remove the folder; a phone that is gone keeps it."""
        self.stop()
        with contextlib.suppress(DeviceError, ProcessError):
            self._client.shell(f"rm -rf {self.folder}")
