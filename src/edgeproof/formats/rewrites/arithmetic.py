"""Small operators in terms of ones that every converter knows."""

from __future__ import annotations

from typing import Any

import torch

from edgeproof.formats.rewrites.base import OperatorRewrite, operator_name

__all__ = ["BATCH_NORM", "CLAMP", "PASSAGE", "REPEATED_OUTPUT", "SMALL_OPERATORS"]


def _vdot(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return (a * b).sum()


def _filled(value: float) -> Any:
    def rule(x: torch.Tensor, size: list[int], *, dtype: torch.dtype | None = None, **_options: Any) -> torch.Tensor:
        return torch.full(size, value, dtype=dtype or x.dtype)

    return rule


def _diff(x: torch.Tensor, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> torch.Tensor:
    x = torch.cat([part for part in (prepend, x, append) if part is not None], dim)
    for _ in range(n):
        size = x.shape[dim]
        x = x.narrow(dim, 1, size - 1) - x.narrow(dim, 0, size - 1)
    return x


def _full_like(x: torch.Tensor, value: Any, *, dtype: torch.dtype | None = None, **_options: Any) -> torch.Tensor:
    return torch.full(list(x.shape), value, dtype=dtype or x.dtype)


def _batch_norm(
    x: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    mean: torch.Tensor | None,
    variance: torch.Tensor | None,
    training: bool,
    _momentum: float,
    eps: float,
    _cudnn: bool = False,
) -> Any:
    """(x - mean) / sqrt(variance + eps) · weight + bias, as one product and one sum (Ioffe and Szegedy, 2015)."""
    if training or mean is None or variance is None:
        return NotImplemented
    factor = torch.rsqrt(variance + eps)
    factor = factor if weight is None else factor * weight
    shift = -mean * factor if bias is None else bias - mean * factor
    shape = [1, -1] + [1] * (x.ndim - 2)
    return x * factor.reshape(shape) + shift.reshape(shape)


def _native_batch_norm(
    x: torch.Tensor,
    weight: torch.Tensor | None,
    bias: torch.Tensor | None,
    mean: torch.Tensor,
    variance: torch.Tensor,
    momentum: float,
    eps: float,
) -> Any:
    normed = torch.nn.functional.batch_norm(x, mean, variance, weight, bias, False, momentum, eps)
    return normed, mean.new_zeros(0), mean.new_zeros(0)


def _bounds(node: torch.fx.Node) -> list[Any]:
    return [bound for bound in (*node.args[1:], *node.kwargs.values()) if bound is not None]


def _mixed_bounds(graph: torch.fx.Graph) -> bool:
    return any(
        operator_name(node.target) == "aten.clamp" and len({type(bound) for bound in _bounds(node)}) > 1
        for node in graph.nodes
        if node.op == "call_function"
    )


def _clamp(x: torch.Tensor, min: Any = None, max: Any = None) -> Any:
    if isinstance(min, torch.Tensor) or isinstance(max, torch.Tensor) or not x.is_floating_point():
        return NotImplemented
    return torch.clamp(x, *[None if bound is None else float(bound) for bound in (min, max)])


def _copied(x: torch.Tensor, **_options: Any) -> torch.Tensor:
    return torch.logical_or(x, x) if x.dtype == torch.bool else x + 0


def _passes_input_through(graph: torch.fx.Graph) -> bool:
    return any(
        operator_name(node.target) == "aten.clone" and node.args[0].op == "placeholder"
        for node in graph.nodes
        if node.op == "call_function"
    )


SMALL_OPERATORS = OperatorRewrite(
    name="small operators in simpler ones",
    why="the converter has no vdot, diff, new_ones, new_zeros or alias, or fails on full_like or native batch norm",
    rules={
        "aten.vdot": _vdot,
        "aten.diff": _diff,
        "aten.new_ones": _filled(1),
        "aten.new_zeros": _filled(0),
        "aten.full_like": _full_like,
        "aten.alias": lambda x: x,
        "aten._native_batch_norm_legit_no_training": _native_batch_norm,
    },
)


def _copies_for_output(graph: torch.fx.Graph) -> bool:
    return any(operator_name(node.target) == "aten.clone" for node in graph.output_node().all_input_nodes)


CLAMP = OperatorRewrite(
    name="bounds of one kind",
    why="the converter fails on a whole number as one bound and a fraction as the other",
    rules={"aten.clamp": _clamp},
    needed=_mixed_bounds,
)
BATCH_NORM = OperatorRewrite(
    name="batch norm as one product and one sum",
    why="the converter's fusion of this convolution and batch norm fails",
    rules={"aten.batch_norm": _batch_norm},
)
REPEATED_OUTPUT = OperatorRewrite(
    name="a value that is an output twice, or an input too, is copied by adding zero",
    why="the converter refuses values that pass through",
    rules={"aten.clone": _copied},
    needed=_copies_for_output,
)
PASSAGE = OperatorRewrite(
    name="an input that is an output too is copied by adding zero",
    why="the converter gives both the same name",
    rules={"aten.clone": _copied},
    needed=_passes_input_through,
)
