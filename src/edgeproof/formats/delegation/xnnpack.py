"""What XNNPACK takes of LiteRT's operators, and what is known to help where it does not.

Sources: LiteRT's ``tflite/delegates/xnnpack/README.md``, "Limitations and supported operators", of which ``QUANTISED``
is the second list; ``FLOAT`` is the first one with those that ai-edge-litert 2.3 was seen to take besides. A runtime
that takes more than this needs no cause, and none is looked up: what ran inside is always seen, never concluded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

__all__ = ["FLOAT", "NARROW_REMEDIES", "QUANTISED", "REMEDIES", "cause_of", "remedy_of"]

_FLOAT = """
    ABS ADD AVERAGE_POOL_2D BATCH_MATMUL CEIL CONCATENATION CONV_2D COS DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE DIV
    ELU EXP EXPAND_DIMS FLOOR FULLY_CONNECTED GELU HARD_SWISH LEAKY_RELU LOG LOGISTIC MAX_POOL_2D MAXIMUM MEAN MINIMUM
    MUL NEG PAD PRELU QUANTIZE RELU RELU6 RELU_N1_TO_1 RESHAPE RESIZE_BILINEAR ROUND RSQRT SIN SLICE SOFTMAX
    SPACE_TO_DEPTH SPLIT SQRT SQUARE SQUARED_DIFFERENCE STRIDED_SLICE SUB SUM TANH TRANSPOSE TRANSPOSE_CONV
"""
_QUANTISED = """
    ADD CONCATENATION CONV_2D DEPTH_TO_SPACE DEPTHWISE_CONV_2D DEQUANTIZE ELU FULLY_CONNECTED LEAKY_RELU LOGISTIC
    MAX_POOL_2D MEAN MUL PAD QUANTIZE RESHAPE RESIZE_BILINEAR SLICE SPACE_TO_DEPTH SPLIT SUB TANH TRANSPOSE
    TRANSPOSE_CONV
"""
FLOAT = frozenset(_FLOAT.split())
QUANTISED = frozenset(_QUANTISED.split())
WHOLE = {"bool", "int16", "int32", "int64", "uint32", "uint64"}
NARROW = {"int8", "uint8"}
CONDITIONS = "the conditions for it stand in LiteRT's documentation of the XNNPACK delegate"

_STEP = "`0.5 * (s + abs(s))` with `s = clamp({} * 1e30, -1, 1)`, which differs where that is below 1e-30"
_SELECT = "`where(m, a, b)` of finite values as `b + m * (a - b)`, with a mask in float"
_CHOOSE = "a fixed selection as a slice, or as a product with a matrix of ones and zeros"
_OUTSIDE = "take it outside of the model, on its scores"
REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "GREATER": f"`(x > t).float()` as {_STEP.format('(x - t)')}",
        "GREATER_EQUAL": f"`(x >= t).float()` as 1 less {_STEP.format('(t - x)')}",
        "LESS": f"`(x < t).float()` as {_STEP.format('(t - x)')}",
        "LESS_EQUAL": f"`(x <= t).float()` as 1 less {_STEP.format('(x - t)')}",
        "CAST": "a mask in float from the beginning, as the remedy for its comparison makes one",
        "LOGICAL_NOT": "1 less a mask in float",
        "SELECT": _SELECT,
        "SELECT_V2": _SELECT,
        "SIGN": "`sign(x)` as `clamp(x * 1e30, -1, 1)`, which differs where x is below 1e-30",
        "CUMSUM": "a running sum along a short axis as a product with a triangular matrix of ones",
        "GATHER": _CHOOSE,
        "GATHER_ND": _CHOOSE,
        "POW": "a power by halves as a product: `x ** 1.5` as `x * sqrt(x)`",
        "RELU_0_TO_1": "`clamp(x, 0, 1)` as `0.5 * (s + abs(s))` with `s = clamp(x, -1, 1)`",
        "ARG_MAX": _OUTSIDE,
        "ARG_MIN": _OUTSIDE,
        "TOPK_V2": _OUTSIDE,
    }
)
"""Of operators on float."""
NARROW_REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "DIV": "`erf`, which is made with one, as `tanh(1.1283792 * x + 0.10091 * x ** 3)`, another function by up to "
        "0.0004; else ship fp16, which divides in float",
        "MAXIMUM": "`maximum(x, c)` with a constant as `c + relu(x - c)`",
        "GELU": "`gelu` as `x * sigmoid(1.702 * x)`, another function by up to 0.021",
        "RELU": "put it right behind a layer, which takes it in; else ship fp16",
        "SQRT": "ship fp16, which computes it in float",
    }
)
"""Of operators on 8 bits."""


def cause_of(name: str, dtypes: Collection[str]) -> str:
    """Why XNNPACK leaves an operator to LiteRT's own kernels.

    Args:
        name: LiteRT's.
        dtypes: of what it computes on and what it gives, shapes and other constants left out.
    """
    whole = sorted(WHOLE & set(dtypes))
    if name not in FLOAT:
        return f"XNNPACK has no {name}"
    if whole:
        return f"XNNPACK computes on float and on 8 bits, and this {name} has {' and '.join(whole)}"
    if NARROW & set(dtypes) and name not in QUANTISED:
        return f"XNNPACK takes {name} on float, and not on 8 bits"
    return f"XNNPACK has {name}, and not as it is called here: {CONDITIONS}"


def remedy_of(name: str, dtypes: Collection[str]) -> str | None:
    """The cheapest change that is known to bring an operator of LiteRT into XNNPACK.

    Args:
        name: LiteRT's.
        dtypes: as for ``cause_of``.
    """
    if (WHOLE - {"bool"}) & set(dtypes):
        return None
    return (NARROW_REMEDIES if NARROW & set(dtypes) else REMEDIES).get(name)
