"""784-1024-10, leaky neurons, 25 time steps of spikes of which 5 % are one: where silence pays most. Not trained."""

import numpy as np
import snntorch
import torch

import edgeproof

TIMESTEPS = 25
ACTIVITY = 0.05
SAMPLES = 64


class Net(torch.nn.Module):
    """One time step."""

    def __init__(self) -> None:
        super().__init__()
        self.fc1 = torch.nn.Linear(784, 1024)
        self.lif1 = snntorch.Leaky(beta=0.9, threshold=0.35, init_hidden=True)
        self.fc2 = torch.nn.Linear(1024, 10)
        self.lif2 = snntorch.Leaky(beta=0.9, threshold=0.3, init_hidden=True)

    def forward(self, spikes: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.lif2(self.fc2(self.lif1(self.fc1(spikes))))
        return out


def model() -> edgeproof.Model:
    torch.manual_seed(0)
    drawn = np.random.default_rng(0).random((SAMPLES, TIMESTEPS, 1, 784)) < ACTIVITY
    samples = edgeproof.Samples({"spikes": drawn.astype(np.float32)}, None, "random spikes")
    return edgeproof.Model(
        Net(),
        inputs=["spikes:float32[25,1,784]"],
        timesteps=TIMESTEPS,
        encoding="sequence",
        readout="sum",
        spike_outputs=["output"],
        samples=samples,
        held_out=samples,
    )
