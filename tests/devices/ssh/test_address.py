"""How a board is named."""

from __future__ import annotations

import pytest

from edgeproof.devices.ssh.address import Address, parse_address
from edgeproof.errors import UsageError


@pytest.mark.parametrize(
    ("text", "address", "command"),
    [
        ("pi@raspberrypi.local", Address("pi@raspberrypi.local"), "ssh pi@raspberrypi.local"),
        ("bench", Address("bench"), "ssh bench"),
        ("pi@10.0.0.7:2222", Address("pi@10.0.0.7", 2222), "ssh -p 2222 pi@10.0.0.7"),
        ("pi@[fe80::1]:22", Address("pi@[fe80::1]", 22), "ssh -p 22 pi@[fe80::1]"),
        ("pi@x?emulated=1", Address("pi@x", emulated=True), "ssh pi@x"),
        (
            "x?emulated=no&class=raspberry-pi&python=/opt/py/bin/python",
            Address("x", emulated=False, device_class="raspberry-pi", python="/opt/py/bin/python"),
            "ssh x",
        ),
    ],
)
def test_what_is_said_of_a_board(text: str, address: Address, command: str) -> None:
    found = parse_address(text)
    assert found == address
    assert found.command == command
    assert "?" not in found.name


@pytest.mark.parametrize("text", ["", "-oProxyCommand=x", "pi@-x", "a b", "x;reboot", "pi@x:0", "pi@x:99999", "pi@x:y"])
def test_what_is_no_board(text: str) -> None:
    with pytest.raises(UsageError, match="is no device"):
        parse_address(text)


@pytest.mark.parametrize("query", ["emulated=perhaps", "class=toaster", "speed=1"])
def test_what_cannot_be_said_of_a_board(query: str) -> None:
    with pytest.raises(UsageError, match="is not understood") as error:
        parse_address(f"pi@x?{query}")
    assert "emulated=1 or 0" in (error.value.hint or "")
