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


def multi_step() -> nn.Module:
    net = nn.Sequential(layer.Linear(12, 8), neuron.LIFNode(), layer.Linear(8, 4), neuron.IFNode(v_threshold=0.5))
    functional.set_step_mode(net, "m")
    return net


def looks_ahead() -> edgeproof.Model:
    class Normed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = multi_step()

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.net(x / x.amax(0))

    return edgeproof.Model(Normed(), inputs=["x:float32[6,1,12]"])


def without_state() -> edgeproof.Model:
    return edgeproof.Model(nn.Sequential(nn.Flatten(), nn.Linear(12, 8)), inputs=["x:float32[6,1,12]"])


def in_batches() -> edgeproof.Model:
    net = nn.Sequential(nn.Linear(12, 8), snn.Leaky(beta=0.8, init_hidden=True))
    return edgeproof.Model(net, inputs=["x:float32[3,12]"], timesteps=5)


@pytest.mark.parametrize(
    ("make", "cause", "remedy"),
    [
        (
            looks_ahead,
            "the model takes [6, 1, 12] in one call, and its first axis cannot be taken for time steps: output is not "
            "at every time step what the step by itself gives: the module uses several time steps at once",
            "`edgeproof nir MODEL --out net.nir`",
        ),
        (
            without_state,
            "the model takes [6, 1, 12] in one call, and its first axis cannot be taken for time steps: it keeps no "
            "state from one call to the next",
            "say inputs with a batch of 1",
        ),
        (in_batches, "a call has a batch of 3", "say inputs with a batch of 1"),
    ],
)
def test_calls_of_another_shape_are_told_by_their_cause(make, cause: str, remedy: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    (result,) = convert_alone(resolve_model(make()), ["sdk-native"], tmp_path).candidates
    assert result.status == "skipped"
    assert (result.reason or "").startswith(cause)
    assert remedy in (result.remedy or "")


@pytest.mark.parametrize("batch", [1, 2])
def test_a_module_in_multi_step_mode_is_taken_step_by_step(batch: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    x = 2 * np.random.default_rng(0).random((240, 6, batch, 12)).astype(np.float32)
    model = edgeproof.Model(
        multi_step(), inputs=[f"x:float32[6,{batch},12]"], samples=edgeproof.Samples({"x": x}), spike_outputs=["output"]
    )
    resolved = resolve_model(model)
    lines: list[str] = []
    made = convert_alone(resolved, ["sdk-native", "sdk-native-int8"], tmp_path, report=lines.append).candidates
    assert any(line.startswith("note: the module takes all 6 time steps in one call") for line in lines)
    if batch == 2:
        assert [result.status for result in made] == ["skipped"] * 2
        assert all((result.reason or "").startswith("a call has a batch of 2") for result in made)
        return
    fp32, int8 = validate_alone(resolved, [tmp_path / "sdk-native", tmp_path / "sdk-native-int8"]).results
    assert (fp32.status, int8.status) == ("passed", "passed")
    assert fp32.differences is not None
    assert fp32.differences.max_abs == 0
    with edgeproof.open(tmp_path / "sdk-native", trust=True) as session:
        assert session.run({"x": x[0]})["output"].shape == (6, 1, 4)


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
