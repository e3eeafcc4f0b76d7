"""A small model in a file, and a run that starts from it."""

from __future__ import annotations

import functools
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.doubles.registered import _misbehaving

from edgeproof.documents.manifest import Manifest, PhaseRecord, RunOptions
from edgeproof.pipeline import PHASES
from edgeproof.rundir import RunDir

__all__ = ["MODEL", "_misbehaving", "make_new_run", "new_run"]

MODEL = """
import numpy as np
import torch

import edgeproof


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(6, 3)

    def forward(self, x):
        {body}
        return self.linear(x)


def model():
    torch.manual_seed(0)
    x = np.random.default_rng(0).standard_normal((300, 1, 6)).astype(np.float32)
    y = np.arange(300) % 3
    return edgeproof.Model(
        Net(),
        inputs=["x:float32[1,6]"],
        timesteps={timesteps},
        samples=edgeproof.Samples({{"x": x[:220]}}, y[:220]),
        held_out=edgeproof.Samples({{"x": x[220:]}}, y[220:]),
    )
"""


def make_new_run(
    folder: Path, *candidates: str, body: str = "x = x * 2", timesteps: int | None = None, **options: Any
) -> RunDir:
    """A run of the small model, in a folder with its file; ``body`` is one line of its forward."""
    file = folder / "small.py"
    file.write_text(MODEL.format(body=body, timesteps=timesteps))
    manifest = Manifest(
        created="2026-01-01T00:00:00Z",
        edgeproof="0",
        command="edgeproof run small.py:model",
        working_directory=str(folder),
        options=RunOptions(
            model=f"{file}:model", model_name="small", candidates=candidates, sample_count=210, **options
        ),
        phases=tuple(PhaseRecord(name=phase.name, status="pending") for phase in PHASES),
    )
    return RunDir.create(manifest, folder / "run")


@pytest.fixture
def new_run(tmp_path: Path) -> Callable[..., RunDir]:
    """Makes a run of the small model; arguments as of ``make_new_run``."""
    return functools.partial(make_new_run, tmp_path)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """SIGINT interrupts this process, even where a shell's background has it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
