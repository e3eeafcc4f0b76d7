"""Scaled dot-product attention in the ranks that converters know."""

from __future__ import annotations

from typing import Any

import torch

from edgeproof.formats.rewrites.base import OperatorRewrite

__all__ = ["ATTENTION_FOUR_AXES"]


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


ATTENTION_FOUR_AXES = OperatorRewrite(
    name="attention on three axes with a fourth of length 1",
    why="the converter takes attention on four axes only",
    rules={"aten.scaled_dot_product_attention": _four_axes},
)
