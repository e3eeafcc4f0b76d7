"""Processes of ours: limits and which of them was passed, ends in words, and nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from edgeproof.errors import ProcessError
from edgeproof.process import (
    Child,
    Limits,
    Watch,
    ask,
    environment,
    module_command,
    outcome_of,
)

SLEEP = "import time; time.sleep(1000)"
SPIN = "while True: pass"
ROOMY = Limits(seconds=60)


def python(code: str) -> list[str]:
    return [sys.executable, "-c", textwrap.dedent(code)]


def gone(pid: int, *, within_s: float = 2.0) -> bool:
    """Whether a process is gone; a dead one that nobody has waited for counts."""
    end = time.monotonic() + within_s
    while time.monotonic() < end:
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.02)
    return False


# Limits


def test_one_that_spins_is_stopped_by_processor_time() -> None:
    with Child(python(SPIN)) as child:
        ended = child.wait(Limits(seconds=1, wall_seconds=600))
    assert re.fullmatch(r"stopped after [12] s of processor time; the limit is 1 s", ended.stopped or "")
    assert str(ended) == f"was {ended.stopped}"
    assert gone(child.pid)


def test_one_that_sleeps_is_stopped_by_the_clock() -> None:
    with Child(python(SLEEP)) as child:
        ended = child.wait(Limits(seconds=100, wall_seconds=1))
    assert re.fullmatch(
        r"stopped after [12] s by the clock, in which it used 0 s of processor time", ended.stopped or ""
    )
    assert gone(child.pid)


def test_the_clock_gives_four_times_as_long_where_nobody_says_another() -> None:
    assert (Limits(seconds=3).wall, Limits(seconds=3, wall_seconds=5).wall) == (12, 5)


def spin_for_ever() -> None:
    while True:
        pass


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Twice as many spinning processes as there are cores."""
    context = multiprocessing.get_context("fork")
    others = [context.Process(target=spin_for_ever, daemon=True) for _ in range(2 * (os.cpu_count() or 1))]
    for other in others:
        other.start()
    yield
    for other in others:
        other.kill()
        other.join()


@pytest.mark.usefixtures("busy_machine")
def test_one_that_waits_on_a_busy_machine_is_not_stopped_by_what_others_use() -> None:
    """The limit was by the clock once: two conversions beside each other stopped each other."""
    code = """
        import time
        time.sleep(2.5)
        began = time.process_time()
        while time.process_time() - began < 0.2: pass
        print("done")
    """
    with Child(python(code)) as child:
        ended = child.wait(Limits(seconds=2, wall_seconds=60))
    assert (ended.code, ended.stopped, ended.said) == (0, None, "done")
    assert ended.seconds > 2.5


def test_descendants_count_those_that_are_gone_too() -> None:
    spin = "import time\nwhile time.process_time() < 0.6: pass"
    code = f"""
        import subprocess, sys, time
        for _ in range(3): subprocess.run([sys.executable, "-c", {spin!r}])
        time.sleep(1000)
    """
    with Child(python(code)) as child:
        ended = child.wait(Limits(seconds=1.2, wall_seconds=60))
    assert "of processor time; the limit is 1.2 s" in (ended.stopped or "")


def test_memory_is_held_and_what_was_started_is_stopped_with_it() -> None:
    eat = "import time; x = bytearray(300 << 20); time.sleep(1000)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {eat!r}])"
    with Child(python(code)) as child:
        ended = child.wait(Limits(seconds=60, memory_bytes=200 << 20))
        assert re.fullmatch(r"stopped at 0\.[23] GiB of memory; the limit is 0\.2 GiB", ended.stopped or "")
        assert all(gone(other.pid) for other in psutil.process_iter() if session_of(other.pid) == child.pid)


def session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except (ProcessLookupError, PermissionError):
        return None


def test_a_watch_counts_from_when_it_began() -> None:
    """A worker's second job is not charged for the first."""
    code = "import time\nwhile time.process_time() < 1.0: pass\nprint(flush=True)\ntime.sleep(1000)"
    with subprocess.Popen(python(code), stdout=subprocess.PIPE) as child:
        try:
            assert child.stdout is not None
            child.stdout.readline()
            watch = Watch(child.pid, Limits(seconds=0.5, wall_seconds=60))
            time.sleep(0.3)
            assert watch.exceeded() is None
            assert watch.peak_memory_bytes > 1 << 20
        finally:
            child.kill()


