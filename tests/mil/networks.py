"""Networks that are converted, run and damaged: one of each kind that people ship, small, seeded, no training."""

from __future__ import annotations

import contextlib
import io
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Case:
    """A network and example inputs, by name."""

    module: nn.Module
    inputs: dict[str, torch.Tensor]


class Encoder(nn.Module):
    """A transformer encoder block, written with the operations that converters take."""

    def __init__(self, width: int = 32, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        batch, length, width = tokens.shape
        q, k, v = self.qkv(self.norm1(tokens)).view(batch, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        weights = torch.softmax(q @ k.transpose(-1, -2) / (width // self.heads) ** 0.5, dim=-1)
        tokens = tokens + self.out((weights @ v).transpose(1, 2).reshape(batch, length, width))
        return tokens + self.down(nn.functional.gelu(self.up(self.norm2(tokens))))


class Residual(nn.Module):
    """Batch norm, a depthwise convolution between two pointwise ones, and the way around them."""

    def __init__(self, channels: int = 16) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, channels, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(channels))
        self.block = nn.Sequential(
            nn.Conv2d(channels, 2 * channels, 1, bias=False),
            nn.BatchNorm2d(2 * channels),
            nn.Hardswish(),
            nn.Conv2d(2 * channels, 2 * channels, 3, padding=1, groups=2 * channels, bias=False),
            nn.BatchNorm2d(2 * channels),
            nn.ReLU6(),
            nn.Conv2d(2 * channels, channels, 1),
        )
        self.head = nn.Linear(channels, 10)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.stem(image))
        x = x + self.block(x)
        return self.head(nn.functional.adaptive_avg_pool2d(x, 1).flatten(1))


class UNet(nn.Module):
    """Down, up by a transposed convolution and by a resize, and a skip between them."""

    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(1, 8, 3, padding=1)
        self.b = nn.Conv2d(8, 16, 3, padding=1, stride=2)
        self.c = nn.Conv2d(16, 16, 3, padding=2, dilation=2)
        self.up = nn.ConvTranspose2d(16, 8, 4, stride=2, padding=1)
        self.out = nn.Conv2d(24, 2, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        a = torch.relu(self.a(image))
        b = torch.relu(self.c(torch.relu(self.b(nn.functional.max_pool2d(a, 2)))))
        up = nn.functional.interpolate(self.up(b), scale_factor=2, mode="bilinear", align_corners=False)
        near = nn.functional.interpolate(b[:, :8], scale_factor=4.0, mode="nearest")
        return torch.sigmoid(self.out(torch.cat([a, up, near], dim=1)))


class Lstm(nn.Module):
    """Two layers, one of them both ways, and a linear head on the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(12, 16, num_layers=1, batch_first=True, bidirectional=True)
        self.second = nn.LSTM(32, 16, batch_first=True)
        self.head = nn.Linear(16, 5)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        first, _ = self.lstm(rows)
        second, _ = self.second(first)
        return self.head(second[:, -1])


class Spiking(nn.Module):
    """Leaky integrate-and-fire neurons over several time steps in one graph."""

    def __init__(self, steps: int = 8) -> None:
        super().__init__()
        self.steps = steps
        self.fc1, self.fc2 = nn.Linear(24, 32), nn.Linear(32, 6)

    def forward(self, current: torch.Tensor) -> torch.Tensor:
        u1 = torch.zeros(current.shape[0], 32)
        u2 = torch.zeros(current.shape[0], 6)
        counts = torch.zeros(current.shape[0], 6)
        for _ in range(self.steps):
            u1 = 0.9 * u1 + self.fc1(current)
            s1 = (u1 > 1.0).float()
            u1 = u1 - s1
            u2 = 0.9 * u2 + self.fc2(s1)
            counts = counts + (u2 > 0.5).float()
        return counts + 0.01 * u2


class SpikingStep(nn.Module):
    """One time step with its state as an input and an output, put into one array with the spikes."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(24, 32)

    def forward(self, current: torch.Tensor, membrane: torch.Tensor) -> torch.Tensor:
        membrane = 0.9 * membrane + self.fc(current)
        spikes = (membrane > 1.0).float()
        return torch.cat([spikes, membrane - spikes], dim=-1)


def encoder() -> Case:
    return Case(nn.Sequential(Encoder(), Encoder()), {"tokens": torch.randn(1, 10, 32)})


def residual() -> Case:
    module = Residual()
    for layer in module.modules():
        if isinstance(layer, nn.BatchNorm2d):
            nn.init.uniform_(layer.running_mean, -0.5, 0.5)
            nn.init.uniform_(layer.running_var, 0.5, 2.0)
            nn.init.uniform_(layer.weight, 0.5, 1.5)
            nn.init.uniform_(layer.bias, -0.3, 0.3)
    return Case(module, {"image": torch.randn(1, 3, 24, 24)})


def unet() -> Case:
    return Case(UNet(), {"image": torch.randn(1, 1, 32, 32)})


def lstm() -> Case:
    return Case(Lstm(), {"rows": torch.randn(1, 9, 12)})


def spiking() -> Case:
    return Case(Spiking(), {"current": torch.rand(1, 24)})


def spiking_step() -> Case:
    return Case(SpikingStep(), {"current": torch.rand(1, 24), "membrane": torch.rand(1, 32)})


def dense() -> Case:
    return Case(
        nn.Sequential(nn.Linear(20, 64), nn.LeakyReLU(0.1), nn.Linear(64, 48), nn.Tanh(), nn.Linear(48, 8)),
        {"features": torch.randn(1, 20)},
    )


CASES: dict[str, Callable[[], Case]] = {
    make.__name__: make for make in (encoder, residual, unet, lstm, spiking, spiking_step, dense)
}


def build(name: str) -> Case:
    """A case in evaluation mode, the same each time."""
    torch.manual_seed(list(CASES).index(name) + 20)
    case = CASES[name]()
    case.module.eval()
    return case


def eager(case: Case, inputs: dict[str, Array]) -> Array:
    """The module's output, one array."""
    with torch.no_grad():
        result: Array = case.module(*(torch.from_numpy(inputs[name]) for name in case.inputs)).numpy()
        return result


def samples(case: Case, count: int, seed: int = 1) -> list[dict[str, Array]]:
    """Inputs like the examples, seeded."""
    generator = torch.Generator().manual_seed(seed)
    draws = {name: (torch.rand if bool((x >= 0).all()) else torch.randn) for name, x in case.inputs.items()}
    return [
        {name: draws[name](tuple(x.shape), generator=generator).numpy() for name, x in case.inputs.items()}
        for _ in range(count)
    ]


def converted(case: Case, *, half: bool = False, target: str = "iOS18", passes: Any = None) -> Any:
    """The case as a coremltools model, output ``result``."""
    import coremltools as ct

    with torch.no_grad(), warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        traced = torch.jit.trace(case.module, tuple(case.inputs.values()))
        return ct.convert(
            traced,
            convert_to="mlprogram",
            minimum_deployment_target=getattr(ct.target, target),
            compute_precision=ct.precision.FLOAT16 if half else ct.precision.FLOAT32,
            inputs=[
                ct.TensorType(name=name, shape=tuple(x.shape), dtype=np.float32) for name, x in case.inputs.items()
            ],
            outputs=[ct.TensorType(name="result", dtype=np.float32)],
            skip_model_load=True,
            pass_pipeline=passes,
        )


def saved(model: Any, folder: Path, name: str = "model") -> Path:
    """The package on disk."""
    path = folder / f"{name}.mlpackage"
    model.save(str(path))
    return path


def relative_l2(reference: Sequence[Array], given: Sequence[Array]) -> float:
    """Norm of all differences over the norm of all reference values, in float64."""
    expected = np.concatenate([array.ravel() for array in reference]).astype(np.float64)
    found = np.concatenate([array.ravel() for array in given]).astype(np.float64)
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))
