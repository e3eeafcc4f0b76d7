"""The run folder: whole files or none, a folder of its own, and refusals."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from edgeproof.documents.base import Document
from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.device import DeviceDocument
from edgeproof.documents.environment import EnvironmentDocument
from edgeproof.documents.manifest import Manifest, PhaseRecord, RunOptions
from edgeproof.documents.policy import PolicyValue
from edgeproof.errors import DocumentError, RunFolderError
from edgeproof.files import atomic_path, utc_now, write_bytes
from edgeproof.measure.machine import read_machine
from edgeproof.rundir import RunDir

MANIFEST = Manifest(
    created="2026-01-01T00:00:00Z",
    edgeproof="0",
    command="edgeproof run x",
    working_directory="/",
    options=RunOptions(model="net.py:make", model_name="net"),
    phases=(),
)


FINISHED = msgspec.structs.replace(MANIFEST, phases=(PhaseRecord(name="prepare", status="done"),))
FAILED = msgspec.structs.replace(MANIFEST, phases=(PhaseRecord(name="prepare", status="failed", reason="no samples"),))


def test_a_run_is_made_and_opened(tmp_path: Path) -> None:
    run = RunDir.create(MANIFEST, tmp_path / "deep" / "run")
    assert RunDir.open(run.root).manifest() == MANIFEST.marked()
    assert run.has(Manifest)
    assert run.relative(run.path("a/b.json")) == "a/b.json"
    assert not run.has(ConversionDocument)
    assert run.read_if_there(ConversionDocument) is None
    with pytest.raises(DocumentError, match=r"cannot read .*phase3_conversion\.json"):
        run.read(ConversionDocument)


def test_runs_of_the_same_second_have_folders_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    roots = {RunDir.create(MANIFEST).root for _ in range(4)}
    assert len(roots) == 4
    assert all(re.fullmatch(r"bench_output/edge_phase_runs/\d{8}-\d{6}(-\d+)?", root.as_posix()) for root in roots)


def test_out_may_be_empty_and_nothing_else(tmp_path: Path) -> None:
    RunDir.create(FINISHED, tmp_path)
    with pytest.raises(RunFolderError, match="not an empty folder") as caught:
        RunDir.create(MANIFEST, tmp_path)
    assert f"--resume {tmp_path}" in (caught.value.hint or "")
    file = tmp_path / "file"
    file.write_text("mine")
    with pytest.raises(RunFolderError, match="not an empty folder"):
        RunDir.create(MANIFEST, file)
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "is not a run folder"),
        (b"", "not a valid edgeproof.manifest"),
        (b'{"schema": "edgeproof.manifest/99"}', "newer than this version"),
        (b'{"schema": "edgeproof.samples/1"}', "expected a edgeproof.manifest"),
    ],
)
def test_a_folder_that_is_no_run(tmp_path: Path, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(RunFolderError) as caught:
        RunDir.open(tmp_path)
    assert message in str(caught.value)
    with pytest.raises(RunFolderError):
        RunDir.open(tmp_path / "nowhere")


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "document.json"
    write_bytes(path, b"old")

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_bytes(b"half")
            raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        fail()
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_files_have_the_rights_of_any_file(tmp_path: Path) -> None:
    write_bytes(tmp_path / "a", b"x")
    (tmp_path / "b").write_bytes(b"x")
    assert (tmp_path / "a").stat().st_mode == (tmp_path / "b").stat().st_mode


def test_a_reader_never_sees_half_a_document_whenever_the_writer_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "document"
    code = (
        "import sys; from pathlib import Path; from edgeproof.files import write_bytes\n"
        "path = Path(sys.argv[1])\n"
        "for number in range(1 << 30): write_bytes(path, bytes([number % 251]) * 500_000); print(flush=True)"
    )
    with subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        end = time.monotonic() + 0.5
        while time.monotonic() < end:
            content = path.read_bytes()
            assert len(content) == 500_000
            assert content == content[:1] * 500_000
        os.kill(writer.pid, signal.SIGKILL)
    assert len(path.read_bytes()) == 500_000


def test_the_time_is_utc_to_the_second() -> None:
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", utc_now())


def test_documents_know_their_files_and_devices_have_one_each(tmp_path: Path) -> None:
    run = RunDir.create(MANIFEST, tmp_path / "run")
    assert run.devices() == ()
    assert run.device("ssh:pi@pi.local") is None
    made = {name: device(name) for name in ("ssh:pi@pi.local", "host")}
    for document in made.values():
        run.write(document)
    assert run.write(made["host"]) == run.path("phase4_devices/host.json")
    assert run.path("phase4_devices/ssh-pi@pi.local.json").is_file()
    assert [document.device for document in run.devices()] == ["host", "ssh:pi@pi.local"]
    assert {name: run.device(name) for name in made} == made
    assert DeviceDocument.raw_path_of("adb:a/b", "onnx-fp32") == "phase4_devices/raw/adb-a-b-onnx-fp32.json"
    run.path("phase4_devices/host.json").write_bytes(b"{")
    with pytest.raises(DocumentError):
        run.devices()


def device(name: str) -> DeviceDocument:
    return DeviceDocument(
        device=name,
        device_class="host",
        emulated=False,
        machine=read_machine(),
        baseline=None,
        measurements=(),
        not_measured={},
    )


@pytest.mark.parametrize("kind", [Manifest, ConversionDocument, EnvironmentDocument, DeviceDocument])
def test_a_document_has_a_file(kind: type[Document]) -> None:
    assert kind.FILE


def test_what_was_asked_for_means_the_same_wherever_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifests of before have relative paths; they start from the folder that the run was asked for in."""
    asked, elsewhere = tmp_path / "asked", tmp_path / "elsewhere"
    asked.mkdir()
    elsewhere.mkdir()
    (asked / "policy.toml").write_text("latency_ms = 7.5\n")
    options = RunOptions(
        model="nets/net.py:make", model_name="net", samples="images", held_out="/held.npz", policy="policy.toml"
    )
    manifest = msgspec.structs.replace(MANIFEST, working_directory=str(asked), options=options)
    run = RunDir.create(manifest, tmp_path / "run")
    monkeypatch.chdir(elsewhere)
    found = RunDir.open(run.root).options()
    assert (found.model, found.samples, found.held_out) == (f"{asked}/nets/net.py:make", f"{asked}/images", "/held.npz")
    policy, source = run.policy()
    assert (policy.latency_ms, source) == (7.5, "policy.toml")
    (elsewhere / "other.toml").write_text("latency_ms = 8.5\n")
    policy, source = run.policy(Path("other.toml"))
    assert (policy.latency_ms, source) == (8.5, "other.toml")


