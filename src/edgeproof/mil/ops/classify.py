"""The end of a classifier."""

from __future__ import annotations

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array

__all__ = ["classify"]


@op("classify", moves=True)
def classify(probabilities: Array, classes: Array) -> tuple[Array, dict[str | int, float]]:
    """The class with the greatest probability, the first of equal ones, and the probability of each by class."""
    flat, labels = probabilities.reshape(-1), classes.reshape(-1).tolist()
    if flat.size != len(labels) or not labels:
        raise ArtifactError(f"{flat.size} probabilities were given for {len(labels)} classes")
    label = labels[int(flat.argmax())]
    best = np.array(label, np.int64 if isinstance(label, int) else object)
    return best, dict(zip(labels, flat.astype(np.float64).tolist(), strict=True))
