"""A real ONNX artifact and samples for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.doubles.artifact import write_onnx, write_samples


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_onnx(tmp_path_factory.mktemp("artifact") / "tiny.onnx")


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_samples(tmp_path_factory.mktemp("samples") / "samples.npz")
