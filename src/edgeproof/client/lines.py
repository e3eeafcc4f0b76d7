"""How a phone reaches a server: over HTTP, or over zenoh where the address says so."""

from __future__ import annotations

from edgeproof.client.connection import Connection
from edgeproof.client.zenoh_line import SCHEME, ZenohLine
from edgeproof.errors import UsageError

__all__ = ["OpenLine", "open_line"]

OpenLine = Connection | ZenohLine


def open_line(
    url: str,
    *,
    timeout_s: float = 30.0,
    token: str | None = None,
    reuse: bool = True,
    through: tuple[str, int] | None = None,
) -> OpenLine:
    """A line that is opened at its first request.

    Args:
        url: ``http://host:port``, or ``zenoh:tcp/host:port``.
        timeout_s: for connecting, and for every wait.
        token: that the server asks for, over HTTP.
        reuse: whether the next request goes over the same connection.
        through: ``(host, port)`` to connect to instead, such as a relay's.

    Raises:
        UsageError: neither of them, or a token for zenoh, which has no place for one.
        MissingDependency: zenoh is not installed.
    """
    if not url.startswith(SCHEME):
        return Connection(url, timeout_s=timeout_s, token=token, reuse=reuse, through=through)
    if token is not None:
        raise UsageError("a token is of HTTP: zenoh has certificates and passwords in place of it")
    return ZenohLine(url, timeout_s=timeout_s, reuse=reuse, through=through)
