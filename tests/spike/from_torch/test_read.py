"""A module of PyTorch, exported and read: the program computes what the module computes, or says what it cannot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from edgeproof.errors import UnsupportedError
from edgeproof.spike.from_torch.read import program_from_torch
from edgeproof.spike.interpreter import interpret
from edgeproof.spike.program import Program

Function = Callable[[torch.Tensor], torch.Tensor]
VECTOR, IMAGE = (1, 6), (1, 4, 6, 6)


class Plain(nn.Module):
    def __init__(self, function: Function) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor]:
        return (self.function(x),)


def read(module: nn.Module, x: torch.Tensor) -> Program:
    with torch.no_grad():
        exported = torch.export.export(module.eval(), (x,))
    return program_from_torch(exported, inputs=["x"], states=[], outputs=[("y", "last")], timesteps=1, sequence=False)


OF_A_VECTOR: dict[str, Function] = {
    "added in part": lambda x: torch.add(x, x * x, alpha=0.5),
    "subtracted in part": lambda x: torch.sub(x, x * x, alpha=0.5),
    "subtracted from": lambda x: torch.rsub(x, x * x, alpha=0.5),
    "a number minus": lambda x: 1.5 - x,
    "compared": lambda x: (x > 0.1).float() - (x <= -0.2).float(),
    "where": lambda x: torch.where((x > 0) & (x < 1) | (x < -1), x, -x),
    "one of two": lambda x: ((x > 0) ^ (x > 1)).float(),
    "neither": lambda x: (~torch.bitwise_or(x > 1, x < 0)).float(),
    "bounded": lambda x: x.clamp(-0.3, 0.4) + x.clamp_min(0.1) + x.clamp_max(-0.1),
    "hardtanh": lambda x: F.hardtanh(x, -0.2, 0.7),
    "squared": lambda x: x**2,
    "heaviside": lambda x: torch.heaviside(x, torch.tensor(0.5)),
    "rooted": lambda x: x.abs().sqrt(),
    "stood up": lambda x: x.reshape(1, 2, 3).unsqueeze(2).flatten(1),
    "sum of groups": lambda x: x.reshape(1, 2, 3).sum(-1),
    "sum across groups": lambda x: x.reshape(1, 2, 3).sum((1,), keepdim=True),
    "sum of all": lambda x: x.sum().reshape(1),
    "sum of all but the batch": lambda x: x.reshape(1, 2, 3).sum((-1, -2)),
    "mean of groups": lambda x: x.reshape(1, 3, 2).mean(-1),
    "mean of all": lambda x: x.mean(-1, keepdim=True),
    "alone in a stack": lambda x: torch.stack([x])[0],
}
OF_AN_IMAGE: dict[str, Function] = {
    "greatest": lambda x: F.max_pool2d(x, 2, padding=1),
    "averages": lambda x: F.avg_pool2d(x, 3, stride=1, padding=1),
    "adaptive averages": lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
    "mean of an image": lambda x: x.mean((2, 3)),
    "mean over channels": lambda x: x.mean(1),
    "sum of an image": lambda x: x.sum((2, 3)),
    "mean from behind": lambda x: x.mean((-1, -2), keepdim=True),
}


@pytest.mark.parametrize(
    ("function", "shape"),
    [*((layer, VECTOR) for layer in OF_A_VECTOR.values()), *((layer, IMAGE) for layer in OF_AN_IMAGE.values())],
    ids=[*OF_A_VECTOR, *OF_AN_IMAGE],
)
def test_functions_are_pytorchs(function: Function, shape: tuple[int, ...]) -> None:
    torch.manual_seed(1)
    x = torch.randn(shape)
    program = read(Plain(function), x)
    found = interpret(program, {"x": x[0].numpy()})["y"]
    np.testing.assert_allclose(found.reshape(function(x).shape), function(x).numpy(), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3, bias=False)),
        lambda: nn.Sequential(nn.Unflatten(1, (2, 3)), nn.Conv1d(2, 4, 3, padding=1, groups=2), nn.Flatten()),
        lambda: nn.Sequential(
            nn.Unflatten(1, (1, 2, 3)), nn.Conv2d(1, 3, 2, stride=(1, 2), padding=1, dilation=(2, 1)), nn.BatchNorm2d(3)
        ),
    ],
    ids=["linear", "one dimension", "two dimensions"],
)
def test_layers_are_pytorchs(make: Callable[[], nn.Module]) -> None:
    torch.manual_seed(2)
    module, x = make().eval(), torch.randn(VECTOR)
    for layer in module.modules():
        if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
            nn.init.normal_(layer.running_mean)
            nn.init.uniform_(layer.running_var, 0.5, 2)
    with torch.no_grad():
        expected = module(x).numpy()
    found = interpret(read(Plain(module), x), {"x": x[0].numpy()})["y"]
    np.testing.assert_allclose(found.reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("function", "shape", "said"),
    [
        (lambda x: x.sum(-1), (1, 2048, 2), "a sum of so many groups of so many values"),
        (lambda x: F.max_pool2d(x, 3, ceil_mode=True, stride=2), IMAGE, "a maximum pooling with dilation or ceil_mode"),
        (lambda x: F.avg_pool2d(x, 3, padding=1, count_include_pad=False), IMAGE, "without the padding in its count"),
        (lambda x: F.adaptive_avg_pool2d(x, 4), IMAGE, "an adaptive pooling of 6×6 to 4×4"),
        (lambda x: torch.stack([x, x]), VECTOR, "tensors put together"),
        (lambda x: x[:, :2], VECTOR, "the operation aten.slice"),
        (lambda x: F.linear(x, x), VECTOR, "whose weights are computed from the input"),
        (lambda x: torch.erf(x), VECTOR, "the operation aten.erf"),
        (lambda x: x.double(), VECTOR, "values of float64"),
    ],
)
def test_what_the_engine_does_not_know_is_named_with_its_place(
    function: Function, shape: tuple[int, ...], said: str
) -> None:
    with pytest.raises(UnsupportedError) as caught:
        read(Plain(function), torch.randn(shape))
    assert said in caught.value.message
    assert "test_read.py" in caught.value.message or "weights" in said
