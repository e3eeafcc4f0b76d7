"""An SSH server on loopback that lets into a folder with another architecture's system, and into nothing else.

All of it lives in user and mount namespaces of its own: no rights of root are needed, the host's accounts, mounts and
table of foreign binaries stay as they are, and with the server everything is gone. A login enters the folder by
``unshare`` with QEMU's user mode registered for its programs, which Linux 6.7 and newer allow per namespace.
"""

from __future__ import annotations

import contextlib
import functools
import shlex
import shutil
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from edgeproof.devices.emulated.boards import EmulatedBoard
from edgeproof.devices.emulated.root import USER
from edgeproof.devices.emulation import foreign_root
from edgeproof.errors import DeviceError, MissingDependency, ProcessError
from edgeproof.process import Child, ask

__all__ = ["Lodging", "Server", "lacking"]

PROGRAMS = {"sshd": "openssh-server", "ssh-keygen": "openssh-client", "unshare": "util-linux"}
START_S = 20.0
TABLE = "mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc && test -w /proc/sys/fs/binfmt_misc/register"
NAMESPACES = (
    "it needs Linux 6.7 and user namespaces: sysctl kernel.unprivileged_userns_clone=1, and on Ubuntu "
    "kernel.apparmor_restrict_unprivileged_userns=0"
)
EMULATORS = {"aarch64": "qemu-aarch64-static", "armv7l": "qemu-arm-static"}
MAGIC = {
    "aarch64": r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00",
    "armv7l": r"\x7fELF\x01\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\x28\x00",
}
"""The first bytes of a program of that architecture; the mask takes its two kinds, and any system."""
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"
SERVER = """set -e
mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/sshd
printf 'root:x:0:0::/root:/bin/sh\\n{user}:x:1000:1000::{home}:/bin/sh\\n' > /run/passwd
printf 'root:x:0:\\n{user}:x:1000:\\n' > /run/group
mount --bind /run/passwd /etc/passwd
mount --bind /run/group /etc/group
exec unshare --user --map-user=1000 --map-group=1000 setpriv --pdeathsig KILL {sshd} -D -e -f {configuration}
"""
ENTER = """set -e
mount -t binfmt_misc binfmt_misc /proc/sys/fs/binfmt_misc
printf '%s' ':edgeproof:M::{magic}:{mask}:{emulator}:F' > /proc/sys/fs/binfmt_misc/register
mount --rbind /proc {root}/proc
mount --rbind /dev {root}/dev
mount -t tmpfs tmpfs {root}/tmp
mount --bind {home} {root}/home/{user}
mkdir -p {root}/tmp/view
cp -r {view}/. {root}/tmp/view
mount --bind {view}/sys {root}/sys
cd /
exec env -i HOME=/home/{user} USER={user} PATH=/usr/local/bin:/usr/bin:/bin QEMU_CPU={cpu} QEMU_LD_PREFIX=/tmp/view \\
  unshare --user --map-user=1000 --map-group=1000 --root={root} --wd=/home/{user} \\
  /bin/sh -c "${{SSH_ORIGINAL_COMMAND:-exec bash -l}}"
"""
CONFIGURATION = """Port {port}
ListenAddress 127.0.0.1
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
ForceCommand {command}
PidFile none
UsePAM no
StrictModes no
PasswordAuthentication no
KbdInteractiveAuthentication no
PrintMotd no
X11Forwarding no
AllowTcpForwarding no
"""
CLIENT = """Host *
  User {user}
  HostName 127.0.0.1
  Port {port}
  IdentityFile {folder}/user
  IdentitiesOnly yes
  UserKnownHostsFile {folder}/known
  GlobalKnownHostsFile none
"""


@dataclass(frozen=True)
class Server:
    """Where it listens.

    Attributes:
        port: on loopback.
        configuration: for OpenSSH's client, with its key.
    """

    port: int
    configuration: Path


