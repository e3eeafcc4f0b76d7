"""Packages written field by field, so that they can say what no converter would."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

DTYPES = {"float32": 11, "float16": 10, "int32": 23, "bool": 1, "str": 2}
ARRAYS = {"float32": 65568, "float16": 65552, "int32": 131104}


def tensor_type(kind: Any, dtype: str, shape: Sequence[int | None]) -> None:
    """Fill a ``ValueType``."""
    kind.tensorType.dataType = DTYPES[dtype]
    kind.tensorType.rank = len(shape)
    for size in shape:
        dimension = kind.tensorType.dimensions.add()
        if size is None:
            dimension.unknown.variadic = False
        else:
            dimension.constant.size = size


def fill_value(value: Any, given: Any) -> None:
    """Fill a ``Value`` with a constant."""
    if isinstance(given, str):
        tensor_type(value.type, "str", ())
        value.immediateValue.tensor.strings.values.append(given)
        return
    array = np.asarray(given)
    array = array.astype({"int64": "int32", "float64": "float32"}.get(array.dtype.name, array.dtype.name))
    tensor_type(value.type, array.dtype.name, array.shape)
    field = {"float32": "floats", "int32": "ints", "bool": "bools"}[array.dtype.name]
    getattr(value.immediateValue.tensor, field).values.extend(array.ravel().tolist())


class Writer:
    """A model with one function ``main``, to be filled and saved.

    Args:
        inputs: name to (dtype, shape).
        outputs: name to (dtype, shape), as the description promises them.
    """

    def __init__(
        self, inputs: Mapping[str, tuple[str, Sequence[int]]], outputs: Mapping[str, tuple[str, Sequence[int]]]
    ) -> None:
        from coremltools import proto

        self.model = proto.Model_pb2.Model(specificationVersion=9)
        self.program = self.model.mlProgram
        self.program.version = 1
        self.function = self.program.functions["main"]
        self.function.opset = "CoreML8"
        self.block = self.function.block_specializations["CoreML8"]
        for name, (dtype, shape) in inputs.items():
            value = self.function.inputs.add(name=name)
            tensor_type(value.type, dtype, shape)
            self._feature(self.model.description.input.add(name=name), dtype, shape)
        for name, (dtype, shape) in outputs.items():
            self.block.outputs.append(name)
            self._feature(self.model.description.output.add(name=name), dtype, shape)

    @staticmethod
    def _feature(feature: Any, dtype: str, shape: Sequence[int]) -> None:
        feature.type.multiArrayType.dataType = ARRAYS[dtype]
        feature.type.multiArrayType.shape.extend(shape)

    def add(
        self,
        kind: str,
        outputs: Mapping[str, tuple[str, Sequence[int | None]]],
        block: Any = None,
        **arguments: Any,
    ) -> Any:
        """An operation; a text argument that begins with ``%`` names a value, anything else is a constant."""
        operation = (block or self.block).operations.add(type=kind)
        for name, given in arguments.items():
            for part in given if isinstance(given, tuple) else (given,):
                binding = operation.inputs[name].arguments.add()
                if isinstance(part, str) and part.startswith("%"):
                    binding.name = part[1:]
                else:
                    fill_value(binding.value, part)
        for name, (dtype, shape) in outputs.items():
            tensor_type(operation.outputs.add(name=name).type, dtype, shape)
        return operation

    def const_file(self, name: str, dtype: str, shape: Sequence[int], file: str, offset: int) -> None:
        """A constant that stands in a file of weights."""
        operation = self.block.operations.add(type="const")
        tensor_type(operation.outputs.add(name=name).type, dtype, shape)
        value = operation.attributes["val"]
        tensor_type(value.type, dtype, shape)
        value.blobFileValue.fileName = file
        value.blobFileValue.offset = offset

    def save(self, folder: Path, weights: bytes | None = None, name: str = "hand") -> Path:
        """Write the package."""
        path = folder / f"{name}.mlpackage"
        data = path / "Data" / "com.apple.CoreML"
        data.mkdir(parents=True)
        (data / "model.mlmodel").write_bytes(self.model.SerializeToString())
        entries = {"A": {"path": "com.apple.CoreML/model.mlmodel", "name": "model.mlmodel"}}
        if weights is not None:
            (data / "weights").mkdir()
            (data / "weights" / "weight.bin").write_bytes(weights)
            entries["B"] = {"path": "com.apple.CoreML/weights", "name": "weights"}
        manifest = {"fileFormatVersion": "1.0.0", "itemInfoEntries": entries, "rootModelIdentifier": "A"}
        (path / "Manifest.json").write_text(json.dumps(manifest))
        return path
