"""What phones say of themselves: figures of a real one's kind, and what gives an emulated one away."""

from __future__ import annotations

import contextlib
import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.doubles.adb.phone import write_phone

from edgeproof.devices.adb.health import HEALTH, cpu_temperature_c, read_conditions, throttled
from edgeproof.devices.adb.probe import HOME, PROBE, read_phone
from edgeproof.errors import DeviceError


def said(folder: Path, script: str) -> str:
    """What a script prints on the phone of a folder."""
    text = script.replace("/sys/", f"{folder}/sys/").replace("/proc/", f"{folder}/proc/").replace(HOME, str(folder))
    environment = {**os.environ, "PATH": f"{folder}/bin:{os.environ['PATH']}", "LC_ALL": "C"}
    return subprocess.run(["sh", "-c", text], capture_output=True, text=True, env=environment, check=False).stdout


def test_a_phone(tmp_path: Path) -> None:
    phone = read_phone(said(write_phone(tmp_path), PROBE), "R58M")
    place, machine = phone.place, phone.machine
    assert (place.system, place.architecture, place.libc, place.python) == ("android", "aarch64", "bionic", None)
    assert place.memory_bytes == 3981234 * 1024
    assert (place.disk_bytes or 0) > 1 << 20
    assert (machine.system, machine.cpu_model) == ("Android 14", "Google Pixel 7 (Google GS201)")
    assert (machine.logical_cores, machine.memory_bytes) == (8, 7861404 * 1024)
    assert (machine.governor, machine.max_mhz, machine.virtual) == ("schedutil", 2850.0, False)
    assert machine.temperature_c == 47.0
    assert phone.emulated is None
    assert phone.clock_unix_ns is not None


def test_its_conditions(tmp_path: Path) -> None:
    text = said(write_phone(tmp_path), HEALTH)
    found = read_conditions(text)
    assert found.temperatures_c == {"BIG": 47.0, "LITTLE": 41.5, "VIRTUAL-SKIN": 31.7, "battery": 28.4}
    assert (found.thermal_status, found.cooling) == (0, {"thermal-cpufreq-2": 0, "fcc": 0})
    assert (found.battery_percent, found.battery_c, found.battery_volts) == (81.0, 28.4, 4.218)
    assert (found.powered_by, found.charging) == (("USB",), True)
    assert found.clocks_mhz == (1197.0,) * 4 + (400.0,) * 2 + (500.0,) * 2
    assert (cpu_temperature_c(text), throttled(text)) == (47.0, False)


@pytest.mark.parametrize(("status", "cooling"), [(1, 0), (0, 3), (4, 2)])
def test_one_that_is_held_back(status: int, cooling: int, tmp_path: Path) -> None:
    assert throttled(said(write_phone(tmp_path, status=status, cooling=cooling), HEALTH)) is True


def test_one_that_tells_nothing(tmp_path: Path) -> None:
    for script in (HEALTH, 'echo @thermal; echo "Can\'t find service: thermalservice"; echo @battery; echo @end'):
        text = said(tmp_path, script)
        assert (cpu_temperature_c(text), throttled(text)) == (None, None)
        assert read_conditions(text) == read_conditions("")
    with pytest.raises(DeviceError, match="tells no ABI"):
        read_phone(said(tmp_path, PROBE), "R58M")


@pytest.mark.parametrize(
    ("properties", "serial", "sign"),
    [
        ({}, "emulator-5554", "its serial is emulator-5554"),
        ({"ro_kernel_qemu": "1"}, "R58M", "ro.kernel.qemu is 1"),
        ({"ro_boot_qemu": "1"}, "R58M", "ro.boot.qemu is 1"),
        ({"ro_hardware": "ranchu"}, "localhost:5555", "ro.hardware is ranchu"),
        ({"ro_hardware": "cutf_cvm"}, "0.0.0.0:6520", "ro.hardware is cutf_cvm"),
        ({"ro_build_characteristics": "emulator"}, "R58M", "names an emulator"),
        ({"ro_product_model": "sdk_gphone64_arm64"}, "R58M", "ro.product.model is sdk_gphone64_arm64"),
        ({"ro_product_manufacturer": "Genymobile", "ro_product_device": "vbox86p"}, "R58M", "ro.product.device is"),
    ],
)
def test_an_emulated_one(properties: dict[str, str], serial: str, sign: str, tmp_path: Path) -> None:
    phone = read_phone(said(write_phone(tmp_path, **properties), PROBE), serial)
    assert sign in (phone.emulated or "")
    assert phone.machine.virtual is True


@pytest.mark.parametrize(
    ("abis", "architecture"),
    [("armeabi-v7a,armeabi", "armv7l"), ("x86_64,x86,arm64-v8a", "aarch64"), ("x86_64,x86", "x86_64"), ("x86", "i686")],
)
def test_its_architecture(abis: str, architecture: str, tmp_path: Path) -> None:
    folder = write_phone(tmp_path, ro_product_cpu_abilist=abis)
    assert read_phone(said(folder, PROBE), "R58M").place.architecture == architecture


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    read_conditions(text)
    throttled(text)
    cpu_temperature_c(text)
    with contextlib.suppress(DeviceError):
        read_phone(text, "R58M")
