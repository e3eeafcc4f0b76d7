"""The command line as a process: exit codes, what goes to which stream, and how errors leave."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from edgeproof import __version__

FACTORIES = """
import torch
class Net(torch.nn.Module):
    def forward(self, x):
        return x * 2
def model():
    return Net()
def broken():
    raise RuntimeError("no weights here")
"""


def edgeproof(*words: object, **options: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from edgeproof.cli import main; main()", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, **options)  # type: ignore[call-overload]


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_text(FACTORIES)
    return path


def test_help_says_every_command_and_how_long_it_took(record_property) -> None:
    began = time.perf_counter()
    done = edgeproof("--help")
    record_property("help_ms", round(1000 * (time.perf_counter() - began)))
    assert (done.returncode, done.stderr) == (0, "")
    for command in ("run", "env", "samples", "convert", "validate", "serve", "bench", "devices", "report", "gate"):
        assert f"  {command} " in done.stdout


def test_version() -> None:
    assert edgeproof("--version").stdout.strip().endswith(__version__)


def test_done_is_0_and_json_is_one_object() -> None:
    done = edgeproof("env", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["schema"] == "edgeproof.environment/1"


def test_work_that_failed_is_1_and_json_still_tells(net, tmp_path) -> None:
    folder = tmp_path / "nothing"
    done = edgeproof("validate", f"{net}:model", folder, "--input", "x:float32[1,4]", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["results"][0]["status"] == "error"
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "give MODEL, or --resume RUN"),
        (["convert", "net.py", "--out", "out"], "does not say which function makes the model"),
        (["convert", "gone.py:model", "--out", "out"], "there is no file gone.py"),
        (["convert", "net.py:model", "--out", "out", "--to", "onyx"], "there is no candidate onyx"),
        (["convert", "net.py:model", "--out", "out"], "the model's inputs are unknown"),
        (["convert", "net.py:broken", "--out", "out"], "the factory raised RuntimeError: no weights here"),
        (["run", "net.py:model", "--candidates", "onnx-int4"], "there is no candidate onnx-int4"),
        (["report", "."], "is not a run folder"),
    ],
)
def test_wrong_use_is_2_one_line_and_a_hint(net, words, message) -> None:
    done = edgeproof(*words, cwd=net.parent)
    assert (done.returncode, done.stdout) == (2, "")
    first, *others = done.stderr.strip().splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert [line[:6] for line in others] == ["hint: "]
    assert not (net.parent / "bench_output").exists()


@pytest.mark.parametrize("words", [["nonsense"], ["env", "--nonsense"], ["samples", "net.py:model"], ["convert"]])
def test_what_the_parser_refuses_is_2(words) -> None:
    done = edgeproof(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


def test_debug_shows_the_traceback_and_nothing_else_does(net) -> None:
    words = ("convert", f"{net}:broken", "--out", net.parent / "out")
    quiet, loud = edgeproof(*words), edgeproof("--debug", *words)
    assert "Traceback" not in quiet.stderr
    assert "Traceback" in loud.stderr
    assert "ModelReferenceError" in loud.stderr
    assert loud.stderr.startswith("error: ")


def test_a_reader_that_leaves_early_is_no_error() -> None:
    code = "from edgeproof.cli import main; main(['env', '--json'])"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    with process.stderr:
        complaint = process.stderr.read().decode()
    assert process.wait(60) in (0, 1)
    assert "Traceback" not in complaint
    assert "error: " not in complaint


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_learns_the_commands(shell: str) -> None:
    script = edgeproof("completion", shell)
    assert script.returncode == 0
    assert "_EDGEPROOF_COMPLETE" in script.stdout
    asked = {"COMP_WORDS": "edgeproof con", "COMP_CWORD": "1", "_EDGEPROOF_COMPLETE": f"{shell}_complete"}
    if shell == "fish":
        asked |= {"COMP_CWORD": "con"}
    answer = edgeproof(env={**os.environ, **asked})
    assert "convert" in answer.stdout