def test_a_watch_on_one_that_is_gone_says_nothing() -> None:
    child = subprocess.Popen(python("pass"))
    child.wait()
    watch = Watch(child.pid, ROOMY)
    assert watch.exceeded() is None
    assert watch.peak_memory_bytes == 0


# Ends


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("pass", "ended with exit code 0"),
        ("print('a\\n\\n  b\\nc\\nd'); raise SystemExit(3)", "ended with exit code 3; it said: b | c | d"),
        ("import os; os.abort()", "was killed by SIGABRT (signal 6)"),
        (
            "import os; os.kill(os.getpid(), 9)",
            "was killed by SIGKILL (signal 9), as the system does when memory runs out",
        ),
        ("import os; os.kill(os.getpid(), 40)", "was killed by signal 40"),
        ("import os; os.write(2, b'\\xff\\xfe\\n')", "ended with exit code 0; it said: ��"),
    ],
)
def test_an_end_in_words(code: str, words: str) -> None:
    with Child(python(code)) as child:
        assert str(child.wait(ROOMY)) == words


def test_a_signal_without_a_name_is_its_number() -> None:
    assert outcome_of(-99) == "was killed by signal 99"


def test_one_that_cannot_be_started() -> None:
    with pytest.raises(ProcessError, match=r"/nosuch/program could not be started: No such file"):
        Child(["/nosuch/program"])


def test_what_it_prints_is_kept_where_it_is_told(tmp_path: Path) -> None:
    log = tmp_path / "deep" / "child.log"
    with Child(python("import sys; print('out', flush=True); print('err', file=sys.stderr)"), log=log) as child:
        child.wait(ROOMY)
    assert log.read_text() == "out\nerr\n"


def test_a_gigantic_output_is_told_by_its_end() -> None:
    with Child(python("print('x' * 5_000_000); print('the end')")) as child:
        ended = child.wait(ROOMY)
    assert ended.said.endswith("the end")
    assert len(ended.said) < 20_000


def test_what_it_prints_is_passed_on_once_and_little_of_it_is_kept() -> None:
    code = "import sys\nfor line in sys.stdin:\n    print(line.strip() * 300_000, flush=True)"
    read, write = os.pipe()
    with os.fdopen(write, "w") as words, Child(python(code), stdin=read) as child:
        os.close(read)
        found = b""
        for number in range(10):
            words.write(f"{number}\n")
            words.flush()
            end = time.monotonic() + 20
            while not found.endswith(f"{number}\n".encode()):
                assert time.monotonic() < end
                found += child.printed()
                time.sleep(0.01)
            assert os.fstat(child._printed.fileno()).st_size <= (1 << 20) + 300_001
    assert found == b"".join(f"{number}".encode() * 300_000 + b"\n" for number in range(10))


def test_one_that_has_ended_is_waited_for_again() -> None:
    with Child(python("raise SystemExit(4)")) as child:
        assert child.wait(ROOMY).code == 4
        assert child.wait().code == 4
        child.stop()
        assert child.wait(ROOMY).code == 4


def test_its_input_is_empty_and_its_folder_is_what_it_was_told(tmp_path: Path) -> None:
    code = "import os, sys; print(repr(sys.stdin.read()), os.getcwd())"
    for folder, expected in ((str(tmp_path), tmp_path), (str(tmp_path / "gone"), Path.cwd()), (None, Path.cwd())):
        with Child(python(code), folder=folder) as child:
            assert child.wait(ROOMY).said == f"'' {expected.resolve()}"


def test_nothing_is_left_behind_the_block_even_when_it_raises() -> None:
    starts = f"print(subprocess.Popen([sys.executable, '-c', {SLEEP!r}]).pid, flush=True)"
    pids: list[int] = []

    def work() -> None:
        with Child(python(f"import subprocess, sys; {starts}; {SLEEP}"), talks=True) as child:
            pids.extend((child.pid, int(child.stdout.readline())))
            assert all(psutil.pid_exists(pid) for pid in pids)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()
    assert all(gone(pid) for pid in pids)


