"""The installer hands pip's own settings to uv, and goes on with pip where uv fails."""

from __future__ import annotations

import runpy
import subprocess
import sys
import venv
from pathlib import Path
from types import SimpleNamespace

import pytest

INSTALL = Path(__file__).parents[2] / "scripts" / "install.py"


@pytest.fixture
def install() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(INSTALL)))


@pytest.fixture
def pip_file(tmp_path, monkeypatch):
    """pip reads this file and nothing else of the machine."""
    for name in (
        "PIP_FIND_LINKS",
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "PIP_CERT",
        "PIP_DEFAULT_TIMEOUT",
        "PIP_PROXY",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    path = tmp_path / "pip.conf"
    monkeypatch.setenv("PIP_CONFIG_FILE", str(path))
    return path


def test_what_is_nearer_wins(install, pip_file, monkeypatch) -> None:
    pip_file.write_text("[global]\nfind-links = /far /further\ntimeout = 7\n[install]\ntimeout = 9\n")
    settings = install.pip_settings()
    assert (settings["find-links"], settings["timeout"]) == ("/far /further", "9")
    monkeypatch.setenv("PIP_FIND_LINKS", "/near")
    assert install.pip_settings()["find-links"] == "/near"


def test_uv_looks_where_pip_looks(install, monkeypatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    monkeypatch.delenv("UV_HTTP_TIMEOUT", raising=False)
    settings = {
        "find-links": "/wheels\n/more",
        "extra-index-url": "file:///simple",
        "cert": "/ca.pem",
        "timeout": "30",
        "no-index": "true",
    }
    arguments, environment = install.uv_call(settings)
    assert arguments == [
        *("--index-strategy", "unsafe-best-match"),
        *("--find-links", "/wheels", "--find-links", "/more"),
        *("--extra-index-url", "file:///simple"),
        "--no-index",
    ]
    assert (environment["SSL_CERT_FILE"], environment["UV_HTTP_TIMEOUT"]) == ("/ca.pem", "30")
    assert install.uv_call({})[0] == []


def test_pip_does_it_where_uv_fails(tmp_path: Path) -> None:
    """A whole environment with a uv that fails, and a wheel in a folder."""
    venv.create(tmp_path / "venv", with_pip=True)
    python, uv = tmp_path / "venv/bin/python", tmp_path / "venv/bin/uv"
    uv.write_text("#!/bin/sh\nexit 3\n")
    uv.chmod(0o755)
    source = tmp_path / "tiny"
    source.mkdir()
    (source / "pyproject.toml").write_text(
        '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n'
        '[project]\nname = "tiny-of-a-test"\nversion = "1.0"\n[tool.setuptools]\npackages = []\n'
    )
    build = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "-q",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(tmp_path),
        str(source),
    ]
    subprocess.run(build, check=True, capture_output=True)
    lock = tmp_path / "lock"
    lock.write_text(f"# one\n--no-index\n--find-links {tmp_path}\ntiny-of-a-test==1.0\n")
    done = subprocess.run([str(python), str(INSTALL), str(lock)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "going on with pip" in done.stderr
    listed = subprocess.run([str(python), "-m", "pip", "list"], capture_output=True, text=True, check=True).stdout
    assert "tiny-of-a-test" in listed
