"""What coremltools needs changed in the exported program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeproof.formats.rewrites.arithmetic import PASSAGE, SMALL_OPERATORS
from edgeproof.formats.rewrites.base import Prepared, apply_rewrites
from edgeproof.formats.rewrites.fourier import FOURIER, UNFOLD

if TYPE_CHECKING:
    from edgeproof.model.spine import Spine

__all__ = ["prepare"]


def prepare(spine: Spine) -> Prepared:
    """The program as the converter can take it."""
    rewrites = (FOURIER, UNFOLD, SMALL_OPERATORS, PASSAGE)
    fold = "the converter fails on constants that the graph computes"
    return apply_rewrites(spine, rewrites, input_dtypes={"int64": "int32"}, fold=fold)
