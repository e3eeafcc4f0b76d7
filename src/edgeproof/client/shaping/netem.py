"""A network by the kernel: each phone in a network namespace of its own, a pair of virtual Ethernet devices to the far
side, and ``tc netem`` on both ends. Real packets, real TCP; needs Linux with user namespaces, ``ip``, ``tc`` and
``sch_netem``.

    python -m edgeproof.client.shaping.netem --phones 4

is the far side: it makes the namespaces and devices as the root of a user namespace of its own, prints their processes
in a line of JSON, and what is in them ends with it. The machine's own network is left as it is.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from edgeproof.child import child_main, tie_to_parent
from edgeproof.client.network import PROFILES
from edgeproof.client.shaping.namespace import NEW_NETWORK, NEW_USER, leave_for_own
from edgeproof.documents.load import NetworkProfile
from edgeproof.documents.parsing import parse_json
from edgeproof.errors import ProcessError, ServingError
from edgeproof.process import ask

__all__ = ["SERVER", "main", "netem_words", "refusal"]

MOST_PHONES = 250
SERVER = "10.201.0.1"
"""What phones call: an address of the far side that each link leads to."""
FAR = "10.200.{}.1"
NEAR = "10.200.{}.2"
TOOL_SECONDS = 20.0


def refusal(phones: int = 1) -> str | None:
    """Why this machine does not make networks so, in words; None where it does. It is found out by trying."""
    if sys.platform != "linux":
        return "network namespaces are Linux's"
    missing = [program for program in ("ip", "tc", "unshare") if shutil.which(program) is None]
    if missing:
        return f"{' and '.join(missing)} not found: install iproute2 and util-linux"
    if phones > MOST_PHONES:
        return f"it makes {MOST_PHONES} links at most"
    tried = (
        ["ip", "link", "add", "near1", "type", "veth", "peer", "name", "far1"],
        *_shaping_commands("near1", netem_words(PROFILES["congested-wifi"], 1.0)),
    )
    script = " && ".join(shlex.join(words) for words in tried)
    try:
        done = ask(["unshare", "--user", "--map-root-user", "--net", "sh", "-c", script], timeout_s=TOOL_SECONDS)
    except ProcessError as error:
        return error.message
    if done.returncode == 0:
        return None
    said = done.stderr.decode(errors="replace").strip().splitlines()
    return f"the kernel refuses it: {said[-1] if said else f'exit code {done.returncode}'}"


def netem_words(profile: NetworkProfile, mbit_per_s: float | None) -> list[str]:
    """The words of ``tc qdisc`` for one direction (tc-netem(8))."""
    words = ["netem", "limit", "10000", "delay", f"{profile.delay_ms:g}ms"]
    if profile.jitter_ms:
        words += [f"{profile.jitter_ms:g}ms", "distribution", "normal"]
    if profile.loss:
        words += ["loss", "random", f"{100 * profile.loss:g}%"]
    return words if mbit_per_s is None else [*words, "rate", f"{mbit_per_s:g}mbit"]


def _shaping_commands(device: str, shaping: Sequence[str]) -> tuple[list[str], ...]:
    """The commands that shape what leaves a device.

    TCP would hand it up to 64 KiB at once, to be cut into packets by hardware that is not there: one throw of the dice
    would lose all of them.
    """
    return (
        ["ip", "link", "set", "dev", device, "gso_max_segs", "1"],
        ["tc", "qdisc", "add", "dev", device, "root", *shaping],
    )


def _run(*words: str) -> None:
    done = ask(words, timeout_s=TOOL_SECONDS)
    if done.returncode != 0:
        said = done.stderr.decode(errors="replace").strip()
        raise ServingError(f"`{' '.join(words)}` failed: {said}")


def _phone(number: int, ready: int, go: int, shaping: Sequence[str]) -> int:
    """A process that holds one phone's namespace: it says that it is there, is given its device, and sets that up."""
    child = os.fork()
    if child:
        return child
    try:
        tie_to_parent()
        leave_for_own(NEW_NETWORK)
        os.write(ready, b".")
        os.read(go, 1)
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "address", "add", f"{NEAR.format(number)}/30", "dev", f"near{number}")
        _run("ip", "link", "set", f"near{number}", "up")
        _run("ip", "route", "add", SERVER, "via", FAR.format(number))
        if shaping:
            for words in _shaping_commands(f"near{number}", shaping):
                _run(*words)
        os.write(ready, b".")
        while True:
            time.sleep(3600)
    except BaseException as error:
        print(error, file=sys.stderr)
    finally:
        os._exit(1)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the links and hold them until the process is ended.

    Raises:
        ServingError: the kernel or a program refuses.
    """
    parser = argparse.ArgumentParser(prog="python -m edgeproof.client.shaping.netem")
    parser.add_argument("--phones", type=int, required=True)
    parser.add_argument("--profile", type=Path, metavar="FILE", help="JSON of a network profile; none: not shaped")
    options = parser.parse_args(arguments)
    user, group = os.getuid(), os.getgid()
    try:
        leave_for_own(NEW_USER | NEW_NETWORK)
    except OSError as error:
        raise ServingError(f"no user namespace: {error.strerror}") from error
    tie_to_parent()
    with contextlib.suppress(OSError):
        Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    up: list[str] = []
    down: list[str] = []
    if options.profile is not None:
        profile = parse_json(options.profile.read_bytes(), NetworkProfile)
        up, down = netem_words(profile, profile.up_mbit_per_s), netem_words(profile, profile.down_mbit_per_s)
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "address", "add", f"{SERVER}/32", "dev", "lo")
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pids = []
    for number in range(1, options.phones + 1):
        told, tell = os.pipe()
        heard, hear = os.pipe()
        pid = _phone(number, tell, heard, up)
        os.close(tell)
        if os.read(told, 1) != b".":
            raise ServingError("a phone's network could not be made")
        _run("ip", "link", "add", f"far{number}", "type", "veth", "peer", "name", f"near{number}")
        _run("ip", "link", "set", f"near{number}", "netns", str(pid))
        _run("ip", "address", "add", f"{FAR.format(number)}/30", "dev", f"far{number}")
        _run("ip", "link", "set", f"far{number}", "up")
        if down:
            for words in _shaping_commands(f"far{number}", down):
                _run(*words)
        os.write(hear, b".")
        if os.read(told, 1) != b".":
            raise ServingError("a phone's network could not be set up")
        pids.append(pid)
    print(json.dumps({"far": os.getpid(), "phones": pids}), flush=True)
    while True:
        time.sleep(3600)


if __name__ == "__main__":
    child_main(main)
