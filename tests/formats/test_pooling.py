"""Average pooling whose last windows reach beyond the padding: rewritten for Core ML, told of foreign packages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

import edgeproof
from edgeproof.formats.rewrites.pooling import AVERAGE_BEYOND_PADDING
from edgeproof.mil.cautions import cautions
from edgeproof.mil.model import open_model
from edgeproof.model.resolve import resolve_model
from edgeproof.phases.alone.conversion import convert_alone
from edgeproof.phases.alone.validation import validate_alone

CASES: list[tuple[int, dict[str, Any]]] = [
    (2, {"kernel_size": 2, "stride": 3}),
    (2, {"kernel_size": (3, 2), "stride": (2, 3), "padding": (1, 1)}),
    (2, {"kernel_size": 3, "stride": 2, "padding": 1, "count_include_pad": False}),
    (2, {"kernel_size": 3, "stride": 2, "padding": 1, "divisor_override": 5}),
    (1, {"kernel_size": 3, "stride": 2, "padding": 1}),
    (3, {"kernel_size": 2, "stride": 3, "padding": 1}),
    (2, {"kernel_size": 7}),
]


@pytest.mark.parametrize(("rank", "options"), CASES)
def test_the_rewrite_is_pytorchs_answer(rank: int, options: dict[str, Any]) -> None:
    x = torch.randn(2, 3, *(8, 7, 6)[:rank], generator=torch.Generator().manual_seed(0))
    pool = (nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d)[rank - 1](**options, ceil_mode=True)
    program = torch.export.export(pool, (x,))
    (node,) = (node for node in program.graph.nodes if node.op == "call_function")
    assert AVERAGE_BEYOND_PADDING.concerns(program.graph)
    rule = AVERAGE_BEYOND_PADDING.rules[f"aten.avg_pool{rank}d"]
    torch.testing.assert_close(rule(x, *node.args[1:], **node.kwargs), pool(x))
    plain = type(pool)(**options)
    assert not AVERAGE_BEYOND_PADDING.concerns(torch.export.export(plain, (x,)).graph)


def test_a_divisor_of_windows_that_end_inside_is_kept() -> None:
    x = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    given = ([2, 2], [2, 2], [0, 0], True, True, 3)
    expected = nn.functional.avg_pool2d(x, *given)
    torch.testing.assert_close(AVERAGE_BEYOND_PADDING.rules["aten.avg_pool2d"](x, *given), expected)


def test_core_ml_gets_windows_that_end_inside(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((16, 1, 1, 7, 7)).astype(np.float32)
    x[0] = np.arange(49).reshape(1, 1, 7, 7)
    module = nn.AvgPool2d(2, 3, ceil_mode=True)
    model = edgeproof.Model(module, inputs=["x:float32[1,1,7,7]"], samples=edgeproof.Samples({"x": x}), name="pool")
    resolved = resolve_model(model)
    convert_alone(resolved, ["coreml-fp32"], tmp_path)
    (result,) = validate_alone(resolved, [tmp_path / "coreml-fp32"]).results
    assert (result.status, result.warnings) == ("passed", ())
    with edgeproof.open(tmp_path / "coreml-fp32") as session:
        found = session.run({"x": x[0]})["output"]
    expected = [[4, 7, 9.5], [25, 28, 30.5], [42.5, 45.5, 48]]
    np.testing.assert_allclose(found[0, 0], expected)


@pytest.mark.parametrize(("size", "told"), [(7, True), (8, False)])
def test_a_package_from_elsewhere_is_told_of(size: int, told: bool, tmp_path: Path) -> None:
    import coremltools as ct

    traced = torch.jit.trace(nn.AvgPool2d(2, 3, ceil_mode=True), torch.zeros(1, 1, size, size))
    package = ct.convert(
        traced,
        convert_to="mlprogram",
        inputs=[ct.TensorType("x", (1, 1, size, size))],
        outputs=[ct.TensorType("output")],
        compute_precision=ct.precision.FLOAT32,
        skip_model_load=True,
    )
    package.save(str(tmp_path / "pool.mlpackage"))
    found = cautions(open_model(tmp_path / "pool.mlpackage"))
    assert len(found) == told
    assert all("avg_pool" in caution and "coremltools issue 2772" in caution for caution in found)
    x = np.ones((16, 1, 1, size, size), np.float32) * np.arange(16, dtype=np.float32)[:, None, None, None, None]
    model = edgeproof.Model(
        nn.AvgPool2d(2, 3, ceil_mode=True),
        inputs=[f"x:float32[1,1,{size},{size}]"],
        samples=edgeproof.Samples({"x": x}),
    )
    (result,) = validate_alone(resolve_model(model), [tmp_path / "pool.mlpackage"]).results
    assert (result.status, result.warnings) == ("passed", found)
