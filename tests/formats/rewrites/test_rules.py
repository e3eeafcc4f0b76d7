"""Every rule computes what the operator does, and is refused by nobody who runs it: in PyTorch alone, no converter."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from edgeproof.formats.rewrites.base import OperatorRewrite, rewrite_named

torch.manual_seed(0)
X, Y = torch.randn(3, 9), torch.randn(3, 9)
INTEGERS = torch.randint(-50, 50, (3, 9))
VOLUME = torch.randn(1, 2, 5, 7, 6)
EDGES = torch.linspace(-2, 2, 7)
INDEX = torch.tensor([0, 3, 5])
WEIGHT, BIAS = torch.randn(4, 9, 9), torch.randn(4)
a = torch.ops.aten

CALLS: tuple[tuple[str, Any, tuple[Any, ...], dict[str, Any]], ...] = (
    ("resizing:ANTIALIASED", a._upsample_bilinear2d_aa.default, (VOLUME[0], [3, 9], False), {}),
    ("resizing:ANTIALIASED", a._upsample_bilinear2d_aa.vec, (VOLUME[0], [2, 2], True, None), {}),
    ("resizing:ANTIALIASED", a._upsample_bilinear2d_aa.vec, (VOLUME[0], None, False, [0.6, 0.35]), {}),
    ("resizing:ANTIALIASED", a._upsample_bicubic2d_aa.vec, (VOLUME[0], [3, 4], False, None), {}),
    ("resizing:ANTIALIASED", a._upsample_bicubic2d_aa.default, (VOLUME[0], [15, 2], False, None, 0.4), {}),
    ("functions:ROUNDING", a.trunc.default, (X * 3,), {}),
    ("functions:ROUNDING", a.frac.default, (X * 3,), {}),
    ("functions:ROUNDING", a.round.decimals, (X,), {"decimals": 2}),
    ("functions:HYPERBOLIC", a.fmod.Scalar, (X, 0.7), {}),
    ("functions:HYPERBOLIC", a.fmod.Tensor, (X, Y), {}),
    ("functions:HYPERBOLIC", a.asinh.default, (X * 10,), {}),
    ("functions:HYPERBOLIC", a.acosh.default, (X.abs() + 1,), {}),
    ("functions:COMPLEMENT", a.erfc.default, (X,), {}),
    ("functions:SIGNS", a.hypot.default, (X, Y), {}),
    ("functions:SIGNS", a.copysign.Tensor, (X, Y), {}),
    ("functions:ERFINV", a.erfinv.default, (torch.linspace(-0.9999, 0.9999, 301),), {}),
    ("functions:EXP2", a.exp2.default, (X,), {}),
    ("functions:MIXING", a.lerp.Scalar, (X, Y, 0.3), {}),
    ("functions:MIXING", a.log_sigmoid.default, (X * 20,), {}),
    ("functions:SLOPE", a.rrelu.default, (X,), {}),
    ("functions:FAKE_QUANTISED", a.fake_quantize_per_tensor_affine.default, (X * 10, 0.1, 3, -128, 127), {}),
    ("functions:SHIFTS", a.__rshift__.Scalar, (INTEGERS, 2), {}),
    ("functions:SHIFTS", a.bitwise_left_shift.Tensor_Scalar, (INTEGERS, 3), {}),
    ("functions:EXCLUSIVE_OR", a.bitwise_xor.Scalar, (INTEGERS, 5), {}),
    ("reductions:RUNNING_PRODUCT", a.cumprod.default, (X, -1), {}),
    ("reductions:RUNNING_PRODUCT", a.cumprod.default, (X, 0), {}),
    ("reductions:RUNNING_SUM", a.logcumsumexp.default, (X * 9, 1), {}),
    ("reductions:PRODUCTS", a.prod.dim_int, (X, 1), {}),
    ("reductions:PRODUCTS", a.prod.default, (X,), {}),
    ("reductions:ORDER", a.median.dim, (X, 0), {}),
    ("reductions:ORDER", a.median.default, (X,), {}),
    ("reductions:ORDER", a.kthvalue.default, (X, 4, -1, True), {}),
    ("reductions:ORDER_BY_RANK", a.sort.default, (X.round(), 1, True), {}),
    ("reductions:ORDER_BY_RANK", a.sort.default, (X, 0), {}),
    ("reductions:ORDER_BY_RANK", a.argsort.default, (X, -1), {}),
    ("reductions:ORDER_BY_RANK", a.median.dim, (X, 1), {}),
    ("reductions:TOP_BY_RANK", a.topk.default, (X, 4), {}),
    ("reductions:TOP_BY_RANK", a.topk.default, (X, 2, 0, False), {}),
    ("reductions:PLACES", a.searchsorted.Tensor, (EDGES, X), {}),
    ("reductions:PLACES", a.searchsorted.Tensor, (EDGES, EDGES), {"right": True}),
    ("reductions:PLACES", a.searchsorted.Tensor, (torch.sort(Y, -1)[0], X), {"side": "right"}),
    ("reductions:PLACES", a.bucketize.Tensor, (X, EDGES), {"out_int32": True}),
    ("reductions:DISTANCES", a.cdist.default, (X, Y), {}),
    ("reductions:DISTANCES", a.cdist.default, (X, Y, 1.0), {}),
    ("reductions:VARIANCE", a.var_mean.correction, (X, [1]), {"correction": 0, "keepdim": True}),
    ("moving:DIAGONAL", a.diagonal.default, (VOLUME, 1, -1, 2), {}),
    ("moving:DIAGONAL", a.diagonal.default, (X, -2), {}),
    ("moving:TRIANGLE", a.tril_indices.default, (4, 6, -1), {}),
    ("moving:TRIANGLE", a.triu_indices.default, (4, 6, 2), {}),
    ("moving:INDEXED", a.index_add.default, (X, 1, INDEX, Y[:, :3]), {"alpha": 2}),
    ("moving:INDEXED", a.index_copy.default, (X, 1, INDEX, Y[:, :3]), {}),
    ("moving:INDEXED", a.index_fill.int_Scalar, (X, -1, INDEX, 0.5), {}),
    ("moving:ONE_HOT", a.one_hot.default, (INTEGERS % 7, 7), {}),
    ("moving:PADDING", a.pad.default, (VOLUME[0], [1, 2, 3, 0], "circular"), {}),
    ("moving:PADDING", a.pad.default, (VOLUME, [-1, 2, 0, -2]), {}),
    ("moving:BILINEAR", a.bilinear.default, (X, Y, WEIGHT, BIAS), {}),
    ("moving:AFFINE_GRID", a.affine_grid_generator.default, (torch.randn(2, 2, 3), [2, 3, 5, 4], False), {}),
    ("moving:AFFINE_GRID", a.affine_grid_generator.default, (torch.randn(2, 2, 3), [2, 3, 5, 1], True), {}),
    ("moving:FOLD", a.col2im.default, (torch.randn(2, 27, 16), [8, 8], [3, 3], [1, 1], [1, 1], [2, 2]), {}),
    ("moving:FOLD", a.col2im.default, (torch.randn(2, 12, 25), [7, 6], [2, 2], [2, 1], [0, 0], [1, 1]), {}),
    ("pooling:ADAPTIVE_AVERAGE_POOL_3D", a.adaptive_avg_pool3d.default, (VOLUME, [2, 3, 4]), {}),
)  # fmt: skip


def rule_of(rewrite: OperatorRewrite, operator: Any) -> Any:
    return rewrite.rules[operator._schema.name.replace("::", ".")]


@pytest.mark.parametrize(("name", "operator", "args", "kwargs"), CALLS)
def test_a_rule_computes_what_the_operator_does(
    name: str, operator: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> None:
    expected = operator(*args, **kwargs)
    found = rule_of(rewrite_named(name), operator)(*args, **kwargs)
    torch.testing.assert_close(found, type(found)(expected) if isinstance(found, tuple) else expected)


@pytest.mark.parametrize("operator", [a.cummax.default, a.cummin.default])
def test_running_extremes_have_the_values_and_no_places(operator: Any) -> None:
    values, _ = rule_of(rewrite_named("reductions:RUNNING"), operator)(X, 1)
    assert torch.equal(values, operator(X, 1)[0])


def test_an_axis_too_long_to_compare_stays_as_it_is() -> None:
    assert rule_of(rewrite_named("reductions:ORDER_BY_RANK"), a.sort.default)(torch.zeros(513)) is NotImplemented


def test_heads_that_share_one_of_key_and_value() -> None:
    query, key = torch.randn(1, 6, 5, 8), torch.randn(1, 2, 5, 8)
    attend = torch.nn.functional.scaled_dot_product_attention
    rule = rewrite_named("attention:GROUPED_HEADS").rules["aten.scaled_dot_product_attention"]
    torch.testing.assert_close(rule(query, key, key, enable_gqa=True), attend(query, key, key, enable_gqa=True))
    assert rule(query, query, query) is NotImplemented
