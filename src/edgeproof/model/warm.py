"""What every process that holds a model needs: imported once, in a process from which they are then forked."""

from __future__ import annotations

import importlib

from edgeproof.forkserver import shared_start
from edgeproof.process import Start

__all__ = ["load_export", "load_torch", "with_export", "with_torch"]

EXPORT = (
    "torch._export.passes",
    "torch._export.serde.serialize",
    "torch._functorch.aot_autograd",
    "torch._inductor.fx_passes",
    "torch.export._trace",
    "torch.export._unlift",
    "torch.export.pt2_archive._package",
    "edgeproof.model.spine",
)
"""What ``torch.export`` imports when it is first used to export a program, to save or to load one."""


def with_torch() -> Start:
    """How a process is started that begins with PyTorch imported.

    Raises:
        ProcessError: it cannot be imported.
    """
    return shared_start(f"{__name__}:load_torch", what="PyTorch")


def with_export() -> Start:
    """How a process is started that begins with what it takes to export programs, to save and to load them.

    Raises:
        ProcessError: it cannot be imported.
    """
    return shared_start(f"{__name__}:load_export", what="torch.export", start=with_torch())


def load_torch() -> None:
    """Import what it takes to load and run a model."""
    importlib.import_module("edgeproof.model.work")


def load_export() -> None:
    """Import what ``torch.export`` does not import before it is used: as long again as PyTorch itself takes."""
    for name in EXPORT:
        importlib.import_module(name)
