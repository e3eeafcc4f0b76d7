"""A recurrent spiking network on handwritten digits that are read row by row: 8-160-10, each row for 3 time steps.

edgeproof run examples/digits_rsnn.py:model
"""

from pathlib import Path

import digits_data
import numpy as np
import snntorch
import torch
from safetensors.torch import load_file
from snntorch import surrogate

import edgeproof

STEPS_PER_ROW = 3
TIMESTEPS = 8 * STEPS_PER_ROW


class Net(torch.nn.Module):
    """One time step. The hidden neurons see their own spikes of the step before, and so remember earlier rows."""

    def __init__(self) -> None:
        super().__init__()
        gradient = surrogate.fast_sigmoid(slope=5)
        self.blur = torch.nn.Dropout(0.1)
        self.fc1 = torch.nn.Linear(8, 160)
        self.rlif = snntorch.RLeaky(beta=0.9, linear_features=160, spike_grad=gradient, init_hidden=True)
        self.drop = torch.nn.Dropout(0.2)
        self.fc2 = torch.nn.Linear(160, 10)
        self.lif = snntorch.Leaky(beta=0.95, spike_grad=gradient, init_hidden=True, output=True)

    def forward(self, row: torch.Tensor) -> dict[str, torch.Tensor]:
        hidden = self.drop(self.rlif(self.fc1(self.blur(row))))
        spikes, membrane = self.lif(self.fc2(hidden))
        return {"spikes": spikes, "membrane": membrane}


def rows(images: np.ndarray) -> np.ndarray:
    """Images [count, 8, 8] as [count, time step, batch, pixel]."""
    return images.repeat(STEPS_PER_ROW, axis=1)[:, :, None]


def model() -> edgeproof.Model:
    net = Net()
    net.load_state_dict(load_file(Path(__file__).parent / "weights" / "digits_rsnn.safetensors"), strict=False)
    train_x, train_y, held_x, held_y = digits_data.split()
    origin = "scikit-learn handwritten digits, rows as time steps"
    return edgeproof.Model(
        net,
        inputs=["row:float32[24,1,8]"],
        timesteps=TIMESTEPS,
        encoding="sequence",
        readout=["sum", "last"],
        spike_outputs=["spikes"],
        score_output="spikes",
        samples=edgeproof.Samples({"row": rows(train_x)}, train_y, f"{origin}, training split"),
        held_out=edgeproof.Samples({"row": rows(held_x)}, held_y, f"{origin}, held-out split"),
    )
