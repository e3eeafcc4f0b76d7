"""Six networks of convolutions with an operator that a runtime's fast part does not take at known places."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import nn

__all__ = ["OPERATORS", "PLACES", "SHAPE", "Split", "samples"]

Operator = Callable[[torch.Tensor], torch.Tensor]
SHAPE = (1, 3, 32, 32)
PLACES: dict[str, tuple[str, ...]] = {
    "none": (),
    "first": ("first",),
    "middle": ("middle",),
    "last": ("last",),
    "two": ("middle", "later"),
    "every": ("alone",),
}


def threshold(x: torch.Tensor) -> torch.Tensor:
    """A comparison and a cast, which leave float: the spike function of every spiking network."""
    return (x > 0.1).float()


def reordered(x: torch.Tensor) -> torch.Tensor:
    """A selection by index."""
    return x[..., torch.tensor([*range(16), *range(31, 15, -1)])]


OPERATORS: dict[str, Operator] = {
    "litert": threshold,
    "executorch": torch.erf,
    "openvino": torch.sin,
    "onnx": torch.erf,
    "coreml": reordered,
}
"""By format: what its fast part, or for ONNX Runtime its integer kernels, does not take."""


class Split(nn.Module):
    """Three convolutions, or none where the operator stands alone."""

    def __init__(self, operator: Operator, places: tuple[str, ...]) -> None:
        super().__init__()
        torch.manual_seed(0)
        sizes = ((3, 8), (8, 8), (8, 4))
        self.layers = nn.ModuleList(nn.Conv2d(into, out, 3, padding=1) for into, out in sizes)
        self.operator, self.places = operator, places

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.places == ("alone",):
            return self.operator(x)
        names = ("first", "middle", "later", "last")
        for name, layer in zip(names, (*self.layers, None), strict=True):
            if name in self.places:
                x = self.operator(x)
            if layer is not None:
                x = torch.relu(layer(x))
        return x


def samples(count: int = 32) -> dict[str, np.ndarray]:
    """Positive and negative numbers."""
    return {"x": np.random.default_rng(0).standard_normal((count, *SHAPE)).astype(np.float32)}
