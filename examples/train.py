"""Trains the example models and writes their weights. Seeds are fixed; each takes about a minute on one core.

python examples/train.py [snn|snn_spikingjelly|snn_norse|rsnn|cnn|gru …]
"""

import sys
from collections.abc import Callable
from pathlib import Path

import digits_cnn
import digits_data
import digits_gru
import digits_rsnn
import digits_snn
import digits_snn_norse
import digits_snn_spikingjelly
import torch
from safetensors.torch import save_file
from snntorch import utils
from spikingjelly.activation_based import functional

SEED = 20


def run_snn(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Spike counts over the time steps, with the membrane summed in so that silent neurons learn too."""
    utils.reset(net)
    count, membrane = torch.zeros(()), torch.zeros(())
    for _ in range(digits_snn.TIMESTEPS):
        step = net(x)
        count, membrane = count + step["spikes"], membrane + step["membrane"]
    return count + 0.1 * membrane if net.training else count


def run_snn_spikingjelly(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The same with the node's memory as membrane."""
    functional.reset_net(net)
    count, membrane = torch.zeros(()), torch.zeros(())
    for _ in range(digits_snn_spikingjelly.TIMESTEPS):
        count = count + net(x)
        membrane = membrane + net.lif2.v
    return count + 0.1 * membrane if net.training else count


def run_snn_norse(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The same with the last cell's state."""
    state = None
    count, membrane = torch.zeros(()), torch.zeros(())
    for _ in range(digits_snn_norse.TIMESTEPS):
        spikes, state = net(x, state)
        count, membrane = count + spikes, membrane + state[-1].v
    return count + 0.1 * membrane if net.training else count


def run_rsnn(net: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Spike counts over rows [count, time step, pixel], with a little of the membrane."""
    utils.reset(net)
    count, membrane = torch.zeros(()), torch.zeros(())
    for time in range(digits_rsnn.TIMESTEPS):
        step = net(x[:, time])
        count, membrane = count + step["spikes"], membrane + step["membrane"]
    return count + 0.02 * membrane if net.training else count


TASKS: dict[str, tuple[type[torch.nn.Module], Callable, Callable, int]] = {
    "snn": (digits_snn.Net, lambda x: x.reshape(-1, 64), run_snn, 60),
    "snn_spikingjelly": (digits_snn_spikingjelly.Net, lambda x: x.reshape(-1, 64), run_snn_spikingjelly, 40),
    "snn_norse": (digits_snn_norse.Net, lambda x: x.reshape(-1, 64), run_snn_norse, 40),
    "rsnn": (digits_rsnn.Net, lambda x: x.repeat_interleave(digits_rsnn.STEPS_PER_ROW, 1), run_rsnn, 120),
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
    keep = dict(net.named_parameters()) if name in ("snn", "rsnn") else net.state_dict()
    folder = Path(__file__).parent / "weights"
    folder.mkdir(exist_ok=True)
    save_file({key: value.detach().contiguous() for key, value in keep.items()}, folder / f"digits_{name}.safetensors")
    return accuracy


if __name__ == "__main__":
    torch.set_num_threads(1)
    for task in sys.argv[1:] or TASKS:
        print(f"{task}: held-out accuracy {train(task):.4f}")
