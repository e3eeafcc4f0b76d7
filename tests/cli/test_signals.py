"""A command that is asked to end, or killed: soon over, nothing left running, nothing left in the temporary folder."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

SLEEPS = "import pathlib, time\ndef make():\n    pathlib.Path('ready').touch()\n    time.sleep(1000)\n"


def started(folder: Path) -> subprocess.Popen[str]:
    """A conversion whose model never comes to an end of its factory."""
    (folder / "sleeps.py").write_text(SLEEPS)
    (folder / "scratch").mkdir(exist_ok=True)
    (folder / "ready").unlink(missing_ok=True)
    words = ["convert", "sleeps.py:make", "--to", "torchscript", "--out", "out"]
    variables = {name: value for name, value in os.environ.items() if name != "EDGEPROOF_SCRATCH"}
    process = subprocess.Popen(
        [sys.executable, "-c", "from edgeproof.cli import main; main()", *words],
        cwd=folder,
        env=variables | {"TMPDIR": str(folder / "scratch")},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in the background of a shell
    )
    end = time.monotonic() + 60
    while not (folder / "ready").exists():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    return process


def gone(children: list[psutil.Process]) -> bool:
    _, alive = psutil.wait_procs(children, timeout=2)
    return not [child for child in alive if child.status() != psutil.STATUS_ZOMBIE]


@pytest.mark.parametrize(
    ("number", "code"),
    [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)],
    ids=lambda value: str(value),
)
def test_a_signal_ends_it_and_it_cleans_up(number: signal.Signals, code: int, tmp_path: Path) -> None:
    process = started(tmp_path)
    children = psutil.Process(process.pid).children(recursive=True)
    assert children
    began = time.monotonic()
    process.send_signal(number)
    _, said = process.communicate(timeout=30)
    assert time.monotonic() - began < 2
    assert process.returncode == code
    assert said.strip().splitlines()[-1] == "stopped; what was finished is kept"
    assert "Traceback" not in said
    assert gone(children)
    assert list((tmp_path / "scratch").iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_what_a_killed_one_leaves_goes_with_the_next(tmp_path: Path) -> None:
    process = started(tmp_path)
    children = psutil.Process(process.pid).children(recursive=True)
    process.kill()
    process.communicate(timeout=30)
    assert gone(children)
    (left,) = (tmp_path / "scratch").iterdir()
    after = started(tmp_path)
    (new,) = (tmp_path / "scratch").iterdir()
    assert new != left
    after.terminate()
    after.communicate(timeout=30)
    assert list((tmp_path / "scratch").iterdir()) == []
