"""Who may ask a server: whoever is on this machine, or brings its token, or shows a certificate.

A token is compared in constant time.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import TYPE_CHECKING

from edgeproof.errors import UsageError

if TYPE_CHECKING:
    import ssl

__all__ = ["check_address", "check_token", "matches", "read_token", "tls_context"]

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


def check_address(bound: str, *, token: str | None, asks_for_certificates: bool) -> None:
    """Whether a server may listen there.

    Args:
        bound: the numeric address that its socket got.
        token: that a client has to bring.
        asks_for_certificates: whether a client has to show one of its own (mutual TLS).

    Raises:
        UsageError: other machines could reach it, and nothing protects it.
    """
    if token is None and not asks_for_certificates and not ipaddress.ip_address(bound.partition("%")[0]).is_loopback:
        raise UsageError(
            f"a server on {bound} can be asked by every machine that reaches this one, and nothing protects it",
            hint="ask for a token with --token-file FILE, or for certificates with --tls-cert and --client-ca",
        )


def tls_context(certificate: Path, key: Path, client_ca: Path | None) -> ssl.SSLContext:
    """TLS 1.2 or newer for a server's connections.

    Args:
        certificate: PEM, the server's own first.
        key: PEM.
        client_ca: PEM of who signs clients' certificates: each has to show one (mutual TLS); None: none is asked for.

    Raises:
        UsageError: a file cannot be read, or they do not belong together.
    """
    import ssl

    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(certificate, key)
        if client_ca is not None:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except (OSError, ValueError) as error:
        files = ", ".join(str(file) for file in (certificate, key, client_ca) if file is not None)
        raise UsageError(f"TLS cannot be set up from {files}: {error}", hint="expected files in PEM") from error
    return context


def matches(given: bytes | None, token: str) -> bool:
    """Whether the value of an ``Authorization`` header is ``Bearer TOKEN``; takes as long for every wrong one."""
    from hmac import compare_digest

    scheme, _, found = (given or b"").partition(b" ")
    return compare_digest(found.strip(), token.encode()) and scheme.lower() == b"bearer"
