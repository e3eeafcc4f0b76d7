"""One connection to a board by the user's own OpenSSH: configuration, agent, keys and jump hosts are theirs.

The first command logs in and the others share its connection. What goes wrong with the connection is a ``DeviceError``
with what to do; how a command over there ends is its caller's business.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from edgeproof.devices.ssh.address import Address
from edgeproof.errors import DeviceError, DeviceLost, ProcessError
from edgeproof.process import ask

__all__ = ["Connection", "Said"]

CONNECT_TIMEOUT_S = 10
ALIVE_S, ALIVE_COUNT = 5, 3
"""A silent link is given up after fifteen seconds."""
LINK_FAILED = 255
"""OpenSSH's own exit code: the link, and not the command, failed. No script of ours ends with it."""
BOOT = "/proc/sys/kernel/random/boot_id"
"""A number that Linux draws each time it starts."""
BOOTED = "--edgeproof-boot "
ANEW = 253
"""The exit code of a script that found the board started anew since the last one. No script of ours ends with it."""
REMEDIES = {
    "Permission denied": "log in by key without a password: ssh-copy-id{port} {target}",
    "Connection refused": "no SSH server listens there: start sshd on it, or give its port: ssh:user@host:port",
    "Could not resolve": "no host of that name is known here",
    "Name or service not known": "no host of that name is known here",
    "No route to host": "is it on, and in this network?",
    "Network is unreachable": "is it on, and in this network?",
    "timed out": "is it on, and in this network?",
    "Too many authentication failures": "name the key to use in ~/.ssh/config: IdentityFile and IdentitiesOnly yes",
}
CHANGED = "REMOTE HOST IDENTIFICATION HAS CHANGED"
UNKNOWN = "Host key verification failed"


@dataclass(frozen=True)
class Said:
    """How a command over there ended."""

    code: int
    out: bytes
    error: str

    @property
    def text(self) -> str:
        """What it printed."""
        return self.out.decode(errors="replace")

    @property
    def reason(self) -> str:
        """The last line that it complained with, or how it ended."""
        lines = [line.strip() for line in self.error.splitlines() if line.strip()]
        return lines[-1] if lines else f"it ended with exit code {self.code}"


