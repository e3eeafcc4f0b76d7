"""A real ONNX artifact, tiny and made by hand: one matrix product. It leaves out the conversion."""

from __future__ import annotations

from pathlib import Path

import numpy as np


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


def write_samples(path: Path, *, count: int = 16, features: int = 4, name: str = "x") -> Path:
    """Seeded normal samples without a batch axis, and labels."""
    source = np.random.default_rng(0)
    x = source.standard_normal((count, features)).astype(np.float32)
    np.savez(path, **{name: x, "labels": np.zeros(count, np.int64)})
    return path
