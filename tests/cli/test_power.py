"""``power list``, ``record`` and ``import`` as a terminal calls them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.cli.calling import Call
from tests.doubles.meters.serial_meters import Terminal, fnb58_report
from tests.phases.run_folder import add_conversion, add_validation, make_run

from edgeproof.devices.base import Effort
from edgeproof.meters.registry import OURS, meters
from edgeproof.meters.traces import read_trace
from edgeproof.phases.device import measure_devices
from edgeproof.rundir import RunDir


def test_list_tells_what_is_here_and_what_is_known(edgeproof: Call) -> None:
    code, out, _ = edgeproof("power", "list", "--json")
    assert code == 0
    found = json.loads(out)
    assert [known["name"] for known in found["known"]] == list(meters())
    assert all(known["omits"] and known["resolution"] for known in found["known"])
    assert found["broken"] == {}
    code, out, _ = edgeproof("power", "list")
    assert code == 0
    assert all(name in out for name in OURS)


def test_record_writes_a_trace(edgeproof: Call, tmp_path: Path) -> None:
    with Terminal(lambda come: (fnb58_report(5.0, 0.2), len(come)), every_s=0.03) as terminal:
        words = ("power", "record", f"fnb58:{terminal.path}", "--seconds", "600ms", "--out", tmp_path / "t.json")
        code, out, _ = edgeproof(*words, "--json")
    assert code == 0
    told = json.loads(out)
    assert told["meter"] == "fnb58"
    assert told["count"] == len(read_trace(tmp_path / "t.json").watts) > 20


def test_ctrl_c_keeps_what_was_recorded_and_says_that_it_is_partial(tmp_path: Path) -> None:
    out = tmp_path / "t.json"
    with Terminal(lambda come: (fnb58_report(5.0, 0.2), len(come)), every_s=0.03) as terminal:
        command = [sys.executable, "-c", "from edgeproof.cli import main; main()"]
        words = ["power", "record", f"fnb58:{terminal.path}", "--seconds", "60", "--out", str(out)]
        child = subprocess.Popen([*command, *words], env=dict(os.environ), stderr=subprocess.PIPE, text=True)
        time.sleep(2.5)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=20)
    assert child.returncode == 130
    assert "is partial: it was stopped after" in said
    trace = read_trace(out)
    assert "of 60 s" in (trace.document.partial or "")
    assert len(trace.watts) > 20


@pytest.mark.parametrize(
    ("meter", "code", "words"),
    [("nope", 2, "there is no meter nope"), ("um25c:/dev/no-such-port", 1, "cannot be opened")],
)
def test_a_meter_that_is_not_there(edgeproof: Call, tmp_path: Path, meter: str, code: int, words: str) -> None:
    pytest.importorskip("serial", reason="pyserial is not installed")
    left, _, err = edgeproof("power", "record", meter, "--out", tmp_path / "t.json")
    assert left == code
    assert words in err
    assert "hint:" in err


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run whose host held a load for half a second."""
    run = make_run(tmp_path_factory.mktemp("cli-power"))
    add_conversion(run, ["onnx-fp32"])
    add_validation(run, {"onnx-fp32": "passed"})
    measure_devices(run, effort=Effort(rounds=1, count=20, hold=0.5))
    return run


def ppk2_table(run: RunDir, path: Path, *, ma: float = 400.0) -> tuple[Path, str]:
    """What a PPK2's program exports of a load of so many mA, from two seconds before the held stretch on, and when it
    began."""
    document = run.device("host")
    assert document is not None
    begin = document.measurements[0].held[0].begin_unix_ns - 2_000_000_000
    times = np.arange(0, 4000)
    noise = np.random.default_rng(0).normal(0, 5, len(times))
    inside = (times >= 2000) & (times <= 2600)
    rows = [f"{at},{1000 * (ma * on + 100 + off):.3f}" for at, on, off in zip(times, inside, noise, strict=True)]
    path.write_text("Timestamp(ms),Current(uA)\n" + "\n".join(rows) + "\n")
    return path, str(np.datetime64(begin, "ns"))[:26] + "+00:00"


