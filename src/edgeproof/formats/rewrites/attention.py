"""Scaled dot-product attention in the ranks and parts that converters know."""

from __future__ import annotations

import math
from typing import Any

import torch

from edgeproof.formats.rewrites.base import OperatorRewrite

__all__ = ["ATTENTION_FOUR_AXES", "ATTENTION_IN_PARTS"]


def _four_axes(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    **options: Any,
) -> Any:
    if query.ndim != 3:
        return NotImplemented
    mask = attn_mask.unsqueeze(1) if attn_mask is not None and attn_mask.ndim == 3 else attn_mask
    attended = torch.nn.functional.scaled_dot_product_attention(
        query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1), mask, dropout_p, is_causal, **options
    )
    return attended.squeeze(1)


def _in_parts(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attn_mask: torch.Tensor | None = None,
    _dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """softmax(q kᵀ · scale + mask) v; scale is 1/√d unless given (torch.nn.functional.scaled_dot_product_attention)."""
    if enable_gqa:
        return NotImplemented
    factor = 1.0 / math.sqrt(query.shape[-1]) if scale is None else scale
    scores = torch.matmul(query * factor, key.transpose(-2, -1))
    if is_causal:
        attn_mask = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool).tril()
    if attn_mask is not None:
        if attn_mask.dtype == torch.bool:
            attn_mask = torch.where(attn_mask, 0.0, -1e9).to(scores.dtype)
        scores = scores + attn_mask
    return torch.matmul(torch.softmax(scores, dim=-1), value)


ATTENTION_FOUR_AXES = OperatorRewrite(
    name="attention on three axes with a fourth of length 1",
    why="the converter takes attention on four axes only",
    rules={"aten.scaled_dot_product_attention": _four_axes},
)
ATTENTION_IN_PARTS = OperatorRewrite(
    name="attention as products and a softmax",
    why="the converter has no fused attention with this mask",
    rules={"aten.scaled_dot_product_attention": _in_parts},
)
