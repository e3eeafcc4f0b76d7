"""Elementwise, of one tensor: the output has the input's shape, and its dtype where nothing else is said."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.kernels.half import rounded_once
from edgeproof.mil.kernels.integers import integer_of
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array

__all__ = [
    "absolute",
    "acos",
    "asin",
    "atan",
    "atanh",
    "cast",
    "cast_ios17",
    "ceil",
    "clip",
    "clip_ios17",
    "cos",
    "cosh",
    "erf",
    "exp",
    "exp2",
    "floor",
    "identity",
    "inverse",
    "log",
    "logical_not",
    "rounded",
    "rsqrt",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "threshold",
]

DTYPES: dict[str, np.dtype[Any]] = {
    "int32": np.dtype(np.int32),
    "fp16": np.dtype(np.float16),
    "fp32": np.dtype(np.float32),
    "bool": np.dtype(np.bool_),
}
DTYPES_IOS17: dict[str, np.dtype[Any]] = DTYPES | {
    "int8": np.dtype(np.int8),
    "uint8": np.dtype(np.uint8),
    "int16": np.dtype(np.int16),
    "uint16": np.dtype(np.uint16),
}


@op("identity", moves=True)
def identity(x: Array) -> Array:
    """``x``."""
    return x


def _cast(x: Array, dtype: str, known: dict[str, np.dtype[Any]]) -> Array:
    if dtype not in known:
        raise ArtifactError(f"the dtype {dtype!r} is not known; expected one of {', '.join(known)}")
    wanted = known[dtype]
    if x.dtype.kind == "f" and wanted.kind in "iu":
        return integer_of(x, wanted)
    if x.dtype.kind == wanted.kind == "f":
        return array(tensor(x).half() if wanted == np.float16 else tensor(x).float())
    return x.astype(wanted)


@op("cast", moves=True)
def cast(x: Array, dtype: str) -> Array:
    """``x`` as ``int32``, ``fp16``, ``fp32`` or ``bool``.

    To an integer the fraction is cut off (and what does not fit, see ``integer_of``); to bool all but 0 is true.
    """
    return _cast(x, dtype, DTYPES)


@op("cast", "iOS17", moves=True)
def cast_ios17(x: Array, dtype: str) -> Array:
    """``cast`` to ``int8``, ``uint8``, ``int16`` and ``uint16`` too; what does not fit keeps its low bits."""
    return _cast(x, dtype, DTYPES_IOS17)


@op("abs")
def absolute(x: Array) -> Array:
    """``|x|``."""
    return np.abs(x)


@op("acos")
def acos(x: Array) -> Array:
    """The angle in [0, pi] whose cosine is ``x``."""
    return rounded_once(np.arccos, x)


@op("asin")
def asin(x: Array) -> Array:
    """The angle in [-pi/2, pi/2] whose sine is ``x``."""
    return rounded_once(np.arcsin, x)


@op("atan")
def atan(x: Array) -> Array:
    """The angle in [-pi/2, pi/2] whose tangent is ``x``."""
    return rounded_once(np.arctan, x)


@op("atanh")
def atanh(x: Array) -> Array:
    """The number whose hyperbolic tangent is ``x``."""
    return rounded_once(np.arctanh, x)


@op("ceil")
def ceil(x: Array) -> Array:
    """The least whole number not below ``x``."""
    return np.ceil(x)


@op("clip")
def clip(x: Array, alpha: float, beta: float) -> Array:
    """``min(max(x, alpha), beta)``."""
    return array(tensor(x).clamp(alpha, beta))


@op("clip", "iOS17")
def clip_ios17(x: Array, alpha: float, beta: float) -> Array:
    """``clip``; ``alpha`` has to be below ``beta``."""
    if alpha >= beta:
        raise ArtifactError(f"alpha is {alpha:g} and beta {beta:g}; alpha has to be the smaller one")
    return clip(x, alpha, beta)


@op("cos")
def cos(x: Array) -> Array:
    """The cosine of ``x`` radians."""
    return rounded_once(np.cos, x)


@op("cosh")
def cosh(x: Array) -> Array:
    """The hyperbolic cosine."""
    return rounded_once(np.cosh, x)


@op("erf")
def erf(x: Array) -> Array:
    """``2 / sqrt(pi)`` times the integral of ``e^(-t^2)`` from 0 to ``x``."""
    return array(torch.erf(tensor(x)))


@op("exp")
def exp(x: Array) -> Array:
    """``e^x``."""
    return rounded_once(np.exp, x)


@op("exp2")
def exp2(x: Array) -> Array:
    """``2^x``; of int32 the whole part of it."""
    if x.dtype.kind == "f":
        return rounded_once(np.exp2, x)
    return integer_of(np.exp2(x.astype(np.float64)), x.dtype)


@op("floor")
def floor(x: Array) -> Array:
    """The greatest whole number not above ``x``."""
    return np.floor(x)


@op("inverse")
def inverse(x: Array, epsilon: float = 1e-4) -> Array:
    """``1 / (x + epsilon)``."""
    return np.asarray(np.reciprocal(np.add(x, epsilon)))


@op("log")
def log(x: Array, epsilon: float = 1e-45) -> Array:
    """The natural logarithm of ``x + epsilon``."""
    return np.asarray(rounded_once(np.log, np.add(x, epsilon)))


@op("logical_not")
def logical_not(x: Array) -> Array:
    """Whether ``x`` is false."""
    return np.logical_not(x)


@op("round")
def rounded(x: Array) -> Array:
    """The nearest whole number, the even one of two as near."""
    return np.rint(x)


@op("rsqrt")
def rsqrt(x: Array, epsilon: float = 1e-12) -> Array:
    """``1 / sqrt(x + epsilon)``."""
    return array(tensor(x).add(epsilon).rsqrt_())


@op("sign")
def sign(x: Array) -> Array:
    """-1, 0 or 1."""
    return np.sign(x)


@op("sin")
def sin(x: Array) -> Array:
    """The sine of ``x`` radians."""
    return rounded_once(np.sin, x)


@op("sinh")
def sinh(x: Array) -> Array:
    """The hyperbolic sine."""
    return rounded_once(np.sinh, x)


@op("sqrt")
def sqrt(x: Array) -> Array:
    """The square root; NaN below 0."""
    return np.sqrt(x)


@op("square")
def square(x: Array) -> Array:
    """``x * x``; int32 keeps its low bits."""
    return np.square(x)


@op("tan")
def tan(x: Array) -> Array:
    """The tangent of ``x`` radians."""
    return rounded_once(np.tan, x)


@op("tanh")
def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return rounded_once(np.tanh, x)


@op("threshold")
def threshold(x: Array, alpha: float) -> Array:
    """``max(x, alpha)``."""
    if x.dtype.kind == "f":
        return array(tensor(x).clamp(min=alpha))
    return np.asarray(np.maximum(x, x.dtype.type(alpha)))
