"""What every process that holds a model needs: imported once, in a process from which they are then forked."""

from __future__ import annotations

import importlib

from edgeproof.forkserver import shared_start
from edgeproof.process import Start

__all__ = ["load", "with_torch"]

PRELOAD = (
    "torch",
    "torch._export.passes",
    "torch._export.serde.serialize",
    "torch._functorch.aot_autograd",
    "torch._inductor.fx_passes",
    "torch.export._trace",
    "torch.export._unlift",
    "torch.export.pt2_archive._package",
    "edgeproof.model.work",
)
"""What it takes to load, run and export a program: seconds of it, unless they are there before the fork."""


def load() -> None:
    """Import it all."""
    for name in PRELOAD:
        importlib.import_module(name)


def with_torch() -> Start:
    """How a process is started that has PyTorch imported.

    Raises:
        ProcessError: PyTorch cannot be imported.
    """
    return shared_start(f"{__name__}:load")
