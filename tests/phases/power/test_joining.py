"""A trace joined to a run: a load that is really held, a meter that is really recorded, one document of the device."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.phases.run_folder import add_conversion, add_validation, make_run

from edgeproof.devices.base import Effort
from edgeproof.documents.device import Board, DeviceDocument
from edgeproof.documents.heat import Heat, HeatSample
from edgeproof.documents.power import ClockOffset, PowerTrace
from edgeproof.errors import DocumentError, UsageError
from edgeproof.meters.base import Polled, Reading
from edgeproof.meters.csv_columns import Asked
from edgeproof.meters.recording import Recording, save
from edgeproof.meters.registry import meters
from edgeproof.meters.traces import read_trace, write_trace
from edgeproof.phases.device import measure_devices
from edgeproof.phases.power.joining import TraceGiven, join_trace
from edgeproof.rundir import RunDir

SECOND = 1_000_000_000


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDir, Path]:
    """A run whose host held a load for half a second, and what a sensor of 2 W on it would have recorded meanwhile."""
    folder = tmp_path_factory.mktemp("power")
    run = make_run(folder)
    add_conversion(run, ["onnx-fp32", "onnx-fp16"])
    add_validation(run, {"onnx-fp32": "passed", "onnx-fp16": "passed"})
    (document,) = measure_devices(run, effort=Effort(rounds=1, count=20, hold=0.5))
    held = [held for measurement in document.measurements for held in measurement.held]
    begin = min(stretch.begin_unix_ns for stretch in held) - SECOND
    end = max(stretch.end_unix_ns for stretch in held) + SECOND
    rng = np.random.default_rng(0)
    readings = [Reading(at, 2 + float(rng.normal(0, 0.02))) for at in range(begin, end, SECOND // 100)]
    meter = meters()["ina"]
    sensor = Polled(lambda: None, source="ina226 hwmon0", rate_hz=100.0)
    save(folder / "trace.json", Recording(readings=readings), sensor, meter.about, "ina")
    return run, folder / "trace.json"


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
    _, (joined,) = join_trace(run.root, measured[1], candidates=["onnx-fp32"], device=None, given=TraceGiven())
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
    assert kept.document.device == "host"
    assert kept.document.clock is not None
    assert energy_in(run, "onnx-fp16").energy is None


def test_one_trace_is_joined_to_all_that_ran_meanwhile_and_an_old_one_goes(
    run: RunDir, measured: tuple[RunDir, Path]
) -> None:
    told, joined = join_trace(run.root, measured[1], given=TraceGiven())
    assert [(found.candidate, found.energy.reason) for found in joined] == [("onnx-fp32", None), ("onnx-fp16", None)]
    assert {energy_in(run, name).energy.trace for name in ("onnx-fp32", "onnx-fp16")} == {told.path_in_run()}
    trace = read_trace(measured[1])
    other = run.root.parent / "other.json"
    write_trace(other, trace.document, trace.unix_ns, trace.watts * 2)
    again, _ = join_trace(run.root, other, given=TraceGiven())
    assert [path.name for path in run.path(PowerTrace.FILE).glob("*.json")] == [Path(again.path_in_run()).name]
    write_trace(other, trace.document, trace.unix_ns - 3600 * SECOND, trace.watts)
    with pytest.raises(UsageError, match="no load was held on host while the trace was recorded"):
        join_trace(run.root, other, given=TraceGiven())


def test_a_refusal_is_written_down_and_destroys_no_earlier_figure(run: RunDir, measured: tuple[RunDir, Path]) -> None:
    trace = read_trace(measured[1])
    early = trace.unix_ns < energy_in(run).held[0].begin_unix_ns + SECOND // 4
    short = run.root.parent / "short.json"
    write_trace(short, trace.document, trace.unix_ns[early], trace.watts[early])
    _, (joined,) = join_trace(run.root, short, candidates=["onnx-fp32"], device="host", given=TraceGiven())
    assert "covers" in (joined.energy.reason or "")
    assert energy_in(run).energy.reason == joined.energy.reason
    assert energy_in(run).energy_mj is None
    join_trace(run.root, measured[1], candidates=["onnx-fp32"], device="host", given=TraceGiven())
    figure = energy_in(run).energy_mj
    _, (again,) = join_trace(run.root, short, candidates=["onnx-fp32"], device="host", given=TraceGiven())
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
    _, (joined,) = join_trace(run.root, measured[1], candidates=["onnx-fp32"], device=None, given=TraceGiven())
    assert "throttled" in (joined.energy.reason or "")
    run.write(seen(begin - SECOND))
    _, (joined,) = join_trace(run.root, measured[1], candidates=["onnx-fp32"], device=None, given=TraceGiven())
    assert joined.energy.reason is None


def test_a_table_needs_its_clock_told(run: RunDir, measured: tuple[RunDir, Path], tmp_path: Path) -> None:
    trace = read_trace(measured[1])
    table = tmp_path / "meter.csv"
    lines = [f"{at / 1e9:.6f};{watts * 1000:.3f}" for at, watts in zip(trace.unix_ns, trace.watts, strict=True)]
    table.write_text("Time (s);Power (mW)\n" + "\n".join(lines).replace(".", ",") + "\n")
    _, (joined,) = join_trace(run.root, table, candidates=["onnx-fp32"], device=None, given=TraceGiven())
    assert "--clock-within" in (joined.energy.reason or "")
    _, (joined,) = join_trace(run.root, table, candidates=["onnx-fp32"], device=None, given=TraceGiven(within_ms=5.0))
    assert joined.energy.reason is None
    assert joined.energy.mean_mw == pytest.approx(2000, rel=0.01)
    asked = Asked(time="1", watts="nope")
    with pytest.raises(UsageError, match="no column nope"):
        join_trace(run.root, table, candidates=["onnx-fp32"], device=None, given=TraceGiven(asked=asked))


def test_what_was_not_measured_cannot_be_joined(run: RunDir, measured: tuple[RunDir, Path], tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"measure .* --hold 60s"):
        join_trace(run.root, measured[1], candidates=["nope"], device=None, given=TraceGiven())
    with pytest.raises(UsageError, match="measured devices: host"):
        join_trace(run.root, measured[1], candidates=["onnx-fp32"], device="ssh:pi@x", given=TraceGiven())
    document = run.device("host")
    assert document is not None
    run.write(msgspec.structs.replace(document, device="emulated:x", emulated=True))
    with pytest.raises(UsageError, match="emulated"):
        join_trace(run.root, measured[1], candidates=["onnx-fp32"], device="emulated:x", given=TraceGiven())
    other = tmp_path / "latencies.csv"
    other.write_text('{"schema": "edgeproof.runner/1"}')
    with pytest.raises(DocumentError, match="no trace"):
        join_trace(run.root, other, candidates=["onnx-fp32"], device="host", given=TraceGiven())


def test_a_meter_beside_another_device_has_another_clock(run: RunDir, measured: tuple[RunDir, Path]) -> None:
    """One that is part of the board is read there, and has the board's."""
    document = run.device("host")
    assert document is not None
    run.write(msgspec.structs.replace(document, device="ssh:pi@board", device_class="raspberry-pi"))
    _, (joined,) = join_trace(
        run.root, measured[1], candidates=["onnx-fp32"], device="ssh:pi@board", given=TraceGiven()
    )
    assert joined.energy.reason is None
    trace = read_trace(measured[1])
    outside = run.root.parent / "outside.json"
    for clock, refused in ((None, True), (ClockOffset(0.0, 2.0, "asked"), False)):
        changed = msgspec.structs.replace(trace.document, meter="ppk2", clock=clock)
        write_trace(outside, changed, trace.unix_ns, trace.watts)
        run.write(msgspec.structs.replace(document, device="ssh:pi@board"))
        _, (joined,) = join_trace(
            run.root, outside, candidates=["onnx-fp32"], device="ssh:pi@board", given=TraceGiven()
        )
        assert (joined.energy.reason is not None) == refused


@pytest.mark.parametrize(("within", "words"), [(20.0, None), (450.0, "450 ms"), (None, "not known")])
def test_a_board_that_was_asked_its_time_has_a_known_clock(
    run: RunDir, measured: tuple[RunDir, Path], within: float | None, words: str | None
) -> None:
    document = run.device("host")
    assert document is not None
    board = Board(name="a board", clock_offset_ms=2000.0, clock_within_ms=within)
    run.write(msgspec.structs.replace(document, device="ssh:pi@board", board=board))
    trace = read_trace(measured[1])
    outside = run.root.parent / "outside.json"
    here = msgspec.structs.replace(trace.document, meter="ppk2")
    write_trace(outside, here, trace.unix_ns - 2 * SECOND, trace.watts)
    _, (joined,) = join_trace(run.root, outside, candidates=["onnx-fp32"], device="ssh:pi@board", given=TraceGiven())
    assert (joined.energy.reason is None) == (words is None)
    assert (words or "") in (joined.energy.reason or "")
