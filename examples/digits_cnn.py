"""A small convolutional network with batch norm on handwritten digits.

edgeproof run examples/digits_cnn.py:model
"""

from pathlib import Path

import digits_data
import torch
from safetensors.torch import load_file

import edgeproof


def block(channels_in: int, channels_out: int) -> list[torch.nn.Module]:
    return [
        torch.nn.Conv2d(channels_in, channels_out, 3, padding=1, bias=False),
        torch.nn.BatchNorm2d(channels_out),
        torch.nn.ReLU(),
    ]


class Net(torch.nn.Sequential):
    def __init__(self) -> None:
        super().__init__(
            *block(1, 16),
            *block(16, 32),
            torch.nn.MaxPool2d(2),
            *block(32, 32),
            torch.nn.AdaptiveAvgPool2d(2),
            torch.nn.Flatten(),
            torch.nn.Linear(128, 10),
        )


def model() -> edgeproof.Model:
    net = Net()
    net.load_state_dict(load_file(Path(__file__).parent / "weights" / "digits_cnn.safetensors"))
    train_x, train_y, held_x, held_y = digits_data.split()
    origin = "scikit-learn handwritten digits"
    return edgeproof.Model(
        net,
        inputs=["image:float32[1,1,8,8]"],
        output_names=["logits"],
        samples=edgeproof.Samples({"image": train_x[:, None]}, train_y, f"{origin}, training split"),
        held_out=edgeproof.Samples({"image": held_x[:, None]}, held_y, f"{origin}, held-out split"),
    )
