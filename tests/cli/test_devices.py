"""``devices`` through the real command line; SSH is the double, and so is what adb says."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from tests.cli.calling import Call

SSH = Path(__file__).parents[1] / "doubles" / "ssh"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of programs that comes first: the SSH double is in it, and a Pi's home beside it."""
    folder, home = tmp_path / "bin", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    shutil.copy(SSH, folder / "ssh")
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setenv("SSH_DOUBLE_HOME", str(home))
    return folder


def test_the_host_and_a_named_target_in_json(edgeproof: Call, programs: Path) -> None:
    code, out, err = edgeproof("devices", "ssh:pi@raspberrypi.local", "--json")
    assert (code, err) == (0, "")
    host, *_, pi = json.loads(out)["devices"]
    assert (host["address"], host["state"], host["measurable"]) == ("host", "ready", True)
    assert (pi["address"], pi["state"], pi["measurable"]) == ("ssh:pi@raspberrypi.local", "ready", False)
    assert os.uname().machine in pi["detail"]
    assert "rpi_setup_and_bench.sh" in pi["remedy"]


def test_a_target_that_refuses_is_said_with_what_to_do(
    edgeproof: Call, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_DOUBLE_REFUSE", "1")
    code, out, _ = edgeproof("devices", "ssh:pi@raspberrypi.local")
    assert code == 0
    assert "unreachable" in out
    assert "→ " in out
    assert "ssh-copy-id pi@raspberrypi.local" in out


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
