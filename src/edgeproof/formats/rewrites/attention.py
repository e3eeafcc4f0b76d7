"""Scaled dot-product attention in the ranks that converters know."""

from __future__ import annotations

from typing import Any

import torch

from edgeproof.formats.rewrites.base import OperatorRewrite

__all__ = ["ATTENTION_FOUR_AXES", "GROUPED_HEADS"]


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


def _grouped(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, *args: Any, **options: Any) -> Any:
    """Several heads of the query share one of key and value: that is repeated for each (Ainslie et al., 2023)."""
    if not options.pop("enable_gqa", False):
        return NotImplemented

    def repeated(held: torch.Tensor) -> torch.Tensor:
        times = query.shape[-3] // held.shape[-3]
        wide = held.unsqueeze(-3).expand(*held.shape[:-2], times, *held.shape[-2:])
        return wide.reshape(*held.shape[:-3], query.shape[-3], *held.shape[-2:])

    attend = torch.nn.functional.scaled_dot_product_attention
    return attend(query, repeated(key), repeated(value), *args, **options)


GROUPED_HEADS = OperatorRewrite(
    name="heads of key and value repeated for the query's",
    why="the converter does not take as many heads of the query as share one",
    rules={"aten.scaled_dot_product_attention": _grouped},
)
