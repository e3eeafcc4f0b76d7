"""Artifacts that are code: this user's own open wherever they stand, others on request; all are held to a sha256."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.zoo.models import FACTORIES

import edgeproof
from edgeproof import api
from edgeproof.devices.host import run_job
from edgeproof.documents.runner import RunnerJob
from edgeproof.errors import ArtifactError, EdgeProofError, ServingError, TrustError
from edgeproof.formats.registry import open_artifact
from edgeproof.serve.opening import Opening, open_model
from edgeproof.serve.spawned import SpawnedServer

CODE = ("sdk-native", "torchscript-fp32")
DATA = ("sdk-eager", "onnx-fp32")
CLI = (sys.executable, "-c", "from edgeproof.cli import main; main()")

pytestmark = pytest.mark.xdist_group("trusted")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small spiking network, converted by this user."""
    out = tmp_path_factory.mktemp("made") / "out"
    document = edgeproof.convert(
        FACTORIES["snn_hidden"](), out, to=["sdk-native", "sdk-eager", "torchscript", "onnx"], precision=["fp32"]
    )
    assert {result.candidate: result.reason for result in document.candidates if result.status != "ok"} == {}
    return out


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that writes a file as soon as it is loaded."""
    folder = tmp_path_factory.mktemp("evil")
    source = folder / "evil.c"
    source.write_text(
        "#include <stdio.h>\n__attribute__((constructor)) static void run(void) {\n"
        f'  FILE *file = fopen("{folder}/ran", "w");\n  if (file) fclose(file);\n}}\n'
    )
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(folder / "evil.so"), str(source)], check=True)
    return folder / "evil.so"


@pytest.fixture
def nothing_ran(evil: Path):
    yield
    assert not evil.with_name("ran").exists()


def foreign(made: Path, candidate: str, to: Path, **changes: Any) -> Path:
    """The artifact as somebody else would have made it."""
    folder = Path(shutil.copytree(made / candidate, to / candidate))
    told = json.loads((folder / "artifact.json").read_bytes())
    (folder / "artifact.json").write_text(json.dumps({**told, "mark": None, **changes}))
    return folder


def call_of(session: Any) -> dict[str, Any]:
    (spec,) = session.inputs
    return {spec.name: np.ones(spec.shape, np.float32)}


@pytest.mark.parametrize("candidate", [*CODE, *DATA])
def test_what_this_user_made_opens_wherever_it_stands(made: Path, tmp_path: Path, candidate: str) -> None:
    copied = Path(shutil.copytree(made / candidate, tmp_path / "copied"))
    moved = copied.rename(tmp_path / "moved")
    (tmp_path / "linked").symlink_to(moved)
    for folder in (made / candidate, moved, tmp_path / "linked"):
        file = json.loads((folder / "artifact.json").read_bytes())["file"]
        for path in (folder, folder / file):
            with edgeproof.open(path) as session, open_artifact(path) as same:
                first, second = session.run(call_of(session)), same.run(call_of(same))
            assert [np.asarray(value).tolist() for value in first.values()] == [
                np.asarray(value).tolist() for value in second.values()
            ]


@pytest.mark.parametrize("candidate", CODE)
def test_code_of_somebody_else_asks_for_trust(made: Path, tmp_path: Path, candidate: str) -> None:
    folder = foreign(made, candidate, tmp_path)
    file = folder / json.loads((folder / "artifact.json").read_bytes())["file"]
    openers: tuple[Callable[..., Any], ...] = (edgeproof.open, open_artifact)
    for path in (folder, file):
        for opener in openers:
            with pytest.raises(TrustError, match="was not made by this user here") as caught:
                opener(path)
            assert "--trust" in (caught.value.hint or "")
            assert caught.value.exit_code == 2
            with opener(path, trust=True) as session:
                assert session.run(call_of(session))


@pytest.mark.parametrize("candidate", DATA)
def test_data_of_somebody_else_opens(made: Path, tmp_path: Path, candidate: str) -> None:
    with edgeproof.open(foreign(made, candidate, tmp_path)) as session:
        assert session.run(call_of(session))


@pytest.mark.parametrize("field", ["file", "sha256", "inputs", "beside", "options", "notes"])
def test_a_document_that_was_changed_is_nobody_s(made: Path, tmp_path: Path, field: str) -> None:
    folder = Path(shutil.copytree(made / "sdk-native", tmp_path / "changed"))
    told = json.loads((folder / "artifact.json").read_bytes())
    told[field] = {"beside": {"x": "y"}, "options": {"a": "b"}}.get(field, "libother.so" if field == "file" else [])
    (folder / "artifact.json").write_text(json.dumps(told))
    with pytest.raises(TrustError):
        edgeproof.open(folder)


@pytest.mark.usefixtures("nothing_ran")
def test_no_way_in_loads_a_library_of_somebody_else(made: Path, evil: Path, tmp_path: Path) -> None:
    alone = Path(shutil.copy(evil, tmp_path / "net.so"))
    folder = foreign(made, "sdk-native", tmp_path, file="evil.so", sha256="")
    shutil.copy(evil, folder)
    ours = Path(shutil.copytree(made / "sdk-native", tmp_path / "ours"))
    shutil.copy(evil, ours / "beside.so")
    samples = tmp_path / "samples.npz"
    np.savez(samples, x=np.ones((8, 1, 4), np.float32))
    for path in (alone, folder, folder / "evil.so", ours / "beside.so"):
        for refused in (edgeproof.open, open_artifact, open_to_serve):
            with pytest.raises(TrustError):
                refused(path)
        with pytest.raises(TrustError):
            api.soak(path, api.SoakLength(1))
        assert "--trust" in (run_job(RunnerJob(artifact=str(path), inputs=str(samples))).error or "")
        with pytest.raises(ServingError, match="--trust"), SpawnedServer(path):
            pass
    done = subprocess.run([*CLI, "serve", str(folder)], capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (2, False), done.stderr
    assert "--trust" in done.stderr


@pytest.mark.usefixtures("nothing_ran")
def test_a_file_that_is_replaced_is_refused_though_the_document_is_ours(made: Path, evil: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(made / "sdk-native", tmp_path / "replaced"))
    shutil.copy(evil, folder / json.loads((folder / "artifact.json").read_bytes())["file"])
    for trust in (False, True):
        for opener in (edgeproof.open, open_artifact):
            with pytest.raises(ArtifactError, match="its sha256 differs"):
                opener(folder, trust=trust)
    with pytest.raises(ServingError, match="its sha256 differs"), SpawnedServer(folder):
        pass


@pytest.mark.parametrize("candidate", DATA)
def test_data_that_is_damaged_is_refused_whenever_it_is_opened(made: Path, tmp_path: Path, candidate: str) -> None:
    folder = Path(shutil.copytree(made / candidate, tmp_path / "damaged"))
    file = folder / json.loads((folder / "artifact.json").read_bytes())["file"]
    raw = bytearray(file.read_bytes())
    raw[-40] ^= 1
    file.write_bytes(raw)
    with pytest.raises(ArtifactError, match="its sha256 differs"):
        edgeproof.open(folder)


@pytest.mark.parametrize("trust", [False, True])
@pytest.mark.parametrize("kind", ["up", "absolute", "link", "folder link"])
@pytest.mark.usefixtures("nothing_ran")
def test_a_file_outside_its_folder_is_never_followed(
    made: Path, evil: Path, tmp_path: Path, kind: str, trust: bool
) -> None:
    shutil.copy(evil, tmp_path / "evil.so")
    named = {"up": "../evil.so", "absolute": str(evil), "link": "link.so", "folder link": "up/evil.so"}[kind]
    folder = foreign(made, "sdk-native", tmp_path, file=named, sha256="")
    (folder / "link.so").symlink_to(evil)
    (folder / "up").symlink_to(tmp_path)
    for opener in (edgeproof.open, open_artifact):
        with pytest.raises(EdgeProofError) as caught:
            opener(folder, trust=trust)
        assert isinstance(caught.value, TrustError) or "outside" in caught.value.message
        assert isinstance(caught.value, ArtifactError) or not trust


def test_what_the_house_starts_itself_needs_no_word(made: Path, tmp_path: Path) -> None:
    with edgeproof.open(made / "sdk-eager") as session:
        call = call_of(session)
    samples = tmp_path / "samples.npz"
    np.savez(samples, **{name: np.stack([array] * 8) for name, array in call.items()})
    for candidate in CODE:
        report = run_job(RunnerJob(artifact=str(made / candidate), inputs=str(samples), measure=3, warmup=1))
        assert report.error is None
        with SpawnedServer(made / candidate) as server:
            assert server.ready.load_ms > 0


def test_where_no_key_can_be_kept_code_asks_for_trust(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "state").write_text("no folder")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    edgeproof.convert(FACTORIES["mlp"](), tmp_path / "out", to=["torchscript", "sdk-eager"], precision=["fp32"])
    with pytest.raises(TrustError):
        edgeproof.open(tmp_path / "out" / "torchscript-fp32")
    for candidate, trust in (("torchscript-fp32", True), ("sdk-eager", False)):
        with edgeproof.open(tmp_path / "out" / candidate, trust=trust) as session:
            assert session.run(call_of(session))


def open_to_serve(path: Path) -> None:
    open_model(Opening(name="net", source={"model": str(path)}))
