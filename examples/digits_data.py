"""Handwritten digits, 8×8 pixels, 1,797 images, as they ship inside scikit-learn; split once and for all.

The split is stratified with seed 7: 1,437 images to train on and to draw representative samples from, 360 held out.
"""

import functools

import numpy as np

SPLIT_SEED = 7


@functools.cache
def split() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Train images, train labels, held-out images, held-out labels. Images: float32 [count, 8, 8] in 0..1."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    digits = load_digits()
    images = (digits.images / 16.0).astype(np.float32)
    train_x, held_x, train_y, held_y = train_test_split(
        images, digits.target, test_size=360, random_state=SPLIT_SEED, stratify=digits.target
    )
    return train_x, train_y.astype(np.int64), held_x, held_y.astype(np.int64)
