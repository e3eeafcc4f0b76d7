"""The newest Python that works: found on PATH first, then among pyenv's, by running each."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

FIND = Path(__file__).parents[2] / "scripts" / "find_python.sh"
BROKEN = "echo 'pyenv: python: command not found' >&2; exit 127"


@pytest.fixture
def machine(tmp_path):
    """Makes commands: a stand-in for Python that answers with its version, or fails as a shim of pyenv does."""

    def make(*on_path: str, pyenv: tuple[str, ...] = (), broken: tuple[str, ...] = ()) -> dict[str, str]:
        for version in (*on_path, *broken):
            write(tmp_path / "bin" / f"python{version}", BROKEN if version in broken else f"echo {version}")
        for version in pyenv:
            write(tmp_path / "pyenv" / "versions" / f"{version}.1" / "bin" / f"python{version}", f"echo {version}")
        (tmp_path / "bin").mkdir(exist_ok=True)
        return {"PATH": f"{tmp_path}/bin", "PYENV_ROOT": f"{tmp_path}/pyenv", "HOME": str(tmp_path)}

    return make


def write(path: Path, body: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def find(environment: dict[str, str], *arguments: str) -> tuple[int, list[str], str]:
    command = ["/bin/sh", str(FIND), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    found = [os.path.relpath(line, environment["HOME"]) for line in done.stdout.splitlines()]
    return done.returncode, found, done.stderr


def test_the_newest_on_the_path(machine) -> None:
    assert find(machine("3.11", "3.12", "3.14"))[:2] == (0, ["bin/python3.12"])


def test_a_shim_that_fails_is_passed_over(machine) -> None:
    assert find(machine("3.11", broken=("3.12", "3.13")))[:2] == (0, ["bin/python3.11"])


def test_what_the_user_chose_goes_before_what_pyenv_has(machine) -> None:
    environment = machine("3.11", broken=("3.13",), pyenv=("3.11", "3.13"))
    assert find(environment)[:2] == (0, ["bin/python3.11"])
    newest = "pyenv/versions/3.13.1/bin/python3.13"
    assert find(environment, "--all")[:2] == (0, [newest, "bin/python3.11"])
    (Path(environment["PATH"]) / "python3.11").unlink()
    assert find(environment)[:2] == (0, [newest])


def test_none_is_said(machine) -> None:
    code, found, said = find(machine("3.10", broken=("3.12",)))
    assert (code, found) == (1, [])
    assert "no Python 3.11, 3.12 or 3.13 with venv and ensurepip" in said
    assert find(machine("3.10"), "--all")[:2] == (0, [])
    assert find(machine("3.10"), "--some")[0] == 2
