"""A run measured on a phone's double through the real adb: chosen, built, verified, timed and recorded."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.devices.adb.here import phone_at
from tests.devices.adb.test_benchmarks import DOUBLE
from tests.doubles.adb.daemon import Daemon
from tests.doubles.adb.phone import write_phone
from tests.spike.installed import need

from edgeproof.devices.adb.benchmarks import ONNX_RUNTIME
from edgeproof.devices.base import Effort
from edgeproof.errors import DeviceError
from edgeproof.phases.convert import convert
from edgeproof.phases.device import measure_devices
from edgeproof.phases.prepare import prepare
from edgeproof.phases.validate import validate
from edgeproof.process import Limits
from edgeproof.rundir import RunDir

EFFORT = Effort(rounds=2, count=40, warmup=5, seconds=4.0, limits=Limits(seconds=60))
ENTRY = "[edgeproof.devices]\nadb = edgeproof.devices.adb.device:DEVICE\n"


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    with phone_at(write_phone(tmp_path / "phone"), tmp_path / "home", monkeypatch) as daemon:
        yield daemon


@pytest.fixture
def run(new_run: Callable[..., RunDir]) -> RunDir:
    need("aarch64-linux-gnu-gcc")
    made = new_run("sdk-native", "torchscript-fp32", timesteps=3)
    for phase in (prepare, convert, validate):
        phase(made)
    return made


def test_a_run_on_a_phone(run: RunDir, phone: Daemon) -> None:
    lines: list[str] = []
    address = f"adb:localhost:{phone.port}"
    (document,) = measure_devices(run, devices=[address], effort=EFFORT, report=lines.append)
    assert (document.device, document.device_class, document.emulated) == (address, "android", False)
    assert document.machine.cpu_model == "Google Pixel 7 (Google GS201)"
    assert document.board is not None
    assert document.board.emulated == "no"
    found = {measured.candidate: measured for measured in document.measurements}
    native, other = found["sdk-native"], found["torchscript-fp32"]
    assert (native.status, native.throttled) == ("ok", False)
    assert native.outputs is not None
    assert (native.outputs.status, native.outputs.same_bits, native.outputs.promised) == ("passed", True, True)
    assert native.outputs.built
    assert native.steady is not None
    assert native.steady.count == 80
    assert native.cold_start is not None
    assert native.cold_start.processes == 2
    assert len(native.conditions) == 4
    assert native.conditions[0].charging is True
    assert native.temperature_c == (47.0,) * 4
    assert other.status == "skipped"
    assert "ship" in (other.reason or "") or "no program of its own" in (other.reason or "")
    assert document.not_measured.keys() == {"energy"}
    assert run.device(address) == document
    assert list(phone.tmp.iterdir()) == []


def test_a_benchmark_program_gives_times_without_outputs(
    new_run: Callable[..., RunDir], phone: Daemon, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = new_run("onnx-fp32")
    for phase in (prepare, convert, validate):
        phase(run)
    program = tmp_path / "onnxruntime_perf_test"
    program.write_text(DOUBLE)
    monkeypatch.setenv(ONNX_RUNTIME, str(program))
    (document,) = measure_devices(run, devices=[f"adb:localhost:{phone.port}"], effort=EFFORT)
    (onnx,) = document.measurements
    assert (onnx.status, onnx.reason) == ("ok", None)
    assert onnx.steady is not None
    assert onnx.steady.count == 80
    assert onnx.outputs is not None
    assert onnx.outputs.status == "unseen"
    assert "gives no outputs" in (onnx.outputs.reason or "")
    assert onnx.cold_start is None, "nobody saw its process start"


def test_an_emulator_gives_outputs_and_no_times(run: RunDir, phone: Daemon) -> None:
    write_phone(phone.folder, ro_hardware="ranchu")
    (document,) = measure_devices(run, devices=[f"adb:localhost:{phone.port}"], effort=EFFORT)
    assert document.emulated
    assert document.board is not None
    assert document.board.signs == ("ro.hardware is ranchu",)
    native = next(found for found in document.measurements if found.candidate == "sdk-native")
    assert native.outputs is not None
    assert (native.outputs.status, native.outputs.same_bits) == ("passed", True)
    assert (native.status, native.steady, native.cold_start) == ("skipped", None, None)


def test_what_no_compiler_here_builds_is_skipped(run: RunDir, phone: Daemon) -> None:
    write_phone(phone.folder, ro_product_cpu_abilist="x86")
    (document,) = measure_devices(run, devices=[f"adb:localhost:{phone.port}"], effort=EFFORT)
    native = next(found for found in document.measurements if found.candidate == "sdk-native")
    assert native.status == "skipped"
    assert "not built for i686" in (native.reason or "")


def test_a_phone_that_is_not_there_is_said(run: RunDir, phone: Daemon) -> None:
    phone.authorized = False
    with pytest.raises(DeviceError, match=r"is unauthorized \(unlock the phone"):
        measure_devices(run, devices=[f"adb:localhost:{phone.port}"], effort=EFFORT)
