"""Samples read one by one while a session is measured, so that its memory is its own and not its samples'."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, overload

import numpy.typing as npt

from edgeproof.documents.signature import TensorSpec
from edgeproof.model.arrays import rows_of
from edgeproof.model.model import Samples
from edgeproof.model.samples import TOLD, Call, calls_of, conform, read_calls, read_row, sample_files

__all__ = ["HELD_BYTES", "stream_calls"]

HELD_BYTES = 4 << 20
"""Samples that take no more are held: they hardly show in a runtime's memory, and the calls on them may be short."""


def stream_calls(path: Path, specs: Sequence[TensorSpec], *, limit: int | None = None) -> Sequence[Call]:
    """Samples of a folder or npz as a session takes them: each is read when it is asked for.

    Args:
        path: as in ``read_samples``; one sample is enough.
        specs: the session's inputs.
        limit: at most so many.

    Raises:
        SamplesError: the file cannot be read, or holds what these inputs cannot take; of one sample, when it is read.
    """
    found = _readers(path)
    if found is None:
        return read_calls(path, specs, limit=limit)
    count, read = found
    return _Streamed(count if limit is None else min(count, limit), read, specs)


Row = dict[str, npt.NDArray[Any]]


def _readers(path: Path) -> tuple[int, Callable[[int], Row]] | None:
    """How many samples there are, and what reads one; None where they are few enough to be held, or cannot be read one
    by one."""
    if path.is_dir():
        files = sample_files(path)
        if sum(file.stat().st_size for file in files) <= HELD_BYTES:
            return None
        return len(files), lambda index: read_row(files[index])
    if path.suffix != ".npz" or not path.is_file() or path.stat().st_size <= HELD_BYTES:
        return None
    rows = rows_of(path)
    inputs = {name: row for name, row in (rows or {}).items() if name not in TOLD}
    counts = {row.shape[0] for row in inputs.values()}
    if len(counts) != 1 or counts == {0}:
        return None
    return counts.pop(), lambda index: {name: row[index] for name, row in inputs.items()}


class _Streamed(Sequence[Call]):
    """Calls by number.

    Args:
        count: how many there are.
        read: one sample of the file, as it stands there.
        specs: the session's inputs.
    """

    def __init__(self, count: int, read: Callable[[int], Row], specs: Sequence[TensorSpec]) -> None:
        self._count, self._read, self._specs = count, read, specs

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Call: ...

    @overload
    def __getitem__(self, index: slice) -> list[Call]: ...

    def __getitem__(self, index: int | slice) -> Call | list[Call]:
        if isinstance(index, slice):
            return [self[at] for at in range(*index.indices(self._count))]
        if not -self._count <= index < self._count:
            raise IndexError(index)
        row = self._read(index % self._count)
        inputs = {name: array[None] for name, array in row.items() if name not in TOLD}
        samples, _ = conform(Samples(inputs), self._specs)
        return calls_of(samples)[0]
