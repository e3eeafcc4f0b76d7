"""Files of weights, written by coremltools' own writer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproof.errors import ArtifactError
from edgeproof.mil.package.weights import Weights, unpack
from edgeproof.mil.program.types import TensorType

Few = settings(max_examples=20, deadline=None, derandomize=True)
KINDS: dict[str, tuple[str, Any]] = {
    "fp16": ("fp16", np.float16),
    "fp32": ("float", np.float32),
    "int4": ("int4", np.int8),
    "int8": ("int8", np.int8),
    "int16": ("int16", np.int16),
    "int32": ("int32", np.int32),
    "uint1": ("uint1", np.uint8),
    "uint2": ("uint2", np.uint8),
    "uint3": ("uint3", np.uint8),
    "uint4": ("uint4", np.uint8),
    "uint6": ("uint6", np.uint8),
    "uint8": ("uint8", np.uint8),
    "uint16": ("uint16", np.uint16),
    "uint32": ("uint32", np.uint32),
}
"""MIL's dtype to what the writer calls it, and how it is held."""


def values_of(dtype: str, count: int, seed: int) -> np.ndarray:
    """Numbers over all of the dtype's range, its ends among them."""
    held = KINDS[dtype][1]
    generator = np.random.default_rng(seed)
    if dtype.startswith("fp"):
        return generator.standard_normal(count).astype(held)
    bits = int(dtype.lstrip("uint"))
    low, high = (0, 2**bits - 1) if dtype.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    numbers = generator.integers(low, high, count, endpoint=True)
    numbers[: min(2, count)] = (low, high)[: min(2, count)]
    return numbers.astype(held)


def written(folder: Path, blobs: list[tuple[str, np.ndarray]]) -> list[int]:
    """Offsets of the blobs in ``weight.bin``."""
    from coremltools.libmilstoragepython import _BlobStorageWriter

    writer = _BlobStorageWriter(str(folder / "weight.bin"))
    offsets = []
    for dtype, values in blobs:
        raw = values.view(np.uint16) if dtype == "fp16" else values
        offsets.append(getattr(writer, f"write_{KINDS[dtype][0]}_data")(raw))
    del writer
    return offsets


@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("count", [1, 2, 3, 5, 7, 8, 9, 31, 64, 257])
def test_what_the_writer_writes_is_read_back(dtype: str, count: int, tmp_path: Path) -> None:
    values = values_of(dtype, count, count)
    (offset,) = written(tmp_path, [(dtype, values)])
    read = Weights(tmp_path).read("@model_path/weights/weight.bin", offset, TensorType(dtype, (count,)))
    assert read.dtype == KINDS[dtype][1]
    np.testing.assert_array_equal(read, values)


def test_blobs_of_all_dtypes_stand_in_one_file_one_behind_the_other(tmp_path: Path) -> None:
    blobs = [(dtype, values_of(dtype, 15, seed)) for seed, dtype in enumerate(KINDS)]
    offsets = written(tmp_path, blobs)
    weights = Weights(tmp_path)
    for offset, (dtype, values) in zip(offsets, blobs, strict=True):
        read = weights.read("@model_path/weights/weight.bin", offset, TensorType(dtype, (3, 5)))
        np.testing.assert_array_equal(read, values.reshape(3, 5))


def test_a_record_of_another_dtype_or_size_is_told(tmp_path: Path) -> None:
    (offset,) = written(tmp_path, [("uint3", values_of("uint3", 5, 0))])
    weights = Weights(tmp_path)
    with pytest.raises(ArtifactError, match="are uint3; the program declares uint4"):
        weights.read("@model_path/weights/weight.bin", offset, TensorType("uint4", (5,)))
    for count in (4, 6, 13):
        with pytest.raises(ArtifactError, match="which is not uint3"):
            weights.read("@model_path/weights/weight.bin", offset, TensorType("uint3", (count,)))


@given(st.sampled_from(["int4", "uint1", "uint2", "uint3", "uint4", "uint6"]), st.integers(0, 40), st.integers(0, 99))
@Few
def test_bits_are_packed_from_the_lowest_up(dtype: str, count: int, seed: int) -> None:
    values = values_of(dtype, count, seed)
    bits = int(dtype.lstrip("uint"))
    stream = "".join(format(int(value) & (1 << bits) - 1, f"0{bits}b")[::-1] for value in values)
    packed = np.array([int(stream[at : at + 8][::-1], 2) for at in range(0, len(stream), 8)], np.uint8)
    np.testing.assert_array_equal(unpack(packed, TensorType(dtype, (count,))), values)
