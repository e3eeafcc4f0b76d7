"""A regression: how far diabetes progresses in a year, of 442 patients that ship inside scikit-learn.

Scored by the mean absolute error, lower is better, in units of the progression index; men and women are slices.

edgeproof run examples/diabetes_mlp.py:model
"""

import functools
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file

import edgeproof


class Net(torch.nn.Module):
    """Three layers; the last affine step brings what they learn, of mean 0 and deviation 1, to the index."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(10, 48), torch.nn.ReLU(), torch.nn.Linear(48, 24), torch.nn.ReLU(), torch.nn.Linear(24, 1)
        )
        self.register_buffer("mean", torch.zeros(1))
        self.register_buffer("deviation", torch.ones(1))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return self.layers(features) * self.deviation + self.mean


@functools.cache
def split() -> tuple[edgeproof.Samples, edgeproof.Samples]:
    """302 patients to train on, 140 held out: features float32 [count, 10], the index float32 [count, 1]."""
    from sklearn.datasets import load_diabetes
    from sklearn.model_selection import train_test_split

    data = load_diabetes()
    features = (data.data * len(data.data) ** 0.5).astype(np.float32)  # of deviation 1
    index = data.target.astype(np.float32)[:, None]
    sexes = np.where(data.data[:, 1] > 0, "sex 2", "sex 1")  # the data set does not say which is which
    train, held = train_test_split(np.arange(len(features)), test_size=140, random_state=7, stratify=sexes)
    made = (
        edgeproof.Samples({"features": features[part]}, index[part], f"scikit-learn diabetes, {name}", sexes[part])
        for part, name in ((train, "training split"), (held, "held-out split"))
    )
    return next(made), next(made)


def model() -> edgeproof.Model:
    net = Net()
    net.load_state_dict(load_file(Path(__file__).parent / "weights" / "diabetes_mlp.safetensors"))
    samples, held_out = split()
    return edgeproof.Model(
        net,
        inputs=["features:float32[1,10]"],
        output_names=["progression"],
        metric=edgeproof.metric("mae", unit="units"),
        samples=samples,
        held_out=held_out,
    )
