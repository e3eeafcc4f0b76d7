"""The task score: accuracy of the class with the largest output. Spike records are summed over time first."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["accuracy", "predicted_classes"]

Array = npt.NDArray[Any]


def predicted_classes(outputs: Array) -> Array:
    """The class per sample.

    Args:
        outputs: ``[samples, 1, classes]``, or a record over time ``[samples, timesteps, 1, classes]``.

    Raises:
        ValueError: another shape.
    """
    if outputs.ndim == 4 and outputs.shape[2] == 1:
        outputs = outputs.sum(axis=1)
    if outputs.ndim != 3 or outputs.shape[1] != 1:
        raise ValueError(f"no class can be read from outputs of the shape {list(outputs.shape[1:])}")
    return np.asarray(outputs[:, 0].argmax(axis=-1))


def accuracy(outputs: Array, labels: Array) -> float:
    """Share of samples whose predicted class is the label, 0..1.

    Raises:
        ValueError: no class can be read from such outputs, see ``predicted_classes``.
    """
    return float((predicted_classes(outputs) == labels).mean())
