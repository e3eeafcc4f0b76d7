"""Processes forked where what they need has been done: they are what a fresh one would be, and none is left behind."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from tests.doubles import apart

from edgeproof.apart import LostError, call_apart
from edgeproof.errors import ConversionError, ProcessError
from edgeproof.forkserver import ForkServer, shared_start
from edgeproof.process import Child, Limits, module_command

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only on Linux is a fork safe")
ROOMY = Limits(seconds=60)
NOTHING = "platform:system"
"""What is there to be called first, and does nothing."""


@pytest.fixture(autouse=True)
def _doubles_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    paths = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


@pytest.fixture
def server() -> Iterator[ForkServer]:
    with ForkServer(NOTHING) as made:
        assert made.ready(ROOMY) is None
        yield made


def seen(server: ForkServer, folder: Path | None = None, log: Path | None = None) -> apart.Seen:
    """What a fork finds about it."""
    return call_apart(
        "tests.doubles.apart:look",
        apart.Job(words=("numpy",), number=0),
        apart.Seen,
        what="looking",
        limits=ROOMY,
        folder=None if folder is None else str(folder),
        log=log,
        start=server.start,
    )


def fail(server: ForkServer, how: str, limits: Limits = ROOMY) -> None:
    call_apart(
        "tests.doubles.apart:fail",
        apart.Failing(how=how),
        apart.Answer,
        what="working",
        limits=limits,
        start=server.start,
    )


def test_a_fork_has_the_environment_folder_and_files_of_a_process_of_its_own(
    server: ForkServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SAID_LATER", os.fsdecode(b"word \xff"))
    monkeypatch.delenv("PATH")
    found = seen(server, tmp_path, tmp_path / "log")
    assert psutil.Process(found.parent).ppid() == os.getpid()
    assert found.folder == found.first_path == str(tmp_path.resolve())
    assert found.said_later == b"word \xff"
    assert (found.path, found.threads, found.stdin) == (None, "1", "")
    assert found.group == found.pid
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN  # as in the background of a shell
    assert found.interrupt == ("" if ignored else "default_int_handler")
    assert (found.module, found.child) == ("__main__", signal.SIG_DFL)
    assert found.descriptors == (0, 1, 2)
    assert (tmp_path / "log").read_text() == "printed\nby descriptor\n"


def test_forks_draw_other_random_numbers(server: ForkServer) -> None:
    assert len({seen(server).random for _ in range(3)}) == 3


@pytest.mark.parametrize(
    ("how", "kind", "message"),
    [
        ("conversion", ConversionError, "no kernel"),
        ("abort", LostError, "the process of working was killed by SIGABRT (signal 6)"),
        ("leave", LostError, "the process of working ended with exit code 5; it said: "),
    ],
)
def test_the_end_of_a_fork_is_told(server: ForkServer, how: str, kind: type[ProcessError], message: str) -> None:
    for _ in range(2):
        with pytest.raises(kind) as caught:
            fail(server, how)
        assert caught.value.message.startswith(message)
    assert server.alive


def test_a_fork_that_does_not_end_is_stopped_and_what_it_started_too(server: ForkServer) -> None:
    before = psutil.Process().children(recursive=True)
    with pytest.raises(LostError, match="of processor time; the limit is 1 s"):
        fail(server, "spin", Limits(seconds=1))
    with pytest.raises(LostError, match="s by the clock"):
        fail(server, "starts", Limits(seconds=60, wall_seconds=2))
    assert psutil.Process().children(recursive=True) == before


def test_one_asks_while_another_runs(server: ForkServer) -> None:
    command = module_command("timeit", "-n", "1", "-r", "1", "import time; time.sleep(1000)")
    with Child(command, start=server.start) as first, Child(command, start=server.start) as second:
        assert first.pid != second.pid
        second.stop(grace_s=10)
        assert second.wait().code == -signal.SIGTERM
        assert psutil.pid_exists(first.pid)
        assert first.stop() == -signal.SIGKILL


def test_a_server_that_is_killed_takes_its_forks_with_it(server: ForkServer) -> None:
    command = module_command("edgeproof.apart", "time:sleep", "gone", "gone")
    with Child(module_command("timeit", "-n", "1", "import time; time.sleep(1000)"), start=server.start) as child:
        psutil.Process(child.pid).parent().kill()
        assert child.wait(ROOMY).code == -signal.SIGKILL
    assert server.ready(ROOMY) is not None  # its sockets are closed one after the other, some microseconds apart
    assert not server.alive
    with pytest.raises(ProcessError, match="could not be started"):
        Child(command, start=server.start)


@pytest.mark.parametrize(
    ("target", "limits", "words"),
    [
        ("nosuchmodule:load", ROOMY, "ended with exit code 1; it said: .*No module named 'nosuchmodule'"),
        ("os:abort", ROOMY, r"was killed by SIGABRT \(signal 6\)"),
        ("tests.doubles.apart:hang", Limits(seconds=60, wall_seconds=1), "was stopped after . s by the clock"),
    ],
)
def test_what_is_done_first_may_fail_or_hang(target: str, limits: Limits, words: str) -> None:
    with ForkServer(target) as server:
        ended = server.ready(limits)
    assert ended is not None
    assert re.match(words, str(ended))


def test_one_that_is_shared_is_kept_until_what_it_read_at_its_start_has_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def parent() -> int:
        start = shared_start(NOTHING, what="nothing")
        with Child(module_command("timeit", "-n", "1", "import time; time.sleep(1000)"), start=start) as child:
            return psutil.Process(child.pid).ppid()

    first = parent()
    monkeypatch.setenv("EDGEPROOF_OTHER", "1")
    assert parent() == first
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    second = parent()
    assert second != first
    assert not psutil.pid_exists(first)
    psutil.Process(second).kill()
    psutil.wait_procs([psutil.Process(second)], timeout=5)
    assert parent() != second


def test_one_that_is_shared_and_fails_says_of_what_it_is() -> None:
    with pytest.raises(ProcessError, match="the process of Nothing ended with exit code 1; it said: "):
        shared_start("nosuchmodule:load", what="Nothing")


@pytest.mark.parametrize("end", ["pass", "import os; os.kill(os.getpid(), 9)", "import os; os._exit(0)"])
def test_nothing_outlives_the_process_that_asked(end: str, tmp_path: Path) -> None:
    """The thread that started a server may be gone long before."""
    code = f"""
import threading, pathlib, time, psutil
from edgeproof.forkserver import shared_start
from edgeproof.process import Child, module_command
def ask():
    start = shared_start({NOTHING!r}, what="nothing")
    Child(module_command("timeit", "-n", "1", "import time; time.sleep(1000)"), start=start)
thread = threading.Thread(target=ask)
thread.start()
thread.join()
time.sleep(0.5)
left = psutil.Process().children(recursive=True)
assert len(left) == 2, left
pathlib.Path("pids").write_text(" ".join(str(child.pid) for child in left))
{end}
"""
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=60, check=False)
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    _, alive = psutil.wait_procs([psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)], timeout=5)
    assert not [process for process in alive if process.status() != psutil.STATUS_ZOMBIE]


def test_a_request_of_any_size_arrives(server: ForkServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(20):
        monkeypatch.setenv(f"LARGE_{number}", "x" * 100_000)
    assert seen(server).threads == "1"
