"""Values in a narrower dtype by one rule: rounded where it is a shorter float, never wrapped, never made infinite."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.errors import ConversionError

__all__ = ["narrowed", "sample_as"]

Array = npt.NDArray[Any]


def narrowed(array: Array, dtype: str) -> tuple[Array, Any | None]:
    """The array in another dtype, and the first of its values that this cannot hold; None where it holds all."""
    if array.dtype.name == dtype:
        return array, None
    if array.dtype.kind == "f":
        with np.errstate(over="ignore", invalid="ignore"):
            cast = array.astype(dtype)
        lost = np.isinf(cast) & np.isfinite(array) if cast.dtype.kind == "f" else cast != array
    else:
        cast = array.astype(dtype)
        lost = cast != array
    if np.count_nonzero(lost):  # quicker than any() of a small array
        return cast, array[lost].flat[0]
    return cast, None


def sample_as(array: Array, dtype: str, name: str) -> Array:
    """A sample of an input in the dtype that a converter's graph takes.

    Raises:
        ConversionError: it cannot hold the sample.
    """
    cast, lost = narrowed(array, dtype)
    if lost is not None:
        raise ConversionError(
            f"a sample of {name} holds {lost}, which {dtype} cannot hold, and the graph takes {dtype}",
            hint="give samples of smaller values, or ship a format whose graph keeps the dtype",
        )
    return cast
