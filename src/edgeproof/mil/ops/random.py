"""Random numbers. The same seed gives the same ones in every call and on every machine, not those of Core ML."""

from __future__ import annotations

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = ["random_bernoulli", "random_categorical", "random_normal", "random_uniform"]

ZERO, HALF, ONE = np.zeros((), np.float32), np.full((), 0.5, np.float32), np.ones((), np.float32)


def _generator(seed: int) -> np.random.Generator:
    """One that begins at ``seed``; at -1 or another number below 0, anywhere."""
    return np.random.Generator(np.random.Philox(None if seed < 0 else seed))


@op("random_bernoulli", moves=True)
def random_bernoulli(shape: tuple[int, ...], budget: Budget, prob: Array = HALF, seed: int = -1) -> Array:
    """1 with the probability ``prob``, else 0, in the dtype of ``prob``."""
    budget.room(shape, 8)
    return (_generator(seed).random(shape) < float(prob)).astype(prob.dtype)


@op("random_normal", moves=True)
def random_normal(
    shape: tuple[int, ...], budget: Budget, mean: Array = ZERO, stddev: Array = ONE, seed: int = -1
) -> Array:
    """Normally distributed around ``mean``, in its dtype."""
    budget.room(shape, 8)
    return (float(mean) + float(stddev) * _generator(seed).standard_normal(shape)).astype(mean.dtype)


@op("random_uniform", moves=True)
def random_uniform(
    shape: tuple[int, ...], budget: Budget, low: Array = ZERO, high: Array = ONE, seed: int = -1
) -> Array:
    """From ``low`` to below ``high``, each as likely, in the dtype of ``low``."""
    if high < low:
        raise ArtifactError(f"low is {float(low):g} and high {float(high):g}; low has to be the smaller one")
    budget.room(shape, 8)
    numbers = (float(low) + (float(high) - float(low)) * _generator(seed).random(shape)).astype(low.dtype)
    below = np.nextafter(high.astype(low.dtype), low)
    return np.asarray(np.minimum(numbers, below))


@op("random_categorical")
def random_categorical(x: Array, budget: Budget, mode: str = "logits", size: int = 1, seed: int = -1) -> Array:
    """``size`` classes drawn for each row of the last dimension, in the dtype of ``x``; each may be drawn again.

    ``x`` has what their probabilities are proportional to (``probs``), or its logarithms (``logits``).
    """
    budget.room((*x.shape[:-1], size), 8)
    if mode == "logits":
        weights = np.exp(x - x.max(axis=-1, keepdims=True), dtype=np.float64)
    elif mode == "probs":
        weights = x.astype(np.float64)
    else:
        raise ArtifactError(f"the mode {mode!r} is not known; expected logits or probs")
    ends = np.cumsum(weights, axis=-1).reshape(-1, x.shape[-1])
    drawn = _generator(seed).random((len(ends), size)) * ends[:, -1:]
    rows = [np.searchsorted(row, draws, side="right") for row, draws in zip(ends, drawn, strict=True)]
    places: Array = np.minimum(np.array(rows), x.shape[-1] - 1)
    return places.reshape(*x.shape[:-1], size).astype(x.dtype)
