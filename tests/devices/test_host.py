"""The host as a device: interleaving, and processes that crash, hang or lie."""

from __future__ import annotations

import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.doubles.artifact import write_onnx

from edgeproof.devices.base import Effort, Target
from edgeproof.devices.host import DEVICE, run_job
from edgeproof.devices.measuring import measure
from edgeproof.documents.runner import RunnerJob
from edgeproof.errors import DeviceError
from edgeproof.process import Limits

QUICK = Effort(rounds=3, count=20, warmup=2, seconds=1.0, limits=Limits(seconds=60))

INTERPRETERS = {
    "crash": "import os; os.abort()",
    "killed": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)",
    "hang": "import time; time.sleep(60)",
    "garbage": "import sys; open(sys.argv[sys.argv.index('--json') + 1], 'wb').write(b'\\xff{oops')",
    "other": "import sys; open(sys.argv[sys.argv.index('--json') + 1], 'w').write('{\"schema\": \"x/1\"}')",
    "silent": "print('some words'); raise SystemExit(0)",
    "exit": "import sys; print('no such library', file=sys.stderr); sys.exit(3)",
}


@pytest.fixture
def interpreter(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Replaces the runner's process by one that fails in a known way."""

    def fail_like(kind: str) -> None:
        script = tmp_path / "python"
        program = tmp_path / "program.py"
        program.write_text(INTERPRETERS[kind])
        script.write_text(f'#!/bin/sh\nexec {sys.executable} {program} "$@"\n')
        script.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(script))

    return fail_like


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("crash", "killed by SIGABRT"),
        ("killed", "killed by SIGKILL"),
        ("garbage", "no valid report"),
        ("other", "no valid report"),
        ("silent", "wrote no report: it ended with exit code 0; it said: some words"),
        ("exit", "wrote no report: it ended with exit code 3; it said: no such library"),
    ],
)
def test_a_process_that_fails_is_a_report_with_the_reason(interpreter, artifact, samples, kind, message) -> None:  # type: ignore[no-untyped-def]
    interpreter(kind)
    report = run_job(RunnerJob(artifact=str(artifact), inputs=str(samples)))
    assert report.error is not None
    assert message in report.error


def test_a_process_that_hangs_is_killed(interpreter, artifact, samples) -> None:  # type: ignore[no-untyped-def]
    interpreter("hang")
    begin = time.monotonic()
    report = run_job(RunnerJob(artifact=str(artifact), inputs=str(samples)), Limits(seconds=60, wall_seconds=0.5))
    assert time.monotonic() - begin < 5
    assert report.error is not None
    assert re.fullmatch(
        r"the process was stopped after [01] s by the clock, in which it used 0 s of processor time", report.error
    )


def test_an_interpreter_that_is_not_there(monkeypatch: pytest.MonkeyPatch, artifact: Path, samples: Path) -> None:
    monkeypatch.setattr(sys, "executable", "/nosuch/python")
    report = run_job(RunnerJob(artifact=str(artifact), inputs=str(samples)))
    assert "could not be started" in (report.error or "")


def test_candidates_take_turns_and_one_that_fails_costs_itself(artifact: Path, samples: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    other = write_onnx(tmp_path / "other.onnx")
    lines: list[str] = []
    targets = [Target("a", artifact), Target("bad", broken), Target("b", other)]
    a, bad, b = measure(DEVICE(), targets, samples, QUICK, lines.append)
    started = [line for line in lines if "process" in line]
    assert sorted(line.split()[1].strip(",") for line in started) == ["a"] * 3 + ["b"] * 3 + ["bad"]
    ended = [
        re.sub(r"\d+\.\d s", "N s", line.partition(" ")[2]) for line in lines if not re.search("process|is busy", line)
    ]
    assert sorted(line.partition(" (")[0] for line in ended) == [
        "a: measured in N s",
        "b: measured in N s",
        "bad: failed in N s",
    ]
    assert [line.rpartition("(")[2] for line in ended] == ["1 of 3)", "2 of 3)", "3 of 3)"]
    assert bad.failure is not None
    assert bad.reports == ()
    for name in (a, b):
        assert name.failure is None
        assert [len(report.steady_us) for report in name.reports] == [20, 20, 20]
        for report in name.reports:
            assert report.exec_to_first_ms is not None
            assert report.load_ms is not None
            assert report.load_ms < report.exec_to_first_ms < 30_000


def test_outputs_for_the_validation(artifact: Path, samples: Path, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs.npz"
    job = RunnerJob(artifact=str(artifact), inputs=str(samples), outputs=str(outputs), memory_limit=4 << 30)
    report = run_job(job, Limits(seconds=60))
    assert report.error is None
    assert report.samples == 16
    with np.load(outputs) as found:
        assert found["scores"].shape == (16, 1, 3)


def test_the_host_is_itself() -> None:
    device = DEVICE("")
    assert (device.name, device.emulated, device.available()) == ("host", False, None)
    assert device.device_class in {"host", "raspberry-pi"}
    with pytest.raises(DeviceError):
        DEVICE("elsewhere")


def test_nothing_has_to_be_carried_to_the_host(artifact: Path, tmp_path: Path) -> None:
    device = DEVICE()
    there = device.put(artifact)
    assert there == str(artifact)
    device.get(there, tmp_path / "back.onnx")
    assert (tmp_path / "back.onnx").read_bytes() == artifact.read_bytes()
    device.get(there, artifact)
    assert artifact.is_file()
