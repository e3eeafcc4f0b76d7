"""A trace joined to a run: a load that is really held, a meter that is really recorded, one document of the device."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.phases.run_folder import add_conversion, add_validation, make_run

from edgeproof.devices.base import Effort
from edgeproof.documents.device import DeviceDocument
from edgeproof.documents.heat import Heat, HeatSample
from edgeproof.documents.power import ClockOffset, PowerTrace
from edgeproof.errors import DocumentError, UsageError
from edgeproof.meters.base import How
from edgeproof.meters.csv_columns import Asked
from edgeproof.meters.recording import record, save
from edgeproof.meters.registry import open_meter
from edgeproof.meters.traces import read_trace, write_trace
from edgeproof.phases.device import measure_devices
from edgeproof.phases.power.joining import TraceGiven, join_trace
from edgeproof.rundir import RunDir

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDir, Path]:
    """A run whose host held a load for a second, while a sensor in a sysfs tree was recorded at 100 Hz."""
    folder = tmp_path_factory.mktemp("power")
    run = make_run(folder)
    add_conversion(run, ["onnx-fp32", "onnx-fp16"])
    add_validation(run, {"onnx-fp32": "passed", "onnx-fp16": "passed"})
    sensor = folder / "tree/sys/class/hwmon/hwmon0"
    sensor.mkdir(parents=True)
    (sensor / "name").write_text("ina226\n")
    (sensor / "power1_input").write_text("2000000\n")
    over = threading.Event()

    def flicker() -> None:
        rng = np.random.default_rng(0)
        while not over.is_set():
            beside = sensor / "beside"
            beside.write_text(f"{2_000_000 + int(rng.normal(0, 20_000))}\n")
            beside.replace(sensor / "power1_input")
            time.sleep(0.005)

    meter, reader = open_meter("ina", How(root=folder / "tree", rate_hz=100))
    with reader:
        sensing = threading.Thread(target=flicker)
        seen = []
        recording = threading.Thread(target=lambda: seen.append(record(reader, 60, clock=Ended(over))))
        sensing.start()
        recording.start()
        time.sleep(0.5)
        measure_devices(run, effort=Effort(rounds=1, count=20, hold=1.0))
        over.set()
        recording.join()
        sensing.join()
    save(folder / "trace.json", seen[0], reader, meter.about, "ina")
    return run, folder / "trace.json"


class Ended:
    """This machine's clocks, until an event: then the steady one says that the time is over."""

    def __init__(self, over: threading.Event) -> None:
        self._over = over

    def unix_ns(self) -> int:
        return time.time_ns() + (1_000_000 * SECOND if self._over.is_set() else 0)

    def steady_ns(self) -> int:
        return time.monotonic_ns() + (1_000_000 * SECOND if self._over.is_set() else 0)


@pytest.fixture
def run(measured: tuple[RunDir, Path], tmp_path: Path) -> RunDir:
    import shutil

    shutil.copytree(measured[0].root, tmp_path / "run")
    return RunDir.open(tmp_path / "run")


def energy_in(run: RunDir, candidate: str = "onnx-fp32"):
    document = run.device("host")
    assert document is not None
    (found,) = [m for m in document.measurements if m.candidate == candidate]
    return found


def test_energy_stands_in_the_device_s_own_document(run: RunDir, measured: tuple[RunDir, Path]) -> None:
    before = run.device("host")
    assert before is not None
    assert "energy" in before.not_measured
    joined = join_trace(run.root, measured[1], candidate="onnx-fp32", device=None, given=TraceGiven())
    assert joined.energy.reason is None
    found = energy_in(run)
    (held,) = found.held
    assert found.energy is not None
    assert found.energy_mj == found.energy.gross_mj == pytest.approx(2e3 * held.seconds / held.calls, rel=0.02)
    assert found.steady == next(m for m in before.measurements if m.candidate == "onnx-fp32").steady
    after = run.device("host")
    assert after is not None
    assert "energy" not in after.not_measured
    assert [path.name for path in run.path(DeviceDocument.FILE).glob("*.json")] == ["host.json"]
    kept = read_trace(run.path(found.energy.trace or ""))
    assert kept.document.candidate == "onnx-fp32"
    assert kept.document.clock is not None
    assert energy_in(run, "onnx-fp16").energy is None


def test_a_refusal_is_written_down_and_destroys_no_earlier_figure(run: RunDir, measured: tuple[RunDir, Path]) -> None:
    trace = read_trace(measured[1])
    early = trace.unix_ns < energy_in(run).held[0].begin_unix_ns + SECOND // 2
    short = run.root.parent / "short.json"
    write_trace(short, trace.document, trace.unix_ns[early], trace.watts[early])
    joined = join_trace(run.root, short, candidate="onnx-fp32", device="host", given=TraceGiven())
    assert "covers" in (joined.energy.reason or "")
    assert energy_in(run).energy.reason == joined.energy.reason
    assert energy_in(run).energy_mj is None
    join_trace(run.root, measured[1], candidate="onnx-fp32", device="host", given=TraceGiven())
    figure = energy_in(run).energy_mj
    again = join_trace(run.root, short, candidate="onnx-fp32", device="host", given=TraceGiven())
    assert again.kept
    assert energy_in(run).energy_mj == figure is not None


