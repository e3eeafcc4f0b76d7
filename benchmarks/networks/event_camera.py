"""An event camera's two polarities of 34 by 34, two convolutions, 50 time steps of 3 % events. Not trained."""

import numpy as np
import snntorch
import torch

import edgeproof

TIMESTEPS = 50
ACTIVITY = 0.03
SAMPLES = 64


class Net(torch.nn.Module):
    """One time step: 12c5, p2, LIF, 32c5, p2, LIF, fc10, LIF."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = torch.nn.Conv2d(2, 12, 5)
        self.pool = torch.nn.MaxPool2d(2)
        self.lif1 = snntorch.Leaky(beta=0.7, threshold=0.5, init_hidden=True)
        self.conv2 = torch.nn.Conv2d(12, 32, 5)
        self.lif2 = snntorch.Leaky(beta=0.7, threshold=0.3, init_hidden=True)
        self.fc = torch.nn.Linear(32 * 5 * 5, 10)
        self.lif3 = snntorch.Leaky(beta=0.7, threshold=0.1, init_hidden=True)

    def forward(self, events: torch.Tensor) -> torch.Tensor:
        early = self.lif1(self.pool(self.conv1(events)))
        late = self.lif2(self.pool(self.conv2(early)))
        out: torch.Tensor = self.lif3(self.fc(late.flatten(1)))
        return out


def model() -> edgeproof.Model:
    torch.manual_seed(0)
    drawn = np.random.default_rng(0).random((SAMPLES, TIMESTEPS, 1, 2, 34, 34)) < ACTIVITY
    samples = edgeproof.Samples({"events": drawn.astype(np.float32)}, None, "random events")
    return edgeproof.Model(
        Net(),
        inputs=["events:float32[50,1,2,34,34]"],
        timesteps=TIMESTEPS,
        encoding="sequence",
        readout="sum",
        spike_outputs=["output"],
        samples=samples,
        held_out=samples,
    )
