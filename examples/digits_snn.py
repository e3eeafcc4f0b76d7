"""A leaky integrate-and-fire network, 64-128-10, on handwritten digits: pixels as constant current, 25 time steps.

edgeproof run examples/digits_snn.py:model
"""

from pathlib import Path

import digits_data
import snntorch
import torch
from safetensors.torch import load_file
from snntorch import surrogate

import edgeproof

TIMESTEPS = 25


class Net(torch.nn.Module):
    """One time step. The membrane potentials hide in the neurons."""

    def __init__(self) -> None:
        super().__init__()
        gradient = surrogate.fast_sigmoid(slope=25)
        self.fc1 = torch.nn.Linear(64, 128)
        self.lif1 = snntorch.Leaky(beta=0.9, spike_grad=gradient, init_hidden=True)
        self.fc2 = torch.nn.Linear(128, 10)
        self.lif2 = snntorch.Leaky(beta=0.9, spike_grad=gradient, init_hidden=True, output=True)

    def forward(self, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
        spikes, membrane = self.lif2(self.fc2(self.lif1(self.fc1(pixels))))
        return {"spikes": spikes, "membrane": membrane}


def model() -> edgeproof.Model:
    net = Net()
    net.load_state_dict(load_file(Path(__file__).parent / "weights" / "digits_snn.safetensors"), strict=False)
    train_x, train_y, held_x, held_y = digits_data.split()
    origin = "scikit-learn handwritten digits"
    return edgeproof.Model(
        net,
        inputs=["pixels:float32[1,64]"],
        timesteps=TIMESTEPS,
        readout=["sum", "last"],
        spike_outputs=["spikes"],
        score_output="spikes",
        samples=edgeproof.Samples({"pixels": train_x.reshape(-1, 64)}, train_y, f"{origin}, training split"),
        held_out=edgeproof.Samples({"pixels": held_x.reshape(-1, 64)}, held_y, f"{origin}, held-out split"),
    )
