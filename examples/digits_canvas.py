"""Digits on a dim, noisy canvas among bars, small (8×8 pixels) or large (16×16): data of a segmenter and a detector."""

import dataclasses

import digits_data
import numpy as np

BACKGROUND, DIGIT, BAR = range(3)
SIZE = 48
TRAIN_SEED, HELD_OUT_SEED = 1, 2


@dataclasses.dataclass(frozen=True)
class Canvases:
    """Attributes:
    images: float32 [count, 1, 48, 48] in 0..1.
    masks: int64 [count, 48, 48], what each pixel shows.
    boxes: of each image a row class, x1, y1, x2, y2 a digit, float32 [digits, 5].
    sizes: "small" or "large", the digits of an image.
    """

    images: np.ndarray
    masks: np.ndarray
    boxes: list[np.ndarray]
    sizes: np.ndarray


def canvases(count: int, *, held_out: bool) -> Canvases:
    """Images with one to three digits of the training or the held-out split, the same each time."""
    train_x, train_y, held_x, held_y = digits_data.split()
    digits, kinds = (held_x, held_y) if held_out else (train_x, train_y)
    source = np.random.default_rng(HELD_OUT_SEED if held_out else TRAIN_SEED)
    drawn = [_canvas(source, digits, kinds, 1 + number % 2) for number in range(count)]
    images, masks, boxes = zip(*drawn, strict=True)
    sizes = np.asarray(["small", "large"])[np.arange(count) % 2]
    return Canvases(np.stack(images)[:, None], np.stack(masks), list(boxes), sizes)


def _canvas(
    source: np.random.Generator, digits: np.ndarray, kinds: np.ndarray, scale: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    image = 0.15 * source.random((SIZE, SIZE), np.float32)
    mask = np.full((SIZE, SIZE), BACKGROUND, np.int64)
    for _ in range(3):
        x, y = source.integers(0, SIZE - 10, 2)
        long, wide = source.integers(6, 24), source.integers(1, 3)
        height, width = (long, wide) if source.random() < 0.5 else (wide, long)
        image[y : y + height, x : x + width] = source.uniform(0.5, 1.0)
        mask[y : y + height, x : x + width] = BAR
    boxes: list[list[float]] = []
    for _ in range(source.integers(1, 4)):
        number = source.integers(len(digits))
        ink = np.kron(digits[number], np.ones((scale, scale), np.float32))
        x, y = source.integers(0, SIZE - len(ink) + 1, 2)
        if any(abs(x - left) <= len(ink) and abs(y - upper) <= len(ink) for _, left, upper, *_ in boxes):
            continue  # no digit lies on another
        part = slice(y, y + len(ink)), slice(x, x + len(ink))
        image[part], mask[part] = np.maximum(image[part] * 0.3, ink), np.where(ink > 0.2, DIGIT, BACKGROUND)
        boxes.append([kinds[number], x, y, x + len(ink), y + len(ink)])
    return image, mask, np.asarray(boxes, np.float32)
