"""What is temporary: one folder of a process and its children, gone with it, or with the next where it was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from edgeproof.process import Child, environment
from edgeproof.scratch import scratch, scratch_folder


def python(code: str, folder: Path, *, wait: bool = True) -> subprocess.Popen[str]:
    """A user's process whose temporary folder is ``folder``."""
    variables = {name: value for name, value in os.environ.items() if name != "EDGEPROOF_SCRATCH"}
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)],
        env=variables | {"TMPDIR": str(folder)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    if wait:
        process.wait(60)
    return process


MAKES = """
from edgeproof.scratch import scratch, scratch_folder
(scratch() / "kept").write_text("x" * 1000)
print(scratch(), flush=True)
"""


def test_it_goes_with_its_process(tmp_path: Path) -> None:
    ended = python(MAKES, tmp_path)
    assert ended.stdout is not None
    assert Path(ended.stdout.read().strip()).parent == tmp_path
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_has_left_goes_with_the_next_and_what_is_in_use_stays(tmp_path: Path) -> None:
    other = tmp_path / "edgeproof-of-the-user"
    other.mkdir()
    killed, living = (python(MAKES + "input()", tmp_path, wait=False) for _ in range(2))
    try:
        folders = [Path(process.stdout.readline().strip()) for process in (killed, living) if process.stdout]
        killed.send_signal(signal.SIGKILL)
        killed.wait(10)
        assert all((folder / "kept").is_file() for folder in folders)
        python(MAKES, tmp_path)
        assert not folders[0].exists()
        assert (folders[1] / "kept").is_file()
        assert other.is_dir()
    finally:
        living.communicate("\n", timeout=30)
    assert list(tmp_path.iterdir()) == [other]


def test_what_children_make_is_in_it_and_a_fork_does_not_remove_it(tmp_path: Path) -> None:
    code = """
    import os, tempfile
    from pathlib import Path
    from edgeproof.process import Child, module_command
    from edgeproof.scratch import scratch
    made = scratch()
    code = "import tempfile; from edgeproof.scratch import scratch; print(tempfile.mkdtemp(), scratch())"
    with Child([module_command("")[0], "-c", code]) as child:
        inside, same = child.wait().said.split()
    assert Path(inside).parent == made and Path(same) == made, (inside, same, made)
    if os.fork() == 0:
        raise SystemExit
    os.wait()
    print(made.is_dir())
    """
    ended = python(code, tmp_path)
    assert ended.stdout is not None
    assert ended.stdout.read() == "True\n"
    assert list(tmp_path.iterdir()) == []


def test_a_folder_inside_is_gone_after_its_block() -> None:
    with scratch_folder("tests") as folder:
        assert folder.parent == scratch()
        (folder / "file").touch()
    assert not folder.exists()


def test_one_whose_parent_s_folder_is_gone_makes_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEPROOF_SCRATCH", str(tmp_path / "gone"))
    assert scratch().is_dir()
    assert environment()["TMPDIR"] == str(scratch())
    with Child([sys.executable, "-c", "import tempfile; print(tempfile.gettempdir())"]) as child:
        assert child.wait().said == str(scratch())
