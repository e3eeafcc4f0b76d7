"""What XNNPACK takes of LiteRT's operators, and what is known to help where it does not.

Sources: LiteRT's ``tflite/delegates/xnnpack/README.md``, "Limitations and supported operators", of which ``QUANTISED``
is the second list; ``FLOAT`` is the first one with those that ai-edge-litert 2.3 was seen to take besides. A runtime
that takes more than this needs no cause, and none is looked up: what ran inside is always seen, never concluded.
"""

from __future__ import annotations

from collections.abc import Collection
from types import MappingProxyType

__all__ = ["FLOAT", "QUANTISED", "cause_of", "remedy_of"]

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

_COMPARE = "a threshold `(x > t).float()` is `relu(sign(x - t))` in operators that stay in float"
_REMEDIES = MappingProxyType(
    {
        "GREATER": _COMPARE,
        "GREATER_EQUAL": "`(x >= t).float()` is `1 - relu(sign(t - x))` in operators that stay in float",
        "LESS": "`(x < t).float()` is `relu(sign(t - x))` in operators that stay in float",
        "LESS_EQUAL": "`(x <= t).float()` is `1 - relu(sign(x - t))` in operators that stay in float",
        "CAST": "keep the value in float: a mask that is multiplied need not be boolean",
        "SELECT": "`where(m, a, b)` of finite values is `b + m * (a - b)` with a mask in float",
        "SELECT_V2": "`where(m, a, b)` of finite values is `b + m * (a - b)` with a mask in float",
        "CUMSUM": "a running sum along a short axis is a product with a triangular matrix of ones",
        "GATHER": "a fixed selection is a slice, or a product with a matrix of ones and zeros",
        "GATHER_ND": "a fixed selection is a slice, or a product with a matrix of ones and zeros",
        "POW": "`x ** 2` as `x * x`, `x ** 0.5` as `sqrt(x)`",
        "BROADCAST_TO": "leave `expand` out where an elementwise operator follows: it broadcasts by itself",
        "DIV": "divide by a constant as a product with its reciprocal; else ship fp16, which divides in float",
        "MAXIMUM": "`maximum(x, c)` with a constant is `c + relu(x - c)`; else ship fp16",
        "MINIMUM": "`minimum(x, c)` with a constant is `c - relu(c - x)`; else ship fp16",
        "GELU": "`gelu` as `x * sigmoid(1.702 * x)`, which is another function by up to 0.02; else ship fp16",
        "ARG_MAX": "take the index outside of the model, on its scores",
        "ARG_MIN": "take the index outside of the model, on its scores",
        "TOPK_V2": "take the best outside of the model, on its scores",
        "SIGN": "`sign(x)` as `clamp(x * 1e30, -1, 1)`, which differs below 1e-30",
    }
)
"""Of operators on float, or on 8 bits where XNNPACK takes them on float."""


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


def remedy_of(name: str) -> str | None:
    """The cheapest change that is known to bring an operator of LiteRT into XNNPACK."""
    return _REMEDIES.get(name)
