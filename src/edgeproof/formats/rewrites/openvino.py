"""What OpenVINO's converter needs changed in the exported program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from edgeproof.formats.rewrites.arithmetic import REPEATED_OUTPUT
from edgeproof.formats.rewrites.base import Prepared, apply_rewrites
from edgeproof.formats.rewrites.fourier import FOURIER, UNFOLD

if TYPE_CHECKING:
    from edgeproof.model.spine import Spine

__all__ = ["prepare"]


def prepare(spine: Spine) -> Prepared:
    """The program as the converter can take it."""
    return apply_rewrites(spine, (FOURIER, UNFOLD, REPEATED_OUTPUT))
