"""Finding devices: adb's list in every state, SSH targets, and names that are none."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeproof.devices.discover import discover, open_device
from edgeproof.errors import UsageError


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Puts a program on PATH that prints and exits as it is told."""

    def place(name: str, script: str) -> None:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return place


def test_the_host_comes_first() -> None:
    host = discover()[0]
    assert (host.address, host.state, host.measurable) == ("host", "ready", True)


def test_adb_is_asked_when_it_is_there(program) -> None:  # type: ignore[no-untyped-def]
    program("adb", "printf 'List of devices attached\\nABC device model:Fairphone_5\\n'")
    assert discover()[1].address == "adb:ABC"


def test_an_adb_that_fails_is_said(program) -> None:  # type: ignore[no-untyped-def]
    program("adb", "echo 'cannot bind listener' >&2; exit 1")
    found = discover()[1]
    assert found.state == "attention"
    assert "cannot bind listener" in found.detail
    assert "kill-server" in (found.remedy or "")


def test_an_ssh_target_is_asked_in_batch_mode(program, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    said = "--edgeproof-model\\nRaspberry Pi 5 Model B\\0\\n--edgeproof-architecture\\naarch64\\n--edgeproof-end\\n"
    program("ssh", f"echo \"$@\" >> {tmp_path}/asked; printf '%b' '{said}'")
    found = discover(["ssh:pi@raspberrypi.local:2222"])[-1]
    assert (found.device_class, found.state, found.measurable) == ("raspberry-pi", "ready", True)
    assert found.detail == "Raspberry Pi 5 Model B, aarch64, no Python"
    asked = (tmp_path / "asked").read_text()
    assert "BatchMode=yes" in asked
    assert "-p 2222 -- pi@raspberrypi.local" in asked


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        ("pi@x: Permission denied (publickey,password).", "ssh-copy-id pi@x"),
        ("Host key verification failed.", "accept it by logging in once: ssh pi@x"),
        ("ssh: connect to host x port 22: Connection refused", "start sshd"),
        ("something new", "try it by hand: ssh pi@x"),
    ],
)
def test_an_ssh_target_that_refuses_is_explained(program, said: str, remedy: str) -> None:  # type: ignore[no-untyped-def]
    program("ssh", f"echo '{said}' >&2; exit 255")
    found = discover(["ssh:pi@x"])[-1]
    assert found.state == "unreachable"
    assert said.startswith(found.detail) or "its host key is not known here" in found.detail
    assert remedy in (found.remedy or "")


@pytest.mark.parametrize("name", ["ssh:-oProxyCommand=true", "ssh:", "ssh:a b", "ssh:host;reboot", "foo", "ssh:pi@x:y"])
def test_names_that_are_no_devices_are_wrong_use(name: str) -> None:
    with pytest.raises(UsageError, match="is no device"):
        discover([name])


def test_opening_devices() -> None:
    assert open_device("host").name == "host"
    assert open_device("ssh:pi@x:22?emulated=1").name == "ssh:pi@x:22"
    with pytest.raises(UsageError, match=r"known kinds: .*host"):
        open_device("toaster")