def test_import_of_an_exported_table(edgeproof: Call, held: RunDir, tmp_path: Path) -> None:
    file, starts = ppk2_table(held, tmp_path / "ppk2.csv")
    words = ["power", "import", held.root, file, "--candidate", "onnx-fp32", "--supply-volts", "5", "--idle", "1s"]
    code, _, err = edgeproof(*words)
    assert code == 2
    assert "--starts" in err
    code, out, err = edgeproof(*words, "--starts", starts)
    assert code == 1
    assert "--clock-within" in err
    code, out, _ = edgeproof(*words, "--starts", starts, "--clock-within", "10ms")
    assert code == 0
    assert "mJ per inference, gross" in out
    assert "Current(uA) × 5 V as told" in out
    assert "mW over the trace's first 1 s" in out
    code, out, _ = edgeproof(*words, "--starts", starts, "--clock-within", "10ms", "--json")
    (joined,) = json.loads(out)["joined"]
    energy = joined["energy"]
    document = held.device("host")
    assert document is not None
    assert document.measurements[0].energy_mj == pytest.approx(energy["gross_mj"])
    assert energy["mean_mw"] == pytest.approx(2500, rel=0.01)
    report = held.path("edge_phase1_5_report.html").read_text()
    assert "Power of onnx-fp32 on host" in report


def test_clocks_too_far_apart_are_refused_with_exit_code_1(edgeproof: Call, held: RunDir, tmp_path: Path) -> None:
    document = held.device("host")
    assert document is not None
    fresh = [msgspec.structs.replace(m, energy=None, energy_mj=None) for m in document.measurements]
    held.write(msgspec.structs.replace(document, measurements=tuple(fresh)))
    file, starts = ppk2_table(held, tmp_path / "ppk2.csv")
    words = ["power", "import", held.root, file, "--candidate", "onnx-fp32", "--supply-volts", "5", "--starts", starts]
    code, out, err = edgeproof(*words, "--clock-within", "500ms", "--json")
    assert code == 1
    assert "400 ms are needed" in err
    assert json.loads(out)["joined"][0]["energy"]["gross_mj"] is None
    written = held.device("host")
    assert written is not None
    assert "400 ms" in (written.measurements[0].energy.reason or "")


@pytest.mark.parametrize(
    "words",
    [("--starts", "noon"), ("--unit", "amps"), ("--clock-within", "soon"), ("--time", "nope"), ("--candidate", "nope")],
)
def test_wrong_use(edgeproof: Call, held: RunDir, tmp_path: Path, words: tuple[str, str]) -> None:
    file, _ = ppk2_table(held, tmp_path / "ppk2.csv")
    given = {"--candidate": "onnx-fp32", "--supply-volts": "5"} | dict([words])
    code, _, err = edgeproof("power", "import", held.root, file, *(word for pair in given.items() for word in pair))
    assert code == 2
    assert words[1] in err or words[0] in err


def test_a_table_without_a_clock_is_aligned_by_the_load_s_end(
    edgeproof: Call, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path
) -> None:
    run = make_run(tmp_path_factory.mktemp("cli-align"))
    add_conversion(run, ["onnx-fp32"])
    add_validation(run, {"onnx-fp32": "passed"})
    (document,) = measure_devices(run, effort=Effort(rounds=1, count=20, hold=0.5))
    (held,) = document.measurements[0].held
    longer = msgspec.structs.replace(held, begin_unix_ns=held.end_unix_ns - 20_000_000_000, seconds=20.0)
    (measured,) = document.measurements
    run.write(msgspec.structs.replace(document, measurements=(msgspec.structs.replace(measured, held=(longer,)),)))
    times = np.arange(0, 60, 0.05)
    watts = 1 + 2 * ((times > 20) & (times < 45)) + np.random.default_rng(0).normal(0, 0.02, len(times))
    file = tmp_path / "um25c.csv"
    rows = [f"{at:.2f},{power:.4f}" for at, power in zip(times, watts, strict=True)]
    file.write_text("Time (s),Power (W)\n" + "\n".join(rows) + "\n")
    code, out, err = edgeproof("power", "import", run.root, file, "--align", "--idle", "15s")
    assert code == 0, err
    assert "mJ per inference" in out
    written = run.device("host")
    assert written is not None
    energy = written.measurements[0].energy
    assert energy is not None
    assert energy.mean_mw == pytest.approx(3000, rel=0.01)
    assert energy.clock is not None
    assert "edges" in energy.clock.how
    assert energy.idle is not None
    assert energy.idle.mean_mw == pytest.approx(1000, rel=0.02)
    file.write_text("Time (s),Power (W)\n" + "\n".join(f"{at:.2f},{1 + at % 0.3}" for at in times) + "\n")
    code, _, err = edgeproof("power", "import", run.root, file, "--align")
    assert code == 2
    assert "no end stands out" in err
