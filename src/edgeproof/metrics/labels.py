"""Labels of any dtype and shape, one entry a sample; of several lengths too."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["COUNTS", "Labels", "Ragged", "classes_of", "labels_of", "rows_of"]

Array = npt.NDArray[Any]
COUNTS = "labels_counts"
"""The key beside ``labels`` that says how many rows of it belong to each sample."""


@dataclass(frozen=True)
class Ragged:
    """Labels whose samples have different numbers of rows, such as boxes.

    Attributes:
        values: the rows of all samples one after the other, ``[rows, *shape]``.
        counts: ``int[samples]``, how many of them each sample has.
    """

    values: Array
    counts: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        if int(self.counts.sum()) != len(self.values) or bool((self.counts < 0).any()):
            raise ValueError(f"the counts add up to {int(self.counts.sum())} rows; there are {len(self.values)}")

    def __len__(self) -> int:
        return len(self.counts)

    def __getitem__(self, index: npt.NDArray[np.intp]) -> Ragged:
        """The labels of these samples, in that order."""
        rows = self.rows()
        return ragged([rows[i] for i in np.asarray(index)], like=self.values)

    def rows(self) -> list[Array]:
        """One array a sample."""
        return np.split(self.values, np.cumsum(self.counts)[:-1])

    def __iter__(self) -> Iterator[Array]:
        return iter(self.rows())


Labels = Array | Ragged


def ragged(rows: Sequence[Array], *, like: Array | None = None) -> Ragged:
    """Arrays of several lengths, with the same shape after the first axis.

    Raises:
        ValueError: they have not, or one is a single number.
    """
    shapes = {row.shape[1:] for row in rows if row.size or row.ndim > 1}
    if any(row.ndim == 0 for row in rows) or len(shapes) > 1:
        raise ValueError("the labels of a sample are rows; all rows have one shape")
    shape = shapes.pop() if shapes else (like.shape[1:] if like is not None else ())
    whole = [row.reshape(len(row), *shape) if row.size else np.zeros((0, *shape), row.dtype) for row in rows]
    empty = np.zeros((0, *shape), like.dtype if like is not None else np.float32)
    values = np.concatenate([row for row in whole if len(row)] or [empty])
    return Ragged(values, np.asarray([len(row) for row in whole], np.int64))


def labels_of(given: Any) -> Labels | None:
    """What a user gives as labels: an array, or a list of arrays that may differ in length.

    Raises:
        ValueError: neither.
    """
    if given is None or isinstance(given, Ragged):
        return given
    if isinstance(given, list | tuple):
        rows = [np.asarray(row) for row in given]
        if len({row.shape for row in rows}) > 1:
            return ragged(rows)
        given = np.stack(rows) if rows else np.zeros(0)
    array = np.asarray(given)
    if array.dtype.hasobject:
        return labels_of(list(array))
    if array.ndim == 0:
        raise ValueError("the labels are a single number; expected one entry a sample")
    return array


def rows_of(labels: Labels) -> Sequence[Array]:
    """One entry a sample."""
    return labels.rows() if isinstance(labels, Ragged) else list(labels)


def classes_of(labels: Labels | None) -> npt.NDArray[np.int64] | None:
    """The labels as one class a sample, ``int64[samples]``; None where they are something else."""
    if labels is None or isinstance(labels, Ragged):
        return None
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    whole = labels.dtype.kind in "iub" or (labels.dtype.kind == "f" and np.array_equal(labels, labels.round()))
    return labels.astype(np.int64) if labels.ndim == 1 and whole else None
