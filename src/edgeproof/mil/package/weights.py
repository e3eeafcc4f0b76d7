"""Files of weights: blobs behind 64-byte records that tell dtype, size and place; bits packed from the lowest up."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels.compressed import bits as unpack_bits
from edgeproof.mil.program.types import BITS, NUMPY, TensorType
from edgeproof.mil.values import Array

__all__ = ["Weights", "unpack"]

SENTINEL = 0xDEADBEEF
RECORD = struct.Struct("<IIQQQ")
"""Sentinel, dtype, bytes, offset of the data, bits of padding at its end."""
STORED = {
    1: "fp16",
    2: "fp32",
    3: "uint8",
    4: "int8",
    5: "bf16",
    6: "int16",
    7: "uint16",
    8: "int4",
    9: "uint1",
    10: "uint2",
    11: "uint4",
    12: "uint3",
    13: "uint6",
    14: "int32",
    15: "uint32",
    16: "fp8e4m3fn",
    17: "fp8e5m2",
}


class Weights:
    """The blobs that a program refers to; each is read once.

    Args:
        folder: the package's weights, or None where it has none.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._files: dict[str, Array] = {}
        self._read: dict[tuple[str, int], tuple[TensorType, Array]] = {}

    def read(self, name: str, offset: int, declared: TensorType) -> Array:
        """A blob as an array of the declared shape.

        Args:
            name: as the program has it: ``@model_path/weights/weight.bin``.
            offset: of its record, in bytes.

        Raises:
            ArtifactError: outside the file or the package, or not what is declared.
        """
        held = self._read.get((name, offset))
        if held is not None and held[0] == declared:
            return held[1]
        array = self._blob(name, offset, declared)
        self._read[name, offset] = declared, array
        return array

    def _blob(self, name: str, offset: int, declared: TensorType) -> Array:
        data = self._file(name)
        where = f"{name} at {offset}"
        if offset % 64 or offset + RECORD.size > data.size:
            raise ArtifactError(f"no weights stand in {where}: the file has {data.size:,} bytes, in records of 64")
        sentinel, code, size, start, padding = RECORD.unpack(data[offset : offset + RECORD.size].tobytes())
        if sentinel != SENTINEL:
            raise ArtifactError(f"no weights stand in {where}: the record there is damaged")
        if STORED.get(code) != declared.dtype:
            raise ArtifactError(
                f"the weights in {where} are {STORED.get(code, f'of an unknown dtype ({code})')}; "
                f"the program declares {declared}"
            )
        if start + size > data.size:
            raise ArtifactError(
                f"the weights in {where} reach to byte {start + size:,} of a file of {data.size:,}: it was cut short"
            )
        elements = declared.elements
        if elements is None:
            raise ArtifactError(f"the weights in {where} have no fixed shape: {declared}")
        bits = BITS[declared.dtype]
        if size * 8 - (padding if bits < 8 else 0) != elements * bits:
            raise ArtifactError(f"the weights in {where} have {size:,} bytes, which is not {declared}")
        return unpack(data[start : start + size], declared)

    def _file(self, name: str) -> Array:
        if name in self._files:
            return self._files[name]
        if self._folder is None:
            raise ArtifactError(f"the program refers to {name}, and the package has no weights")
        outside = ArtifactError(f"the program refers to weights outside its package: {name!r}")
        if "\0" in name:
            raise outside
        folder = self._folder.resolve()
        path = (folder / name.removeprefix("@model_path/").removeprefix("weights/")).resolve()
        if not path.is_relative_to(folder):
            raise outside
        try:
            data: Array = np.fromfile(path, np.uint8)
        except OSError as error:
            raise ArtifactError(f"the weights {name} cannot be read: {error.strerror or error}") from error
        self._files[name] = data
        return data


def unpack(data: Array, declared: TensorType) -> Array:
    """Bytes as an array of the declared shape; elements of fewer than 8 bits get a byte each.

    Args:
        data: uint8, shape (n,).

    Raises:
        ArtifactError: there are too few bytes for elements of fewer than 8 bits.
    """
    bits, dtype = BITS[declared.dtype], NUMPY[declared.dtype]
    shape = tuple(size or 0 for size in declared.shape)
    if bits >= 8:
        return data.view(dtype).reshape(shape)
    count = declared.elements or 0
    values = unpack_bits(data, bits, count)
    if declared.dtype.startswith("int"):
        half, full = np.uint8(1 << bits - 1), np.uint8(256 - (1 << bits))
        values = np.where(values >= half, values + full, values).astype(np.uint8)
    return values.view(dtype).reshape(shape)
