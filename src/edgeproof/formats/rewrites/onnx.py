"""What PyTorch's ONNX exporter needs changed in the exported program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeproof.formats.rewrites.attention import ATTENTION_FOUR_AXES
from edgeproof.formats.rewrites.base import Prepared, apply_rewrites
from edgeproof.formats.rewrites.pooling import ADAPTIVE_MAX_POOL

if TYPE_CHECKING:
    from edgeproof.model.spine import Spine

__all__ = ["prepare"]


def prepare(spine: Spine) -> Prepared:
    """The program as the converter can take it."""
    return apply_rewrites(spine, (ADAPTIVE_MAX_POOL, ATTENTION_FOUR_AXES))
