"""A convolutional network of MobileNetV2's size and kind: 17 inverted residual blocks, 224 × 224. Not trained."""

import numpy as np
import torch
from torch import nn

import edgeproof

SAMPLES = 8
STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""Expansion, channels, blocks, stride of the first."""


def unit(channels_in: int, channels_out: int, size: int = 1, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [
        nn.Conv2d(channels_in, channels_out, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(channels_out),
        nn.ReLU6(),
    ]


class Block(nn.Module):
    """Wider, filtered channel by channel, and narrow again."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, expansion: int) -> None:
        super().__init__()
        wide = channels_in * expansion
        widen = unit(channels_in, wide) if expansion > 1 else []
        narrow = unit(wide, channels_out)[:2]
        self.layers = nn.Sequential(*widen, *unit(wide, wide, 3, stride, groups=wide), *narrow)
        self.around = stride == 1 and channels_in == channels_out

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.layers(x)
        return x + y if self.around else y


def net() -> nn.Module:
    layers, channels = unit(3, 32, 3, 2), 32
    for expansion, wide, blocks, stride in STAGES:
        for number in range(blocks):
            layers.append(Block(channels, wide, stride if number == 0 else 1, expansion))
            channels = wide
    layers += [*unit(channels, 1280), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000)]
    return nn.Sequential(*layers)


def model() -> edgeproof.Model:
    torch.manual_seed(0)
    images = np.random.default_rng(0).standard_normal((SAMPLES, 1, 3, 224, 224)).astype(np.float32)
    samples = edgeproof.Samples({"image": images}, None, "random images")
    return edgeproof.Model(
        net(), inputs=["image:float32[1,3,224,224]"], output_names=["logits"], samples=samples, held_out=samples
    )