def test_without_a_policy_the_default_one_holds(tmp_path: Path) -> None:
    assert RunDir.create(MANIFEST, tmp_path / "run").policy() == (PolicyValue(), "the default policy")


def test_a_run_that_finished_nothing_makes_room_for_the_corrected_command(tmp_path: Path) -> None:
    run = RunDir.create(FAILED, tmp_path)
    (run.path("work") / "logs").mkdir(parents=True)
    run.path("phase1_environment.json").write_text("{}")
    assert RunDir.create(MANIFEST, tmp_path).manifest() == MANIFEST.marked()
    assert [path.name for path in tmp_path.iterdir()] == ["manifest.json"]


@pytest.mark.parametrize("name", ["mine.txt", "phase3_conversion.json"])
def test_nothing_else_is_removed_for_it(name: str, tmp_path: Path) -> None:
    run = RunDir.create(FAILED, tmp_path)
    run.path(name).write_text("mine")
    with pytest.raises(RunFolderError, match="not an empty folder"):
        RunDir.create(MANIFEST, tmp_path)
    assert run.path(name).read_text() == "mine"


def test_a_run_is_held_by_one_process(tmp_path: Path) -> None:
    run = RunDir.create(FAILED, tmp_path)
    code = f"""
from pathlib import Path
from edgeproof.rundir import RunDir
with RunDir.open(Path({str(tmp_path)!r})).held():
    print("held", flush=True)
    input()
"""
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    with pytest.raises(RunFolderError, match="another process is at work in"), run.held():
        pass
    with pytest.raises(RunFolderError, match="another process is at work in"):
        RunDir.create(MANIFEST, tmp_path)
    other.kill()
    other.communicate()
    with run.held():
        pass


def test_what_a_killed_process_had_begun_is_removed_and_nothing_else(tmp_path: Path) -> None:
    run = RunDir.create(MANIFEST, tmp_path)
    begun = (".manifest.json.ab12_d34.json", "work/.reference.npz.00000000.npz", "phase4_devices/.log.abcdefgh")
    kept = (".gitignore", ".DS_Store", ".manifest.json.ab12_d34.txt", "work/.hidden.json", ".x.abcdefghi")
    for name in (*begun, *kept):
        run.path(name).parent.mkdir(exist_ok=True)
        run.path(name).write_text("half")
    (run.path("artifacts") / ".onnx-fp32.building" / "inside").mkdir(parents=True)
    run.remove_unfinished()
    assert not any(run.path(name).exists() for name in begun)
    assert all(run.path(name).exists() for name in kept)
    assert list(run.path("artifacts").iterdir()) == []
    with atomic_path(run.path("phase5.json")) as temporary:
        run.remove_unfinished()
        assert not temporary.exists()
        temporary.touch()


@pytest.mark.parametrize("relative", ["../x", "/etc/passwd", "out/x.svg", "a/../../x"])
def test_a_path_that_leads_out_of_the_run_is_refused(tmp_path: Path, relative: str) -> None:
    run = RunDir.create(MANIFEST, tmp_path / "run")
    (run.root / "out").symlink_to(tmp_path)
    with pytest.raises(RunFolderError, match="leads out of the run folder"):
        run.path(relative)
    assert run.path("") == run.root
