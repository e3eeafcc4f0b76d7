"""A real SSH server on loopback that stands for a board: this machine behind its own door.

It runs in user and mount namespaces of its own, so that nothing of the machine's accounts or keys is touched; the home
of its user is a folder, and a small disk where a test asks for one. It leaves out another processor, and a board's
sensors.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from edgeproof.devices.emulated.lodging import MAGIC, MASK
from edgeproof.devices.ssh.probe import PYTHONS

PROGRAMS = ("ssh", "sshd", "ssh-keygen", "unshare", "setpriv")
LOGIN_PATH = "/usr/local/bin:/usr/bin:/bin"
SERVER = """set -e
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd
{disk}
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc && [ -x "{arm}" ] &&
  printf '%s' ':edgeproof-arm:M::{magic}:{mask}:{arm}:F' > /proc/sys/fs/binfmt_misc/register || true
printf 'root:x:0:0::/root:/bin/sh\\npi:x:1000:1000::{home}:/bin/sh\\n' > /run/passwd
printf 'root:x:0:\\npi:x:1000:\\n' > /run/group
mount --bind /run/passwd /etc/passwd
mount --bind /run/group /etc/group
mount --bind {folder}/boot_id /proc/sys/kernel/random/boot_id
exec unshare --user --map-user=1000 --map-group=1000 setpriv --pdeathsig KILL {sshd} -D -e -f {folder}/sshd_config
"""
ARM = {
    "arm": shutil.which("qemu-arm-static") or "none",
    "magic": MAGIC["armv7l"],
    "mask": MASK,
}
"""Programs of 32-bit ARM run behind the door, by a table of foreign binaries that nobody else sees."""
CONFIGURATION = """Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
"""
CLIENT = """Host *
  IdentityFile {folder}/user
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
  GlobalKnownHostsFile none
"""


def missing() -> str | None:
    """What a test with a board needs and is not here, in words; None where all is."""
    lacking = [name for name in PROGRAMS if program(name) is None]
    if lacking:
        return f"{', '.join(lacking)} not installed: apt-get install openssh-server openssh-client util-linux"
    first = next((name for name in PYTHONS if shutil.which(name, path=LOGIN_PATH)), None)
    here = "python{}.{}".format(*sys.version_info[:2])
    if first is None or Path(str(shutil.which(first, path=LOGIN_PATH))).resolve().name != here:
        return f"a login here finds {first}, and no {here}: wheels for it would have to be fetched"
    tried = subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "true"], capture_output=True, check=False
    )
    return None if tried.returncode == 0 else f"no user namespaces here: {tried.stderr.decode().strip()}"


def program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


@dataclass
class Board:
    """The board: its address, its user's home, and the door itself."""

    folder: Path
    home: Path
    port: int
    process: subprocess.Popen[bytes]

    def becomes_armv7(self) -> None:
        """Have it say that it is a board of 32-bit ARM, whose programs this machine then runs by emulation there."""
        programs = self.folder / "armv7"
        programs.mkdir()
        for name, script in (
            ("uname", 'case "$1" in -m) echo armv7l ;; *) /usr/bin/uname "$@" ;; esac'),
            ("getconf", 'case "$1" in LONG_BIT) echo 32 ;; *) /usr/bin/getconf "$@" ;; esac'),
        ):
            (programs / name).write_text(f"#!/bin/sh\n{script}\n")
            (programs / name).chmod(0o755)
        self.path_first(programs)

    @property
    def address(self) -> str:
        """As a user names it; its user says that it is no emulator, for nothing else tells."""
        return f"ssh:pi@127.0.0.1:{self.port}?emulated=0"

    def know(self) -> None:
        """Accept its key, as its user would."""
        key = (self.folder / "host.pub").read_text()
        (self.folder / "known").write_text(f"[127.0.0.1]:{self.port} {key}")

    def path_first(self, folder: Path) -> None:
        """Have programs of a folder found first by what is run there."""
        with (self.folder / "sshd_config").open("a") as file:
            file.write(f"SetEnv PATH={folder}:/usr/local/bin:/usr/bin:/bin\n")
        os.kill(self.process.pid, signal.SIGHUP)  # it reads its configuration again
        wait_for(self.port, self.folder / "log")

    def starts_anew(self) -> None:
        """Lose what was not written yet, and every connection, and draw another number of this start."""
        shutil.rmtree(self.home / ".cache/edgeproof/visits")
        (self.folder / "boot_id").write_text("second\n")
        self.cut()

    def cut(self) -> None:
        """Cut every connection, as a board does that loses its power."""
        with contextlib.suppress(psutil.NoSuchProcess):
            for process in psutil.Process(self.process.pid).children(recursive=True):
                with contextlib.suppress(psutil.NoSuchProcess):
                    if process.name().startswith("sshd"):
                        process.kill()


@contextlib.contextmanager
def board(folder: Path, monkeypatch: pytest.MonkeyPatch, *, disk_mb: int | None = None) -> Iterator[Board]:
    """A board whose key is known, until the block ends; ``ssh`` on PATH is the real one with this configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    home = folder / "home"
    home.mkdir(mode=0o700)
    for name in ("host", "user"):
        words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(words, check=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    disk = f"mount -t tmpfs -o mode=777,size={disk_mb}m tmpfs {home}" if disk_mb else ""
    (folder / "sshd_config").write_text(CONFIGURATION.format(port=port, folder=folder))
    (folder / "boot_id").write_text("first\n")
    (folder / "start").write_text(SERVER.format(folder=folder, home=home, sshd=program("sshd"), disk=disk, **ARM))
    (folder / "ssh_config").write_text(CLIENT.format(folder=folder))
    programs = folder / "bin"
    programs.mkdir()
    (programs / "ssh").write_text(f'#!/bin/sh\nexec {program("ssh")} -F {folder}/ssh_config "$@"\n')
    (programs / "ssh").chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    words = ["unshare", "--user", "--map-root-user", "--mount", "sh", str(folder / "start")]
    with (folder / "log").open("wb") as log, subprocess.Popen(words, stdout=log, stderr=log) as process:
        found = Board(folder, home, port, process)
        found.know()
        try:
            wait_for(port, folder / "log")
            yield found
        finally:
            found.cut()
            process.kill()


def wait_for(port: int, log: Path) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as link:
            if link.recv(4) == b"SSH-":
                return
        time.sleep(0.05)
    raise AssertionError(f"the board does not start: {log.read_text()}")
