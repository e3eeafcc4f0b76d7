"""Trains the examples that do not classify digits, and writes their weights: two minutes each at most, on one core.

python examples/train_tasks.py [diabetes_mlp|digits_segmenter|digits_detector|digits_embedding|python_tokens …]
"""

import sys
from collections.abc import Callable
from pathlib import Path

import diabetes_mlp
import digits_canvas
import digits_data
import digits_detector
import digits_embedding
import digits_segmenter
import numpy as np
import python_tokens
import torch
from safetensors.torch import save_file
from torch.nn import functional

from edgeproof.metrics.registry import find_metric

SEED = 20
Loss = Callable[[torch.Tensor], torch.Tensor]
"""Of the samples with these numbers."""


def regression(net: diabetes_mlp.Net) -> tuple[int, Loss]:
    """A robust loss of the standardised index."""
    samples = diabetes_mlp.split()[0]
    x, y = torch.from_numpy(samples.inputs["features"]), torch.from_numpy(samples.labels)
    net.mean[:], net.deviation[:] = y.mean(), y.std()

    def loss(index: torch.Tensor) -> torch.Tensor:
        return functional.smooth_l1_loss(net(x[index]) / net.deviation, y[index] / net.deviation)

    return len(x), loss


def segmentation(net: digits_segmenter.Net) -> tuple[int, Loss]:
    """Cross entropy of all pixels."""
    made = digits_canvas.canvases(2000, held_out=False)
    images, masks = torch.from_numpy(made.images), torch.from_numpy(made.masks)
    return len(images), lambda index: functional.cross_entropy(net(images[index]), masks[index])


def detection(net: digits_detector.Net) -> tuple[int, Loss]:
    """Focal loss of the scores, and the distance of corners where a digit's centre lies."""
    made = digits_canvas.canvases(4000, held_out=False)
    count, cells = len(made.images), digits_detector.CELLS
    wanted, corners = torch.zeros(count, cells**2, 10), torch.zeros(count, cells**2, 4)
    for number, boxes in enumerate(made.boxes):
        for kind, *box in boxes:
            column, row = (int((box[i] + box[i + 2]) / 2 // digits_detector.STRIDE) for i in (0, 1))
            wanted[number, row * cells + column, int(kind)] = 1
            corners[number, row * cells + column] = torch.tensor(box)
    images = torch.from_numpy(made.images)

    def loss(index: torch.Tensor) -> torch.Tensor:
        boxes, scores = net(images[index])
        hit = wanted[index]
        there = hit.amax(dim=-1) > 0
        sure = functional.binary_cross_entropy(scores, hit, reduction="none") * (scores - hit).abs() ** 2
        near = functional.smooth_l1_loss(boxes[there], corners[index][there])
        return sure.sum() / there.sum() + near

    return count, loss


def similarity(net: digits_embedding.Net) -> tuple[int, Loss]:
    """Supervised contrast (Khosla et al. 2020): digits of a class towards each other, the others away."""
    train_x, train_y, *_ = digits_data.split()
    images, classes = torch.from_numpy(train_x[:, None]), torch.from_numpy(train_y)

    def loss(index: torch.Tensor) -> torch.Tensor:
        embedded, own = net(images[index]), classes[index]
        others = ~torch.eye(len(index), dtype=torch.bool)
        near = embedded @ embedded.T / 0.1
        likely = near - torch.logsumexp(near.masked_fill(~others, -torch.inf), dim=1, keepdim=True)
        same = (own[:, None] == own) & others
        return -(likely * same).sum() / same.sum()

    return len(images), loss


def tokens(net: python_tokens.Net) -> tuple[int, Loss]:
    """Cross entropy of all bytes that have a kind."""
    made = python_tokens.samples(python_tokens.TRAINING, most=1000)
    text, kinds = torch.from_numpy(made.inputs["text"]), torch.from_numpy(made.labels)
    return len(text), lambda index: functional.cross_entropy(net(text[index]).transpose(1, 2), kinds[index])


TASKS = {
    "diabetes_mlp": (diabetes_mlp, regression, 60),
    "digits_segmenter": (digits_segmenter, segmentation, 12),
    "digits_detector": (digits_detector, detection, 20),
    "digits_embedding": (digits_embedding, similarity, 40),
    "python_tokens": (python_tokens, tokens, 15),
}
"""The example, its loss, and how many times it sees its data."""


def train(name: str) -> float:
    """Train one model, save its weights, give its held-out score."""
    example, task, epochs = TASKS[name]
    torch.manual_seed(SEED)
    net = example.Net()
    count, loss = task(net)
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=epochs * -(-count // 64))
    for _ in range(epochs):
        for index in torch.randperm(count).split(64):
            optimizer.zero_grad()
            loss(index).backward()
            optimizer.step()
            schedule.step()
    folder = Path(__file__).parent / "weights"
    folder.mkdir(exist_ok=True)
    state = {key: value.detach().contiguous() for key, value in net.state_dict().items()}
    save_file(state, folder / f"{name}.safetensors")
    return score(example.model())


def score(model) -> float:
    """On the held-out samples."""
    held_out = model.held_out() if callable(model.held_out) else model.held_out
    with torch.no_grad():
        found = model.module.eval()(*(torch.from_numpy(np.asarray(array)) for array in held_out.inputs.values()))
    outputs = found.numpy() if isinstance(found, torch.Tensor) else [part.numpy() for part in found]
    if isinstance(outputs, list):
        outputs = dict(zip(model.output_names, outputs, strict=True))
    return find_metric(model.metric).of(outputs, held_out.labels)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for task_name in sys.argv[1:] or TASKS:
        print(f"{task_name}: held-out score {train(task_name):.4f}")
