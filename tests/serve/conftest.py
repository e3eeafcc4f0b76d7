"""A real ONNX artifact and samples for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.doubles.artifact import write_models_file, write_onnx, write_samples

from edgeproof.serve.spawned import SpawnedServer


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_onnx(tmp_path_factory.mktemp("artifact") / "tiny.onnx")


@pytest.fixture(scope="session")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_samples(tmp_path_factory.mktemp("samples") / "samples.npz")


@pytest.fixture(scope="session")
def models_of_others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a file of three models, ``models.toml``."""
    return write_models_file(tmp_path_factory.mktemp("models")).parent


@pytest.fixture(scope="module")
def three(models_of_others: Path) -> Iterator[SpawnedServer]:
    """They, served by the command."""
    words = ["serve", str(models_of_others / "models.toml"), "--port", "0", "--request-seconds", "2"]
    command = [sys.executable, "-c", "from edgeproof.cli import main; main()", *words]
    with SpawnedServer(models_of_others, command=command, timeout_s=60) as found:
        yield found
