"""What ExecuTorch needs changed in the exported program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeproof.formats.rewrites.arithmetic import BATCH_NORM, REPEATED_OUTPUT
from edgeproof.formats.rewrites.base import Prepared, apply_rewrites
from edgeproof.formats.rewrites.fourier import FOURIER
from edgeproof.formats.rewrites.pooling import ADAPTIVE_MAX_POOL

if TYPE_CHECKING:
    from edgeproof.model.spine import Spine

__all__ = ["prepare", "prepare_without_batch_norm"]

REWRITES = (FOURIER, ADAPTIVE_MAX_POOL, REPEATED_OUTPUT)


def prepare(spine: Spine) -> Prepared:
    """The program as the converter can take it."""
    return apply_rewrites(spine, REWRITES)


def prepare_without_batch_norm(spine: Spine) -> Prepared:
    """The same for a program in which the converter fails to fuse a batch norm."""
    return apply_rewrites(spine, (*REWRITES, BATCH_NORM))
