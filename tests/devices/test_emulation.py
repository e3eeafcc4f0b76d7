"""Python on another processor: by QEMU where it is installed, and with a clear word where it is not."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

from edgeproof.devices.emulation import foreign_root, python_on
from edgeproof.devices.processors import ARM, PROCESSORS, X86
from edgeproof.errors import MissingDependency

HERE = platform.machine()
EMULATED = next((known for known in reversed(PROCESSORS.values()) if known.architecture == HERE), None)
FOREIGN = PROCESSORS["cortex-a53" if HERE == X86 else "x86-64-v3"]
WITH_QEMU = pytest.mark.skipif(
    not any(map(shutil.which, (f"qemu-{HERE}-static", f"qemu-{HERE}"))),
    reason="QEMU's user mode of this architecture is not installed",
)
FOUND = "numpy.show_config(mode='dicts')['SIMD Extensions'].get('found', ['none'])"
TELL = f"import numpy, edgeproof; print(*{FOUND})"


@WITH_QEMU
@pytest.mark.parametrize("processor", [known for known in PROCESSORS.values() if known.architecture == HERE])
def test_this_python_on_another_processor(processor, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    words = [*python_on(processor, tmp_path), "-c", TELL]
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert processor.doubt((*done.stdout.split(), "SSE42")) is None


@pytest.mark.skipif(HERE != X86 or not foreign_root(ARM).is_dir(), reason="scripts/foreign_root.py has not run here")
def test_a_python_of_another_architecture(tmp_path: Path) -> None:
    for name in ("cortex-a53", "cortex-a76"):
        tell = f"{TELL}; import platform; print(platform.machine()); print(open('/proc/cpuinfo').read())"
        words = [*python_on(PROCESSORS[name], tmp_path), "-c", tell]
        done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr
        found, machine, *cpuinfo = done.stdout.splitlines()
        assert PROCESSORS[name].doubt(found.split()) is None
        assert machine == ARM
        assert any(PROCESSORS[name].part in line for line in cpuinfo)


def test_without_an_emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MissingDependency, match="aarch64 cannot be emulated: there is no qemu-aarch64 here"):
        python_on(PROCESSORS["cortex-a53"], tmp_path)


@pytest.fixture
def emulator(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A program of its name is all that is looked for."""
    programs = tmp_path / "programs"
    programs.mkdir()
    program = programs / f"qemu-{FOREIGN.architecture}"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(programs))
    monkeypatch.setenv(f"EDGEPROOF_{FOREIGN.architecture.upper()}", str(tmp_path / "root"))
    return program


def test_without_a_python_of_that_architecture(emulator: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match=r"there is no Python for them in .*root") as raised:
        python_on(FOREIGN, tmp_path / "work")
    assert raised.value.hint is not None
    assert "scripts/foreign_root.py" in raised.value.hint
    assert f"EDGEPROOF_{FOREIGN.architecture.upper()}" in raised.value.hint


def test_a_foreign_python_sees_its_own_packages_and_its_own_machine(emulator: Path, tmp_path: Path) -> None:
    """And of this one's packages none but this."""
    root, work = tmp_path / "root", tmp_path / "work"
    for folder in ("usr/bin", "site", "proc", "etc"):
        (root / folder).mkdir(parents=True)
    (root / "usr/bin/python3.11").touch()
    for _ in range(2):  # the second finds what the first has made
        words = python_on(FOREIGN, work)
    assert words[:3] == (str(emulator), "-cpu", FOREIGN.model)
    view = work / FOREIGN.name
    assert words[-1] == str(view / "usr/bin/python3.11")
    assert sorted(part.name for part in view.iterdir()) == ["proc", "sys", "usr"]
    assert f"CPU part\t: {FOREIGN.part}" in (view / "proc/cpuinfo").read_text()
    assert (view / "sys/devices/system/cpu/possible").read_text() == "0-3\n"
    (packages,) = [word.partition("=")[2] for word in words if word.startswith("PYTHONPATH=")]
    ours, theirs = map(Path, packages.split(":"))
    assert theirs == root / "site"
    assert {part.name.partition("-")[0] for part in ours.iterdir()} == {"edgeproof"}


def test_where_the_root_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EDGEPROOF_AARCH64", raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert foreign_root(ARM) == tmp_path / "edgeproof" / "aarch64"
    monkeypatch.setenv("EDGEPROOF_AARCH64", str(tmp_path / "mine"))
    assert foreign_root(ARM) == tmp_path / "mine"
