"""A phone's double through the real adb: probed, brought what it needs, run, lost and found again."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.devices.adb.here import adb, phone_at
from tests.devices.engines import SHAPES, write_artifact, write_digits
from tests.doubles.adb.daemon import Daemon
from tests.doubles.adb.phone import write_phone
from tests.spike.installed import need

from edgeproof.devices.adb.device import AdbDevice
from edgeproof.devices.discover import discover
from edgeproof.devices.host import run_job
from edgeproof.documents.runner import RunnerJob
from edgeproof.errors import DeviceError
from edgeproof.formats.sdk_native import FORMAT
from edgeproof.process import Limits

LIMITS = Limits(seconds=60, wall_seconds=60)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The artifact, its programs for two kinds of processors, and samples."""
    need("aarch64-linux-gnu-gcc", "arm-linux-gnueabihf-gcc")
    folder = tmp_path_factory.mktemp("built")
    document = write_artifact(folder / "artifact")
    return {
        "artifact": folder / "artifact",
        "aarch64": FORMAT.program_for("aarch64", folder / "artifact", document, folder / "aarch64"),
        "armv7l": FORMAT.program_for("armv7l", folder / "artifact", document, folder / "armv7l"),
        "samples": write_digits(folder / "heldout.npz"),
    }


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    with phone_at(write_phone(tmp_path / "phone"), tmp_path, monkeypatch) as daemon:
        yield daemon


@pytest.fixture
def device(phone: Daemon) -> Iterator[AdbDevice]:
    opened = AdbDevice(f"localhost:{phone.port}")
    yield opened
    opened.close()


def job_of(device: AdbDevice, built: dict[str, Path], **more: object) -> RunnerJob:
    job = RunnerJob(
        artifact=device.put(built["aarch64"]), inputs=device.put(built["samples"]), measure=30, warmup=3, seconds=5.0
    )
    return msgspec.structs.replace(job, **more)


def test_a_job_there(phone: Daemon, device: AdbDevice, built: dict[str, Path], tmp_path: Path) -> None:
    assert device.available() is None
    assert (device.name, device.device_class, device.emulated) == (f"adb:localhost:{phone.port}", "android", False)
    place = device.place()
    assert (place.architecture, place.python) == ("aarch64", None)
    board = device.board()
    assert (board.name, board.emulated) == ("Google Pixel 7 (Google GS201)", "no")
    assert abs(board.clock_offset_ms or 1e9) < 10_000
    assert device.equip(["onnxruntime"], print) == {}
    report = device.run(job_of(device, built, outputs="sdk-native.npz"), LIMITS)
    assert (report.error, report.samples, len(report.steady_us), report.warmup) == (None, 40, 30, 3)
    assert 0 < (report.exec_to_first_ms or 0) < 60_000
    before, after = report.conditions
    assert before.battery_percent == after.battery_percent == 81.0
    assert (report.temperature_before_c, report.temperature_after_c, report.throttled) == (47.0, 47.0, False)
    assert report.machine == device.machine()
    here = RunnerJob(artifact=str(built["artifact"]), inputs=str(built["samples"]), outputs=str(tmp_path / "here.npz"))
    assert run_job(here).error is None
    device.get("sdk-native.npz", tmp_path / "there.npz")
    ours, theirs = np.load(tmp_path / "here.npz"), np.load(tmp_path / "there.npz")
    assert all(ours[name].tobytes() == theirs[name].tobytes() for name in SHAPES)
    assert list(phone.tmp.iterdir())
    device.close()
    assert list(phone.tmp.iterdir()) == []
    device.close()


def test_what_is_there_is_not_brought_again(phone: Daemon, device: AdbDevice, built: dict[str, Path]) -> None:
    first = job_of(device, built)
    pushed = len(phone.asked)
    assert device.put(built["aarch64"]) == first.artifact
    assert len(phone.asked) == pushed
    with pytest.raises(DeviceError, match="have to be put there first"):
        device.run(RunnerJob(artifact="a", inputs="b"), LIMITS)


def test_a_phone_that_throttles(phone: Daemon, device: AdbDevice, built: dict[str, Path]) -> None:
    write_phone(phone.folder, status=2)
    assert device.run(job_of(device, built), LIMITS).throttled is True


