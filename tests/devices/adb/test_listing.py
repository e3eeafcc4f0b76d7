"""What adb lists, in every state, and what is wrong with its server."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from edgeproof.devices.adb.listing import attached, find_adb, read_adb_list, server_trouble
from edgeproof.errors import ProcessError

LISTED = """* daemon not running; starting now at tcp:5037
* daemon started successfully
List of devices attached
0A091FDD4000GB         device usb:1-1 product:panther model:Pixel_7 device:panther transport_id:1
adb-R3CT-x (2)._adb-tls-connect._tcp device product:a model:Galaxy_S23 device:b transport_id:9
emulator-5554          offline transport_id:2
192.168.1.7:5555       unauthorized transport_id:3
R58M                   no permissions (missing udev rules? user is in the plugdev group); see [http://x] usb:1-2
R59M                   authorizing usb:1-3 transport_id:5
R60M                   sideload usb:1-4 product:x model:y device:z transport_id:6
R61M                   rescuing usb:1-5

"""


def test_states_and_what_to_do() -> None:
    pixel, wireless, emulator, network, denied, asked, loading, other = read_adb_list(LISTED)
    assert (pixel.serial, pixel.ready, pixel.model, pixel.remedy) == ("0A091FDD4000GB", True, "Pixel 7", None)
    assert (wireless.serial, wireless.ready) == ("adb-R3CT-x (2)._adb-tls-connect._tcp", True)
    assert wireless.model == "Galaxy S23"
    assert (emulator.serial, emulator.state, emulator.emulator) == ("emulator-5554", "offline", True)
    assert (network.serial, network.state) == ("192.168.1.7:5555", "unauthorized")
    assert (denied.serial, denied.state) == ("R58M", "no permissions")
    assert (asked.state, loading.state, other.state) == ("authorizing", "sideload", "rescuing")
    for found, words in (
        (emulator, "adb reconnect"),
        (network, "allow USB debugging"),
        (denied, "udev"),
        (asked, "wait"),
        (loading, "adb reboot"),
        (other, "adb says 'rescuing'"),
    ):
        assert not found.ready
        assert words in (found.remedy or "")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "List of devices attached\n\n",
        "error: cannot connect\n",
        "adb server version (41) doesn't match this client (39); killing...\n",
    ],
)
def test_no_devices(text: str) -> None:
    assert read_adb_list(text) == []


@contextmanager
def listening(answer: bytes | None) -> Iterator[int]:
    """A server that answers each question with this, or with nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    link, _ = server.accept()
                except OSError:
                    return
                if answer is not None:
                    link.recv(64)
                    link.sendall(answer)
                    link.close()
                else:
                    held.append(link)

        held: list[socket.socket] = []
        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        for link in held:
            link.close()


@pytest.mark.parametrize("remote", [False, True])
def test_a_server_that_is_silent(remote: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(None) as port:
        if remote:
            monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:127.0.0.1:{port}")
        else:
            monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        began = time.monotonic()
        with pytest.raises(ProcessError, match=rf"what listens at \S+:{port} does not answer as adb's server") as told:
            attached(find_adb() or "adb")
        assert time.monotonic() - began < 8
        assert told.value.hint


def test_a_server_that_is_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    with listening(b"HTTP/1.1 400 Bad Request") as port:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        trouble = server_trouble()
        assert trouble is not None
        assert "is no adb server: it answered b'HTTP'" in trouble[0]
    with listening(b"OKAY00040029") as port:
        monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", str(port))
        assert server_trouble() is None


def test_a_remote_server_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADB_SERVER_SOCKET", "tcp:192.0.2.1.invalid:5037")
    trouble = server_trouble()
    assert trouble is not None
    assert "cannot be reached" in trouble[0]
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:localhost:{port}")
    assert server_trouble() is None, "the client starts one here"
    monkeypatch.setattr(
        "socket.create_connection", lambda *_words: (_ for _ in ()).throw(ConnectionRefusedError(111, "refused"))
    )
    monkeypatch.setenv("ADB_SERVER_SOCKET", "tcp:lab:5037")
    trouble = server_trouble()
    assert trouble == (
        "no adb server listens at lab:5037",
        "start it there: adb -a start-server, or unset ADB_SERVER_SOCKET",
    )


def test_an_adb_of_the_sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "platform-tools" / "adb"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.delenv("ANDROID_SDK_ROOT", raising=False)
    monkeypatch.delenv("ANDROID_HOME", raising=False)
    assert find_adb() is None
    monkeypatch.setenv("ANDROID_HOME", str(tmp_path))
    assert find_adb() == str(program)
