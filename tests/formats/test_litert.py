"""LiteRT's int8: what the calibration samples leave at zero, and what stands beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import edgeproof

pytestmark = pytest.mark.xdist_group("litert")


class Step(torch.nn.Module):
    """One time step whose state is an argument; its recurrent layer has a bias."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.forwards, self.back = torch.nn.Linear(6, 4), torch.nn.Linear(4, 4)

    def forward(self, x: torch.Tensor, state: torch.Tensor) -> torch.Tensor:
        return self.forwards(x) + self.back(state)


def test_a_bias_beside_an_input_that_is_always_zero_is_kept(tmp_path: Path) -> None:
    x = np.random.default_rng(0).standard_normal((200, 1, 6)).astype(np.float32)
    samples = {"x": x, "state": np.zeros((200, 1, 4), np.float32)}
    module = Step()
    made = edgeproof.convert(module, tmp_path, to=["litert"], precision=["int8"], samples=samples)
    assert [(result.status, result.reason) for result in made.candidates] == [("ok", None)]
    with edgeproof.load(module, samples=samples) as eager, edgeproof.open(tmp_path / "litert-int8") as session:
        calls = [{name: array[number] for name, array in samples.items()} for number in range(32)]
        expected, found = ([next(iter(opened.run(call).values())) for call in calls] for opened in (eager, session))
    np.testing.assert_allclose(found, expected, atol=0.05)
