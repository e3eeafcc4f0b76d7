"""Trains the three example models and writes their weights. Seeds are fixed; each takes about a minute on one core.

python examples/train.py [snn|cnn|gru …]
"""

import sys
from collections.abc import Callable
from pathlib import Path

import digits_cnn
import digits_data
import digits_gru
import digits_snn
import torch
from safetensors.torch import save_file
from snntorch import utils

SEED = 20


def run_snn(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Spike counts over the time steps, with the membrane summed in so that silent neurons learn too."""
    utils.reset(net)
    count, membrane = torch.zeros(()), torch.zeros(())
    for _ in range(digits_snn.TIMESTEPS):
        step = net(x)
        count, membrane = count + step["spikes"], membrane + step["membrane"]
    return count + 0.1 * membrane if net.training else count


TASKS: dict[str, tuple[type[torch.nn.Module], Callable, Callable, int]] = {
    "snn": (digits_snn.Net, lambda x: x.reshape(-1, 64), run_snn, 60),
    "cnn": (digits_cnn.Net, lambda x: x[:, None], lambda net, x: net(x), 40),
    "gru": (digits_gru.Net, lambda x: x, lambda net, x: net(x), 80),
}


def train(name: str) -> float:
    """Train one model, save its weights, give its held-out accuracy."""
    make, shape, run, epochs = TASKS[name]
    torch.manual_seed(SEED)
    net = make()
    train_x, train_y, held_x, held_y = (torch.from_numpy(array) for array in digits_data.split())
    train_x, held_x = shape(train_x), shape(held_x)
    optimizer = torch.optim.AdamW(net.parameters(), lr=2e-3, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        net.train()
        for index in torch.randperm(len(train_x)).split(64):
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(run(net, train_x[index]), train_y[index]).backward()
            optimizer.step()
        schedule.step()
    net.eval()
    with torch.no_grad():
        accuracy = (run(net, held_x).argmax(1) == held_y).float().mean().item()
    keep = dict(net.named_parameters()) if name == "snn" else net.state_dict()
    folder = Path(__file__).parent / "weights"
    folder.mkdir(exist_ok=True)
    save_file({key: value.detach().contiguous() for key, value in keep.items()}, folder / f"digits_{name}.safetensors")
    return accuracy


if __name__ == "__main__":
    for task in sys.argv[1:] or TASKS:
        print(f"{task}: held-out accuracy {train(task):.4f}")
