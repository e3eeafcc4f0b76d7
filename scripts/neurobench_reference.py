"""Counts of NeuroBench itself on two small spiking networks, for the tests to hold ours against.

    python scripts/neurobench_reference.py tests/spike/counts/data/neurobench.json

runs in an environment of its own, since NeuroBench fixes versions that the converters do not agree with:

    python -m venv /tmp/nb && /tmp/nb/bin/pip install neurobench snntorch safetensors

The networks are built here and nowhere else, so that the tests count the same ones.
"""

from __future__ import annotations

import importlib.metadata
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import snntorch
import torch
from snntorch import surrogate

WEIGHTS = Path(__file__).parents[1] / "examples" / "weights" / "digits_snn.safetensors"
SEED = 0
SAMPLES = 16
TIMESTEPS = {"digits_snn": 25, "convolutions": 12}


def leaky(beta: float, *, last: bool = False) -> snntorch.Leaky:
    """A neuron that hides its membrane; the last one gives it too, as NeuroBench expects it."""
    return snntorch.Leaky(beta=beta, spike_grad=surrogate.fast_sigmoid(slope=25), init_hidden=True, output=last)


class Digits(torch.nn.Module):
    """The network of ``examples/digits_snn.py`` with its weights: 64-128-10."""

    def __init__(self) -> None:
        from safetensors.torch import load_file

        super().__init__()
        self.fc1 = torch.nn.Linear(64, 128)
        self.lif1 = leaky(0.9)
        self.fc2 = torch.nn.Linear(128, 10)
        self.lif2 = leaky(0.9, last=True)
        self.load_state_dict(load_file(WEIGHTS), strict=False)

    def forward(self, x: torch.Tensor) -> Any:
        return self.lif2(self.fc2(self.lif1(self.fc1(x))))


class Convolutions(torch.nn.Module):
    """Padding, stride, groups, a mean of spikes, and a third of the weights of two layers taken out."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(2, 8, 3, padding=1)
        self.lif1 = leaky(0.8)
        self.conv2 = torch.nn.Conv2d(8, 12, 3, stride=2, padding=1, groups=2, bias=False)
        self.lif2 = leaky(0.7)
        self.pool = torch.nn.AvgPool2d(2)
        self.flatten = torch.nn.Flatten()
        self.fc = torch.nn.Linear(48, 10)
        self.lif3 = leaky(0.9, last=True)
        generator = np.random.default_rng(SEED)
        with torch.no_grad():
            for layer, scale in ((self.conv1, 0.6), (self.conv2, 0.8), (self.fc, 0.5)):
                drawn = generator.normal(0, scale, tuple(layer.weight.shape)).astype(np.float32)
                if layer is not self.conv1:
                    drawn[generator.random(drawn.shape) < 1 / 3] = 0
                layer.weight.copy_(torch.from_numpy(drawn))
                if layer.bias is not None:
                    layer.bias.fill_(0.125)

    def forward(self, x: torch.Tensor) -> Any:
        hidden = self.pool(self.lif2(self.conv2(self.lif1(self.conv1(x)))))
        return self.lif3(self.fc(self.flatten(hidden)))


NETWORKS = {"digits_snn": Digits, "convolutions": Convolutions}


def inputs(name: str) -> np.ndarray:
    """Float32 ``[samples, time steps, …]``: the same pixels at every step, or random events of 0 and 1."""
    if name == "convolutions":
        generator = np.random.default_rng(SEED + 1)
        return (generator.random((SAMPLES, TIMESTEPS[name], 2, 8, 8)) < 0.2).astype(np.float32)
    from sklearn.datasets import load_digits

    pixels = (load_digits().data[:SAMPLES] / 16).astype(np.float32)
    return np.repeat(pixels[:, None], TIMESTEPS[name], axis=1)


def measured(name: str) -> dict[str, Any]:
    """What NeuroBench counts; per sample where it gives a mean per sample."""
    from neurobench.benchmarks import Benchmark
    from neurobench.metrics.static import ConnectionSparsity
    from neurobench.metrics.workload import (
        ActivationSparsity,
        ActivationSparsityByLayer,
        MembraneUpdates,
        SynapticOperations,
    )
    from neurobench.models import SNNTorchModel
    from torch.utils.data import DataLoader, TensorDataset

    given = torch.from_numpy(inputs(name))
    loader = DataLoader(TensorDataset(given, torch.zeros(len(given))), batch_size=len(given))
    workload = [ActivationSparsity, ActivationSparsityByLayer, MembraneUpdates, SynapticOperations]
    model = SNNTorchModel(NETWORKS[name]())
    with torch.no_grad():
        found = Benchmark(model, loader, [], [], [[ConnectionSparsity], workload]).run(quiet=True)
    return json.loads(json.dumps(found, default=float))  # type: ignore[no-any-return]


def main(target: str) -> None:
    """Write what NeuroBench counts, with the versions that counted it."""
    document = {
        "versions": {package: importlib.metadata.version(package) for package in ("neurobench", "snntorch", "torch")},
        "seed": SEED,
        "samples": SAMPLES,
        "networks": {name: {"timesteps": TIMESTEPS[name], "metrics": measured(name)} for name in NETWORKS},
    }
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Path(target).write_text(json.dumps(document, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
