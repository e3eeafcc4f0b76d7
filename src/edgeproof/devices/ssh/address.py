"""What a user writes to name a board: ``ssh:pi@raspberrypi.local:2222?emulated=1``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import get_args
from urllib.parse import parse_qsl

from edgeproof.documents.device import DeviceClass
from edgeproof.errors import UsageError

__all__ = ["Address", "parse_address"]

TARGET = re.compile(r"((?:[\w.-]+@)?(?:[\w.-]+|\[[0-9A-Fa-f:]+\]))(?::(\d{1,5}))?")
"""``[user@]host[:port]``; a host of the user's OpenSSH configuration is one too."""
YES_NO = {"1": True, "yes": True, "true": True, "0": False, "no": False, "false": False}
KNOWN = "emulated=1 or 0, class=raspberry-pi, python=PATH"


@dataclass(frozen=True)
class Address:
    """A board, as a user names it.

    Attributes:
        target: ``[user@]host``, for OpenSSH.
        port: None: as OpenSSH's configuration says.
        emulated: what the user says of it; None: nothing.
        device_class: what it is to stand for, where it does not say itself.
        python: of the board, with the runtimes installed: nothing is brought there but this package.
    """

    target: str
    port: int | None = None
    emulated: bool | None = None
    device_class: DeviceClass | None = None
    python: str | None = None

    @property
    def name(self) -> str:
        """As documents have it, without what the user says of it."""
        return f"ssh:{self.where}"

    @property
    def where(self) -> str:
        """``user@host:port``."""
        return self.target if self.port is None else f"{self.target}:{self.port}"

    @property
    def command(self) -> str:
        """What one types to log in there."""
        return f"ssh {self.target}" if self.port is None else f"ssh -p {self.port} {self.target}"


def parse_address(text: str) -> Address:
    """The address behind ``ssh:``.

    Raises:
        UsageError: it is none.
    """
    place, _, query = text.partition("?")
    match = TARGET.fullmatch(place)
    port = int(match.group(2)) if match and match.group(2) else None
    if not match or place.startswith("-") or "@-" in place or (port is not None and not 0 < port < 65536):
        raise UsageError(f"ssh:{text} is no device", hint="give ssh:user@host or ssh:user@host:port")
    said = dict(parse_qsl(query, keep_blank_values=True))
    strange = [key for key in said if key not in {"emulated", "class", "python"}]
    classes = get_args(DeviceClass)
    if strange or said.get("emulated", "1") not in YES_NO or said.get("class", classes[0]) not in classes:
        raise UsageError(f"ssh:{text}: {query} is not understood", hint=f"what may be said of a board: {KNOWN}")
    return Address(
        match.group(1),
        port,
        emulated=YES_NO[said["emulated"]] if "emulated" in said else None,
        device_class=next((known for known in classes if known == said.get("class")), None),
        python=said.get("python"),
    )
