"""The network of ``digits_snn.py`` in Norse: 64-128-10, pixels as constant current, 25 time steps of a millisecond.

edgeproof run examples/digits_snn_norse.py:model
"""

from pathlib import Path

import digits_data
import norse.torch
import torch
from safetensors.torch import load_file

import edgeproof

TIMESTEPS = 25


class Net(norse.torch.SequentialState):
    """One time step, ``(pixels, state) -> (spikes, state)``; each cell has a membrane and a synaptic current."""

    def __init__(self) -> None:
        p = norse.torch.LIFParameters(tau_mem_inv=torch.tensor(500.0), v_th=torch.tensor(0.5), alpha=torch.tensor(5.0))
        super().__init__(
            torch.nn.Linear(64, 128), norse.torch.LIFCell(p), torch.nn.Linear(128, 10), norse.torch.LIFCell(p)
        )


def model() -> edgeproof.Model:
    net = Net()
    net.load_state_dict(load_file(Path(__file__).parent / "weights" / "digits_snn_norse.safetensors"))
    train_x, train_y, held_x, held_y = digits_data.split()
    origin = "scikit-learn handwritten digits"
    return edgeproof.Model(
        net,
        inputs=["pixels:float32[1,64]"],
        timesteps=TIMESTEPS,
        readout="sum",
        explicit_state=True,
        output_names=["spikes"],
        spike_outputs=["spikes"],
        samples=edgeproof.Samples({"pixels": train_x.reshape(-1, 64)}, train_y, f"{origin}, training split"),
        held_out=edgeproof.Samples({"pixels": held_x.reshape(-1, 64)}, held_y, f"{origin}, held-out split"),
    )
