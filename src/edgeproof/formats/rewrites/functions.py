"""Functions of one number or two in terms of those that every converter has."""

from __future__ import annotations

import math
from typing import Any

import torch

from edgeproof.formats.rewrites.base import OperatorRewrite

__all__ = [
    "COMPLEMENT",
    "ERFINV",
    "EXCLUSIVE_OR",
    "EXP2",
    "FAKE_QUANTISED",
    "HYPERBOLIC",
    "MIXING",
    "ROUNDING",
    "SHIFTS",
    "SIGNS",
    "SLOPE",
]

CENTRE = (2.81022636e-08, 3.43273939e-07, -3.5233877e-06, -4.39150654e-06, 0.00021858087, -0.00125372503,
          -0.00417768164, 0.246640727, 1.50140941)  # fmt: skip
TAIL = (-0.000200214257, 0.000100950558, 0.00134934322, -0.00367342844, 0.00573950773, -0.0076224613,
        0.00943887047, 1.00167406, 2.83297682)  # fmt: skip
"""Polynomials of M. Giles, Approximating the erfinv function (2010), single precision."""


def _trunc(x: torch.Tensor) -> torch.Tensor:
    return torch.where(x < 0, torch.ceil(x), torch.floor(x)) if x.is_floating_point() else x


def _frac(x: torch.Tensor) -> torch.Tensor:
    return x - _trunc(x)


def _fmod(x: torch.Tensor, y: Any) -> torch.Tensor:
    """The remainder of the sizes, with the sign of ``x``."""
    size = torch.remainder(torch.abs(x), torch.abs(y) if isinstance(y, torch.Tensor) else abs(y))
    return torch.where(x < 0, -size, size)


def _round(x: torch.Tensor, *, decimals: int = 0) -> Any:
    if not decimals:
        return NotImplemented
    scale = 10.0**decimals
    return torch.round(x * scale) / scale


def _hypot(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
    return torch.sqrt(x * x + y * y)


def _copysign(x: torch.Tensor, y: Any) -> torch.Tensor:
    size = torch.abs(x)
    if isinstance(y, torch.Tensor):
        return torch.where(y < 0, -size, size)
    return -size if math.copysign(1.0, y) < 0 else size


def _polynomial(x: torch.Tensor, coefficients: tuple[float, ...]) -> torch.Tensor:
    value = x * coefficients[0] + coefficients[1]
    for coefficient in coefficients[2:]:
        value = value * x + coefficient
    return value


def _erfinv(x: torch.Tensor) -> torch.Tensor:
    w = -torch.log((1.0 - x) * (1.0 + x))
    tail = _polynomial(torch.sqrt(torch.clamp(w, min=5.0)) - 3.0, TAIL)
    return torch.where(w < 5.0, _polynomial(w - 2.5, CENTRE), tail) * x


def _asinh(x: torch.Tensor) -> torch.Tensor:
    size = torch.log(torch.abs(x) + torch.sqrt(x * x + 1.0))
    return torch.where(x < 0, -size, size)


def _acosh(x: torch.Tensor) -> torch.Tensor:
    return torch.log(x + torch.sqrt(x * x - 1.0))


def _lerp(start: torch.Tensor, end: torch.Tensor, weight: Any) -> Any:
    return start + (end - start) * weight


def _log_sigmoid(x: torch.Tensor) -> torch.Tensor:
    return -torch.nn.functional.softplus(-x)


def _rrelu(x: torch.Tensor, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, *_rest: Any) -> Any:
    if training:
        return NotImplemented
    return torch.nn.functional.leaky_relu(x, (lower + upper) / 2)


def _fake_quantize(x: torch.Tensor, scale: Any, zero_point: Any, low: int, high: int) -> Any:
    steps = torch.clamp(torch.round(x / scale) + zero_point, low, high)
    return (steps - zero_point) * scale


def _xor(x: torch.Tensor, y: Any) -> Any:
    """What is in one of them alone: their sum without what both have, twice."""
    if x.dtype == torch.bool:
        return NotImplemented
    return x + y - 2 * torch.bitwise_and(x, y)


def _left(x: torch.Tensor, places: Any) -> Any:
    return NotImplemented if isinstance(places, torch.Tensor) else x * 2**places


def _right(x: torch.Tensor, places: Any) -> Any:
    if isinstance(places, torch.Tensor):
        return NotImplemented
    return torch.div(x, 2**places, rounding_mode="floor")


ROUNDING = OperatorRewrite(
    name="trunc, frac, fmod and round to decimals by floor, ceil and remainder",
    why="the converter has no trunc, or takes round without decimals only",
    rules={"aten.trunc": _trunc, "aten.fix": _trunc, "aten.frac": _frac, "aten.round": _round},
)
SIGNS = OperatorRewrite(
    name="hypot and copysign by arithmetic",
    why="the converter has neither",
    rules={"aten.hypot": _hypot, "aten.copysign": _copysign},
)
FAKE_QUANTISED = OperatorRewrite(
    name="fake quantisation by rounding",
    why="the converter fails on it",
    rules={"aten.fake_quantize_per_tensor_affine": _fake_quantize},
)
ERFINV = OperatorRewrite(
    name="erfinv by polynomials of its logarithm",
    why="the converter has no erfinv",
    rules={"aten.erfinv": _erfinv, "aten.special_erfinv": _erfinv},
)
HYPERBOLIC = OperatorRewrite(
    name="asinh and acosh by logarithms, fmod by remainder",
    why="the converter has none of them",
    rules={"aten.asinh": _asinh, "aten.acosh": _acosh, "aten.fmod": _fmod},
)
COMPLEMENT = OperatorRewrite(
    name="erfc by erf",
    why="the converter has no erfc",
    rules={"aten.erfc": lambda x: 1.0 - torch.erf(x), "aten.special_erfc": lambda x: 1.0 - torch.erf(x)},
)
MIXING = OperatorRewrite(
    name="lerp and log_sigmoid by arithmetic and softplus",
    why="the converter has neither, and fails on PyTorch's own parts",
    rules={"aten.lerp": _lerp, "aten.log_sigmoid": _log_sigmoid},
)
SLOPE = OperatorRewrite(
    name="rrelu in evaluation mode as leaky_relu of its mean slope",
    why="the converter has no rrelu",
    rules={"aten.rrelu": _rrelu},
)
EXP2 = OperatorRewrite(
    name="exp2 by exp",
    why="the converter has no exp2",
    rules={"aten.exp2": lambda x: torch.exp(x * math.log(2.0))},
)
SHIFTS = OperatorRewrite(
    name="shifts as products and divisions by powers of two",
    why="the converter has no shifts",
    rules={
        "aten.bitwise_left_shift": _left,
        "aten.__lshift__": _left,
        "aten.bitwise_right_shift": _right,
        "aten.__rshift__": _right,
    },
)
EXCLUSIVE_OR = OperatorRewrite(
    name="xor by and",
    why="the converter has no xor",
    rules={"aten.bitwise_xor": _xor, "aten.__xor__": _xor},
)
