"""Images seen at other places: moved by a matrix, taken at given coordinates, or in boxes."""

from __future__ import annotations

import numpy as np
from torch.nn import functional

from edgeproof.errors import ArtifactError
from edgeproof.mil.kernels.bridge import array, tensor
from edgeproof.mil.kernels.sampling import grid, sampled
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = ["affine", "crop_resize", "crop_resize_ios16", "crop_resize_ios17", "resample"]

KERNELS = {
    ("constant", True): "zeros",
    ("constant", False): "zeros",
    ("border", True): "border",
    ("border", False): "border",
    ("reflection", True): "reflection",
    ("symmetric", False): "reflection",
}
"""Padding modes that torch has, by whether corners are aligned."""

ROUNDING = 1e-6
"""How far, of the size of the image, a place may seem outside of it by rounding alone."""


def _places(coordinates: Array, size: int, mode: str, align_corners: bool) -> Array:
    """Coordinates as places in elements, from 0 to ``size - 1``."""
    if mode == "unnormalized":
        return coordinates
    if mode == "normalized_minus_one_to_one":
        coordinates = (coordinates + 1) / 2
    elif mode != "normalized_zero_to_one":
        raise ArtifactError(
            f"the coordinates_mode {mode!r} is not known; expected unnormalized, normalized_minus_one_to_one or "
            "normalized_zero_to_one"
        )
    return coordinates * (size - 1) if align_corners else coordinates * size - 0.5


@op("resample")
def resample(
    x: Array,
    coordinates: Array,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,
    budget: Budget,
) -> Array:
    """``x`` (n, channels, height, width) at ``coordinates`` (n, h, w, 2), each (x, y); gives (n, channels, h, w).

    Coordinates run over the image from 0 to ``size - 1`` (``unnormalized``), from -1 to 1 or from 0 to 1: from the
    middle of the first element to that of the last one with ``align_corners``, else from edge to edge. See
    ``sampling.sampled`` for the modes.
    """
    if x.ndim != 4 or coordinates.ndim != 4 or coordinates.shape[0] != x.shape[0] or coordinates.shape[3] != 2:
        raise ArtifactError(f"x {list(x.shape)} and coordinates {list(coordinates.shape)}; expected (n, h, w, 2)")
    budget.room((*x.shape[:2], *coordinates.shape[1:3]), x.itemsize)
    ready = KERNELS.get((padding_mode, align_corners))
    if (
        ready is not None
        and coordinates_mode == "normalized_minus_one_to_one"
        and sampling_mode in ("bilinear", "nearest")
        and x.dtype == coordinates.dtype == np.float32
        and not (padding_mode == "constant" and padding_value)
    ):
        return array(
            functional.grid_sample(tensor(x), tensor(coordinates), sampling_mode, ready, align_corners=align_corners)
        )
    at = coordinates.astype(np.float64)
    across = _places(at[..., 0], x.shape[3], coordinates_mode, align_corners)
    down = _places(at[..., 1], x.shape[2], coordinates_mode, align_corners)
    return sampled(x, across, down, sampling_mode, padding_mode, padding_value)


