"""The five phases as one run: order, failure, resume after ``kill -9``, and a run in which nothing can be converted."""

from __future__ import annotations

import importlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from edgeproof import api, pipeline
from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.evaluation import EvaluationDocument
from edgeproof.documents.manifest import RunOptions
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.validation import ValidationDocument
from edgeproof.errors import ConversionError, DeviceError, RunFolderError, TrustError, UsageError
from edgeproof.pipeline import Phase, execute, new_run
from edgeproof.rundir import RunDir

ROOT = Path(__file__).parents[1]
OPTIONS = RunOptions(model="net.py:make", model_name="net")
CLI = [sys.executable, "-c", "from edgeproof.cli import main; main()"]


def statuses(run: RunDir) -> dict[str, str]:
    return {phase.name: phase.status for phase in run.manifest().phases}


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces the phases by ones that note their name; ``breaking`` in the list makes the third raise."""
    calls: list[str] = []

    def phase(name: str) -> Callable[[RunDir, Callable[[str], None]], None]:
        def work(run: RunDir, report: Callable[[str], None]) -> None:
            calls.append(name)
            report(f"{name} works")
            if name == "three" and "breaking" in calls:
                raise ConversionError("it broke")
            if name == "four":
                run.write(
                    EvaluationDocument(
                        model="net", policy=PolicyValue(), policy_source="", verdicts=(), candidates=(), not_measured={}
                    )
                )

        return work

    names = ("one", "two", "three", "four")
    double = types.ModuleType("edgeproof.phases.double")
    for name in names:
        setattr(double, name, phase(name))
    monkeypatch.setitem(sys.modules, double.__name__, double)
    phases = tuple(Phase(name, f"title {name}", f"double:{name}") for name in names)
    monkeypatch.setattr(pipeline, "PHASES", phases)
    return calls


def test_every_phase_once_in_order_and_told(done: list[str], tmp_path: Path) -> None:
    run = new_run(OPTIONS, tmp_path / "run")
    assert set(statuses(run).values()) == {"pending"}
    told: list[tuple[str, str]] = []
    execute(run, lambda title, text: told.append((title, text)))
    assert done == ["one", "two", "three", "four"]
    assert set(statuses(run).values()) == {"done"}
    assert all((phase.seconds or 0) >= 0 for phase in run.manifest().phases)
    assert told[:2] == [("title one", ""), ("title one", "one works")]
    execute(run, lambda title, text: told.append((title, text)))
    assert done == ["one", "two", "three", "four"]
    assert told[-2:] == [("title four", ""), ("title four", "done before")]


def test_a_failure_is_kept_and_the_run_goes_on_from_there(done: list[str], tmp_path: Path) -> None:
    run = new_run(OPTIONS, tmp_path / "run")
    done.append("breaking")
    with pytest.raises(ConversionError):
        execute(run)
    assert statuses(run) == {"one": "done", "two": "done", "three": "failed", "four": "pending"}
    assert run.manifest().phases[2].reason == "it broke"
    done.clear()
    execute(RunDir.open(run.root))
    assert done == ["three", "four"]
    assert set(statuses(run).values()) == {"done"}


def test_two_processes_do_not_work_in_one_run(done: list[str], tmp_path: Path) -> None:
    run = new_run(OPTIONS, tmp_path / "run")
    with RunDir.open(run.root).held(), pytest.raises(RunFolderError, match="another process is at work"):
        execute(run)
    assert done == []
    execute(run)
    assert done == ["one", "two", "three", "four"]


def test_an_unknown_device_is_told_before_a_folder_is_made(tmp_path: Path) -> None:
    wrong = msgspec.structs.replace(OPTIONS, devices=("host", "moon"))
    with pytest.raises(UsageError, match="moon is no device"):
        new_run(wrong, tmp_path / "run")
    away = msgspec.structs.replace(OPTIONS, devices=("ssh:pi@127.0.0.1:1",))
    with pytest.raises(DeviceError, match="Connection refused"):
        new_run(away, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_run_that_somebody_else_started_goes_on_when_it_is_trusted(done: list[str], tmp_path: Path) -> None:
    root = new_run(OPTIONS, tmp_path / "run").root
    api.resume(shutil.copytree(root, tmp_path / "copied"))
    assert done == ["one", "two", "three", "four"]
    done.clear()
    told = json.loads((root / "manifest.json").read_bytes())
    changes = (
        {"mark": None},
        {"options": {**told["options"], "model": "evil.py:make"}},
        {"working_directory": "/evil"},
    )
    for change in changes:
        (root / "manifest.json").write_text(json.dumps({**told, **change}))
        with pytest.raises(TrustError, match="going on with it runs what its manifest names") as caught:
            api.resume(root)
        assert (caught.value.exit_code, done) == (2, [])
    stopped = subprocess.run([*CLI, "run", "--resume", str(root)], capture_output=True, text=True, check=False)
    assert (stopped.returncode, "Traceback" in stopped.stderr) == (2, False)
    assert "--trust" in stopped.stderr
    api.resume(root, trust=True)
    assert done == ["one", "two", "three", "four"]


def test_a_phase_that_is_done_leaves_the_run_its_owner_s(done: list[str], tmp_path: Path) -> None:
    run = new_run(OPTIONS, tmp_path / "run")
    done.append("breaking")
    with pytest.raises(ConversionError):
        execute(run)
    done.clear()
    api.resume(run.root)
    assert done == ["three", "four"]


def test_out_in_use_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="not an empty folder"):
        new_run(OPTIONS, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]
    net = tmp_path / "net.py"
    net.touch()
    done = subprocess.run(
        [*CLI, "run", f"{net}:make", "--out", str(tmp_path)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert "not an empty folder" in done.stderr
    assert "--resume" in done.stderr
    assert done.stdout == ""


def test_every_phase_of_a_run_is_there() -> None:
    for phase in pipeline.PHASES:
        module, _, function = phase.work.partition(":")
        assert callable(getattr(importlib.import_module(f"edgeproof.phases.{module}"), function)), phase
    assert len({phase.name for phase in pipeline.PHASES}) == len(pipeline.PHASES)


def workers_in(folder: Path) -> list[psutil.Process]:
    """Processes of ours that work in ``folder``: the model's, workers and their children, servers, runners."""
    found = []
    for process in psutil.process_iter(["cmdline"]):
        line = " ".join(process.info["cmdline"] or ())
        if "edgeproof." in line and " -m " in line:
            files = {file.path for file in process.open_files()}
            if str(folder) in line or any(path.startswith(str(folder)) for path in files):
                found.append(process)
    return found


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_and_keeps_what_was_finished(tmp_path: Path) -> None:
    pytest.importorskip("sklearn")
    root = tmp_path / "run"
    names = "onnx-fp32,onnx-int8"
    model = str(ROOT / "examples" / "digits_cnn.py") + ":model"
    command = [*CLI, "run", model, "--candidates", names, "--requests", "20", "--cold-starts", "1", "--out", str(root)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        records = root / "work" / "conversion"
        deadline = time.monotonic() + 200
        while not (records / "onnx-fp32.json").is_file():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    run = RunDir.open(root)
    assert statuses(run)["convert"] == "running"
    assert not run.has(ConversionDocument)
    deadline = time.monotonic() + 10
    while workers_in(root):
        assert time.monotonic() < deadline, "a conversion outlived its run"
        time.sleep(0.1)
    finished = [path.stem for path in records.glob("*.json")]
    assert finished == ["onnx-fp32"]
    before = {path: path.stat().st_mtime_ns for name in finished for path in (root / "artifacts" / name).rglob("*")}
    sampled = (root / "phase1_samples.json").stat().st_mtime_ns

    done = subprocess.run(
        [*CLI, "run", "--resume", str(root), "--json"], capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["run"] == str(root)
    assert Path(answer["report"]).is_file()
    assert set(statuses(run).values()) == {"done"}
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert (root / "phase1_samples.json").stat().st_mtime_ns == sampled
    conversion = run.read(ConversionDocument)
    assert {candidate.candidate: candidate.status for candidate in conversion.candidates} == dict.fromkeys(
        names.split(","), "ok"
    )
    validation = run.read(ValidationDocument)
    assert {result.status for result in validation.results} == {"passed"}
    assert not [path for path in (root / "artifacts").iterdir() if path.name.startswith(".")]


def run_small(tmp_path: Path, root: Path, **options: Any) -> subprocess.Popen[str]:
    """A run of a tiny network with its own engine."""
    file = tmp_path / "small.py"
    file.write_text(
        "import numpy as np, torch, edgeproof\n"
        "def make():\n"
        "    x = np.random.default_rng(0).standard_normal((500, 1, 4)).astype(np.float32)\n"
        "    samples = edgeproof.Samples({'x': x})\n"
        "    return edgeproof.Model(torch.nn.Linear(4, 3), inputs=['x:float32[1,4]'], samples=samples)\n"
    )
    words = ["run", f"{file}:make", "--candidates", "sdk-eager", "--cold-starts", "1", "--out", str(root)]
    return subprocess.Popen([*CLI, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options)


def whole_documents(root: Path) -> list[str]:
    """Names of the run's JSON documents, each of which can be read; nothing half-written lies beside them."""
    names = [path.name for path in root.glob("*.json")]
    assert all(json.loads((root / name).read_text()) for name in names)
    assert not [path for path in root.iterdir() if path.name.startswith(".")]
    return names


def test_a_full_disk_is_said_and_leaves_whole_documents(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(disk)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip("a small disk can be mounted by root only")
    try:
        stdout, stderr = (small := run_small(tmp_path, disk / "run")).communicate(timeout=300)
        assert small.returncode == 1
        assert stdout == ""
        first, second = stderr.strip().splitlines()[-2:]
        assert "No space left on device" in first
        assert first.startswith("error: ")
        assert "make room" in second
        assert "manifest.json" in whole_documents(disk / "run")
        subprocess.run(["mount", "-o", "remount,size=100m", str(disk)], check=True)
        again = subprocess.run(
            [*CLI, "run", "--resume", str(disk / "run")], capture_output=True, text=True, timeout=300, check=False
        )
        assert again.returncode == 0, again.stderr
        assert "phase5_evaluation.json" in whole_documents(disk / "run")
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_file_that_may_not_grow_is_said(tmp_path: Path) -> None:
    import resource

    limit = partial(resource.setrlimit, resource.RLIMIT_FSIZE, (3000, 3000))
    _, stderr = (small := run_small(tmp_path, tmp_path / "run", preexec_fn=limit)).communicate(timeout=300)
    assert small.returncode == 1
    assert "File too large" in stderr
    assert "Traceback" not in stderr
    assert "manifest.json" in whole_documents(tmp_path / "run")


def test_ctrl_c_stops_a_run_without_noise_and_keeps_what_is_finished(tmp_path: Path) -> None:
    root = tmp_path / "run"
    # Tests that run in the background inherit that the signal is ignored; a terminal's process has its default.
    child = run_small(tmp_path, root, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    limit = time.monotonic() + 120
    while not (root / "phase1_samples.json").is_file() and time.monotonic() < limit:
        time.sleep(0.05)
    child.send_signal(signal.SIGINT)
    stdout, stderr = child.communicate(timeout=60)
    assert (child.returncode, stdout) == (130, "")
    assert "Traceback" not in stderr
    assert stderr.strip().endswith("stopped; what was finished is kept")
    assert "phase1_samples.json" in whole_documents(root)
    assert not workers_in(root)
    again = subprocess.run(
        [*CLI, "run", "--resume", str(root)], capture_output=True, text=True, timeout=300, check=False
    )
    assert again.returncode == 0, again.stderr


@pytest.mark.slow
def test_a_run_in_which_nothing_can_be_converted_still_ends_in_its_report(tmp_path: Path) -> None:
    file = tmp_path / "branching.py"
    file.write_text(
        "import numpy as np, torch, edgeproof\n"
        "class Net(torch.nn.Module):\n"
        "    def forward(self, x):\n"
        "        while x.abs().sum() > 1:\n"
        "            x = x / 2\n"
        "        return x\n"
        "def make():\n"
        "    x = np.random.default_rng(0).standard_normal((240, 1, 4)).astype(np.float32)\n"
        "    return edgeproof.Model(Net(), inputs=['x:float32[1,4]'], samples=edgeproof.Samples({'x': x}))\n"
    )
    root = tmp_path / "run"
    done = subprocess.run(
        [*CLI, "run", f"{file}:make", "--candidates", "sdk-eager,onnx-int8", "--out", str(root), "--json"],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    where = "branching.py:4: `while x.abs().sum() > 1:`"
    run = RunDir.open(root)
    conversion = run.read(ConversionDocument)
    assert [candidate.status for candidate in conversion.candidates] == ["failed", "failed"]
    assert all(where in (candidate.reason or "") for candidate in conversion.candidates)
    verdicts = json.loads(done.stdout)["evaluation"]["verdicts"]
    assert verdicts
    assert {verdict["decision"] for verdict in verdicts} == {"none"}
    assert all(verdict["candidate"] is None for verdict in verdicts)
    assert all("no candidate could be made" in verdict["sentence"] for verdict in verdicts)
    assert "branching.py:4" in (root / "edge_phase1_5_report.md").read_text()
    assert "branching.py:4" in (root / "edge_phase1_5_report.html").read_text()
    assert set(statuses(run).values()) == {"done"}


def test_the_manifest_tells_a_command_that_asks_for_the_same_run() -> None:
    from edgeproof.cli.run import run as command

    options = RunOptions(
        model="my nets/net.py:make",
        model_name="make",
        inputs=("x:float32[1,4]", "y:int64[1]"),
        samples="images/",
        metric="mae:unit=mm",
        sample_count=300,
        seed=3,
        synthetic=True,
        cold_starts=2,
        candidates=("onnx-fp32", "litert-int8"),
        limit_memory_bytes=3 << 29,
    )
    words = shlex.split(pipeline.command_of(options))
    assert words[:2] == ["edgeproof", "run"]
    given = command.make_context("run", words[2:]).params
    assert given["model"] == options.model
    assert (given["inputs"], given["samples"], given["held_out"]) == (options.inputs, "images/", None)
    assert given["metric"] == options.metric
    assert (given["count"], given["seed"], given["synthetic"], given["trust"]) == (300, 3, True, False)
    assert (given["candidates"], given["devices"]) == (options.candidates, ())
    assert (given["requests"], given["cold_starts"]) == (100, 2)
    assert (given["limit_seconds"], given["limit_memory"]) == (300.0, 1.5)
    assert pipeline.command_of(OPTIONS) == "edgeproof run net.py:make"
