"""What is said to help, as code: a call that runs outside, and the call that the remedy makes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

__all__ = ["PAIRS", "Pair"]

Function = Callable[[torch.Tensor], torch.Tensor]
ONE = torch.ones(1)
THIRD = torch.tensor(0.3)
TRIANGLE = torch.triu(torch.ones(32, 32))
ORDER = torch.tensor([*range(16), *range(31, 15, -1)])
CHOICE = torch.eye(32)[:, ORDER]


def step(x: torch.Tensor) -> torch.Tensor:
    """1 above zero, and 0 from there on down."""
    return torch.relu(torch.clamp(x * 1e30, -1, 1))


def half(x: torch.Tensor) -> torch.Tensor:
    """The same for LiteRT, whose converter makes one operator of ``step`` that XNNPACK lacks."""
    return positive(x * 1e30)


def positive(x: torch.Tensor) -> torch.Tensor:
    """``clamp(x, 0, 1)`` by other operators."""
    within = torch.clamp(x, -1, 1)
    return 0.5 * (within + torch.abs(within))


def chosen(x: torch.Tensor) -> torch.Tensor:
    """``where(x > 0, x, 2 * x - 1)`` by arithmetic."""
    other = 2.0 * x - 1.0
    return other + half(x) * (x - other)


@dataclass(frozen=True)
class Pair:
    """An operator by the runtime's name, a call that runs it outside, and one that computes the same inside."""

    format: str
    operator: str
    outside: Function
    inside: Function
    apart: float = 1e-5
    """How far the two may be apart."""
    precision: str = "fp32"

    @property
    def name(self) -> str:
        return f"{self.format}-{self.precision}-{self.operator.rpartition('.')[2]}"


PAIRS = (
    Pair("litert", "GREATER", lambda x: (x > 0.1).float(), lambda x: half(x - 0.1)),
    Pair("litert", "GREATER_EQUAL", lambda x: (x >= 0.1).float(), lambda x: 1.0 - half(0.1 - x)),
    Pair("litert", "LESS", lambda x: (x < 0.1).float(), lambda x: half(0.1 - x)),
    Pair("litert", "LESS_EQUAL", lambda x: (x <= 0.1).float(), lambda x: 1.0 - half(x - 0.1)),
    Pair("litert", "CAST", lambda x: (x > 0).float() * x, lambda x: half(x) * x),
    Pair("litert", "SELECT", lambda x: torch.where(x > 0, x, 2 * x - 1), chosen),
    Pair("litert", "SIGN", torch.sign, lambda x: torch.clamp(x * 1e30, -1, 1)),
    Pair("litert", "LOGICAL_NOT", lambda x: torch.logical_not(x > 0).float(), lambda x: 1.0 - half(x)),
    Pair("litert", "CUMSUM", lambda x: torch.cumsum(x, -1), lambda x: x @ TRIANGLE, 1e-4),
    Pair("litert", "GATHER_ND", lambda x: x[..., ORDER], lambda x: x @ CHOICE),
    Pair("litert", "POW", lambda x: torch.relu(x) ** 1.5, lambda x: torch.relu(x) * torch.sqrt(torch.relu(x))),
    Pair("litert", "RELU_0_TO_1", lambda x: torch.clamp(x, 0, 1), positive),
    Pair("litert", "DIV", torch.erf, lambda x: torch.tanh(1.1283792 * x + 0.10091 * x * x * x), 4e-4, "int8"),
    Pair("litert", "MAXIMUM", lambda x: torch.maximum(x, THIRD), lambda x: 0.3 + torch.relu(x - 0.3), 1e-5, "int8"),
    Pair("litert", "GELU", nn.functional.gelu, lambda x: x * torch.sigmoid(1.702 * x), 0.021, "int8"),
    Pair("executorch", "aten.gt", lambda x: (x > 0.1).float(), lambda x: step(x - 0.1)),
    Pair("executorch", "aten.ge", lambda x: (x >= 0.1).float(), lambda x: 1.0 - step(0.1 - x)),
    Pair("executorch", "aten.lt", lambda x: (x < 0.1).float(), lambda x: step(0.1 - x)),
    Pair("executorch", "aten.le", lambda x: (x <= 0.1).float(), lambda x: 1.0 - step(x - 0.1)),
    Pair("executorch", "aten.where", lambda x: torch.where(x > 0, x, 2 * x - 1), chosen),
    Pair("executorch", "dim_order_ops._to_dim_order_copy", lambda x: 2 * x, lambda x: 2.0 * x),
    Pair("executorch", "aten.sign", torch.sign, lambda x: torch.clamp(x * 1e30, -1, 1)),
    Pair("executorch", "aten.logical_not", lambda x: torch.logical_not(x > 0).float(), lambda x: 1.0 - step(x)),
    Pair("executorch", "aten.cumsum", lambda x: torch.cumsum(x, -1), lambda x: x @ TRIANGLE, 1e-4),
    Pair(
        "executorch",
        "aten.erf",
        torch.erf,
        lambda x: torch.tanh(1.1283792 * x + 0.10091 * x * x * x),
        4e-4,
    ),
    Pair("executorch", "aten.reciprocal", lambda x: torch.reciprocal(x.abs() + 1), lambda x: ONE / (x.abs() + 1.0)),
    Pair("executorch", "aten.pow", lambda x: torch.relu(x) ** 1.5, lambda x: torch.relu(x) * torch.sqrt(torch.relu(x))),
    Pair("executorch", "aten.mean", lambda x: x.mean((2, 3)), lambda x: x.mean((2, 3), keepdim=True).reshape(1, 8)),
    Pair(
        "executorch",
        "aten.sum",
        lambda x: x.sum((2, 3), keepdim=True),
        lambda x: x.mean((2, 3), keepdim=True) * 1024.0,
        1e-3,
    ),
    Pair(
        "executorch",
        "aten.squeeze_copy",
        lambda x: x.mean((2, 3), keepdim=True).squeeze(),
        lambda x: x.mean((2, 3), keepdim=True).reshape(8),
    ),
)
