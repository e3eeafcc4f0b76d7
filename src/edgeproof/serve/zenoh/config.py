"""How a server takes part in zenoh: where it listens, what it connects to, and whether others may then reach it.

Everything else is zenoh's own configuration file, whose keys zenoh documents in its ``DEFAULT_CONFIG.json5``.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from edgeproof.errors import MissingDependency, ServingError, UsageError

if TYPE_CHECKING:
    import zenoh

__all__ = ["ZenohOptions", "check_endpoint", "open_session", "session_config"]

INSTALL = "pip install 'edgeproof[zenoh]'"
EXAMPLE = "expected PROTOCOL/ADDRESS, such as tcp/127.0.0.1:7447"
PROTECT = (
    "listen on 127.0.0.1, or give --zenoh-config FILE in which transport/link/tls asks for certificates "
    "(enable_mtls, with tls/ or quic/ endpoints) or transport/auth/usrpwd for a password"
)
WITH_PORT = ("tcp", "udp", "tls", "quic", "ws")
WITHIN = ("unixsock-stream", "unixpipe")
"""Protocols that no other machine can speak to this one."""
WITH_CERTIFICATES = ("tls", "quic")
CLOSE_US = 1_000_000
"""For a client to take what fills its connection, before a reply to it waits no longer and zenoh closes that."""
DROP_US = 20_000
"""Likewise, before what is put on a stream is not sent to it."""
ROOM_BYTES = 1 << 20
RUNTIME = "ZENOH_RUNTIME"
FEWER_THREADS = "(acc:(handover:rx),net:(handover:rx),app:(handover:rx))"
"""zenoh's threads: two that receive and one that sends. By default there are six, and a message wakes five. With
one that receives, zenoh stands still for seconds when it cuts off a client; with none that sends, for ever."""


class ZenohOptions(msgspec.Struct, frozen=True):
    """What a server is told of zenoh."""

    listen: tuple[str, ...] = ()
    """Endpoints, ``tcp/127.0.0.1:7447``; port 0 takes a free one."""
    connect: tuple[str, ...] = ()
    """Endpoints of routers or peers that it connects to."""
    config: Path | None = None
    """A file of zenoh's own."""
    scouting: bool = False
    """Whether others can find it, by multicast and gossip. It still connects to nobody by itself."""


def session_config(
    options: ZenohOptions, *, body_bytes: int | None, connections: int
) -> tuple[zenoh.Config, list[str]]:
    """The configuration of a session, and the endpoints that it will listen on.

    Args:
        options: what was asked for.
        body_bytes: of the longest request; messages much longer are not put together. None: as zenoh has it.
        connections: that it takes at a time.

    Raises:
        MissingDependency: zenoh is not installed.
        UsageError: an endpoint or the file cannot be used, or other machines could reach what nothing protects.
    """
    package = imported()
    try:
        config = package.Config() if options.config is None else package.Config.from_file(str(options.config))
    except package.ZError as error:
        raise UsageError(f"{options.config} cannot be read as a configuration of zenoh: {error}") from error
    listen = [with_port(endpoint) for endpoint in options.listen]
    connect = list(options.connect) or endpoints_of(config, "connect/endpoints")
    for endpoint in (*listen, *connect):
        check_endpoint(endpoint, config, listens=endpoint in listen)
    told: dict[str, Any] = {
        "mode": json.loads(config.get_json("mode")) or "peer",
        "listen/endpoints": listen,
        "connect/endpoints": connect,
        "scouting/multicast/enabled": options.scouting,
        "scouting/multicast/autoconnect": [],
        "scouting/gossip/enabled": options.scouting,
        "scouting/gossip/autoconnect": [],
        "transport/unicast/max_sessions": connections,
        "transport/link/tx/queue/congestion_control/block/wait_before_close": CLOSE_US,
        "transport/link/tx/queue/congestion_control/drop/wait_before_drop": DROP_US,
    }
    if body_bytes is not None:
        told["transport/link/rx/max_message_size"] = 2 * body_bytes + ROOM_BYTES
    for key, value in told.items():
        config.insert_json5(key, json.dumps(value))
    return config, listen


def open_session(config: zenoh.Config, listen: list[str]) -> zenoh.Session:
    """Take part.

    Raises:
        ServingError: it cannot listen or connect.
    """
    package = imported()
    try:
        with fewer_threads():
            session: zenoh.Session = package.open(config)
        return session
    except package.ZError as error:
        where = f"on {', '.join(listen)}" if listen else "to zenoh"
        raise ServingError(
            f"cannot be reached {where}: {error}", hint="is the port free, and does what is connected to answer?"
        ) from error


@contextlib.contextmanager
def fewer_threads() -> Iterator[None]:
    """Have zenoh begin with few threads, unless its own variable says otherwise."""
    if RUNTIME in os.environ:
        yield
        return
    os.environ[RUNTIME] = FEWER_THREADS
    try:
        yield
    finally:
        del os.environ[RUNTIME]


def check_endpoint(endpoint: str, config: zenoh.Config, *, listens: bool) -> None:
    """Whether a server may use it: others reach it only where they show a certificate or know a password.

    Raises:
        UsageError: it is none, or nothing protects it.
    """
    protocol, separator, address = endpoint.partition("/")
    if not separator or not address:
        raise UsageError(f"{endpoint!r} is no endpoint of zenoh", hint=EXAMPLE)
    if protocol in WITHIN or (protocol in WITH_PORT and is_loopback(address)):
        return
    asks = protocol in WITH_CERTIFICATES and bool(json.loads(config.get_json("transport/link/tls/enable_mtls")))
    secret = "dictionary_file" if listens else "password"
    if not asks and not json.loads(config.get_json(f"transport/auth/usrpwd/{secret}")):
        raise UsageError(
            f"over {endpoint} other machines can ask this server's models, and nothing protects them", hint=PROTECT
        )


def is_loopback(address: str) -> bool:
    """Whether ``host:port``, with what zenoh may have behind it, is this machine's alone."""
    host = host_of(address)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.partition("%")[0]).is_loopback
    except ValueError:
        return False


def host_of(address: str) -> str:
    """The host of ``host:port?metadata#config``."""
    plain = address.partition("?")[0].partition("#")[0]
    return plain.rpartition(":")[0].strip("[]")


def with_port(endpoint: str) -> str:
    """The endpoint with a port that is free, where it has 0: zenoh does not say which one it would take."""
    protocol, _, address = endpoint.partition("/")
    if protocol not in WITH_PORT or not address.endswith(":0"):
        return endpoint
    host = host_of(address)
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as free:
        free.bind((host, 0))
        return f"{endpoint[:-1]}{free.getsockname()[1]}"
    return endpoint


def endpoints_of(config: zenoh.Config, key: str) -> list[str]:
    """Endpoints that a file names, for every mode."""
    found = json.loads(config.get_json(key)) or []
    several = found.values() if isinstance(found, dict) else [found]
    return [endpoint for each in several for endpoint in ([each] if isinstance(each, str) else each)]


def imported() -> Any:
    """zenoh's package.

    Raises:
        MissingDependency: it is not installed.
    """
    try:
        import zenoh
    except ImportError as error:
        raise MissingDependency("zenoh needs eclipse-zenoh", hint=INSTALL) from error
    return zenoh
