"""``build`` through the real command line: the engine of a small network, compiled and packed."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from tests.cli.calling import Call
from tests.spike.digits import NAME, expected, samples, write_source
from tests.spike.installed import need


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as ``sdk-native`` makes it, without its document."""
    folder = tmp_path_factory.mktemp("engine")
    write_source(folder)
    return folder


def test_a_program_for_the_host_gives_the_interpreter_s_bits(edgeproof: Call, artifact: Path, tmp_path: Path) -> None:
    need("gcc")
    words = ("build", artifact, "--kind", "program", "--compiler", "system", "--out", tmp_path / "out", "--json")
    code, stdout, err = edgeproof(*words)
    assert (code, err) == (0, "")
    told = json.loads(stdout)
    (built,) = told["builds"]
    assert (told["kind"], built["target"], built["status"], built["reason"]) == ("program", "host", "ok", None)
    file = Path(built["file"])
    assert file.stat().st_size == built["bytes"]
    assert json.loads((file.parent / "build.json").read_text())
    done = subprocess.run([str(file)], input=samples().tobytes(), capture_output=True, timeout=60, check=True)
    assert done.stdout == expected()


def test_an_object_with_its_memory_for_people(edgeproof: Call, artifact: Path, tmp_path: Path) -> None:
    need("gcc")
    words = ("build", artifact / f"{NAME}.c", "--kind", "object", "--memory", "--compiler", "system")
    code, stdout, _ = edgeproof(*words, "--out", tmp_path / "out")
    assert code == 0
    assert "host  ok  " in stdout
    assert "bytes of flash " in stdout
    assert list((tmp_path / "out" / "host").glob("*.o"))


def test_a_package_of_source_is_the_folder_itself(edgeproof: Call, artifact: Path, tmp_path: Path) -> None:
    code, stdout, _ = edgeproof("build", artifact, "--kind", "cmake", "--out", tmp_path / "package", "--json")
    assert code == 0
    told = json.loads(stdout)
    assert told["folder"] == str(tmp_path / "package")
    assert "CMakeLists.txt" in told["files"]
    assert all((tmp_path / "package" / file).is_file() for file in told["files"])


def test_one_target_that_fails_is_1_and_the_others_are_made(
    edgeproof: Call, artifact: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need("gcc")
    import shutil

    real = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name, **more: None if "aarch64" in name else real(name, **more))
    words = ("build", artifact, "--target", "host,aarch64-linux", "--compiler", "system", "--out", tmp_path / "out")
    code, stdout, _ = edgeproof(*words, "--json")
    assert code == 1
    host, other = json.loads(stdout)["builds"]
    assert (host["status"], other["status"], other["file"]) == ("ok", "failed", None)
    assert other["reason"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--target", "toaster"), "toaster"),
        (("--kind", "wheel"), "--kind"),
        (("--compiler", "clang"), "--compiler"),
    ],
)
def test_wrong_use_is_2_and_makes_nothing(
    edgeproof: Call, artifact: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    code, stdout, err = edgeproof("build", artifact, *words, "--out", tmp_path / "out")
    assert (code, stdout) == (2, "")
    assert message in err
    assert not (tmp_path / "out").exists()


def test_what_holds_no_engine_is_2(edgeproof: Call, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    code, _, err = edgeproof("build", tmp_path / "empty", "--out", tmp_path / "out")
    assert code == 2
    assert "holds no engine's source" in err
    assert "sdk-native" in err