@op("affine")
def affine(
    x: Array,
    transform_matrix: Array,
    output_height: int,
    output_width: int,
    sampling_mode: str,
    padding_mode: str,
    padding_value: float,
    coordinates_mode: str,
    align_corners: bool,
    budget: Budget,
) -> Array:
    """For (x, y) of the output, ``x`` at ``(a0 * x + a1 * y + a2, b0 * x + b1 * y + b2)``.

    ``x`` (n, channels, height, width), ``transform_matrix`` (n or 1, 6): a0, a1, a2, b0, b1, b2. Coordinates run over
    both images as in ``resample``; of an output of one row or column they are the middle.
    """
    if x.ndim != 4 or transform_matrix.ndim != 2 or transform_matrix.shape not in ((x.shape[0], 6), (1, 6)):
        raise ArtifactError(f"x {list(x.shape)} and transform_matrix {list(transform_matrix.shape)}; expected (n, 6)")
    budget.room((*x.shape[:2], output_height, output_width), x.itemsize)
    mode = coordinates_mode.lower()

    def line(count: int) -> Array:
        """Coordinates of the elements of the output: what ``_places`` makes 0, 1, 2 and so on."""
        if mode == "unnormalized":
            return np.arange(count, dtype=np.float64)
        middle = (np.arange(count) + 0.5) / count
        share = middle if not align_corners else np.linspace(0, 1, count) if count > 1 else np.full(count, 0.5)
        return share if mode == "normalized_zero_to_one" else 2 * share - 1

    across, down = line(output_width), line(output_height)[:, None]
    matrix = np.broadcast_to(transform_matrix.astype(np.float64), (x.shape[0], 6))[:, :, None, None]
    places = [
        _places(matrix[:, at] * across + matrix[:, at + 1] * down + matrix[:, at + 2], size, mode, align_corners)
        for at, size in ((0, x.shape[3]), (3, x.shape[2]))
    ]
    return sampled(x, places[0], places[1], sampling_mode.lower(), padding_mode.lower(), padding_value)


BOXES = {
    "CORNERS_HEIGHT_FIRST": (0, 1, 2, 3),
    "CORNERS_WIDTH_FIRST": (1, 0, 3, 2),
    "CENTER_SIZE_HEIGHT_FIRST": (0, 1, 2, 3),
    "CENTER_SIZE_WIDTH_FIRST": (1, 0, 3, 2),
}
"""Where in a box stand the height and width of its start (or middle), and of its end (or size)."""


def _crops(
    x: Array,
    boxes: Array,
    images: Array,
    size: tuple[int, int],
    normalized: bool,
    scale: float,
    coordinates: str,
    mode: str,
    value: float,
    budget: Budget,
) -> Array:
    """``boxes`` (n, 4) of ``images`` (n) of ``x``: (n, channels, *size)."""
    if coordinates not in BOXES:
        raise ArtifactError(f"the box_coordinate_mode {coordinates!r} is not known; expected one of {', '.join(BOXES)}")
    if images.size and not 0 <= images.min() <= images.max() < x.shape[0]:
        raise ArtifactError(f"a box is of image {int(images.max())}; there are {x.shape[0]}")
    count = len(boxes)
    budget.room((count, x.shape[1], *size), x.itemsize)
    at = boxes.astype(np.float64)[:, BOXES[coordinates]] * scale
    if coordinates.startswith("CENTER"):
        at = np.concatenate((at[:, :2] - at[:, 2:] / 2, at[:, :2] + at[:, 2:] / 2), axis=1)
    places = []
    for start, end, old, new in zip(at[:, :2].T, at[:, 2:].T, x.shape[2:], size, strict=True):
        if normalized:
            start, end = start * (old - 1), end * (old - 1)
        length = (end - start)[:, None]
        line = start[:, None] + np.sign(length) * grid(mode, np.abs(length) + 1, new)
        slack = ROUNDING * old
        places.append(np.where((line >= -slack) & (line <= old - 1 + slack), np.clip(line, 0, old - 1), np.nan))
    down, across = places[0][:, :, None], places[1][:, None, :]
    return _taken(x, images, down, across, value)


def _taken(x: Array, images: Array, down: Array, across: Array, value: float) -> Array:
    """Bilinear at places (n, h, 1) and (n, 1, w); ``value`` where a place is NaN."""
    outside = np.isnan(down) | np.isnan(across)
    down, across = np.nan_to_num(down), np.nan_to_num(across)
    top, left = np.floor(down).astype(np.int64), np.floor(across).astype(np.int64)
    bottom, right = np.minimum(top + 1, x.shape[2] - 1), np.minimum(left + 1, x.shape[3] - 1)
    which = images[:, None, None]
    to_right = (across - left).astype(x.dtype)[..., None]
    to_bottom = (down - top).astype(x.dtype)[..., None]

    def row(at: Array) -> Array:
        first, second = x[which, :, at, left], x[which, :, at, right]
        return np.asarray(first + (second - first) * to_right)

    above, below = row(top), row(bottom)
    result = above + (below - above) * to_bottom
    result[outside] = value
    return np.ascontiguousarray(np.moveaxis(result, -1, 1))


