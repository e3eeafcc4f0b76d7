"""JSON of unknown origin, through every reader of it: a refusal, whatever the parser raises."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edgeproof.documents import parsing
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import decode, read_document, read_marked
from edgeproof.documents.manifest import Manifest
from edgeproof.documents.parsing import file_bytes, parse_json
from edgeproof.errors import ArtifactError, DocumentError, EdgeProofError, PolicyError, RunFolderError
from edgeproof.formats.engine_artifact import open_engine
from edgeproof.formats.registry import artifact_document, open_artifact
from edgeproof.measure.drawing import read_latencies
from edgeproof.phases.away.bring_back import read_result
from edgeproof.rundir import RunDir
from edgeproof.verdict.policy import parse_policy

HOSTILE = {
    "open brackets": b"[" * 100_000,
    "open braces": b'{"a":' * 100_000,
    "whole brackets": b"[" * 100_000 + b"]" * 100_000,
    "brackets in a field that nobody reads": b'{"schema": "edgeproof.artifact/1", "x": '
    + b"[" * 9000
    + b"]" * 9000
    + b"}",
    "no text": b'{"schema": "\xff"}',
    "a number without an end": b"1" * 100_000,
    "a version without an end": b'{"schema": "edgeproof.artifact/' + b"9" * 9000 + b'"}',
    "a version in other digits": '{"schema": "edgeproof.artifact/²"}'.encode(),
    "nothing": b"",
    "a number": b"1e999",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_every_reader_refuses_it(tmp_path: Path, name: str) -> None:
    file = tmp_path / ArtifactDocument.FILE
    file.write_bytes(HOSTILE[name])
    (tmp_path / Manifest.FILE).write_bytes(HOSTILE[name])
    readers: dict[Callable[[], Any], type[EdgeProofError]] = {
        lambda: decode(HOSTILE[name], ArtifactDocument): DocumentError,
        lambda: read_document(file, ArtifactDocument): DocumentError,
        lambda: read_marked(file, ArtifactDocument): DocumentError,
        lambda: artifact_document(tmp_path): DocumentError,
        lambda: open_engine(tmp_path): EdgeProofError,
        lambda: RunDir.open(tmp_path): RunFolderError,
        lambda: RunDir(tmp_path).ask_for_trust(): RunFolderError,
        lambda: read_latencies(file): DocumentError,
        lambda: read_result(file): DocumentError,
    }
    for reader, error in readers.items():
        if name.startswith("a version") and error is EdgeProofError:
            continue
        with pytest.raises(error):
            reader()


@pytest.mark.parametrize("name", HOSTILE)
def test_the_parser_raises_what_it_says(name: str) -> None:
    try:
        parse_json(HOSTILE[name])
    except msgspec.MsgspecError:
        return
    assert name.startswith("a ")


@pytest.mark.parametrize(
    "text", ["a = " + "[" * 50_000, "a = " + "9" * 9000, "latency_ms = 1" + "0" * 400, "a." * 20_000]
)
def test_a_hostile_policy_is_refused(text: str) -> None:
    with pytest.raises(PolicyError):
        parse_policy(text)


def test_a_file_is_read_within_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "x.json").write_bytes(b"[1]")
    assert file_bytes(tmp_path / "x.json") == b"[1]"
    monkeypatch.setattr(parsing, "MOST_BYTES", 2)
    with pytest.raises(DocumentError, match="cannot read"):
        read_document(tmp_path / "x.json", Manifest)
    with pytest.raises(OSError, match="no file of at most"):
        file_bytes(Path("/dev/zero"))


def test_a_document_that_says_impossible_things_of_its_artifact_is_refused(tmp_path: Path) -> None:
    spec = '{"name": "x", "dtype": "%s", "shape": %s}'
    binding = '{"tensor": %s, "graph_name": "x", "graph_dtype": "float32", "graph_shape": [1]}'
    (tmp_path / "net.onnx").write_bytes(b"")
    for dtype, shape in (("evil", "[1]"), ("float32", "[1000000000000]"), ("float32", "[-1]")):
        state = f'{{"name": "s", "dtype": "{dtype}", "shape": {shape}, "initial": null}}'
        loop = f'{{"timesteps": 2, "encoding": "repeat", "states": [{state}], "readouts": ["sum"]}}'
        told = binding % (spec % (dtype, shape))
        (tmp_path / "artifact.json").write_text(
            '{"schema": "edgeproof.artifact/1", "candidate": "onnx-fp32", "format": "onnx", "precision": "fp32", '
            f'"form": "step", "file": "net.onnx", "sha256": "", "bytes": 1, "inputs": [{told}], "outputs": [{told}], '
            f'"loop": {loop}}}'
        )
        with pytest.raises(ArtifactError):
            open_artifact(tmp_path)
