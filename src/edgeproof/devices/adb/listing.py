"""Which Android devices ``adb`` knows, in which state, and what to do where one cannot be used. It measures nothing."""

from __future__ import annotations

import os
import re
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from edgeproof.errors import ProcessError
from edgeproof.process import ask

__all__ = ["Attached", "attached", "find_adb", "read_adb_list", "remedy_for", "server_trouble"]

LIST_SECONDS = 15.0
SERVER_SECONDS = 3.0
"""A server answers in milliseconds; one that is silent for so long is no server, or hangs."""
SERVER_PORT = 5037
STATES = {
    "device": None,
    "unauthorized": "unlock the phone and allow USB debugging for this computer; if no question comes, revoke USB "
    "debugging authorizations in its developer options and plug it in again",
    "authorizing": "wait a moment: the phone is being asked whether it allows this computer",
    "connecting": "wait a moment, then look again",
    "offline": "reconnect it: adb reconnect offline, or unplug it and plug it in again",
    "no permissions": "add a udev rule for it (Debian: apt-get install android-sdk-platform-tools-common), or restart "
    "adb as a user who may open USB devices",
    "recovery": "start Android on it: adb reboot",
    "rescue": "start Android on it: adb reboot",
    "sideload": "it waits for an update to be sideloaded: finish it, or start Android: adb reboot",
    "bootloader": "start Android on it: fastboot reboot",
    "host": "it is another machine's adb, and no device",
    "detached": "another program has it: adb attach SERIAL",
    "unknown": "reconnect it: unplug it and plug it in again",
}
"""What ``adb devices`` says of a device, and what to do about it."""
LINE = re.compile(rf"^(?P<serial>.+?)\s+(?P<state>{'|'.join(STATES)})(?=\s|$)(?P<rest>.*)$")
OTHER = re.compile(r"^(?P<serial>\S+)\s+(?P<state>\S+)(?P<rest>.*)$")


@dataclass(frozen=True)
class Attached:
    """A device that ``adb`` lists.

    Attributes:
        serial: as ``adb -s`` takes it; over mDNS it may hold spaces.
        state: ``device`` when it can be used.
        model: as it calls itself.
        remedy: what to do where it cannot be used.
    """

    serial: str
    state: str
    model: str | None = None
    remedy: str | None = None

    @property
    def ready(self) -> bool:
        """Whether it can be used."""
        return self.state == "device"

    @property
    def emulator(self) -> bool:
        """Whether its serial is one of Android's emulator."""
        return self.serial.startswith("emulator-")


def find_adb() -> str | None:
    """The ``adb`` on PATH, else that of the Android SDK; None without any."""
    found = shutil.which("adb")
    for name in ("ANDROID_HOME", "ANDROID_SDK_ROOT"):
        if found is None and os.environ.get(name):
            found = shutil.which(str(Path(os.environ[name]) / "platform-tools" / "adb"))
    return found


def read_adb_list(text: str) -> list[Attached]:
    """The lines of ``adb devices -l``."""
    found = []
    for line in text.splitlines():
        if line.startswith(("List of devices", "* daemon", "adb server")):
            continue
        match = LINE.match(line) or OTHER.match(line)
        if match is None or line.startswith("error:"):
            continue
        state, rest = match["state"], match["rest"]
        told = dict(part.split(":", 1) for part in rest.split() if ":" in part)
        model = told.get("model", "").replace("_", " ") or None
        found.append(Attached(match["serial"], state, model, remedy_for(state)))
    return found


def remedy_for(state: str) -> str | None:
    """What to do about a device in a state; None where it can be used."""
    return STATES.get(state, f"adb says {state!r}: reconnect it")


def attached(adb: str) -> list[Attached]:
    """What the client lists, once its server answers.

    Raises:
        ProcessError: the client or its server fails, in words that say which and what to do.
    """
    trouble = server_trouble()
    if trouble is not None:
        raise ProcessError(trouble[0], hint=trouble[1])
    done = ask([adb, "devices", "-l"], timeout_s=LIST_SECONDS)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        fatal = re.findall(r"^adb F .*?\] (.*)$", said, re.MULTILINE) or said.splitlines()[-1:]
        raise ProcessError(f"adb failed: {' '.join(fatal)}", hint="restart it: adb kill-server && adb start-server")
    return read_adb_list(done.stdout.decode(errors="replace"))


def _server() -> tuple[str, int]:
    """Where the client looks for its server: ``ADB_SERVER_SOCKET``, else Android's own variables."""
    named = re.fullmatch(r"tcp:(?:(.*):)?(\d+)", os.environ.get("ADB_SERVER_SOCKET", ""))
    if named:
        return named[1] or "localhost", int(named[2])
    port = os.environ.get("ANDROID_ADB_SERVER_PORT", "")
    return os.environ.get("ANDROID_ADB_SERVER_ADDRESS") or "localhost", int(port) if port.isdigit() else SERVER_PORT


def server_trouble() -> tuple[str, str] | None:
    """What is wrong with adb's server, and what to do; None where it answers, or will be started here by the client."""
    host, port = _server()
    where = f"{host}:{port}"
    local = host in {"localhost", "127.0.0.1", "::1"}
    restart = "restart it there: adb kill-server && adb -a start-server" if not local else "end what listens there"
    question = b"host:version"
    try:
        with socket.create_connection((host, port), SERVER_SECONDS) as link:
            link.settimeout(SERVER_SECONDS)
            link.sendall(b"%04x%s" % (len(question), question))
            answer = link.recv(4)
    except ConnectionRefusedError:
        if local:
            return None
        return f"no adb server listens at {where}", "start it there: adb -a start-server, or unset ADB_SERVER_SOCKET"
    except TimeoutError:
        return f"what listens at {where} does not answer as adb's server does", f"{restart}, or name another port"
    except OSError as error:
        return f"adb's server at {where} cannot be reached: {error.strerror or error}", "check ADB_SERVER_SOCKET"
    if answer not in (b"OKAY", b"FAIL"):
        return f"what listens at {where} is no adb server: it answered {answer!r}", f"{restart}, or name another port"
    return None
