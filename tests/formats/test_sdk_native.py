"""What the native engine does not take is told by its cause."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import snntorch as snn
import torch
from spikingjelly.activation_based import functional, layer, neuron
from torch import nn

import edgeproof
from edgeproof.model.resolve import resolve_model
from edgeproof.phases.alone.conversion import convert_alone
from edgeproof.phases.alone.validation import validate_alone


def multi_step() -> edgeproof.Model:
    net = nn.Sequential(layer.Linear(12, 8), neuron.LIFNode())
    functional.set_step_mode(net, "m")
    return edgeproof.Model(net, inputs=["x:float32[6,1,12]"])


def in_batches() -> edgeproof.Model:
    net = nn.Sequential(nn.Linear(12, 8), snn.Leaky(beta=0.8, init_hidden=True))
    return edgeproof.Model(net, inputs=["x:float32[3,12]"], timesteps=5)


@pytest.mark.parametrize(
    ("make", "cause", "remedy"),
    [
        (
            multi_step,
            "the model takes all 6 time steps in one call, as in SpikingJelly's multi-step",
            "timesteps=6, enc",
        ),
        (in_batches, "a call has a batch of 3", "say inputs with a batch of 1"),
    ],
)
def test_calls_of_another_shape_are_told_by_their_cause(make, cause: str, remedy: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (result,) = convert_alone(resolve_model(make()), ["sdk-native"], tmp_path).candidates
    assert result.status == "skipped"
    assert (result.reason or "").startswith(cause)
    assert remedy in (result.remedy or "")


def test_a_population_is_read_out_by_its_sum(tmp_path: Path) -> None:
    class Readout(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc, self.neurons = nn.Linear(12, 40), snn.Leaky(beta=0.8, threshold=0.3, init_hidden=True)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.neurons(self.fc(x)).reshape(1, 10, 4).sum(-1)

    torch.manual_seed(0)
    x = np.random.default_rng(0).random((240, 1, 12)).astype(np.float32)
    model = edgeproof.Model(
        Readout(),
        inputs=["x:float32[1,12]"],
        timesteps=5,
        samples=edgeproof.Samples({"x": x}),
        spike_outputs=["output"],
    )
    resolved = resolve_model(model)
    convert_alone(resolved, ["sdk-native", "sdk-native-int8"], tmp_path)
    for result in validate_alone(resolved, [tmp_path / "sdk-native", tmp_path / "sdk-native-int8"]).results:
        assert (result.status, result.warnings) == ("passed", ()), result
