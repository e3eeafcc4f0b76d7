"""Meters that are part of a machine, read from trees of sysfs: RAPL, INA2xx, batteries, and a Raspberry Pi's chip."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.meters.trees import write_tree

from edgeproof.errors import MeterError
from edgeproof.meters import ina, pmic, power_supply, rapl
from edgeproof.meters.base import CounterBroken, Garbage, How
from edgeproof.meters.counters import EnergyCounter
from edgeproof.meters.traces import read_trace

RANGE = 65_532_610_987
RAPL = "sys/class/powercap"
PRINTED = """ 3V7_WL_SW_A current(0)=0.09172280A
   3V3_SYS_A current(1)=0.08490440A
   1V8_SYS_A current(2)=0.17859380A
  DDR_VDD2_A current(3)=0.02537560A
  DDR_VDDQ_A current(4)=0.00000000A
  VDD_CORE_A current(7)=1.53200000A
 3V7_WL_SW_V volt(8)=3.70365400V
   3V3_SYS_V volt(9)=3.31014300V
   1V8_SYS_V volt(10)=1.79999700V
  DDR_VDD2_V volt(11)=1.10732000V
  DDR_VDDQ_V volt(12)=0.60732600V
  VDD_CORE_V volt(15)=0.89236750V
     EXT5V_V volt(24)=5.13052000V
      BATT_V volt(25)=0.00195360V
