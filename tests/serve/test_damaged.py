"""A damaged artifact behind ``serve``: refused in words before the server says that it is ready."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.doubles.artifact import write_onnx

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import write_document
from edgeproof.errors import ServingError
from edgeproof.serve.spawned import SpawnedServer


def library(path: Path, body: str) -> Path:
    source = path.with_suffix(".c")
    source.write_text(f"#include <stdlib.h>\n__attribute__((constructor)) static void run(void) {{ {body} }}\n")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", str(path), str(source)], check=True)
    return path


def test_a_crash_costs_another_process_and_is_said(tmp_path: Path) -> None:
    path = library(tmp_path / "net.so", "abort();")
    done = subprocess.run(
        [sys.executable, "-m", "edgeproof.serve.launch", str(path), "--port", "0", "--trust"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert "net cannot be served: the process that opened it was killed by SIGABRT" in done.stderr
    assert "(is the file whole, and for this machine?" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_library_that_is_cut_in_half_never_says_ready(tmp_path: Path) -> None:
    path = library(tmp_path / "net.so", "")
    raw = path.read_bytes()
    for share in (2, 3, 5):
        path.write_bytes(raw[: len(raw) // share])
        with pytest.raises(ServingError, match="error: "), SpawnedServer(path, trust=True):
            pass


def test_one_that_is_whole_is_called_once_before_it_is_ready(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "tiny.onnx")
    with SpawnedServer(path) as server:
        assert (server.ready.first_inference_us or 0) > 0


def test_another_file_than_its_document_describes_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "onnx-fp32"
    folder.mkdir()
    path = write_onnx(folder / "tiny.onnx")
    document = ArtifactDocument(
        candidate="onnx-fp32",
        format="onnx",
        precision="fp32",
        form="whole",
        file=path.name,
        sha256="0" * 64,
        bytes=path.stat().st_size,
        inputs=(),
        outputs=(),
    )
    write_document(folder / ArtifactDocument.FILE, document)
    with pytest.raises(ServingError, match="its sha256 differs"), SpawnedServer(folder):
        pass
