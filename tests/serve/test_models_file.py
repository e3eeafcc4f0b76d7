"""A file that names the models of a server."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from tests.doubles.artifact import write_onnx
from tests.serve.test_front import REQUEST, call

from edgeproof.errors import ServingError, UsageError
from edgeproof.serve.launch import serve
from edgeproof.serve.models_file import read_models
from edgeproof.serve.spawned import SpawnedServer

EDGEPROOF = [sys.executable, "-c", "from edgeproof.cli import main; main()"]
MODELS = """
[[model]]
artifact = "tiny.onnx"

[[model]]
name = "again"
artifact = "tiny.onnx"
threads = 2
sequences = 5
"""


def file(folder: Path, text: str = MODELS) -> Path:
    write_onnx(folder / "tiny.onnx")
    path = folder / "models.toml"
    path.write_text(text)
    return path


def test_what_it_names_is_opened_from_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir("/")
    first, second = read_models(file(tmp_path), trust=True)
    assert (first.name, first.source["model"], first.threads) == ("tiny", str(tmp_path / "tiny.onnx"), 1)
    assert first.source["trust"] is True
    assert (second.name, second.threads, second.sequences) == ("again", 2, 5)


def test_it_is_served(tmp_path: Path) -> None:
    import sys

    words = [
        sys.executable,
        "-c",
        "from edgeproof.cli import main; main()",
        "serve",
        str(file(tmp_path)),
        "--port",
        "0",
    ]
    with SpawnedServer(tmp_path, command=words, timeout_s=60) as server:
        assert server.ready.models == ["tiny", "again"]
        for name in server.ready.models:
            status, answer, _ = call(server, "POST", f"/v2/models/{name}/infer", json.dumps(REQUEST).encode())
            assert (status, answer["model_name"]) == (200, name)
    with pytest.raises(ServingError, match="--name is of one model"):
        SpawnedServer(tmp_path, command=[*words, "--name", "x"], timeout_s=60).__enter__()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "missing required field `model`"),
        ("[[model]", "cannot be read as a file of models"),
        ("[[model]]\nname = 'x'", "model 1 of .* needs one of artifact and model"),
        ("[[model]]\nartifact = 'tiny.onnx'\nmodel = 'net.py:make'", "needs one of artifact and model"),
        ("[[model]]\nartifact = 'gone.onnx'", "there is no artifact .*gone.onnx"),
        ("[[model]]\nartifact = 'tiny.onnx'\nthread = 2", "unknown field `thread`"),
        ("[[model]]\nartifact = 'tiny.onnx'\nthreads = 0", "threads and sequences of 1 or more"),
        ("[[model]]\nartifact = 'tiny.onnx'\nthreads = 'two'", "Expected `int`"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_models(file(tmp_path, text))
    with pytest.raises(UsageError, match="cannot be read"):
        read_models(tmp_path / "gone.toml")


def test_two_models_of_one_name_are_refused(tmp_path: Path) -> None:
    models = read_models(file(tmp_path, MODELS.replace('name = "again"\n', "")))
    with pytest.raises(UsageError, match="expected models of different names, found tiny, tiny"):
        serve(models, port=0)
