"""Products of matrices. Sums of float16 are taken in float16, see ``kernels/sums.py``."""

from __future__ import annotations

import numpy as np
import torch

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels import sums
from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = ["einsum", "linear", "matmul"]

FEW = 4_096
"""Products up to which a call of torch costs more than it saves. Where there are more, sums are in torch's order: the
fewer bits differ from the model's, the fewer spikes change sides at their threshold."""


@op("linear")
def linear(x: Array, weight: Array, budget: Budget, bias: Array | None = None) -> Array:
    """``x @ weight.T + bias``: ``x`` (..., in), ``weight`` (out, in), ``bias`` (out), by default 0; gives (..., out).

    ``weight`` and ``bias`` may have another dtype than ``x``, whose dtype counts.
    """
    if weight.ndim != 2 or x.ndim < 1 or x.shape[-1] != weight.shape[1]:
        raise ArtifactError(
            f"x {list(x.shape)} and weight {list(weight.shape)} do not fit; expected (..., in), (out, in)"
        )
    if bias is not None and bias.shape != weight.shape[:1]:
        raise ArtifactError(f"the bias has the shape {list(bias.shape)}; expected {[weight.shape[0]]}")
    weight = weight.astype(x.dtype, copy=False)
    bias = None if bias is None else bias.astype(x.dtype, copy=False)
    shape = (*x.shape[:-1], weight.shape[0])
    if x.dtype == np.float32 and 0 < x.size * weight.shape[0] <= FEW:
        result: Array = weight.dot(x.reshape(-1)) if x.size == x.shape[-1] else np.dot(x, weight.T)
        return (result if bias is None else result + bias).reshape(shape)
    budget.room(shape, x.itemsize)
    if x.dtype == np.float32:
        return array(torch.nn.functional.linear(tensor(x), tensor(weight), None if bias is None else tensor(bias)))
    result = sums.matmul(np.atleast_2d(x), weight.T).reshape(shape)
    return result if bias is None else result + bias


@op("matmul")
def matmul(x: Array, y: Array, budget: Budget, transpose_x: bool = False, transpose_y: bool = False) -> Array:
    """``x @ y`` of the last two dimensions, the ones before them broadcast.

    ``transpose_x`` and ``transpose_y`` exchange those two before. ``x`` of one dimension is one row and ``y`` of one
    dimension one column; the result then lacks that dimension.
    """
    if x.dtype != y.dtype:
        floats = [factor.dtype for factor in (x, y) if factor.dtype.kind == "f"]
        wide = np.result_type(*floats) if floats else np.promote_types(x.dtype, y.dtype)
        x, y = x.astype(wide, copy=False), y.astype(wide, copy=False)
    row, column = x.ndim == 1, y.ndim == 1
    left = x[None] if row else x.swapaxes(-1, -2) if transpose_x else x
    right = y[:, None] if column else y.swapaxes(-1, -2) if transpose_y else y
    if left.ndim < 2 or right.ndim < 2 or left.shape[-1] != right.shape[-2]:
        raise ArtifactError(f"x {list(x.shape)} and y {list(y.shape)} do not fit")
    budget.room((*np.broadcast_shapes(left.shape[:-2], right.shape[:-2]), left.shape[-2], right.shape[-1]), x.itemsize)
    result = sums.matmul(left, right)
    if row:
        result = result[..., 0, :]
    return result[..., 0] if column else result


@op("einsum")
def einsum(values: tuple[Array, ...], equation: str, budget: Budget) -> Array:
    """``nchw,nwhu->nchu`` or ``chw,whu->chu`` in any letters: for each ``h`` (and ``n``) a product of matrices.

    ``n`` and ``h`` of size 1 are broadcast.
    """
    if len(values) != 2:
        raise ArtifactError(f"einsum takes two values, and is given {len(values)}")
    names: dict[str, str] = {}
    plain = "".join(
        letter if letter in ",->" else names.setdefault(letter, "nchwu"[len(names)] if len(names) < 5 else "?")
        for letter in equation.replace(" ", "")
    )
    x, y = values
    rank = {"nchw,nwhu->nchu": 4, "nch,hcw->ncw": 3}.get(plain)
    if rank is None:
        raise ArtifactError(f"the equation {equation!r} is not known; expected nchw,nwhu->nchu or chw,whu->chu")
    if x.ndim != rank or y.ndim != rank or x.dtype != y.dtype or x.shape[-1] != y.shape[-3]:
        raise ArtifactError(f"{x.dtype}{list(x.shape)} and {y.dtype}{list(y.shape)} do not fit {equation!r}")
    left, right = x.swapaxes(-3, -2), y.swapaxes(-3, -2)
    budget.room((*np.broadcast_shapes(left.shape[:-2], right.shape[:-2]), left.shape[-2], right.shape[-1]), x.itemsize)
    return sums.matmul(left, right).swapaxes(-3, -2)
