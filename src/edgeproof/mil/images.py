"""Images in and out: arrays of bytes, height × width × colours, as programs that read image files give them."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeproof.errors import SignatureError
from edgeproof.mil.program.features import Feature, Image, within
from edgeproof.mil.program.types import TensorType
from edgeproof.mil.values import Array

__all__ = ["image_of", "image_values"]


def image_values(feature: Feature, image: Image, given: Any, kind: TensorType) -> Array:
    """An image as the program takes it: (1, colours, height, width), the values 0 to 255.

    Scale and bias need nothing here: a conversion writes them into the program as a multiplication and a sum.

    Args:
        given: an array of (height, width, 3) in RGB order, or (height, width) where it is grey; or an image object that
            numpy makes such an array of.

    Raises:
        SignatureError: another shape, dtype or size.
    """
    array = np.asarray(given)
    gray = image.colors.startswith("gray")
    dtypes = ("float16", "float32") if image.colors == "grayscale_float16" else ("uint8",)
    if gray and array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    fits = array.ndim == (2 if gray else 3) and (gray or array.shape[2] == 3)
    if not fits or array.dtype.name not in dtypes or not _size_fits(image, array.shape[1], array.shape[0]):
        raise SignatureError(
            f"the input {feature.name} is {array.dtype}{list(array.shape)}; expected an image {_expected(image)}"
        )
    if gray:
        planes = array[None, None]
    else:
        planes = np.moveaxis(array if image.colors == "rgb" else array[:, :, ::-1], 2, 0)[None]
    return np.ascontiguousarray(planes, kind.numpy)


def image_of(image: Image, value: Array) -> Array:
    """The program's (1, colours, height, width) as an image: rounded to bytes, clipped to 0..255.

    Returns:
        uint8 of (height, width, 3) in RGB order, or (height, width) where it is grey (float16 where it is declared so).
    """
    planes = value[0]
    if image.colors == "grayscale_float16":
        return np.asarray(planes[0], np.float16)
    levels: Array = np.clip(np.rint(planes.astype(np.float32)), 0, 255).astype(np.uint8)
    if image.colors == "grayscale":
        return np.asarray(levels[0])
    return np.ascontiguousarray(np.moveaxis(levels if image.colors == "rgb" else levels[::-1], 0, 2))


def _size_fits(image: Image, width: int, height: int) -> bool:
    if (width, height) == (image.width, image.height) or (width, height) in image.sizes:
        return True
    return image.ranges is not None and within((width, height), image.ranges)


def _expected(image: Image) -> str:
    shape = f"{image.height} × {image.width}"
    if image.sizes:
        shape = " or ".join(f"{height} × {width}" for width, height in image.sizes)
    elif image.ranges is not None:
        across, down = (f"{low}..{'' if high is None else high}" for low, high in image.ranges)
        shape = f"{down} × {across}"
    if image.colors == "grayscale_float16":
        return f"of {shape}, float16"
    return f"of {shape}{'' if image.colors == 'grayscale' else ' × 3 in RGB order'}, uint8"
