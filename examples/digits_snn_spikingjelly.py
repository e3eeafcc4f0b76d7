"""The network of ``digits_snn.py`` in SpikingJelly: 64-128-10, pixels as constant current, 25 time steps.

edgeproof run examples/digits_snn_spikingjelly.py:model
"""

from pathlib import Path

import digits_data
import torch
from safetensors.torch import load_file
from spikingjelly.activation_based import layer, neuron, surrogate

import edgeproof

TIMESTEPS = 25


class Net(torch.nn.Module):
    """One time step. The membrane potentials are the nodes' memories; a node fires at its threshold, not above it."""

    def __init__(self) -> None:
        super().__init__()
        gradient = surrogate.ATan()
        self.fc1 = layer.Linear(64, 128)
        self.lif1 = neuron.LIFNode(tau=4.0, decay_input=False, v_reset=None, surrogate_function=gradient)
        self.fc2 = layer.Linear(128, 10)
        self.lif2 = neuron.LIFNode(tau=4.0, decay_input=False, v_reset=None, surrogate_function=gradient)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.lif2(self.fc2(self.lif1(self.fc1(pixels))))


def model() -> edgeproof.Model:
    net = Net()
    net.load_state_dict(load_file(Path(__file__).parent / "weights" / "digits_snn_spikingjelly.safetensors"))
    train_x, train_y, held_x, held_y = digits_data.split()
    origin = "scikit-learn handwritten digits"
    return edgeproof.Model(
        net,
        inputs=["pixels:float32[1,64]"],
        timesteps=TIMESTEPS,
        readout="sum",
        output_names=["spikes"],
        spike_outputs=["spikes"],
        samples=edgeproof.Samples({"pixels": train_x.reshape(-1, 64)}, train_y, f"{origin}, training split"),
        held_out=edgeproof.Samples({"pixels": held_x.reshape(-1, 64)}, held_y, f"{origin}, held-out split"),
    )
