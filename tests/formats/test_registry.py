"""Formats through entry points, candidates by name, and artifacts as they are found on disk."""

from __future__ import annotations

import shutil
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest
from tests.doubles.artifact import write_onnx

from edgeproof.documents.artifact import ArtifactDocument, Binding
from edgeproof.documents.base import encode
from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import ArtifactError, DocumentError, EdgeProofError, MissingDependency, UsageError
from edgeproof.formats.registry import (
    artifact_document,
    broken_formats,
    candidate_names,
    find_candidate,
    forget_formats,
    formats,
    missing_requirements,
    open_artifact,
)
from edgeproof.phases.preparation.environment import read_environment


def test_ours_are_registered_like_anyone_else_s() -> None:
    registered = {entry.name for entry in metadata.entry_points(group="edgeproof.formats")}
    assert (
        set(formats())
        == registered
        >= {"sdk-eager", "torchscript", "onnx", "litert", "executorch", "openvino", "coreml"}
    )
    for name, known in formats().items():
        assert known.name == name
        assert known.precisions
        assert known.suffix.startswith(".")
        assert set(known.platforms) <= {"host", "raspberry-pi", "android", "iphone"}
        for precision in known.precisions:
            assert known.forms(precision)
            assert set(known.forms(precision)) <= {"unrolled", "step"}


@pytest.mark.usefixtures("_misbehaving")
def test_a_format_from_elsewhere_is_found() -> None:
    assert {"misbehaving", "onnx"} <= set(formats())
    format, precision = find_candidate("misbehaving-good")
    assert (format.name, precision) == ("misbehaving", "good")


def test_every_candidate_has_a_name_of_its_own() -> None:
    names = candidate_names()
    assert len(names) == sum(len((*known.precisions, *known.on_request)) for known in formats().values())
    for name, (form, precision) in names.items():
        found, same = find_candidate(name)
        assert (found.name, same) == (form, precision)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("onnx-int9", "did you mean onnx-int8?"),
        ("tflite-int8", "did you mean litert-int8?"),
        ("zzz", "known: coreml-fp32, "),
    ],
)
def test_an_unknown_candidate_gets_a_suggestion(name: str, hint: str) -> None:
    with pytest.raises(UsageError, match=f"there is no candidate {name}") as caught:
        find_candidate(name)
    assert hint in (caught.value.hint or "")


def test_a_format_that_cannot_be_loaded_costs_itself_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "broken-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[edgeproof.formats]\nbroken = no_such_module_of_formats:FORMAT\n")
    monkeypatch.syspath_prepend(tmp_path)
    forget_formats()
    try:
        assert "onnx" in formats()
        assert "broken" not in formats()
        assert "cannot be loaded from no_such_module_of_formats" in broken_formats()["broken"]
        with pytest.raises(UsageError, match="no candidate broken-fp32: it cannot be loaded") as caught:
            find_candidate("broken-fp32")
        assert "reinstall" in (caught.value.hint or "")
        told = next(candidate for candidate in read_environment().candidates if candidate.format == "broken")
        assert not told.possible
        assert "no_such_module_of_formats" in told.missing[0]
    finally:
        forget_formats()


def test_requirements(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"here": "2.5", "local": "2.13.0+cpu", "early": "3.0rc1"}

    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)
    assert missing_requirements(("here>=2,<3", "local==2.13.0", "early>=2")) == ()
    assert missing_requirements(("here>=3", "absent>=1", "here<3")) == ("here>=3 (found 2.5)", "absent>=1")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An artifact with its document, by hand."""
    write_onnx(tmp_path / "tiny.onnx")
    x, scores = (TensorSpec(name=n, dtype="float32", shape=s) for n, s in (("x", (1, 4)), ("renamed", (1, 3))))
    document = ArtifactDocument(
        candidate="onnx-fp32",
        format="onnx",
        precision="fp32",
        form="whole",
        file="tiny.onnx",
        sha256="",
        bytes=1,
        inputs=(Binding(tensor=x, graph_name="x", graph_dtype="float32", graph_shape=(1, 4)),),
        outputs=(Binding(tensor=scores, graph_name="scores", graph_dtype="float32", graph_shape=(1, 3)),),
    )
    (tmp_path / "artifact.json").write_bytes(encode(document))
    return tmp_path


@pytest.mark.parametrize("name", ["", "tiny.onnx"])
def test_an_artifact_is_its_file_or_its_folder(folder: Path, name: str) -> None:
    document, where, format = artifact_document(folder / name)
    assert (document.candidate, where, format.name) == ("onnx-fp32", folder, "onnx")
    with open_artifact(folder / name) as session:
        assert session.run({"x": np.ones((1, 4), np.float32)})["renamed"].tolist() == [[18, 22, 26]]


def test_a_file_without_a_document_describes_itself(tmp_path: Path) -> None:
    document, _, format = artifact_document(write_onnx(tmp_path / "foreign.onnx"))
    assert (document.candidate, document.precision, format.name) == ("foreign", "unknown", "onnx")
    assert [(b.tensor.name, b.tensor.shape) for b in (*document.inputs, *document.outputs)] == [
        ("x", (1, 4)),
        ("scores", (1, 3)),
    ]
    with open_artifact(tmp_path / "foreign.onnx") as session:
        assert session.run({"x": np.ones((1, 4), np.float32)})["scores"].shape == (1, 3)


def test_a_document_of_another_file_does_not_speak_for_this_one(folder: Path) -> None:
    shutil.copy(folder / "tiny.onnx", folder / "other.onnx")
    assert artifact_document(folder / "other.onnx")[0].candidate == "other"


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.onnx", None, "there is no artifact"),
        ("net.bin", b"x", "no artifact of a known format"),
        ("no_suffix", b"x", "no artifact of a known format"),
        ("net.onnx", b"", "cannot open"),
        ("net.onnx", b"garbage" * 99, "cannot open"),
        ("net.pt", b"garbage", "does not tell its inputs and outputs"),
        ("net.pte", b"garbage", "artifact.json"),
        ("net.tflite", b"garbage" * 99, ""),
    ],
)
def test_what_is_no_artifact_is_refused(tmp_path: Path, name: str, content: bytes | None, message: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(EdgeProofError) as caught:
        open_artifact(tmp_path / name, trust=True)
    assert message in str(caught.value)


def test_an_empty_folder_is_no_artifact(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="no artifact of a known format"):
        artifact_document(tmp_path)


def test_a_damaged_document_is_said(folder: Path) -> None:
    whole = (folder / "artifact.json").read_bytes()
    (folder / "artifact.json").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DocumentError, match=r"not a valid edgeproof\.artifact"):
        open_artifact(folder)
    (folder / "artifact.json").write_bytes(whole.replace(b'"onnx"', b'"onyx"'))
    with pytest.raises(ArtifactError, match="format onyx, which is not registered"):
        open_artifact(folder)
    (folder / "artifact.json").write_bytes(whole.replace(b'"tiny.onnx"', b'"gone.onnx"'))
    with pytest.raises(ArtifactError, match=r"gone\.onnx is not there"):
        open_artifact(folder)


def test_a_runtime_that_is_not_installed_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = metadata.version

    def version(name: str) -> str:
        if name == "onnxruntime":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", version)
    with pytest.raises(MissingDependency, match="onnx-fp32 needs onnxruntime") as caught:
        open_artifact(folder)
    assert "edgeproof[onnx]" in (caught.value.hint or "")