"""


def rapl_tree(root: Path, package: int = 1000, dram: int = 100) -> Path:
    return write_tree(
        root,
        {
            f"{RAPL}/intel-rapl:0/name": "package-0",
            f"{RAPL}/intel-rapl:0/energy_uj": package,
            f"{RAPL}/intel-rapl:0/max_energy_range_uj": RANGE,
            f"{RAPL}/intel-rapl:0:0/name": "core",
            f"{RAPL}/intel-rapl:0:0/energy_uj": 7,
            f"{RAPL}/intel-rapl:0:1/name": "dram",
            f"{RAPL}/intel-rapl:0:1/energy_uj": dram,
            f"{RAPL}/intel-rapl:0:1/max_energy_range_uj": RANGE,
            f"{RAPL}/intel-rapl:1/name": "psys",
            f"{RAPL}/intel-rapl:1/energy_uj": 5000,
            f"{RAPL}/intel-rapl:1/max_energy_range_uj": RANGE,
        },
    )


def test_rapl_sums_packages_and_memory_and_never_the_cores_twice(tmp_path: Path) -> None:
    rapl_tree(tmp_path)
    assert [(found.address, found.detail) for found in rapl.METER.find(tmp_path)] == [
        ("rapl", "package-0, dram"),
        ("rapl:psys", "psys"),
    ]
    with rapl.METER.open("", How(root=tmp_path, rate_hz=20)) as reader:
        assert list(reader.read()) == []
        began = time.time_ns()
        rapl_tree(tmp_path, package=1000 + 150_000, dram=100 + 50_000)
        (reading,) = reader.read()
    seconds = (time.time_ns() - began) / 1e9
    assert 0.2 / (seconds + 0.1) < reading.watts < 0.2 / 0.04
    assert reader.source == "RAPL: package-0, dram"


def test_rapl_s_wrap_is_explained_by_its_range(tmp_path: Path) -> None:
    rapl_tree(tmp_path, package=RANGE - 1000)
    with rapl.METER.open("", How(root=tmp_path, rate_hz=50)) as reader:
        reader.read()
        rapl_tree(tmp_path, package=9000, dram=100)
        (reading,) = reader.read()
    assert 0 < reading.watts < 1.0


def test_a_machine_without_counters_says_so(tmp_path: Path) -> None:
    assert rapl.METER.find(tmp_path) == []
    with pytest.raises(MeterError, match="virtual machine has none"):
        rapl.METER.open("", How(root=tmp_path))
    with pytest.raises(MeterError, match="expected rapl or rapl:psys"):
        rapl.METER.open("nope", How(root=rapl_tree(tmp_path)))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_counter_for_root_alone_says_what_to_do(tmp_path: Path) -> None:
    (rapl_tree(tmp_path) / RAPL / "intel-rapl:0/energy_uj").chmod(0)
    assert rapl.METER.find(tmp_path)[0].state == "attention"
    with pytest.raises(MeterError, match="root only"):
        rapl.METER.open("", How(root=tmp_path))


@given(st.lists(st.integers(0, 20_000_000), min_size=2, max_size=20), st.integers(0, 10**9))
def test_a_counter_gives_the_energy_that_went_through_it_wraps_and_all(steps: list[int], start: int) -> None:
    size = 50_000_000
    counter, energy, value = EnergyCounter("x", size), 0.0, start % size
    counter.step(0, value)
    for number, step in enumerate(steps, start=1):
        value = (value + step) % size
        reading = counter.step(number * 40_000_000, value)
        assert reading is not None
        energy += reading.watts * 0.04
    assert energy == pytest.approx(sum(steps) / 1e6, rel=1e-9, abs=1e-9)


def test_a_counter_that_went_back_for_no_reason_is_broken() -> None:
    counter = EnergyCounter("rail", None)
    counter.step(0, 1000)
    with pytest.raises(CounterBroken, match="where it wraps is not told"):
        counter.step(10**9, 500)
    counter = EnergyCounter("package", RANGE)
    counter.step(0, 1000)
    with pytest.raises(CounterBroken, match="no wrap explains it"):
        counter.step(10**9, 500)
    with pytest.raises(CounterBroken, match="more than once"):
        counter.step(200 * 10**9, 900)
    with pytest.raises(CounterBroken, match="clock did not go on"):
        counter.step(200 * 10**9, 950)


def test_ina_sensors(tmp_path: Path) -> None:
    write_tree(
        tmp_path,
        {
            "sys/class/hwmon/hwmon0/name": "coretemp",
            "sys/class/hwmon/hwmon1/name": "ina226",
            "sys/class/hwmon/hwmon1/power1_input": 2_575_000,
            "sys/class/hwmon/hwmon2/name": "ina3221",
            "sys/class/hwmon/hwmon2/in1_label": "VDD_IN",
            "sys/class/hwmon/hwmon2/in1_input": 5000,
            "sys/class/hwmon/hwmon2/curr1_input": 900,
            "sys/class/hwmon/hwmon2/in2_input": 1000,
            "sys/class/hwmon/hwmon2/curr2_input": 400,
        },
    )
    addresses = [found.address for found in ina.METER.find(tmp_path)]
    assert addresses == ["ina:hwmon1", "ina:hwmon2/VDD_IN", "ina:hwmon2/2"]
    for address, watts in zip(addresses, (2.575, 4.5, 0.4), strict=True):
        with ina.METER.open(address.removeprefix("ina:"), How(root=tmp_path)) as reader:
            assert [reading.watts for reading in reader.read()] == [pytest.approx(watts)]
    with pytest.raises(MeterError, match="3 rails"):
        ina.METER.open("", How(root=tmp_path))
    with pytest.raises(MeterError, match="there is no ina:hwmon9"):
        ina.METER.open("hwmon9", How(root=tmp_path))
    write_tree(tmp_path, {"sys/class/hwmon/hwmon1/power1_input": "garbage"})
    with ina.METER.open("hwmon1", How(root=tmp_path)) as reader, pytest.raises(Garbage, match="no number"):
        reader.read()


def battery(root: Path, **changes: object) -> Path:
    files: dict[str, object] = {"type": "Battery", "status": "Discharging", "current_now": -500_000}
    files |= {"voltage_now": 7_400_000} | changes
    return write_tree(root, {f"sys/class/power_supply/BAT0/{name}": value for name, value in files.items()})


def test_a_battery_that_discharges_is_the_whole_machine(tmp_path: Path) -> None:
    battery(tmp_path)
    write_tree(tmp_path, {"sys/class/power_supply/AC/type": "Mains", "sys/class/power_supply/AC/online": 0})
    with power_supply.METER.open("", How(root=tmp_path, rate_hz=50)) as reader:
        assert [reading.watts for reading in reader.read()] == [pytest.approx(3.7)]
        assert reader.charging is False
        write_tree(tmp_path, {"sys/class/power_supply/AC/online": 1})
        reader.read()
        assert reader.charging is True
        write_tree(tmp_path, {"sys/class/power_supply/AC/online": 0})
        reader.read()
        assert reader.charging is True, "what was charged once is not what the machine drew"
    battery(tmp_path, power_now=4_000_000)
    with power_supply.METER.open("BAT0", How(root=tmp_path)) as reader:
        assert [reading.watts for reading in reader.read()] == [4.0]


@pytest.mark.parametrize("changes", [{"status": "Charging"}, {}])
def test_a_battery_that_is_fed_is_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    battery(tmp_path, **changes)
    if not changes:
        write_tree(tmp_path, {"sys/class/power_supply/usb/type": "USB", "sys/class/power_supply/usb/online": 1})
    (found,) = power_supply.METER.find(tmp_path)
    assert (found.state, found.remedy) == ("attention", "unplug the charger")
    with pytest.raises(MeterError, match="not what the machine draws"):
        power_supply.METER.open("", How(root=tmp_path))


def test_no_battery_is_said(tmp_path: Path) -> None:
    with pytest.raises(MeterError, match="no battery"):
        power_supply.METER.open("", How(root=tmp_path))


@pytest.fixture
def vcgencmd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program of that name that prints what stands in a file, and fails where there is none."""
    program, printed = tmp_path / "vcgencmd", tmp_path / "printed"
    program.write_text(f'#!/bin/sh\ntest "$1" = pmic_read_adc && cat {printed}\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    printed.write_text(PRINTED)
    return printed


def test_the_chip_of_a_raspberry_pi_5_is_an_estimate_of_its_rails(tmp_path: Path, vcgencmd: Path) -> None:
    board = write_tree(tmp_path / "board", {"proc/device-tree/model": "Raspberry Pi 5 Model B Rev 1.0\x00"})
    assert [found.address for found in pmic.METER.find(board)] == ["pmic"]
    assert pmic.METER.about.estimate is not None
    assert "5 V rail" in pmic.METER.about.omits
    expected = 0.0917228 * 3.703654 + 0.0849044 * 3.310143 + 0.1785938 * 1.799997 + 0.0253756 * 1.10732
    expected += 1.532 * 0.8923675
    with pmic.METER.open("", How(rate_hz=50)) as reader:
        (reading,) = reader.read()
        assert reading.watts == pytest.approx(expected)
        assert "6 rails" in reader.source
        vcgencmd.write_text('error=2 error_msg="Invalid arguments"\n')
        with pytest.raises(Garbage, match="no rail"):
            reader.read()
        vcgencmd.unlink()
        with pytest.raises(MeterError, match="pmic_read_adc failed"):
            reader.read()
    assert pmic.METER.find(write_tree(tmp_path / "other", {"proc/device-tree/model": "Raspberry Pi 4"})) == []


def recorder(*words: object, path: str | None = None) -> subprocess.Popen[str]:
    source = str(Path(pmic.__file__).parents[2])
    return subprocess.Popen(
        [sys.executable, "-m", "edgeproof.meters.record", *map(str, words)],
        env={**os.environ, "PYTHONPATH": source if path is None else f"{path}:{source}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_board_records_with_numpy_and_msgspec_alone_and_ends_by_sigterm(tmp_path: Path) -> None:
    write_tree(tmp_path, {"sys/class/hwmon/hwmon0/name": "ina219", "sys/class/hwmon/hwmon0/power1_input": 1_500_000})
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Refuse:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in {'torch', 'psutil', 'packaging', 'click', 'rich', 'serial', 'jinja2'}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Refuse())\n"
    )
    out = tmp_path / "trace.json"
    child = recorder("ina", "--root", tmp_path, "--out", out, path=str(tmp_path))
    time.sleep(1.5)
    child.send_signal(signal.SIGTERM)
    said, errors = child.communicate(timeout=20)
    assert (child.returncode, errors) == (0, "")
    trace = read_trace(out)
    assert trace.document.partial is None, "it was to record until it is ended"
    assert set(trace.watts) == {1.5}
    assert f"{len(trace.watts)} samples" in said
    assert trace.document.omits == ina.METER.about.omits


def test_a_recording_that_is_stopped_before_its_time_is_partial(tmp_path: Path) -> None:
    write_tree(tmp_path, {"sys/class/hwmon/hwmon0/name": "ina219", "sys/class/hwmon/hwmon0/power1_input": 1_500_000})
    out = tmp_path / "trace.json"
    child = recorder("ina", "--root", tmp_path, "--out", out, "--seconds", 60)
    time.sleep(1.5)
    child.send_signal(signal.SIGINT)
    said, _ = child.communicate(timeout=20)
    assert "stopped after" in (read_trace(out).document.partial or "")
    assert "of 60 s" in said
    assert json.loads(out.read_text())["schema"] == "edgeproof.power/1"
    child = recorder("battery", "--root", tmp_path, "--out", out)
    said, errors = child.communicate(timeout=20)
    assert child.returncode == 1
    assert errors.startswith("error: this machine shows no battery")
