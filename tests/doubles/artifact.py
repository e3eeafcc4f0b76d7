"""Real ONNX artifacts, tiny and made by hand: one matrix product. They leave out the conversion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

ECHO_SHAPE = (1, 2, 3)
Tensors = Mapping[str, tuple[str, Sequence[int]]]
"""By name: numpy's dtype, and a shape."""


def write_onnx(path: Path, *, features: int = 4, classes: int = 3, poison: bool = False) -> Path:
    """``scores = x @ weights`` for float32 ``x`` [1, features]; with ``poison`` the scores are divided by zero."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.arange(features * classes, dtype=np.float32).reshape(features, classes)
    nodes = [helper.make_node("MatMul", ["x", "weights"], ["product" if poison else "scores"])]
    constants = [numpy_helper.from_array(weights, "weights")]
    if poison:
        nodes.append(helper.make_node("Div", ["product", "zero"], ["scores"]))
        constants.append(numpy_helper.from_array(np.zeros(1, np.float32), "zero"))
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, features])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, classes])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def write_onnx_int8(path: Path, *, features: int = 64) -> Path:
    """``scores = x @ weights`` in int8 with its document, for float32 ``x`` [1, features] of ones: the sum is right
    where products of 8 bits are added in 32, and half of it where they are added in pairs into 16.

    Args:
        path: folder of the artifact.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    from edgeproof.documents.artifact import ArtifactDocument, Binding
    from edgeproof.documents.base import encode
    from edgeproof.documents.signature import TensorSpec

    constants = {
        "scale": np.float32(1 / 127),
        "wide": np.float32(features / 127),
        "zero": np.int8(0),
        "weights": np.full((features, 16), 127, np.int8),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["x8"]),
        helper.make_node("DequantizeLinear", ["x8", "scale", "zero"], ["xf"]),
        helper.make_node("DequantizeLinear", ["weights", "scale", "zero"], ["wf"]),
        helper.make_node("MatMul", ["xf", "wf"], ["product"]),
        helper.make_node("QuantizeLinear", ["product", "wide", "zero"], ["y8"]),
        helper.make_node("DequantizeLinear", ["y8", "wide", "zero"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "saturating",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, features])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 16])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(model)
    path.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path / "saturating.onnx")
    shapes = {"x": (1, features), "scores": (1, 16)}
    x, scores = (
        Binding(
            tensor=TensorSpec(name=name, dtype="float32", shape=shape),
            graph_name=name,
            graph_dtype="float32",
            graph_shape=shape,
        )
        for name, shape in shapes.items()
    )
    document = ArtifactDocument(
        candidate="onnx-int8",
        format="onnx",
        precision="int8",
        form="whole",
        file="saturating.onnx",
        sha256="",
        bytes=(path / "saturating.onnx").stat().st_size,
        inputs=(x,),
        outputs=(scores,),
    )
    (path / "artifact.json").write_bytes(encode(document))
    return path


def write_graph(path: Path, nodes: Sequence[tuple[Any, ...]], inputs: Tensors, outputs: Tensors) -> Path:
    """A graph as others would export it, of nodes (operator, inputs, outputs)."""
    import onnx
    from onnx import helper

    def told(tensors: Tensors) -> list[Any]:
        return [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape)
            for name, (dtype, shape) in tensors.items()
        ]

    graph = helper.make_graph([helper.make_node(*node) for node in nodes], path.stem, told(inputs), told(outputs))
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def write_models_file(folder: Path) -> Path:
    """A file of three models: ``echo`` gives back a tensor of each datatype of the protocol, ``sums`` has two inputs
    and two outputs, ``cell`` has a state."""
    from edgeproof.serve.tensors import DATATYPES

    write_graph(
        folder / "echo.onnx",
        [("Identity", [f"in_{name}"], [f"out_{name}"]) for name in DATATYPES],
        {f"in_{name}": (datatype.dtype, ECHO_SHAPE) for name, datatype in DATATYPES.items()},
        {f"out_{name}": (datatype.dtype, ECHO_SHAPE) for name, datatype in DATATYPES.items()},
    )
    row, pair = ("float32", (1, 4)), ("float32", (1, 2))
    write_graph(
        folder / "sums.onnx",
        [("Add", ["a", "b"], ["sum"]), ("Sub", ["a", "b"], ["difference"])],
        {"a": row, "b": row},
        {"sum": row, "difference": row},
    )
    write_graph(
        folder / "cell.onnx",
        [("Add", ["x", "h"], ["h_next"]), ("Mul", ["h_next", "h_next"], ["y"])],
        {"x": pair, "h": pair},
        {"y": pair, "h_next": pair},
    )
    file = folder / "models.toml"
    models = [f'[[model]]\nartifact = "{name}.onnx"\n' for name in ("echo", "sums", "cell")]
    file.write_text("".join((*models, 'states = { h = "h_next" }\n')))
    return file


def write_whole(path: Path) -> Path:
    """``same = x`` for int32 ``x`` [1, 1]."""
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["same"])],
        "whole",
        [helper.make_tensor_value_info("x", TensorProto.INT32, [1, 1])],
        [helper.make_tensor_value_info("same", TensorProto.INT32, [1, 1])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def write_samples(path: Path, *, count: int = 16, features: int = 4, name: str = "x") -> Path:
    """Seeded normal samples without a batch axis, and labels."""
    source = np.random.default_rng(0)
    x = source.standard_normal((count, features)).astype(np.float32)
    np.savez(path, **{name: x, "labels": np.zeros(count, np.int64)})
    return path