def test_a_throttled_look_at_the_sensors_refuses(run: RunDir, measured: tuple[RunDir, Path]) -> None:
    document = run.device("host")
    assert document is not None
    begin = energy_in(run).held[0].begin_unix_ns

    def seen(at: int) -> DeviceDocument:
        look = HeatSample(unix_ns=at, temperature_c=80.0, mhz=600.0, throttled=True)
        heat = Heat(every_s=1.0, samples=(look,), looks=1, cost_us=1.0, cost_share=0.0)
        changed = [msgspec.structs.replace(m, heat=(heat,)) for m in document.measurements]
        return msgspec.structs.replace(document, measurements=tuple(changed))

    run.write(seen(begin + SECOND // 10))
    joined = join_trace(run.root, measured[1], candidate="onnx-fp32", device=None, given=TraceGiven())
    assert "throttled" in (joined.energy.reason or "")
    run.write(seen(begin - SECOND))
    joined = join_trace(run.root, measured[1], candidate="onnx-fp32", device=None, given=TraceGiven())
    assert joined.energy.reason is None


def test_a_table_needs_its_clock_told(run: RunDir, measured: tuple[RunDir, Path], tmp_path: Path) -> None:
    trace = read_trace(measured[1])
    table = tmp_path / "meter.csv"
    lines = [f"{at / 1e9:.6f};{watts * 1000:.3f}" for at, watts in zip(trace.unix_ns, trace.watts, strict=True)]
    table.write_text("Time (s);Power (mW)\n" + "\n".join(lines).replace(".", ",") + "\n")
    joined = join_trace(run.root, table, candidate="onnx-fp32", device=None, given=TraceGiven())
    assert "--clock-within" in (joined.energy.reason or "")
    joined = join_trace(run.root, table, candidate="onnx-fp32", device=None, given=TraceGiven(within_ms=5.0))
    assert joined.energy.reason is None
    assert joined.energy.mean_mw == pytest.approx(2000, rel=0.01)
    asked = Asked(time="1", watts="nope")
    with pytest.raises(UsageError, match="no column nope"):
        join_trace(run.root, table, candidate="onnx-fp32", device=None, given=TraceGiven(asked=asked))


def test_what_was_not_measured_cannot_be_joined(run: RunDir, measured: tuple[RunDir, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"measure .* --hold 60s"):
        join_trace(run.root, measured[1], candidate="nope", device=None, given=TraceGiven())
    with pytest.raises(UsageError, match="measured devices: host"):
        join_trace(run.root, measured[1], candidate="onnx-fp32", device="ssh:pi@x", given=TraceGiven())
    document = run.device("host")
    assert document is not None
    run.write(msgspec.structs.replace(document, device="emulated:x", emulated=True))
    with pytest.raises(UsageError, match="emulated"):
        join_trace(run.root, measured[1], candidate="onnx-fp32", device="emulated:x", given=TraceGiven())
    other = tmp_path / "latencies.csv"
    other.write_text('{"schema": "edgeproof.runner/1"}')
    with pytest.raises(DocumentError, match="no trace"):
        join_trace(run.root, other, candidate="onnx-fp32", device="host", given=TraceGiven())


def test_a_meter_beside_another_device_has_another_clock(run: RunDir, measured: tuple[RunDir, Path]) -> None:
    """One that is part of the board is read there, and has the board's."""
    document = run.device("host")
    assert document is not None
    run.write(msgspec.structs.replace(document, device="ssh:pi@board", device_class="raspberry-pi"))
    joined = join_trace(run.root, measured[1], candidate="onnx-fp32", device="ssh:pi@board", given=TraceGiven())
    assert joined.energy.reason is None
    trace = read_trace(measured[1])
    outside = run.root.parent / "outside.json"
    for clock, refused in ((None, True), (ClockOffset(0.0, 2.0, "asked"), False)):
        changed = msgspec.structs.replace(trace.document, meter="ppk2", clock=clock)
        write_trace(outside, changed, trace.unix_ns, trace.watts)
        run.path(PowerTrace.path_of("ssh:pi@board", "onnx-fp32")).unlink()
        run.write(msgspec.structs.replace(document, device="ssh:pi@board"))
        joined = join_trace(run.root, outside, candidate="onnx-fp32", device="ssh:pi@board", given=TraceGiven())
        assert (joined.energy.reason is not None) == refused
