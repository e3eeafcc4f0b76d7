"""The installer hands pip's own settings to uv, and goes on with pip where uv fails."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
import venv
import zipfile
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


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a whole environment, with a uv that fails."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    venv.create(folder, with_pip=True)
    uv = folder / "bin/uv"
    uv.write_text("#!/bin/sh\nexit 3\n")
    uv.chmod(0o755)
    return folder / "bin/python"


def test_pip_does_it_where_uv_fails(python: Path, tmp_path: Path) -> None:
    """From a wheel in a folder."""
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


class TestTorch:
    """Which build is taken, by a uv that answers as the real one does."""

    CUDA = "Would install 3 packages\n + nvidia-cublas==13.1.1.3\n + torch==2.13.0\n + typing-extensions==4.12.2\n"
    CPU = "Would install 2 packages\n + torch==2.13.0+cpu\n + typing-extensions==4.12.2\n"

    @pytest.fixture
    def uv_that(self, install, tmp_path):
        """Makes a uv of two answers: the usual one, and the one with ``--torch-backend=cpu``; None fails."""

        def make(usual: str | None, backend: str | None = None, seconds: float = 0) -> SimpleNamespace:
            def answer(text: str | None) -> str:
                return "exit 2" if text is None else f"cat >&2 <<'END'\n{text}END"

            path = tmp_path / "uv"
            path.write_text(
                f'#!/bin/sh\necho "$*" >>{tmp_path}/calls\ncase "$*" in\n'
                f"*--torch-backend=cpu*) sleep {seconds}; {answer(backend)}\n;;\n*) {answer(usual)}\n;;\nesac\n"
            )
            path.chmod(0o755)
            return install.Uv(path, ("--find-links", "/wheels"), {"PATH": "/usr/bin:/bin"})

        return make

    PIN = "torch==2.13.0"
    WITHIN = ("--constraint", "requirements.lock")

    def test_a_cpu_build_at_hand_is_taken_as_it_is(self, install, uv_that, tmp_path, capsys) -> None:
        assert install.torch_arguments(uv_that(self.CPU), self.PIN, self.WITHIN) == [self.PIN, *self.WITHIN]
        assert "--torch-backend" not in (tmp_path / "calls").read_text()
        assert "--find-links /wheels" in (tmp_path / "calls").read_text()
        assert capsys.readouterr().err == ""

    def test_uv_knows_where_cpu_builds_are(self, install, uv_that, capsys) -> None:
        found = install.torch_arguments(uv_that(self.CUDA, self.CPU), self.PIN, self.WITHIN)
        assert found == ["--torch-backend=cpu", self.PIN, *self.WITHIN]
        assert capsys.readouterr().err == ""

    def test_elsewhere_the_cuda_build_comes_with_what_it_needs(self, install, uv_that, capsys) -> None:
        assert install.torch_arguments(uv_that(self.CUDA), self.PIN, self.WITHIN) == [self.PIN, *self.WITHIN]
        (line,) = capsys.readouterr().err.splitlines()
        assert "no CPU build of torch==2.13.0 can be reached" in line

    def test_a_place_that_does_not_answer_holds_nothing_up(self, install, uv_that, monkeypatch, capsys) -> None:
        slow = uv_that(self.CUDA, self.CPU, seconds=30)
        monkeypatch.setitem(install.torch_arguments.__globals__, "ASK_SECONDS", 0.2)
        assert install.torch_arguments(slow, self.PIN, self.WITHIN) == [self.PIN, *self.WITHIN]
        assert len(capsys.readouterr().err.splitlines()) == 1

    @pytest.mark.parametrize("build", [" + torch==2.13.0+cu128\n", ""])
    def test_a_build_that_was_chosen_stays(self, install, uv_that, capsys, build: str) -> None:
        """By pip's settings; or it is installed already, and lacks its libraries."""
        uv = uv_that(f"Would install\n + nvidia-cublas==12.8.4.1\n{build}", self.CPU)
        assert install.torch_arguments(uv, self.PIN, self.WITHIN) == [self.PIN, *self.WITHIN]
        assert capsys.readouterr().err == ""

    def test_without_an_index_no_place_is_asked(self, install, uv_that, tmp_path) -> None:
        uv = uv_that(self.CUDA, self.CPU)
        offline = install.Uv(uv.path, ("--no-index",), uv.environment)
        assert install.torch_arguments(offline, self.PIN, self.WITHIN) == [self.PIN, *self.WITHIN]
        assert "--torch-backend" not in (tmp_path / "calls").read_text()


def test_a_pin_is_found_without_its_marker(install, tmp_path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("# torch==1.0\ntorchao==0.18.0\ntorch==2.13.0; sys_platform != 'win32'\n")
    assert install.pin_of("torch", [lock]) == "torch==2.13.0"
    assert install.pin_of("numpy", [lock]) is None


def test_a_file_of_several_names_counts_once(install, tmp_path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "one").write_bytes(b"12345")
    (tmp_path / "a" / "b" / "two").hardlink_to(tmp_path / "a" / "one")
    (tmp_path / "a" / "b" / "link").symlink_to(tmp_path / "a")
    (tmp_path / "three").write_bytes(b"1")
    assert install.size_of(tmp_path) == 6


def wheel_of(folder: Path, name: str, version: str, code: str) -> None:
    """A wheel of one module, into the folder."""
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        info = f"{name}-{version}.dist-info"
        archive.writestr(f"{name}.py", code)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"{name}.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")


def test_torch_is_imported_before_it_is_installed(python: Path, pip_file: Path, tmp_path: Path) -> None:
    """With a torch of one file, found through pip's own settings."""
    wheels, lock = tmp_path / "wheels", tmp_path / "lock"
    wheels.mkdir()
    wheel_of(wheels, "torch", "1.0", "raise ImportError('libcudnn.so.9: cannot open shared object file')\n")
    wheel_of(wheels, "torch", "2.0", "__version__ = '2.0+cpu'\nclass version: cuda = hip = None\n")
    pip_file.write_text(f"[global]\nno-index = true\nfind-links = {wheels}\n")

    def installed(pin: str) -> tuple[int, str]:
        lock.write_text(f"{pin}\n")
        done = subprocess.run([str(python), str(INSTALL), str(lock)], capture_output=True, text=True, check=False)
        return done.returncode, done.stderr

    code, said = installed("torch==3.0")
    assert code == 3, said
    assert re.search(r"torch==3\.0 could not be installed for Python 3\.\d+", said)
    code, said = installed("torch==1.0")
    assert code == 1, said
    assert re.search(r"cannot be imported: ImportError: libcudnn\.so\.9.*\n.*make clean.*find-links", said)
    code, said = installed("torch==2.0")
    assert code == 0, said
    assert re.search(r"installed in \d+ s: torch 2\.0\+cpu \(CPU build\), 0\.\d GB in ", said)