class Connection:
    """A link that is there from the first command until ``close``.

    Args:
        address: of the board.
        configuration: of OpenSSH, in place of the user's own.

    Raises:
        DeviceError: there is no OpenSSH client here.
    """

    def __init__(self, address: Address, configuration: Path | None = None) -> None:
        program = shutil.which("ssh")
        if program is None:
            raise DeviceError("there is no ssh on this machine", hint="install an OpenSSH client")
        self.address = address
        # The path of a socket has a hundred characters at most: a folder of its own, straight under the system's.
        self._folder = Path(tempfile.mkdtemp(prefix="edgeproof-ssh-", dir="/tmp" if os.name == "posix" else None))
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": CONNECT_TIMEOUT_S,
            "ServerAliveInterval": ALIVE_S,
            "ServerAliveCountMax": ALIVE_COUNT,
            "ControlMaster": "auto",
            "ControlPersist": 60,
            "ControlPath": self._folder / "c",
        }
        self._ssh = [program, *(word for key, value in options.items() for word in ("-o", f"{key}={value}"))]
        if configuration is not None:
            self._ssh += ["-F", str(configuration)]
        if address.port is not None:
            self._ssh += ["-p", str(address.port)]
        self._boot: str | None = None

    def run(
        self,
        script: str,
        *,
        timeout_s: float,
        given: IO[bytes] | None = None,
        into: IO[bytes] | None = None,
        held: bool = False,
    ) -> Said:
        """Run a script of the shell there, unless the board has started anew since the last one: OpenSSH logs in again
        without a word, and what was brought may not be there any more.

        Args:
            script: for ``sh``.
            timeout_s: after which it is given up.
            given: a file for its standard input.
            into: a file for what it prints; None: it is kept.
            held: its standard input stays open until it ends, and ends when we do: a script that waits for that knows
                when it is alone.

        Raises:
            DeviceLost: the link failed, or the board started anew. ProcessError: it was silent too long.
        """
        command = [*self._ssh, "--", self.address.target, f"exec sh -c {shlex.quote(self._guard() + script)}"]
        with _held_open() if held else contextlib.nullcontext(given) as stdin:
            done = ask(command, timeout_s=timeout_s, given=stdin, into=into)
        said = Said(done.returncode, done.stdout or b"", self._heard(done.stderr.decode(errors="replace")))
        if done.returncode == ANEW:
            raise DeviceLost(f"{self.address.name} has started anew", hint="does its power supply hold?")
        if done.returncode == LINK_FAILED:
            raise self._broken(said)
        return said

    def close(self) -> None:
        """End the shared connection."""
        with contextlib.suppress(ProcessError):
            ask([*self._ssh, "-O", "exit", "--", self.address.target], timeout_s=CONNECT_TIMEOUT_S)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _guard(self) -> str:
        """The first line of each script."""
        told = f"echo '{BOOTED}'\"$boot\" >&2"
        known = "" if self._boot is None else f'[ "$boot" = {shlex.quote(self._boot)} ] || {{ {told}; exit {ANEW}; }}'
        return f"read -r boot <{BOOT} || boot=unknown; {known or told}\n"

    def _heard(self, error: str) -> str:
        """What a script complained with, less what the guard told."""
        lines = error.splitlines(keepends=True)
        for line in lines:
            if line.startswith(BOOTED):
                self._boot = line.removeprefix(BOOTED).strip()
        return "".join(line for line in lines if not line.startswith(BOOTED))

    def _broken(self, said: Said) -> DeviceLost:
        where = self.address.name
        if CHANGED in said.error:
            return DeviceLost(
                f"{where}: its host key is another than the one that was accepted once: a new system, or somebody else",
                hint=f"where you know why: ssh-keygen -R '{self._known_as()}', then {self.address.command}",
            )
        if UNKNOWN in said.error:
            shown = self._host_key()
            return DeviceLost(
                f"{where}: its host key is not known here{f': {shown}' if shown else ''}",
                hint=f"compare it with the board's own, then accept it by logging in once: {self.address.command}",
            )
        port = f" -p {self.address.port}" if self.address.port else ""
        known = (text for part, text in REMEDIES.items() if part in said.error)
        remedy = next(known, "try it by hand: {command}")
        remedy = remedy.format(target=self.address.target, port=port, command=self.address.command)
        return DeviceLost(f"{where}: {said.reason}", hint=remedy)

    def _known_as(self) -> str:
        host = self.address.target.rpartition("@")[2].strip("[]")
        return host if self.address.port is None else f"[{host}]:{self.address.port}"

    def _host_key(self) -> str | None:
        """The fingerprint of the key that it shows, asked for through the user's own jump hosts; nobody is logged in
        and nothing is accepted for later."""
        keys = self._folder / "keys"
        look = [*self._ssh, "-o", "ControlPath=none", "-o", f"UserKnownHostsFile={keys}", "-o", "HashKnownHosts=no"]
        look += ["-o", "StrictHostKeyChecking=accept-new", "-o", "PreferredAuthentications=none"]
        with contextlib.suppress(ProcessError):
            ask([*look, "--", self.address.target, "true"], timeout_s=2 * CONNECT_TIMEOUT_S)
            told = ask(["ssh-keygen", "-l", "-f", str(keys)], timeout_s=CONNECT_TIMEOUT_S).stdout.decode()
            match = re.search(r"(SHA256:\S+).*\((\w+)\)", told)
            return f"{match.group(2)} {match.group(1)}" if match else None
        return None


@contextlib.contextmanager
def _held_open() -> Iterator[IO[bytes]]:
    """The end of a pipe whose other end is open as long as the block lasts, or this process."""
    reading, writing = os.pipe()
    try:
        with os.fdopen(reading, "rb", buffering=0) as stdin:
            yield stdin
    finally:
        os.close(writing)
