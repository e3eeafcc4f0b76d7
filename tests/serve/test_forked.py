"""The first process of a model is a fork of a server that is young: with its own descriptors, gone with the server."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from tests.doubles.session import served

from edgeproof.process import Child
from edgeproof.serve import forked
from edgeproof.serve.forked import start_forked

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="forks on Linux alone")


def test_it_has_no_other_descriptors_of_the_server() -> None:
    """A listening socket that lives on in it would keep the port."""
    with served({"double": {}, "again": {}}) as server:
        for pid in server.ready.processes:
            found = psutil.Process(pid)
            assert [held.status for held in found.net_connections()] == []
            assert found.ppid() == server.ready.pid
            assert os.getsid(pid) == pid
    assert not any(psutil.pid_exists(pid) for pid in server.ready.processes)


def test_an_end_of_any_kind_is_told(tmp_path: Path) -> None:
    code = """
import os, sys
from edgeproof.process import Child
from edgeproof.serve.forked import start_forked
def ends(_words):
    print("said", os.environ["OMP_NUM_THREADS"], sorted(os.listdir("/proc/self/fd"))[:3], flush=True)
    raise ValueError("of its own")
with open("/dev/null") as empty, Child(["gone"], stdin=empty.fileno(), threads=3, start=start_forked(ends)) as child:
    print(child.wait())
def dies(_words):
    os.kill(os.getpid(), 11)
with open("/dev/null") as empty, Child(["gone"], stdin=empty.fileno(), start=start_forked(dies)) as child:
    print(child.wait())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    first, second = done.stdout.splitlines()
    assert first.startswith("ended with exit code 1; it said: ")
    assert "ValueError: of its own" in first
    assert second == "was killed by SIGSEGV (signal 11)"


def test_where_it_cannot_be_it_is_started_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forked, "forks", lambda: False)
    with Child([sys.executable, "-c", "print('afresh')"], start=start_forked(lambda _: 0)) as child:
        assert str(child.wait()) == "ended with exit code 0; it said: afresh"


def test_a_process_with_numpy_is_not_forked() -> None:
    import numpy as np

    assert np.__version__
    assert not forked.forks()
