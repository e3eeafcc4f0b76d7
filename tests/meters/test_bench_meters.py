"""Bench instruments: a PPK2 by its library's own simulator, a Joulescope by a driver of four functions."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from edgeproof.errors import MeterError
from edgeproof.meters.base import Garbage, How
from edgeproof.meters.joulescope import JoulescopeReader, watts_of
from edgeproof.meters.recording import record

ppk2lab = pytest.importorskip("ppk2lab", reason="ppk2lab is not installed")

from ppk2lab.testing.profiles import ConstantProfile, StepProfile  # noqa: E402
from ppk2lab.transport.mock import SimulatedPPK2  # noqa: E402

from edgeproof.meters.ppk2 import METER, Ppk2Reader  # noqa: E402


def simulated(**changes: Any) -> SimulatedPPK2:
    known = {"profile": ConstantProfile(20_000.0), "initial_vdd_mv": 3300, "rate_limit_hz": 100_000}
    return SimulatedPPK2(**known | changes)


def test_a_ppk2_is_read_at_the_voltage_it_supplies_and_switches_nothing() -> None:
    simulator = simulated()
    with Ppk2Reader(ppk2lab.PPK2.open(simulator=simulator)) as reader:
        seen = record(reader, 0.5)
    assert reader.source == "PPK2 as source meter at 3.3 V"
    assert 300 < len(seen.readings) < 700
    assert all(reading.watts == pytest.approx(0.066, rel=1e-3) for reading in seen.readings)
    assert {b.unix_ns - a.unix_ns for a, b in zip(seen.readings, seen.readings[1:], strict=False)} == {1_000_000}
    assert abs(seen.readings[-1].unix_ns - time.time_ns()) < 5e9
    assert seen.faults == []
    opcodes = {opcode.name for opcode, _ in simulator.command_log}
    assert not opcodes & {"SET_DUT_POWER", "SET_SOURCE_VOLTAGE", "SET_MODE", "RESET"}
    assert not simulator.measuring


def test_a_step_of_the_load_is_where_it_was() -> None:
    profile = StepProfile([(20_000, 1000.0, 0), (1_000_000, 50_000.0, 0)])
    with Ppk2Reader(ppk2lab.PPK2.open(simulator=simulated(profile=profile))) as reader:
        seen = record(reader, 0.5)
    loaded = next(reading for reading in seen.readings if reading.watts > 0.1)
    assert loaded.unix_ns - seen.readings[0].unix_ns == pytest.approx(200e6, abs=2e6)


def test_an_ampere_meter_needs_the_voltage_told() -> None:
    simulator = simulated(initial_mode=ppk2lab.Mode.AMPERE)
    with pytest.raises(MeterError, match="ampere meter") as refused:
        Ppk2Reader(ppk2lab.PPK2.open(simulator=simulator))
    assert "--supply-volts" in (refused.value.hint or "")
    with Ppk2Reader(ppk2lab.PPK2.open(simulator=simulator), volts=5.0) as reader:
        seen = record(reader, 0.2)
    assert seen.readings[0].watts == pytest.approx(0.1, rel=1e-2)


def test_lost_samples_are_a_fault() -> None:
    with Ppk2Reader(ppk2lab.PPK2.open(simulator=simulated(gaps={10_000: 40}))) as reader:
        seen = record(reader, 0.4)
    assert [fault.kind for fault in seen.faults] == ["lost samples"]
    assert "40 samples" in seen.faults[0].text


def test_a_kit_that_is_pulled_ends_the_recording() -> None:
    simulator = simulated()
    with Ppk2Reader(ppk2lab.PPK2.open(simulator=simulator)) as reader:
        threading.Timer(0.3, simulator.unplug).start()
        seen = record(reader, 5)
    assert "stopped" in (seen.partial or "")
    assert len(seen.readings) > 100


def test_no_kit_says_so() -> None:
    with pytest.raises(MeterError, match="no PPK2"):
        METER.open("", How())
    with pytest.raises(MeterError):
        METER.open("/dev/no-such-port", How())


class Driver:
    """The functions of ``pyjoulescope_driver.Driver`` that are called, and statistics by a thread of its own.

    It leaves out everything else of the driver, and that an instrument may be lost.
    """

    def __init__(self, paths: list[str], watts: float = 1.25) -> None:
        self._paths, self._watts = paths, watts
        self.said: list[tuple[str, object]] = []
        self._over = threading.Event()

    def device_paths(self) -> list[str]:
        return self._paths

    def open(self, path: str) -> None:
        self.said.append(("open", path))

    def publish(self, topic: str, value: object) -> None:
        self.said.append((topic, value))

    def subscribe(self, topic: str, _flags: str, told: Callable[[str, Any], None]) -> None:
        def tell() -> None:
            while not self._over.wait(0.01):
                power = {"avg": {"value": self._watts, "units": "W"}}
                told(topic, {"time": {"samples": {"value": [0, 1]}}, "signals": {"power": power}})

        threading.Thread(target=tell, daemon=True).start()

    def unsubscribe(self, topic: str, _told: object) -> None:
        self._over.set()

    def close(self, path: str) -> None:
        self.said.append(("close", path))

    def finalize(self) -> None:
        self.said.append(("finalize", ""))


@pytest.mark.parametrize(("path", "samples"), [("u/js220/000123", 10_000), ("u/js110/7", 20_000)])
def test_a_joulescope_s_averages(path: str, samples: int) -> None:
    driver = Driver([path])
    with JoulescopeReader(driver, "", 100.0) as reader:
        seen = record(reader, 0.3)
    assert {reading.watts for reading in seen.readings} == {1.25}
    assert len(seen.readings) > 5
    assert (f"{path}/s/stats/scnt", samples) in driver.said
    assert driver.said[-2:] == [("close", path), ("finalize", "")]


def test_another_instrument_and_none_are_said() -> None:
    with pytest.raises(MeterError, match="another kind"):
        JoulescopeReader(Driver(["u/js320/1"]), "", 10.0)
    with pytest.raises(MeterError, match="no Joulescope"):
        JoulescopeReader(Driver([]), "", 10.0)
    with pytest.raises(Garbage, match="no mean power"):
        watts_of({"signals": {}})


def test_the_real_driver_has_what_is_called() -> None:
    module = pytest.importorskip("pyjoulescope_driver", reason="pyjoulescope_driver is not installed")
    lacking = [name for name in vars(Driver) if not name.startswith("_") and not hasattr(module.Driver, name)]
    assert lacking == []
