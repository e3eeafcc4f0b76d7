"""Between numpy, in which values are held, and torch, which has the fast kernels: the memory is shared both ways."""

from __future__ import annotations

import torch

from edgeproof.mil.values import Array

__all__ = ["array", "tensor"]


def tensor(x: Array) -> torch.Tensor:
    """The array as a tensor; copied only where torch cannot take its strides, or it must not be written to."""
    if not x.flags.writeable:
        x = x.copy()
    try:
        return torch.from_numpy(x)
    except ValueError:
        return torch.from_numpy(x.copy())


def array(x: torch.Tensor) -> Array:
    """The tensor as an array."""
    return x.numpy()
