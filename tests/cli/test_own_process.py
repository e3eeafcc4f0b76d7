"""A factory is the user's code: whatever it does, every command that loads it ends with one line and a code.

Each of these loads the model in a process of its own; the command itself lives, and imports no torch.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

FACTORY = """
import os, time, torch

def aborts():
    os.abort()

def sleeps():
    time.sleep(1000)

def dense():
    return torch.nn.Linear(4, 3)
"""
COMMANDS: dict[str, tuple[str, ...]] = {
    "samples": ("--out", "out", "--synthetic"),
    "convert": ("--to", "torchscript", "--out", "out"),
    "validate": ("none.onnx",),
    "nir": ("--out", "out.nir"),
    "activity": (),
    "run": ("--candidates", "torchscript-fp32", "--out", "out", "--synthetic"),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "net.py").write_text(FACTORY)
    return tmp_path


def edgeproof(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from edgeproof.cli import main; main()", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_factory_that_aborts_is_2_and_names_model_and_signal(command: str, folder: Path) -> None:
    done = edgeproof(folder, command, "net.py:aborts", *COMMANDS[command], "--quiet")
    assert (done.returncode, done.stdout) == (2, "")
    error, hint = done.stderr.splitlines()
    assert error.startswith("error: ")
    assert "net.py:aborts" in error
    assert "SIGABRT" in error
    assert hint.startswith("hint: ")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", COMMANDS)
def test_a_factory_that_never_ends_is_given_up_within_the_limit(command: str, folder: Path) -> None:
    """Four seconds by the clock for one of processor time, and the start of two processes on a busy machine."""
    began = time.monotonic()
    done = edgeproof(folder, command, "net.py:sleeps", *COMMANDS[command], "--quiet", "--limit-seconds", "1")
    assert time.monotonic() - began < 30
    assert (done.returncode, done.stdout) == (2, "")
    error, _ = done.stderr.splitlines()
    assert "net.py:sleeps" in error
    assert re.search(r"was stopped after \d+ s (by the clock|of processor time)", error)


def test_compare_loads_a_reference_in_a_process_of_its_own(tmp_path: Path) -> None:
    """The caller imports no torch, keeps its name for its process, and lives when the model's does not."""
    (tmp_path / "net.py").write_text(
        "import os, pathlib, torch, edgeproof\n"
        "def model():\n"
        "    pathlib.Path(__file__).with_name('pid').write_text(str(os.getpid()))\n"
        "    torch.manual_seed(0)\n"
        "    return edgeproof.Model(torch.nn.Linear(4, 3), inputs=['x:float32[1,4]'])\n"
        "def aborts():\n    os.abort()\n"
        "def sleeps():\n    import time; time.sleep(1000)\n"
    )
    code = """
import os, sys, edgeproof
from edgeproof.api import Limits
from edgeproof.errors import ModelReferenceError
found = edgeproof.compare("net.py:model", "none.onnx")
print(found.results[0].status, os.getpid(), "torch" in sys.modules)
for name in ("aborts", "sleeps"):
    try:
        edgeproof.compare(f"net.py:{name}", "none.onnx", limits=Limits(seconds=100, wall_seconds=6))
    except ModelReferenceError as error:
        print(error.message)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    told, aborted, hung = done.stdout.splitlines()
    status, pid, torch_imported = told.split()
    assert (status, torch_imported) == ("error", "False")
    assert int((tmp_path / "pid").read_text()) != int(pid)
    assert "SIGABRT" in aborted
    assert "by the clock" in hung
