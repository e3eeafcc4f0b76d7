"""A gated recurrent network that reads handwritten digits row by row.

edgeproof run examples/digits_gru.py:model
"""

from pathlib import Path

import digits_data
import torch
from safetensors.torch import load_file

import edgeproof


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gru = torch.nn.GRU(8, 64, batch_first=True)
        self.head = torch.nn.Linear(64, 10)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        states, _ = self.gru(rows)
        return self.head(states[:, -1])


def model() -> edgeproof.Model:
    net = Net()
    net.load_state_dict(load_file(Path(__file__).parent / "weights" / "digits_gru.safetensors"))
    train_x, train_y, held_x, held_y = digits_data.split()
    origin = "scikit-learn handwritten digits"
    return edgeproof.Model(
        net,
        inputs=["rows:float32[1,8,8]"],
        output_names=["logits"],
        samples=edgeproof.Samples({"rows": train_x}, train_y, f"{origin}, training split"),
        held_out=edgeproof.Samples({"rows": held_x}, held_y, f"{origin}, held-out split"),
    )
