"""A detector: which digits stand where on a canvas, as boxes.

Scored by COCO's mean average precision (mAP) of what is left when boxes that overlap are dropped; canvases with small
and with large digits are slices. A label is as many rows ``class, x1, y1, x2, y2`` as the canvas has digits.

edgeproof run examples/digits_detector.py:model
"""

import functools
from collections.abc import Mapping
from pathlib import Path

import digits_canvas
import numpy as np
import torch
from safetensors.torch import load_file

import edgeproof

STRIDE, CELLS = 4, digits_canvas.SIZE // 4
OVERLAP, LEAST = 0.4, 0.2


def block(channels_in: int, channels_out: int, stride: int = 1) -> torch.nn.Sequential:
    return torch.nn.Sequential(
        torch.nn.Conv2d(channels_in, channels_out, 3, padding=1, stride=stride, bias=False),
        torch.nn.BatchNorm2d(channels_out),
        torch.nn.ReLU(),
    )


class Net(torch.nn.Module):
    """A box and ten scores from each of 12×12 cells: the digit whose centre lies in the cell."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = torch.nn.Sequential(block(1, 16, 2), block(16, 32), block(32, 48, 2), block(48, 48), block(48, 48))
        self.scores, self.corners = torch.nn.Conv2d(48, 10, 1), torch.nn.Conv2d(48, 4, 1)
        rows, columns = torch.meshgrid(torch.arange(CELLS), torch.arange(CELLS), indexing="ij")
        centres = (torch.stack([columns, rows], dim=-1).reshape(1, -1, 2) + 0.5) * STRIDE
        self.register_buffer("centres", torch.cat([centres, centres], dim=-1), persistent=False)
        self.register_buffer("signs", torch.tensor([-8.0, -8.0, 8.0, 8.0]), persistent=False)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        features = self.trunk(image)
        scores = self.scores(features).flatten(2).transpose(1, 2).sigmoid()
        reach = self.corners(features).flatten(2).transpose(1, 2)
        return self.centres + self.signs * reach, scores


def samples(count: int, *, held_out: bool) -> edgeproof.Samples:
    made = digits_canvas.canvases(count, held_out=held_out)
    origin = f"scikit-learn digits on canvases, {'held-out' if held_out else 'training'} split"
    return edgeproof.Samples({"image": made.images}, made.boxes, origin, made.sizes)


def without_overlap(outputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of boxes that overlap the surest alone: the others' scores become 0 (greedy non-maximum suppression)."""
    boxes, scores = outputs["boxes"], outputs["scores"].copy()
    for corners, of_classes in zip(boxes, scores, strict=True):
        surest = of_classes.max(axis=-1)
        kept: list[int] = []
        for number in np.argsort(-surest):
            if surest[number] >= LEAST and not (overlaps(corners[number], corners[kept]) > OVERLAP).any():
                kept.append(number)
        of_classes[np.setdiff1d(np.arange(len(corners)), kept)] = 0
    return {"boxes": boxes, "scores": scores}


def overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of a box with others, float [count]."""
    sides = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = np.prod(np.maximum(sides, 0), axis=1)
    areas = np.prod(box[2:] - box[:2]) + np.prod(others[:, 2:] - others[:, :2], axis=1)
    return common / np.maximum(areas - common, 1e-9)


def model() -> edgeproof.Model:
    net = Net()
    net.load_state_dict(load_file(Path(__file__).parent / "weights" / "digits_detector.safetensors"))
    return edgeproof.Model(
        net,
        inputs=[f"image:float32[1,1,{digits_canvas.SIZE},{digits_canvas.SIZE}]"],
        output_names=["boxes", "scores"],
        metric=edgeproof.metric("map", threshold=LEAST, decode=without_overlap),
        samples=functools.partial(samples, 256, held_out=False),
        held_out=functools.partial(samples, 120, held_out=True),
    )