def test_stop_gives_time_where_it_is_told_to() -> None:
    polite = "import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); print(flush=True); time.sleep(1000)"
    stubborn = "import signal, time; signal.signal(15, signal.SIG_IGN); print(flush=True); time.sleep(1000)"
    for code, expected in ((polite, 0), (stubborn, -9)):
        with Child(python(code), talks=True) as child:
            child.stdout.readline()
            child.stop(grace_s=1.0)
            assert child.wait().code == expected


def test_the_environment_is_quiet_and_thread_pools_are_held() -> None:
    found = environment(3)
    assert found["OMP_NUM_THREADS"] == found["OPENBLAS_NUM_THREADS"] == "3"
    assert found["HF_HUB_OFFLINE"] == "1"
    assert "PATH" in found
    assert environment()["OMP_NUM_THREADS"] == "1"


def test_a_program_of_the_system_s_that_is_not_there_or_silent() -> None:
    assert ask(["echo", "word"], timeout_s=10).stdout == b"word\n"
    with pytest.raises(ProcessError, match="nosuchprogram gave no answer"):
        ask(["nosuchprogram"], timeout_s=1)
    with pytest.raises(ProcessError, match="timed out"):
        ask(["sleep", "100"], timeout_s=0.2)


# kill -9


def started(code: str, tmp_path: Path) -> tuple[subprocess.Popen[bytes], list[psutil.Process]]:
    """A parent that runs ``code``, and its children once it, or one of them, has made the file ``ready``."""
    parent = subprocess.Popen(python(code), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    end = time.monotonic() + 60
    while not (tmp_path / "ready").exists():
        assert parent.poll() is None, parent.stderr and parent.stderr.read().decode()
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.2)
    return parent, psutil.Process(parent.pid).children(recursive=True)


HANGS = "import pathlib, time\npathlib.Path('ready').touch()\ntime.sleep(1000)\n"


def serves(folder: Path) -> str:
    double = Path(__file__).parent / "doubles" / "session.py"
    return f"""
        import pathlib, sys, time
        from edgeproof.serve.spawned import SpawnedServer
        command = [sys.executable, "-c",
                   "import runpy, sys; from edgeproof.child import die_with_parent; die_with_parent(); "
                   "sys.argv = ['double', '0', '4', '0']; runpy.run_path({str(double)!r}, run_name='__main__')"]
        with SpawnedServer(pathlib.Path("double"), command=command):
            pathlib.Path("ready").touch()
            time.sleep(1000)
    """


def serves_an_artifact(folder: Path) -> str:
    from tests.doubles.artifact import write_onnx

    write_onnx(folder / "tiny.onnx")
    return """
        import pathlib, time
        from edgeproof.serve.spawned import SpawnedServer
        with SpawnedServer(pathlib.Path("tiny.onnx")):
            pathlib.Path("ready").touch()
            time.sleep(1000)
    """


def hangs_at_import(folder: Path) -> None:
    """A runtime that never comes back from its import."""
    (folder / "onnxruntime").mkdir()
    (folder / "onnxruntime" / "__init__.py").write_text(HANGS)


def runs_a_job(folder: Path) -> str:
    from tests.doubles.artifact import write_onnx, write_samples

    write_onnx(folder / "tiny.onnx")
    write_samples(folder / "s.npz")
    hangs_at_import(folder)
    return f"""
        import os
        os.environ["PYTHONPATH"] = {str(folder)!r} + os.pathsep + os.environ.get("PYTHONPATH", "")
        from edgeproof.devices.host import run_job
        from edgeproof.documents.runner import RunnerJob
        run_job(RunnerJob(artifact="tiny.onnx", inputs="s.npz"))
    """


def prepares(folder: Path) -> str:
    (folder / "sleeps.py").write_text(
        "import pathlib, time\ndef make():\n    pathlib.Path('ready').touch()\n    time.sleep(1000)\n"
    )
    return """
        import pathlib
        from edgeproof.documents.source import ModelSource
        from edgeproof.model.drawing import Draw
        from edgeproof.model.preparing import prepare_workspace
        from edgeproof.model.workspace import Workspace
        pathlib.Path("workspace").mkdir()
        prepare_workspace(Workspace(pathlib.Path("workspace")), ModelSource(model="sleeps.py:make"), draw=Draw())
    """