@op("crop_resize")
def crop_resize(
    x: Array,
    roi: Array,
    budget: Budget,
    target_height: int = 1,
    target_width: int = 1,
    normalized_coordinates: bool = False,
    spatial_scale: float = 1.0,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
) -> Array:
    """Boxes of images (b, channels, height, width), each brought to one size by bilinear interpolation.

    ``roi`` (n, 1, 4, 1, 1): boxes, each cut out of every image: gives (n, b, channels, h, w). Or (n, 1, 5, 1, 1): the
    number of an image before each box: gives (n, 1, channels, h, w). A box is start and end, or middle and size; times
    ``spatial_scale``, and times the size of the image less 1 if ``normalized_coordinates``. It holds
    ``|end - start| + 1`` elements, in which ``sampling.grid`` tells the places; a start behind the end mirrors. What is
    outside of the image is 0.
    """
    return crop_resize_ios16(
        x,
        roi,
        budget,
        target_height,
        target_width,
        normalized_coordinates,
        spatial_scale,
        box_coordinate_mode,
        sampling_mode,
    )


@op("crop_resize", "iOS16")
def crop_resize_ios16(
    x: Array,
    roi: Array,
    budget: Budget,
    target_height: int = 1,
    target_width: int = 1,
    normalized_coordinates: bool = False,
    spatial_scale: float = 1.0,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: float = 0.0,
) -> Array:
    """``crop_resize``, ``pad_value`` standing where a place is outside of the image."""
    if x.ndim != 4 or roi.ndim != 5 or roi.shape[1:] not in ((1, 4, 1, 1), (1, 5, 1, 1)):
        raise ArtifactError(f"x {list(x.shape)} and roi {list(roi.shape)}; expected (n, 1, 4 or 5, 1, 1)")
    boxes, every = roi.reshape(len(roi), -1), x.shape[0]
    if boxes.shape[1] == 5:
        images, boxes, every = boxes[:, 0].astype(np.int64), boxes[:, 1:], 1
    else:
        images, boxes = np.tile(np.arange(every), len(boxes)), boxes.repeat(every, axis=0)
    crops = _crops(
        x,
        boxes,
        images,
        (target_height, target_width),
        normalized_coordinates,
        spatial_scale,
        box_coordinate_mode,
        sampling_mode,
        pad_value,
        budget,
    )
    return crops.reshape(len(roi), every, *crops.shape[1:])


@op("crop_resize", "iOS17")
def crop_resize_ios17(
    x: Array,
    boxes: Array,
    budget: Budget,
    box_indices: Array | None = None,
    target_height: int = 1,
    target_width: int = 1,
    normalized_coordinates: bool = False,
    spatial_scale: float = 1.0,
    box_coordinate_mode: str = "CORNERS_HEIGHT_FIRST",
    sampling_mode: str = "DEFAULT",
    pad_value: float = 0.0,
) -> Array:
    """``crop_resize`` of ``boxes`` (n, 4), the i-th out of the image ``box_indices[i]``, by default the i-th.

    Gives (n, channels, h, w).
    """
    if x.ndim != 4 or boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ArtifactError(f"x {list(x.shape)} and boxes {list(boxes.shape)}; expected (n, 4)")
    images = np.arange(len(boxes)) if box_indices is None else box_indices.astype(np.int64)
    if images.shape != boxes.shape[:1]:
        raise ArtifactError(f"box_indices has the shape {list(images.shape)}; expected {[len(boxes)]}")
    return _crops(
        x,
        boxes,
        images,
        (target_height, target_width),
        normalized_coordinates,
        spatial_scale,
        box_coordinate_mode,
        sampling_mode,
        pad_value,
        budget,
    )
