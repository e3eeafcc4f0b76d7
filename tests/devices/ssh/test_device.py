"""A board over the real OpenSSH: a machine behind a server on loopback, in all that may go wrong on the way."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from tests.devices.loopback import Board, board, missing

from edgeproof.devices.ssh.device import SshDevice
from edgeproof.documents.runner import RunnerJob
from edgeproof.errors import DeviceError, DeviceLost
from edgeproof.process import Limits

LACKING = missing()
pytestmark = pytest.mark.skipif(LACKING is not None, reason=LACKING or "")
QUIET = Limits(seconds=60)


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with board(tmp_path / "board", monkeypatch) as found:
        yield found


def opened(there: Board) -> SshDevice:
    return SshDevice(there.address.removeprefix("ssh:"))


def test_an_unknown_host_key_is_shown_and_refused(there: Board) -> None:
    (there.folder / "known").unlink()
    refused = opened(there).available()
    assert refused is not None
    assert "ED25519 SHA256:" in refused.message
    assert refused.hint is not None
    assert f"ssh -p {there.port} pi@127.0.0.1" in refused.hint
    assert not (there.folder / "known").exists()


def test_another_host_key_than_the_known_one_is_told(there: Board) -> None:
    other = (there.folder / "user.pub").read_text()
    (there.folder / "known").write_text(f"[127.0.0.1]:{there.port} {other}")
    refused = opened(there).available()
    assert refused is not None
    assert "another than the one that was accepted once" in refused.message
    assert f"ssh-keygen -R '[127.0.0.1]:{there.port}'" in (refused.hint or "")


def test_a_login_that_needs_a_password_is_refused_with_the_port(there: Board) -> None:
    (there.folder / "user.pub").write_text("")
    refused = opened(there).available()
    assert refused is not None
    assert "Permission denied" in refused.message
    assert refused.hint == f"log in by key without a password: ssh-copy-id -p {there.port} pi@127.0.0.1"


def test_a_port_where_nobody_listens() -> None:
    refused = SshDevice("pi@127.0.0.1:1").available()
    assert refused is not None
    assert "start sshd on it" in (refused.hint or "")


def test_jobs_run_there_and_nothing_of_them_stays(there: Board, artifact: Path, samples: Path, tmp_path: Path) -> None:
    device = opened(there)
    assert device.available() is None
    assert device.place().python is not None
    lines: list[str] = []
    assert device.equip(["onnxruntime"], lines.append) == {}
    assert len(lines) == 3
    job = RunnerJob(
        artifact=device.put(artifact), inputs=device.put(samples), outputs="out.npz", measure=20, warmup=2, trust=True
    )
    told = device.run(job, QUIET)
    assert told.error is None
    assert len(told.steady_us) == 20
    assert told.exec_to_first_ms is not None
    device.get("out.npz", tmp_path / "back.npz")
    with np.load(tmp_path / "back.npz") as back:
        assert back["scores"].shape == (16, 1, 3)
    assert device.put(artifact) == job.artifact
    device.close()
    device.close()
    assert list((there.home / ".cache/edgeproof/visits").iterdir()) == []
    again, lines = opened(there), []
    again.equip(["onnxruntime"], lines.append)
    assert lines == []
    again.close()


def test_what_the_process_says_comes_back(there: Board, samples: Path, tmp_path: Path) -> None:
    device = opened(there)
    device.equip([], lambda _line: None)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    told = device.run(RunnerJob(artifact=device.put(broken), inputs=device.put(samples), trust=True), QUIET)
    assert told.error is not None
    device.close()


def job_that_lasts(device: SshDevice, artifact: Path, samples: Path) -> RunnerJob:
    device.equip(["onnxruntime"], lambda _line: None)
    return RunnerJob(
        artifact=device.put(artifact), inputs=device.put(samples), measure=10**9, warmup=0, seconds=300, trust=True
    )


def runners(there: Board) -> list[psutil.Process]:
    """Processes of ours on the board."""

    def ours(process: psutil.Process) -> bool:
        words = process.info["cmdline"] or ()
        return "edgeproof.devices.runner" in words and any(str(there.home) in word for word in words)

    return [process for process in psutil.process_iter(["cmdline"]) if ours(process)]


def until(holds, seconds: float = 20.0) -> bool:  # type: ignore[no-untyped-def]
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if holds():
            return True
        time.sleep(0.1)
    return False


def test_a_job_that_takes_too_long_is_stopped_there_too(there: Board, artifact: Path, samples: Path) -> None:
    device = opened(there)
    told = device.run(job_that_lasts(device, artifact, samples), Limits(seconds=60, wall_seconds=4))
    assert told.error == "the process was stopped after 4 s there"
    assert until(lambda: not runners(there))
    device.close()


def test_one_that_is_killed_is_told_with_its_signal(there: Board, artifact: Path, samples: Path) -> None:
    device = opened(there)
    job = job_that_lasts(device, artifact, samples)

    def kill() -> None:
        assert until(lambda: runners(there))
        for process in runners(there):
            process.kill()

    killer = threading.Thread(target=kill)
    killer.start()
    told = device.run(job, QUIET)
    killer.join()
    assert "was killed by SIGKILL (signal 9), as the system does when memory runs out" in (told.error or "")
    device.close()


def test_a_link_that_is_cut_is_an_error_and_leaves_nothing_running(there: Board, artifact: Path, samples: Path) -> None:
    device = opened(there)
    job = job_that_lasts(device, artifact, samples)

    def cut() -> None:
        assert until(lambda: runners(there))
        there.cut()

    cutter = threading.Thread(target=cut)
    cutter.start()
    with pytest.raises(DeviceError):
        device.run(job, QUIET)
    cutter.join()
    assert until(lambda: not runners(there))
    assert device.run(RunnerJob(artifact=job.artifact, inputs=job.inputs, trust=True), QUIET).error is None
    device.close()


def test_a_board_that_started_anew_between_two_commands_is_told(there: Board, artifact: Path, samples: Path) -> None:
    """OpenSSH logs in again without a word, and the board has neither the files nor the folder of this visit."""
    device = opened(there)
    device.equip(["onnxruntime"], lambda _line: None)
    before = RunnerJob(artifact=device.put(artifact), inputs=device.put(samples), trust=True)
    there.starts_anew()
    with pytest.raises(DeviceLost, match="has started anew"):
        device.run(before, QUIET)
    again = RunnerJob(artifact=device.put(artifact), inputs=device.put(samples), trust=True)
    assert device.run(again, QUIET).error is None
    device.close()


def test_a_link_that_is_cut_while_outputs_come_back_leaves_no_half_of_them(
    there: Board, artifact: Path, samples: Path, tmp_path: Path
) -> None:
    """The board gives the first bytes of a file and never its end: a pipe that something holds open."""
    device = opened(there)
    device.equip(["onnxruntime"], lambda _line: None)
    brought = Path(device.put(samples))
    os.mkfifo(brought.parent / "outputs.npz")
    to = tmp_path / "outputs.npz"

    def give_and_cut() -> None:
        with (brought.parent / "outputs.npz").open("wb", buffering=0) as held:
            held.write(samples.read_bytes()[:100])
            assert until(lambda: any(path.stat().st_size for path in tmp_path.glob("*outputs.npz*")))
            there.cut()

    cutter = threading.Thread(target=give_and_cut)
    cutter.start()
    with pytest.raises(DeviceLost):
        device.get(str(brought.parent / "outputs.npz"), to)
    cutter.join()
    assert not list(tmp_path.glob("*outputs.npz*"))
    again = device.put(samples)  # brought anew, for a board that was lost may have lost its files
    outputs = str(Path(again).with_name("outputs.npz"))
    job = RunnerJob(artifact=device.put(artifact), inputs=again, outputs=outputs, trust=True)
    told = device.run(job, QUIET)
    assert told.error is None
    device.get(outputs, to)
    with np.load(to) as found:
        assert found.files
    device.close()


def test_a_full_disk_is_said_and_half_a_file_is_not_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, samples: Path
) -> None:
    large = tmp_path / "large.bin"
    large.write_bytes(bytes(8 << 20))
    with board(tmp_path / "small", monkeypatch, disk_mb=4) as small:
        device = opened(small)
        with pytest.raises(DeviceError, match="are free on its disk") as error:
            device.put(large)
        assert error.value.hint == "make room there"
        assert device.put(samples)
        device.close()


def test_a_named_python_brings_nothing_but_this_package(there: Board) -> None:
    device = SshDevice(f"{there.address.removeprefix('ssh:')}&python=/usr/bin/python3")
    place = device.place()
    if place.python is None:
        pytest.skip("the system's python3 is older than 3.11")
    lines: list[str] = []
    lacking = device.equip(["torch==2.13.0"], lines.append)
    assert "has no torch" in lacking["torch==2.13.0"]
    assert len(lines) == 1
    device.close()
