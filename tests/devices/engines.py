"""An ``sdk-native`` artifact of the small network, as a conversion leaves it, and samples for it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from tests.spike.digits import NAME, samples, write_source

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import encode
from edgeproof.documents.signature import TensorSpec
from edgeproof.formats.bindings import bind
from edgeproof.spike.toolchain.build import build
from edgeproof.trust import fingerprint

__all__ = ["SHAPES", "write_artifact", "write_digits"]

SHAPES = {"spikes": (1, 10), "membrane": (1, 10)}


def write_artifact(folder: Path) -> ArtifactDocument:
    """Library, source and document."""
    folder.mkdir(parents=True, exist_ok=True)
    library = build(write_source(folder), folder, "library", compiler="system").file
    inputs = [TensorSpec(name="pixels", dtype="float32", shape=(1, 64))]
    outputs = [TensorSpec(name=name, dtype="float32", shape=shape) for name, shape in SHAPES.items()]
    digest, size = fingerprint(library)
    document = ArtifactDocument(
        candidate="sdk-native",
        format="sdk-native",
        precision="fp32",
        form="step",
        file=library.name,
        sha256=digest,
        bytes=size,
        inputs=bind(inputs, ["pixels"]),
        outputs=bind(outputs, list(SHAPES)),
    ).marked()
    (folder / ArtifactDocument.FILE).write_bytes(encode(document))
    assert library.stem == NAME
    return document


def write_digits(path: Path, count: int = 40) -> Path:
    """An npz of scanned digits, a batch of one each."""
    np.savez(path, pixels=samples(count).reshape(count, 1, 64))
    return path
