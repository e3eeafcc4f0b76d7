"""Tensors as the Open Inference Protocol names them, packed and unpacked without numpy: a server of an engine of ours
has no other use for it."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from edgeproof.errors import ServingError

__all__ = ["DATATYPES", "DTYPES", "Datatype", "Tensor", "tensor_of"]


class Datatype(NamedTuple):
    """One of the protocol's.

    Attributes:
        name: the protocol's.
        dtype: numpy's name.
        code: of ``struct``.
        bytes: of one value.
    """

    name: str
    dtype: str
    code: str
    bytes: int


DATATYPES = {
    name: Datatype(name, dtype, code, struct.calcsize(f"<{code}"))
    for name, dtype, code in (
        ("BOOL", "bool", "?"),
        ("INT8", "int8", "b"),
        ("INT16", "int16", "h"),
        ("INT32", "int32", "i"),
        ("INT64", "int64", "q"),
        ("UINT8", "uint8", "B"),
        ("UINT16", "uint16", "H"),
        ("UINT32", "uint32", "I"),
        ("UINT64", "uint64", "Q"),
        ("FP16", "float16", "e"),
        ("FP32", "float32", "f"),
        ("FP64", "float64", "d"),
    )
}
"""By the protocol's names."""
DTYPES = {found.dtype: found for found in DATATYPES.values()}
"""By numpy's names."""


class Tensor:
    """An input or output of a model's call.

    Args:
        name: as in the model.
        datatype: one of ``DATATYPES``.
        shape: static, batch axis included.

    Attributes:
        count: values in it.
        bytes: of them, packed.
    """

    __slots__ = ("_many", "bytes", "count", "datatype", "name", "shape")

    def __init__(self, name: str, datatype: Datatype, shape: Sequence[int]) -> None:
        self.name, self.datatype, self.shape = name, datatype, tuple(shape)
        self.count = math.prod(self.shape)
        self.bytes = self.count * datatype.bytes
        self._many = {self.count: struct.Struct(f"<{self.count}{datatype.code}")}

    def packed(self, values: Sequence[Any]) -> bytes:
        """Values, row-major, in the protocol's bytes: little-endian, no padding.

        Raises:
            struct.error, OverflowError: a value out of the datatype's range.
        """
        return self._of(len(values)).pack(*values)

    def values(self, data: Any) -> tuple[Any, ...]:
        """The values of packed bytes: as many as there are whole ones."""
        return self._of(len(data) // self.datatype.bytes).unpack(data)

    def _of(self, count: int) -> struct.Struct:
        found = self._many.get(count)
        if found is None:
            found = struct.Struct(f"<{count}{self.datatype.code}")
            if len(self._many) < MOST_KEPT:
                self._many[count] = found
        return found


MOST_KEPT = 64
"""Sizes of batches whose layout a tensor keeps."""


def tensor_of(name: str, dtype: str, shape: Sequence[int]) -> Tensor:
    """A tensor of a numpy dtype.

    Raises:
        ServingError: its dtype has no datatype in the protocol.
    """
    datatype = DTYPES.get(dtype)
    if datatype is None:
        raise ServingError(
            f"tensor {name} is {dtype}, which the Open Inference Protocol cannot carry",
            hint=f"it carries {', '.join(DTYPES)}",
        )
    return Tensor(name, datatype, shape)