def test_one_that_has_to_cool_down(
    phone: Daemon, device: AdbDevice, built: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgeproof.devices.adb.device.LOOK_S", 0.1)
    warm, cool = (device.run(job_of(device, built, below=below, wait=0.5), LIMITS) for below in (30.0, 50.0))
    assert 0.5 <= warm.waited_s < 5
    assert cool.waited_s < 0.5
    assert (warm.error, cool.error) == (None, None)


@pytest.mark.parametrize("stage", ["dumpsys thermalservice", "mkdir", "sync", "sha256sum", "--inputs", "cat"])
def test_a_link_that_is_lost_once(
    stage: str, phone: Daemon, device: AdbDevice, built: dict[str, Path], tmp_path: Path
) -> None:
    """In each stage: the server keeps the dead link as offline until it is disconnected."""
    lost = []

    def breaks(service: str) -> bool:
        if stage in service and not lost:
            lost.append(service)
            return True
        return False

    phone.breaks = breaks
    report = device.run(job_of(device, built, outputs="o.npz"), LIMITS)
    assert lost
    assert (report.error, report.samples) == (None, 40)
    device.get("o.npz", tmp_path / "o.npz")


def test_a_phone_that_starts_anew_is_brought_what_it_had_not_written_yet(
    phone: Daemon, device: AdbDevice, built: dict[str, Path]
) -> None:
    lost: list[Path] = []

    def breaks(service: str) -> bool:
        if "--inputs" not in service or lost:
            return False
        lost.extend(path for path in phone.tmp.rglob("*") if path.is_file())
        for path in lost:
            path.write_bytes(b"")
        return True

    phone.breaks = breaks
    report = device.run(job_of(device, built), LIMITS)
    assert len(lost) >= 2
    assert (report.error, report.samples) == (None, 40)


def test_a_daemon_that_starts_again(phone: Daemon, device: AdbDevice, built: dict[str, Path]) -> None:
    job = job_of(device, built)
    phone.hang_up()
    phone.listen()
    assert device.run(job, LIMITS).error is None


def test_a_phone_that_is_gone(phone: Daemon, device: AdbDevice, built: dict[str, Path]) -> None:
    job = job_of(device, built)
    phone.hang_up()
    began = time.monotonic()
    with pytest.raises(DeviceError, match="was lost") as told:
        device.run(job, LIMITS)
    assert time.monotonic() - began < 60
    assert "reconnect" in (told.value.hint or "") or told.value.hint is None


def test_a_link_that_is_lost_while_it_runs(phone: Daemon, device: AdbDevice, built: dict[str, Path]) -> None:
    """The process that was left there is killed, and another one is run."""
    job = job_of(device, built, measure=10**7, warmup=0, seconds=3.0)
    lines: list[str] = []
    device.equip([], lines.append)
    times = iter(range(100))

    def breaks(service: str) -> bool:
        if "--inputs" in service and next(times) == 0:
            phone.cut_after(1.0)
        return False

    phone.breaks = breaks
    report = device.run(job, LIMITS)
    assert report.error is None
    assert any("the process is run again" in line for line in lines)
    left = subprocess.run(["pgrep", "-f", f"{phone.tmp}.*small_net"], capture_output=True, text=True).stdout.split()
    assert left == []


def test_a_disk_that_is_full(phone: Daemon, device: AdbDevice, built: dict[str, Path]) -> None:
    phone.full = True
    with pytest.raises(DeviceError, match=r"has no room: .*No space left") as told:
        device.put(built["aarch64"])
    assert "make room" in (told.value.hint or "")


def test_a_file_that_arrives_broken(phone: Daemon, device: AdbDevice, built: dict[str, Path]) -> None:
    script = phone.folder / "bin" / "sha256sum"
    script.write_text("#!/bin/sh\necho 0000\n")
    script.chmod(0o755)
    with pytest.raises(DeviceError, match=r"arrived on adb:localhost:.* as something else: 0000"):
        device.put(built["aarch64"])


def test_a_program_for_another_processor(device: AdbDevice, built: dict[str, Path]) -> None:
    """The double has QEMU for 64-bit ARM alone."""
    job = job_of(device, built, artifact=device.put(built["armv7l"]))
    error = device.run(job, LIMITS).error or ""
    assert "small_net cannot be run on Google Pixel 7 (Google GS201), aarch64" in error


@pytest.mark.parametrize(
    ("emulator", "said"),
    [
        ("sh -c 'kill -9 $$'", "was killed by SIGKILL (signal 9), as the system does when memory runs out"),
        ("sh -c 'kill -11 $$'", "was killed by SIGSEGV"),
        ("sh -c 'echo broken >&2; exit 3'", "ended with exit code 3; it said: broken"),
        ("sh -c 'echo {'", "the program's answer cannot be read"),
    ],
)
def test_a_program_that_fails(
    emulator: str, said: str, phone: Daemon, device: AdbDevice, built: dict[str, Path]
) -> None:
    phone.emulator = emulator
    assert said in (device.run(job_of(device, built), LIMITS).error or "")


def test_a_program_that_hangs_is_stopped(phone: Daemon, device: AdbDevice, built: dict[str, Path]) -> None:
    phone.emulator = "sleep 4321; true"
    report = device.run(job_of(device, built), Limits(seconds=1, wall_seconds=2))
    assert report.error == "the program was stopped after 2 s by the clock"


def test_one_that_does_not_allow_this_computer(phone: Daemon, device: AdbDevice) -> None:
    phone.authorized = False
    reason = str(device.available() or "")
    assert "is unauthorized" in reason
    assert "allow USB debugging" in reason


def test_addresses_that_lead_nowhere(phone: Daemon) -> None:
    assert "adb knows no R58M (it knows: none)" in str(AdbDevice("R58M").available())
    assert "localhost:1 cannot be connected" in str(AdbDevice("localhost:1").available())
    assert "adb has 0 devices; expected one" in str(AdbDevice().available())
    adb("connect", f"localhost:{phone.port}")
    alone = AdbDevice()
    assert alone.available() is None
    assert alone.name == f"adb:localhost:{phone.port}"
    adb("connect", f"127.0.0.1:{phone.port}")
    assert "adb has 2 devices; expected one" in str(AdbDevice().available())


def test_it_is_listed(phone: Daemon) -> None:
    adb("connect", f"localhost:{phone.port}")
    found = next(found for found in discover() if found.address == f"adb:localhost:{phone.port}")
    assert (found.state, found.measurable, found.device_class, found.detail) == ("ready", True, "android", "Pixel 7")
    phone.hang_up()
    found = next(found for found in discover() if found.address == f"adb:localhost:{phone.port}")
    assert (found.state, found.measurable) == ("attention", False)
    assert "adb reconnect" in (found.remedy or "")


def test_a_server_that_cannot_start(phone: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/dev/null")
    reason = str(AdbDevice("R58M").available() or "")
    assert "adb failed: Cannot mkdir '/dev/null/.android'" in reason
    assert "pid" not in reason


def test_without_an_adb(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PATH", "ANDROID_HOME", "ANDROID_SDK_ROOT"):
        monkeypatch.setenv(name, "/nowhere")
    assert "there is no adb on this machine" in str(AdbDevice("R58M").available())
