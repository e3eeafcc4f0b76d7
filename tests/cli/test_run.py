"""``run`` through the real command line: one candidate of a tiny network; a run goes on from another folder."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.cli.calling import Call

from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.samples import SamplesDocument
from edgeproof.documents.validation import ValidationDocument
from edgeproof.rundir import RunDir

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cli-run")]

FACTORY = """
import numpy as np
import torch
import edgeproof

def make():
    torch.manual_seed(0)
    return edgeproof.Model(torch.nn.Linear(4, 3), inputs=["x:float32[1,4]"])
"""
FEW = ("--candidates", "torchscript-fp32", "--requests", "5", "--cold-starts", "1")
CLI = [sys.executable, "-c", "from edgeproof.cli import main; main()"]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A folder with a model, samples, held-out ones and a policy."""
    folder = tmp_path / "home"
    (folder / "nets").mkdir(parents=True)
    (folder / "nets" / "cli_run_net.py").write_text(FACTORY)
    source = np.random.default_rng(0)
    for name, count in (("samples", 240), ("held", 30)):
        x = source.standard_normal((count, 4)).astype(np.float32)
        np.savez(folder / f"{name}.npz", x=x, labels=np.arange(count) % 3)
    (folder / "policy.toml").write_text("latency_ms = 1234.5\n")
    return folder


RELATIVE = (
    *("nets/cli_run_net.py:make", "--samples", "samples.npz", "--held-out", "held.npz", "--policy", "policy.toml"),
    *FEW,
)


def test_all_phases_in_json_and_again_by_resume(
    edgeproof: Call, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    root = tmp_path / "run"
    code, out, err = edgeproof("run", *RELATIVE, "--out", root, "--quiet", "--json")
    assert (code, err) == (0, "")
    answer = json.loads(out)
    assert answer["run"] == str(root)
    assert Path(answer["report"]).is_file()
    (row,) = answer["evaluation"]["candidates"]
    assert (row["candidate"], row["status"]) == ("torchscript-fp32", "passed")
    assert answer["evaluation"]["policy"]["latency_ms"] == 1234.5
    run = RunDir.open(root)
    assert run.read(SamplesDocument).held_out.count == 30
    assert run.device("host") is not None
    assert {phase.status for phase in run.manifest().phases} == {"done"}

    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    code, out, err = edgeproof("run", "--resume", root, "--quiet")
    assert (code, err) == (0, "")
    assert "report: " in out
    assert re.search(r"^host: ", out, re.MULTILINE)
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()} == before


def test_a_run_that_was_killed_goes_on_from_another_folder(home: Path, tmp_path: Path) -> None:
    """Its model, samples, held-out samples and policy were named relative to where it began."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    root = tmp_path / "run"
    command = [*CLI, "run", *RELATIVE, "--out", str(root), "--quiet"]
    with subprocess.Popen(command, cwd=home, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 120
        while not (root / "phase1_samples.json").is_file():
            assert process.poll() is None
            assert time.monotonic() < end
            time.sleep(0.02)
        os.kill(process.pid, signal.SIGKILL)
    assert {phase.status for phase in RunDir.open(root).manifest().phases} > {"pending"}
    done = subprocess.run(
        [*CLI, "run", "--resume", "../run", "--json"],
        cwd=elsewhere,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    evaluation = json.loads(done.stdout)["evaluation"]
    assert [(row["candidate"], row["status"]) for row in evaluation["candidates"]] == [("torchscript-fp32", "passed")]
    assert evaluation["policy"]["latency_ms"] == 1234.5
    run = RunDir.open(root)
    samples = run.read(SamplesDocument)
    assert (samples.source, samples.count, samples.held_out.source, samples.held_out.count) == ("user", 240, "user", 30)
    assert [result.status for result in run.read(ConversionDocument).candidates] == ["ok"]
    assert [result.status for result in run.read(ValidationDocument).results] == ["passed"]
    assert not list(elsewhere.iterdir())
    lines = done.stderr.splitlines()
    assert lines
    assert all(
        re.search(
            r" in \d+(\.\d+)? s(?: \(\d+ of \d+(?:, about \d+ s left)?\))?$|: done before$|: (?:warning|note): ", line
        )
        for line in lines
    ), lines
    assert any(re.fullmatch(r"3 convert: torchscript-fp32: converted in \d+\.\d s \(1 of 1\)", line) for line in lines)


def test_a_run_in_which_a_phase_fails_is_kept_and_says_how_it_goes_on(
    edgeproof: Call, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(home)
    net = home / "nets" / "cli_run_net.py"
    net.write_text("def make():\n    raise RuntimeError('no weights here')\n")
    root = tmp_path / "run"
    code, out, err = edgeproof("run", *RELATIVE, "--out", root, "--quiet", "--json")
    assert (code, out) == (2, "")
    assert "the factory raised RuntimeError: no weights here" in err
    first, *others = RunDir.open(root).manifest().phases
    assert (first.status, {phase.status for phase in others}) == ("failed", {"pending"})
    assert "no weights here" in (first.reason or "")
