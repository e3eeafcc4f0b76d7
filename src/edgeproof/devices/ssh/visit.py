"""What is ours on a board: packages by their content, kept for the next time, and the files of this visit."""

from __future__ import annotations

import contextlib
import shlex
import tarfile
import tempfile
import uuid
from pathlib import Path
from typing import IO

from edgeproof.devices.packages import Packages
from edgeproof.devices.ssh.connection import Connection, Said
from edgeproof.errors import DeviceError, DeviceLost, ProcessError
from edgeproof.files import atomic_path
from edgeproof.trust import fingerprint

__all__ = ["COMMAND_S", "Visit"]

COMMAND_S, TRANSFER_S = 60.0, 1800.0
STALE_DAYS = 7
"""After which a state of this package that was brought there once is removed: each one is another."""


class Visit:
    """A folder there that is gone at the end.

    Args:
        connection: to the board.
        name: of the device, for errors.
        folder: ours on the board.
    """

    def __init__(self, connection: Connection, name: str, folder: str) -> None:
        self._connection, self._name, self._ours = connection, name, folder
        self._visit = uuid.uuid4().hex[:12]
        self._brought: dict[str, str] = {}
        self.origins: dict[str, Path] = {}
        """Paths there, and those here that they were brought from."""

    @property
    def folder(self) -> str:
        """Of this visit, there."""
        return f"{self._ours}/visits/{self._visit}"

    def shell(
        self,
        script: str,
        timeout_s: float = COMMAND_S,
        *,
        given: IO[bytes] | None = None,
        into: IO[bytes] | None = None,
    ) -> Said:
        """A script that is waited for.

        Raises:
            DeviceLost: the board was lost.
        """
        try:
            return self._connection.run(script, timeout_s=timeout_s, given=given, into=into)
        except ProcessError as error:
            self.forget()
            reason = f"{self._name} gave no answer within {timeout_s:g} s"
            raise DeviceLost(reason, hint="is it busy or gone?") from error
        except DeviceLost:
            self.forget()
            raise

    def forget(self) -> None:
        """Bring anew what was brought: a board that loses its power loses what it had not written yet."""
        self._brought.clear()

    def put(self, path: Path) -> str:
        """Bring a file or folder there, once; its path there.

        Raises:
            DeviceError: the board was lost, or has no room.
        """
        digest = f"{fingerprint(path)[0][:16]}-{path.name}"
        if digest not in self._brought:
            there = f"{self.folder}/{digest}"
            self._send(path, there)
            self._brought[digest] = f"{there}/{path.name}"
            self.origins[self._brought[digest]] = path
        return self._brought[digest]

    def get(self, path: str, to: Path) -> None:
        """Bring a file of this visit back.

        Raises:
            DeviceError: the board was lost, or has no such file.
        """
        with atomic_path(to) as making, making.open("wb") as file:
            said = self.shell(f"cd {shlex.quote(self.folder)} && cat {shlex.quote(path)}", TRANSFER_S, into=file)
            if said.code:
                raise DeviceError(f"{self._name}: {path} cannot be brought back: {said.reason}")

    def bring(self, packages: Packages) -> tuple[str, int]:
        """Bring packages that stay, unless they are there already; where they lie, and the bytes that were sent.

        Raises:
            DeviceError: the board was lost, or has no room.
        """
        kept = f"{self._ours}/packages"
        there = f"{kept}/{packages.key}"
        if not self.shell(f"test -d {shlex.quote(there)}").code:
            return there, 0
        old = f"-maxdepth 1 -name 'edgeproof-*' -mtime +{STALE_DAYS}"
        self.shell(f"find {shlex.quote(kept)} {old} -exec rm -rf {{}} + 2>/dev/null")
        return there, self._send(packages.folder, there, whole=True)

    def close(self) -> None:
        """Remove the files of this visit; a board that is gone keeps them, under its number."""
        with contextlib.suppress(DeviceError):
            self.shell(f"rm -rf {shlex.quote(self.folder)}")

    def _send(self, path: Path, there: str, *, whole: bool = False) -> int:
        """Bring a file or folder into a folder there, which is whole or not there; the bytes of it.

        Args:
            whole: the folder becomes that folder, instead of lying in it.
        """
        making, place = shlex.quote(f"{there}.{self._visit}"), shlex.quote(there)
        with tempfile.TemporaryFile() as packed:
            with tarfile.open(fileobj=packed, mode="w") as archive:
                archive.add(path, arcname="." if whole else path.name, filter=_plain)
            size = packed.tell()
            packed.seek(0)
            script = f"mkdir -p {making} && tar -xf - -C {making} && rm -rf {place} && mv {making} {place}"
            script += " && sync" if whole else ""  # packages stay, and outlast a loss of power
            said = self.shell(f"{script} || {{ rm -rf {making}; exit 1; }}", TRANSFER_S, given=packed)
        if said.code:
            reason, hint, free = said.reason, None, self._free_bytes()
            if free is not None and free < size:
                reason = f"it takes {size / 1e6:.1f} MB, and {free / 1e6:.1f} MB are free on its disk"
                hint = "make room there"
            raise DeviceError(f"{self._name}: {path.name} cannot be brought there: {reason}", hint=hint)
        return size

    def _free_bytes(self) -> int | None:
        words = self.shell(f"df -Pk {shlex.quote(self._ours)} | tail -1").text.split()
        return 1024 * int(words[3]) if len(words) > 4 and words[3].isdigit() else None


def _plain(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """Nobody's file: who owns it here is no business of the board's."""
    member.uid = member.gid = 0
    member.uname = member.gname = ""
    return None if "__pycache__" in member.name else member
