"""Who may ask a server: whoever is on this machine, or brings its token; anybody, where the user says so.

A token is compared in constant time. There is no encryption here: a network that is not trusted needs a proxy or SSH.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path

from edgeproof.errors import UsageError

__all__ = ["check_address", "check_token", "matches", "read_token"]

SHORTEST_TOKEN = 16
HINT = "make one: python -c 'import secrets; print(secrets.token_urlsafe())' > FILE"


def read_token(file: Path) -> str:
    """The token in a file, without the white space around it.

    Raises:
        UsageError: the file cannot be read, or what stands in it is no token.
    """
    try:
        text = file.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"the token file {file} cannot be read: {error}", hint=HINT) from error
    check_token(text)
    return text


def check_token(token: str) -> None:
    """Whether it can be one.

    Raises:
        UsageError: it is too short to be secret, or cannot stand in a header. It is not repeated in the message.
    """
    if len(token) < SHORTEST_TOKEN or not all("!" <= character <= "~" for character in token):
        raise UsageError(
            f"the token is not one: expected at least {SHORTEST_TOKEN} visible ASCII characters without spaces",
            hint=HINT,
        )


def check_address(bound: str, *, token: str | None, open_to_network: bool) -> None:
    """Whether a server may listen there.

    Args:
        bound: the numeric address that its socket got.
        token: that a client has to bring.
        open_to_network: whether the user wants it to answer anybody.

    Raises:
        UsageError: other machines could reach it, and nothing protects it.
    """
    if token is None and not open_to_network and not ipaddress.ip_address(bound.partition("%")[0]).is_loopback:
        raise UsageError(
            f"a server on {bound} can be asked by every machine that reaches this one, and nothing protects it",
            hint="ask for a token with --token-file FILE, or say --open-to-network where the network is yours alone",
        )


def matches(given: bytes | None, token: str) -> bool:
    """Whether the value of an ``Authorization`` header is ``Bearer TOKEN``; takes as long for every wrong one."""
    from hmac import compare_digest

    scheme, _, found = (given or b"").partition(b" ")
    return compare_digest(found.strip(), token.encode()) and scheme.lower() == b"bearer"
