"""A phone's battery and power monitor, by an ``adb`` that prints what phones printed; and their texts, imported."""

from __future__ import annotations

import datetime
from pathlib import Path

import numpy as np
import pytest

from edgeproof.errors import DocumentError, MeterError
from edgeproof.meters import android_battery, odpm
from edgeproof.meters.android_text import is_batterystats, is_odpm, read_batterystats, read_odpm
from edgeproof.meters.base import CounterBroken, Garbage, How
from edgeproof.meters.recording import record

BATTERY = """Current Battery Service state:
  AC powered: false
  USB powered: {usb}
  Wireless powered: false
  Max charging current: 0
  Charge counter: 2905000
  status: {status}
  health: 2
  present: true
  level: 81
  scale: 100
  voltage: 4000
  temperature: 267
  technology: Li-ion
current_now: {current}
"""
RAILS = """t=358355
CH0(T={ms})[S10M_VDD_TPU], {tpu}
CH1(T={ms})[VSYS_PWR_MODEM], 999999
CH3(T={ms})[S2M_VDD_CPUCL2], {cpu}
"""


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """An ``adb`` whose shell prints a text behind the time, which is three seconds ahead of here."""
    text = tmp_path / "printed"
    program = tmp_path / "adb"
    program.write_text(
        "#!/bin/sh\n"
        'if [ "$1" = devices ]; then\n'
        'printf "List of devices attached\\nABC\\tdevice\\nXYZ\\tunauthorized\\n"\nexit\nfi\n'
        f"echo EDGEPROOF_CLOCK $(( $(date +%s%N) + 3000000000 ))\ncat {text}\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    def says(printed: str) -> None:
        beside = tmp_path / "beside"
        beside.write_text(printed)
        beside.replace(text)

    return says


def battery(current: object = -350_000, usb: str = "false", status: int = 3) -> str:
    return BATTERY.format(current=current, usb=usb, status=status)


def test_a_phone_on_its_battery(phone) -> None:
    phone(battery())
    assert [found.address for found in android_battery.METER.find()] == ["android:ABC"]
    with android_battery.METER.open("ABC", How(rate_hz=20)) as reader:
        seen = record(reader, 0.6)
        assert {round(reading.watts, 6) for reading in seen.readings} == {1.4}
        assert reader.charging is False
        clock = reader.clock
        assert clock is not None
        assert clock.offset_ms == pytest.approx(3000, abs=50)
        assert 0 < clock.within_ms < 100
        phone(battery(usb="true"))
        record(reader, 0.2)
        assert reader.charging is True


@pytest.mark.parametrize("fed", [{"usb": "true"}, {"status": 2}, {"status": 5}])
def test_a_phone_that_is_fed_is_refused(phone, fed: dict) -> None:
    phone(battery(**fed))
    with pytest.raises(MeterError, match="not what the phone draws") as refused:
        android_battery.METER.open("", How())
    assert "Wi-Fi" in (refused.value.hint or "")


def test_units_of_the_current_differ_from_maker_to_maker() -> None:
    assert android_battery.power_of(battery(350_000)) == pytest.approx(1.4)
    assert android_battery.power_of(battery(-350)) == pytest.approx(1.4)
    with pytest.raises(Garbage, match="current_now"):
        android_battery.power_of(battery(""))
    with pytest.raises(Garbage, match="mV is none"):
        android_battery.power_of(battery().replace("voltage: 4000", "voltage: 4"))


def rails(ms: int, tpu: int, cpu: int) -> str:
    return RAILS.format(ms=ms, tpu=tpu, cpu=cpu)


def test_the_power_monitor_sums_rails_that_do_not_contain_others() -> None:
    counters = odpm.RailCounters()
    assert counters.step(10**18, rails(1000, 0, 0)) is None
    reading = counters.step(10**18 + 10**9, rails(2000, 250_000, 750_000))
    assert reading is not None
    assert reading.watts == pytest.approx(1.0)
    assert reading.unix_ns == 10**18 + 10**9 - 500_000_000
    assert counters.step(10**18 + 2 * 10**9, rails(2000, 250_000, 750_000)) is None, "it has measured nothing new"
    with pytest.raises(CounterBroken):
        counters.step(10**18 + 3 * 10**9, rails(3000, 100, 750_000))
    assert odpm.RailCounters(("S10M_VDD_TPU",)).step(0, rails(1, 2, 3)) is None
    with pytest.raises(Garbage, match="nothing of VDD_X"):
        odpm.RailCounters(("VDD_X",)).step(0, rails(1, 2, 3))


def test_the_power_monitor_over_adb(phone) -> None:
    phone(rails(1000, 0, 0))
    assert [found.address for found in odpm.METER.find()] == ["odpm:ABC"]
    with odpm.METER.open("ABC/S2M_VDD_CPUCL2", How(rate_hz=20)) as reader:
        assert list(reader.read()) == []
        phone(rails(2000, 1_000_000, 500_000))
        (reading,) = reader.read()
        assert reading.watts == pytest.approx(0.5)
        assert reader.source.endswith("S2M_VDD_CPUCL2")
    with pytest.raises(MeterError, match="no rail NOPE"):
        odpm.METER.open("ABC/NOPE", How())
    phone("cat: /sys/bus/iio/devices/iio:device0/energy_value: Permission denied\n")
    with pytest.raises(MeterError, match="only root"):
        odpm.METER.open("ABC", How())
    phone("nothing\n")
    with pytest.raises(MeterError, match="no power monitor"):
        odpm.METER.open("ABC", How())


def test_without_adb_there_is_no_phone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert android_battery.METER.find() == odpm.METER.find() == []
    with pytest.raises(MeterError, match="gave no answer"):
        android_battery.METER.open("", How())


HISTORY = """Battery History (0% used, 2KB used of 4096KB, 50 strings using 4KB):
                    0 (15) RESET:TIME: 2026-11-30-12-00-00
                    0 (2) 080 status=discharging health=good plug=none temp=267 volt=4000 charge=3000 +running
              +1m00s (2) 080 volt=4000 charge=2999
           +3m00s000ms (3) 080 charge=2997 wifiRailChargemAh=0
           +4m30s500ms (2) 079 -screen
Per-PID Stats:
"""


def test_a_battery_history_is_power_between_steps_of_its_counter(tmp_path: Path) -> None:
    assert is_batterystats(HISTORY)
    trace = read_batterystats(tmp_path / "b.txt", HISTORY)
    assert trace.watts == pytest.approx([3.6 * 4 / 60, 2 * 3.6 * 4 / 120])
    begin = datetime.datetime(2026, 11, 30, 12).timestamp()
    assert trace.unix_ns.tolist() == [round((begin + 30) * 1e9), round((begin + 120) * 1e9)]
    assert trace.document.charging is False
    assert trace.document.clock is None
    fed = read_batterystats(tmp_path / "b.txt", HISTORY.replace("-screen", "+plugged plug=usb status=charging"))
    assert fed.document.charging is True
    with pytest.raises(DocumentError, match="0 steps"):
        read_batterystats(tmp_path / "b.txt", HISTORY.replace("charge=", "x="))


def test_looks_at_a_power_monitor_are_a_trace(tmp_path: Path) -> None:
    looks = "".join(
        f"{1_796_000_000_000_000_000 + n * 250_000_000}\n{rails(1000 + 250 * n, 100_000 * n, 400_000 * n)}"
        for n in range(5)
    )
    assert is_odpm(looks)
    assert not is_odpm(HISTORY)
    trace = read_odpm(tmp_path / "o.txt", looks)
    assert np.allclose(trace.watts, 2.0)
    assert len(trace.watts) == 4
    assert trace.document.clock is not None
    assert trace.document.estimate == odpm.METER.about.estimate
    broken = looks.replace(", 300000\n", ", 3\n")
    assert [fault.kind for fault in read_odpm(tmp_path / "o.txt", broken).document.faults] == ["counter"]
