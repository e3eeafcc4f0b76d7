"""``devices`` through the real command line: a board is a server on loopback, and what adb says is written here."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.cli.calling import Call
from tests.devices.loopback import Board, board, missing


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that comes first, and no board that could be emulated."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    return folder


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    lacking = missing()
    if lacking is not None:
        pytest.skip(lacking)
    with board(tmp_path / "board", monkeypatch) as found:
        yield found


def test_the_host_and_a_named_target_in_json(edgeproof: Call, programs: Path, there: Board) -> None:
    code, out, err = edgeproof("devices", there.address, "--json")
    assert (code, err) == (0, "")
    host, *_, pi = json.loads(out)["devices"]
    assert (host["address"], host["state"], host["measurable"]) == ("host", "ready", True)
    assert (pi["address"], pi["state"], pi["measurable"]) == (there.address.partition("?")[0], "ready", True)
    assert os.uname().machine in pi["detail"]


def test_a_target_that_refuses_is_said_with_what_to_do(edgeproof: Call, programs: Path, there: Board) -> None:
    (there.folder / "user.pub").write_text("")
    code, out, _ = edgeproof("devices", there.address)
    assert code == 0
    assert "unreachable" in out
    assert "→ " in out
    assert f"ssh-copy-id -p {there.port} pi@127.0.0.1" in out


def test_what_adb_lists_is_listed(edgeproof: Call, programs: Path) -> None:
    (programs / "adb").write_text(
        "#!/bin/sh\nprintf 'List of devices attached\\nABC device model:Fairphone_5\\nDEF unauthorized\\n'\n"
    )
    (programs / "adb").chmod(0o755)
    code, out, _ = edgeproof("devices", "--json")
    assert code == 0
    found = {device["address"]: device["state"] for device in json.loads(out)["devices"]}
    assert found == {"host": "ready", "adb:ABC": "ready", "adb:DEF": "attention"}


@pytest.mark.parametrize("name", ["toaster", "ssh:-oProxyCommand=true", "ssh:a b"])
def test_a_name_of_no_device_is_2(edgeproof: Call, programs: Path, name: str) -> None:
    code, out, err = edgeproof("devices", name, "--json")
    assert (code, out) == (2, "")
    assert "is no device" in err