def lacking(board: EmulatedBoard) -> MissingDependency | None:
    """What this machine lacks for it, with how to get it; None where it lacks nothing."""
    emulator = EMULATORS[board.architecture]
    if not hasattr(socket, "AF_UNIX") or not Path("/proc/sys/fs/binfmt_misc").parent.exists():
        return MissingDependency("boards are emulated on Linux alone")
    for program, package in PROGRAMS.items():
        if _program(program) is None:
            return MissingDependency(f"there is no {program} here", hint=f"apt-get install {package}")
    if _program(emulator) is None:
        return MissingDependency(f"there is no {emulator} here", hint="apt-get install qemu-user-static")
    refused = _refused()
    return None if refused is None else MissingDependency(f"no board can be emulated here: {refused}", hint=NAMESPACES)


@functools.cache
def _refused() -> str | None:
    """What the system says to a namespace with a table of foreign binaries of its own; None where it gives one."""
    words = [_program("unshare") or "", "--user", "--map-root-user", "--mount", "sh", "-c", TABLE]
    try:
        done = ask(words, timeout_s=START_S)
    except ProcessError as error:
        return error.message
    return None if done.returncode == 0 else done.stderr.decode(errors="replace").strip() or "it gives no namespaces"


class Lodging:
    """A server that runs until ``close``.

    Args:
        board: which.
        home: the folder of its user, which is kept.

    Raises:
        MissingDependency: this machine lacks something for it. DeviceError: it does not start.
    """

    def __init__(self, board: EmulatedBoard, home: Path) -> None:
        missing = lacking(board)
        if missing is not None:
            raise missing
        self._folder = Path(tempfile.mkdtemp(prefix="edgeproof-board-", dir="/tmp"))
        self._child: Child | None = None
        try:
            self.server = self._start(board, home)
        except BaseException:
            self.close()
            raise

    @property
    def shows(self) -> Path:
        """The folder that stands before the board's ``/proc`` and ``/sys``, as its next login sees it."""
        return self._folder / "view"

    def close(self) -> None:
        """End it, and whatever runs behind it."""
        if self._child is not None:
            self._child.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _start(self, board: EmulatedBoard, home: Path) -> Server:
        folder, root = self._folder, foreign_root(board.architecture)
        home.mkdir(parents=True, exist_ok=True)
        board.show(folder / "view")
        for name in ("host", "user"):
            words = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name)]
            if ask(words, timeout_s=START_S).returncode:
                raise DeviceError("ssh-keygen makes no key here", hint=f"try it by hand: {' '.join(words)}")
        port = _free_port()
        (folder / "known").write_text(f"[127.0.0.1]:{port} {(folder / 'host.pub').read_text()}")
        enter, start = folder / "enter", folder / "start"
        enter.write_text(
            ENTER.format(
                magic=MAGIC[board.architecture],
                mask=MASK,
                emulator=_program(EMULATORS[board.architecture]),
                root=shlex.quote(str(root)),
                home=shlex.quote(str(home)),
                view=folder / "view",
                cpu=board.core.model,
                user=USER,
            )
        )
        command = f"{_program('unshare')} --user --map-root-user --mount --propagation private sh {enter}"
        configuration = folder / "sshd_config"
        configuration.write_text(CONFIGURATION.format(port=port, folder=folder, command=command))
        start.write_text(SERVER.format(user=USER, home=folder, sshd=_program("sshd"), configuration=configuration))
        client = folder / "ssh_config"
        client.write_text(CLIENT.format(user=USER, port=port, folder=folder))
        words = [_program("unshare") or "", "--user", "--map-root-user", "--mount", "sh", str(start)]
        self._child = Child(words)
        _wait_for(port, self._child)
        return Server(port, client)


def _program(name: str) -> str | None:
    """Its path; programs of the system's are not on everybody's PATH."""
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_for(port: int, child: Child) -> None:
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1) as link:
            if link.recv(4) == b"SSH-":
                return
        if not Path(f"/proc/{child.pid}/cmdline").exists() or child.said():
            if "listening" in child.said():
                continue
            break
        time.sleep(0.05)
    said = child.said() or "it said nothing"
    raise DeviceError(
        f"the emulated board does not start: {said}",
        hint=NAMESPACES,
    )