def converts(folder: Path) -> str:
    (folder / "stuck_at_import.py").write_text(
        "import pathlib, time\npathlib.Path('ready').touch()\ntime.sleep(1000)\n"
    )
    doubles = Path(__file__).parent / "doubles" / "formats"
    return f"""
        import os, sys
        os.environ["PYTHONPATH"] = os.pathsep.join([{str(folder)!r}, {str(doubles)!r}, *sys.path])
        from edgeproof.formats.supervise import Means, run_jobs
        from edgeproof.formats.worker import Job
        from edgeproof.process import Limits
        given = dict(spine="s", samples="s", folder="f", name="n", log="l")
        job = Job(candidate="stuck-good", format="stuck", precision="good", **given)
        run_jobs([job], Limits(), Means(jobs=2))
    """


ends_with_parent = pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")


@ends_with_parent
@pytest.mark.parametrize(
    "work", [serves, serves_an_artifact, runs_a_job, prepares, converts], ids=lambda work: work.__name__
)
def test_a_parent_that_is_killed_leaves_nothing_behind(work: Callable[[Path], str], tmp_path: Path) -> None:
    assert left_by_the_killed(work(tmp_path), tmp_path) == []


@ends_with_parent
def test_a_parent_that_is_killed_leaves_no_client_of_a_server_that_is_silent(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        code = f"""
            import pathlib, psutil, threading, time
            from edgeproof.client.simulator import Drive
            from edgeproof.phases.proving.driving import simulated
            def look():
                while not any(child.net_connections() for child in psutil.Process().children()):
                    time.sleep(0.05)
                pathlib.Path("ready").touch()
            threading.Thread(target=look, daemon=True).start()
            simulated("http://127.0.0.1:{silent.getsockname()[1]}", Drive(timeout_s=600))
        """
        assert left_by_the_killed(code, tmp_path) == []


def left_by_the_killed(code: str, tmp_path: Path) -> list[int]:
    """Descendants of a parent of ``code`` that live on 2 s after it was killed."""
    parent, children = started(code, tmp_path)
    try:
        assert children
        os.kill(parent.pid, signal.SIGKILL)
        assert parent.wait(10) == -signal.SIGKILL
        return [child.pid for child in children if not gone(child.pid)]
    finally:
        for child in children:
            if child.is_running():
                child.kill()
        parent.kill()
        assert parent.stderr is not None
        parent.stderr.close()


def test_one_that_was_started_by_hand_outlives_its_starter(tmp_path: Path) -> None:
    """A shell that started a server for its user may close: only a process of ours dies with us."""
    code = """
        import pathlib, subprocess, sys
        command = [sys.executable, "-c", "import os, pathlib, time; from edgeproof.child import die_with_parent;"
                   "die_with_parent(); pathlib.Path('pid').write_text(str(os.getpid())); time.sleep(1000)"]
        subprocess.Popen(command)
        while not pathlib.Path("pid").exists(): pass
    """
    done = subprocess.run(
        python(code), cwd=tmp_path, timeout=60, check=False, env={**os.environ, "EDGEPROOF_PARENT": str(os.getpid())}
    )
    assert done.returncode == 0
    end = time.monotonic() + 10
    while not (tmp_path / "pid").read_text():
        assert time.monotonic() < end
        time.sleep(0.02)
    child = psutil.Process(int((tmp_path / "pid").read_text()))
    try:
        time.sleep(0.3)
        assert child.is_running()
        assert child.status() != psutil.STATUS_ZOMBIE
    finally:
        child.kill()


def test_a_module_that_is_run_says_an_error_in_one_line(tmp_path: Path) -> None:
    commands = {
        ("edgeproof.client.simulator", "http://127.0.0.1:9"): 1,
        ("edgeproof.client.simulator", "https://x"): 2,
        ("edgeproof.serve.launch", "gone.onnx"): 2,
    }
    for (module, *words), code in commands.items():
        done = subprocess.run(module_command(module, *words), capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == code, done.stderr
        assert done.stderr.startswith("error: ")
        assert len(done.stderr.splitlines()) == 1
        assert done.stdout == ""
