"""The network of a profile between phones and a server, made while a block runs, and measured before it is used."""

from __future__ import annotations

import contextlib
import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from edgeproof.client.fleet import Way
from edgeproof.client.network import PROFILES
from edgeproof.client.shaping.netem import SERVER, refusal
from edgeproof.client.shaping.probe import Echo, Probed
from edgeproof.documents.load import NetworkProfile, Shaping
from edgeproof.documents.parsing import parse_json
from edgeproof.errors import ServingError
from edgeproof.files import write_bytes
from edgeproof.process import Child, Limits, module_command
from edgeproof.scratch import scratch_folder

__all__ = ["NETEM", "NOTHING", "USER_SPACE", "Link", "is_shaped", "shaped"]

NETEM = "tc netem"
USER_SPACE = (
    "user space: a relay that delays, jitters, loses and rate-limits each connection's stream; congestion windows and "
    "slow start are left out"
)
NOTHING = "none"
PROBE_SECONDS = 60.0


@dataclass(frozen=True)
class Link:
    """A network that is there.

    Attributes:
        way: where phones get in.
        shaping: how it is made, and what it measured.
    """

    way: Way
    shaping: Shaping


def is_shaped(profile: NetworkProfile) -> bool:
    """Whether there is anything to make."""
    rates = (profile.up_mbit_per_s, profile.down_mbit_per_s)
    return bool(profile.delay_ms or profile.jitter_ms or profile.loss or any(rate is not None for rate in rates))


@contextlib.contextmanager
def shaped(
    profile: NetworkProfile, server: tuple[str, int], phones: int, *, refused: Callable[[int], str | None] = refusal
) -> Iterator[Link]:
    """Make a network for some phones, each a link of its own, and measure one of them.

    By ``tc netem`` where the kernel and this user's rights allow, else in user space.

    Args:
        profile: the network.
        server: host and port that its far end leads to.
        phones: how many.
        refused: says why not by ``tc netem`` for so many phones, or None.

    Raises:
        ServingError: it could not be made, or carried nothing.
    """
    if not is_shaped(profile):
        yield Link(Way(), Shaping(how=NOTHING, why=None))
        return
    why = refused(phones)
    with scratch_folder("network") as folder, Echo() as echo, contextlib.ExitStack() as stack:
        file = folder / "profile.json"
        write_bytes(file, msgspec.json.encode(profile))
        targets = ["--to", f"{server[0]}:{server[1]}", "--to", f"127.0.0.1:{echo.port}"]
        spaces: tuple[int, ...] = ()
        if why is None:
            made = _held(stack, "netem", "--phones", str(phones), "--profile", str(file))
            spaces = tuple(made["phones"])
            write_bytes(file, msgspec.json.encode(PROFILES["loopback"]))
            targets += ["--listen", SERVER, "--namespace", str(made["far"])]
        host = "127.0.0.1" if why is not None else SERVER
        port, echoed = _held(stack, "relay", "--profile", str(file), *targets)["ports"]
        probed = _probed(host, echoed, profile, spaces[:1])
        yield Link(
            Way((host, port), spaces),
            Shaping(
                how=NETEM if why is None else USER_SPACE,
                why=why,
                round_trips_ms=tuple(round(value, 3) for value in probed.round_trips_ms),
                round_trip_median_ms=round(statistics.median(probed.round_trips_ms), 3),
                up_mbit_per_s=round(probed.up_mbit_per_s, 2),
                down_mbit_per_s=round(probed.down_mbit_per_s, 2),
            ),
        )


def _held(stack: contextlib.ExitStack, module: str, *words: str) -> dict[str, list[int]]:
    """Start a module of this room that runs until the block ends, and read its line."""
    child = stack.enter_context(Child(module_command(f"edgeproof.client.shaping.{module}", *words), talks=True))
    line = child.stdout.readline()
    if not line:
        raise ServingError(f"the network could not be made: its {module} {child.wait(Limits(seconds=10))}")
    return dict(json.loads(line))


def _probed(host: str, port: int, profile: NetworkProfile, spaces: Sequence[int]) -> Probed:
    rates = (("--up", profile.up_mbit_per_s), ("--down", profile.down_mbit_per_s))
    words = [word for option, rate in rates if rate is not None for word in (option, f"{rate:g}")]
    words += ["--namespace", str(spaces[0])] if spaces else []
    command = module_command("edgeproof.client.shaping.probe", host, str(port), *words)
    with scratch_folder("probe") as folder:
        out = Path(folder) / "probed.json"
        with Child([*command, "--out", str(out)]) as child:
            ended = child.wait(Limits(seconds=PROBE_SECONDS, wall_seconds=PROBE_SECONDS))
        if ended.code != 0 or ended.stopped is not None:
            raise ServingError(f"the network {profile.name} carried nothing: its probe {ended}")
        return parse_json(out.read_bytes(), Probed)
