"""An embedding: digits as directions in 16 dimensions, those of one class close together.

Scored by a function of its own: how often the nearest of all other held-out digits is of the same class.

edgeproof run examples/digits_embedding.py:model
"""

from pathlib import Path

import digits_data
import numpy as np
import torch
from safetensors.torch import load_file

import edgeproof


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(1, 16, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.MaxPool2d(2),
            torch.nn.Conv2d(16, 32, 3, padding=1),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(512, 16),
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.normalize(self.layers(image), dim=1)


def recall_at_1(embeddings: np.ndarray, labels: np.ndarray) -> float:
    """The share of digits whose nearest other one is of their class.

    Args:
        embeddings: float32 [count, 16], of length 1.
        labels: int64 [count, 2], class and number. The interval is found by drawing samples with repetition, and a
            digit that is drawn twice must not find itself: one of the same number is not another.
    """
    classes, numbers = labels.T
    near = embeddings @ embeddings.T
    near[numbers[:, None] == numbers] = -np.inf
    return float((classes[near.argmax(axis=1)] == classes).mean())


def model() -> edgeproof.Model:
    net = Net()
    net.load_state_dict(load_file(Path(__file__).parent / "weights" / "digits_embedding.safetensors"))
    train_x, train_y, held_x, held_y = digits_data.split()
    origin = "scikit-learn handwritten digits"
    numbered = np.stack([held_y, np.arange(len(held_y))], axis=1)
    return edgeproof.Model(
        net,
        inputs=["image:float32[1,1,8,8]"],
        output_names=["embedding"],
        metric=edgeproof.Metric("recall@1", recall_at_1, unit="share"),
        samples=edgeproof.Samples({"image": train_x[:, None]}, train_y, f"{origin}, training split"),
        held_out=edgeproof.Samples({"image": held_x[:, None]}, numbered, f"{origin}, held-out split"),
    )
