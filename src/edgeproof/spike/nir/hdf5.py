"""Reading HDF5 files of unknown origin: only plain numbers and text that stand in the file itself, within limits.

It takes no attributes, follows no links, loads no filter plug-ins, reads no external or virtual data, and looks at
declared sizes before it asks for memory.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeproof.errors import MissingDependency, SpikeGraphError
from edgeproof.spike.graph.primitives import Array
from edgeproof.spike.graph.shapes import check_shape

__all__ = ["MAX_FILE_BYTES", "MAX_NUMBERS", "MAX_TEXT", "Group", "opened"]

MAX_FILE_BYTES = 2**31
MAX_NUMBERS = 2**27
"""In all tensors of a file together."""
MAX_TEXT = 4096
"""Characters of a name or another text."""

_FILTERS = frozenset((1, 2, 3, 4, 6, 32000))
"""deflate, shuffle, fletcher32, szip, scale-offset, and lzf, all of which are built in."""
_TEXT_MEMORY = 2**28


@dataclass
class _Budget:
    numbers: int
    file_bytes: int


@dataclass(frozen=True)
class Group:
    """A group of a file that is open, and what may still be read from it."""

    path: str
    handle: Any
    budget: _Budget

    def names(self, most: int) -> tuple[str, ...]:
        """What the group holds, sorted.

        Raises:
            SpikeGraphError: more than ``most``, or a name that is too long.
        """
        if len(self.handle) > most:
            raise SpikeGraphError(f"{self.path} holds {len(self.handle)} entries; at most {most} are read")
        found = tuple(sorted(self.handle))
        if any(len(name) > MAX_TEXT for name in found):
            raise SpikeGraphError(f"{self.path} holds a name of more than {MAX_TEXT} characters")
        return found

    def __contains__(self, name: str) -> bool:
        return name in self.handle

    def group(self, name: str) -> Group:
        """A group within this one."""
        import h5py

        return Group(f"{self.path}/{name}", self._entry(name, h5py.Group, "a group"), self.budget)

    def array(self, name: str) -> Array:
        """Numbers, in the byte order of this machine.

        Raises:
            SpikeGraphError: it is not there, no numbers, or too large.
        """
        dataset = self._dataset(name)
        where = f"{self.path}/{name}"
        if dataset.dtype.kind not in "fiub" or dataset.dtype.itemsize > 8:
            raise SpikeGraphError(f"{where} is of type {dataset.dtype}; expected numbers")
        self.budget.numbers -= math.prod(check_shape(dataset.shape, where))
        if self.budget.numbers < 0:
            raise SpikeGraphError(f"the tensors up to {where} have more than {MAX_NUMBERS:,} numbers together")
        values = np.asarray(dataset[()])
        return values.astype(values.dtype.newbyteorder("="), copy=False)

    def text(self, name: str) -> str:
        """One text.

        Raises:
            SpikeGraphError: it is not there, or no single text of a bearable length.
        """
        dataset = self._dataset(name)
        if dataset.shape != ():
            raise SpikeGraphError(f"{self.path}/{name} has the shape {dataset.shape}; expected one text")
        return self._decoded(name, dataset[()])

    def is_text(self, name: str) -> bool:
        """Whether an entry is text instead of numbers."""
        return self._dataset(name).dtype.kind in "OS"

    def text_pairs(self, name: str, most: int) -> tuple[tuple[str, str], ...]:
        """Texts in two columns.

        Raises:
            SpikeGraphError: it is not there, of another shape, or holds texts of an unbearable length.
        """
        dataset = self._dataset(name)
        if dataset.shape == (0,):
            return ()
        if len(dataset.shape) != 2 or dataset.shape[1] != 2 or dataset.shape[0] > most:
            raise SpikeGraphError(f"{self.path}/{name} has the shape {dataset.shape}; expected (up to {most}, 2)")
        rows = max(1, min(1024, _TEXT_MEMORY // (2 * self.budget.file_bytes)))
        pairs: list[tuple[str, str]] = []
        for start in range(0, dataset.shape[0], rows):
            for left, right in dataset[start : start + rows]:
                pairs.append((self._decoded(name, left), self._decoded(name, right)))
        return tuple(pairs)

    def _decoded(self, name: str, value: object) -> str:
        if not isinstance(value, bytes | str) or len(value) > MAX_TEXT:
            raise SpikeGraphError(f"{self.path}/{name} is no text of up to {MAX_TEXT} characters")
        return value if isinstance(value, str) else value.decode("utf-8")

    def _entry(self, name: str, kind: type[Any], expected: str) -> Any:
        import h5py

        if name not in self.handle:
            raise SpikeGraphError(f"{self.path or '/'} has no {name!r}; expected {expected} of that name")
        if not isinstance(self.handle.get(name, getlink=True), h5py.HardLink):
            raise SpikeGraphError(f"{self.path}/{name} is a link to another place; such are not followed")
        entry = self.handle[name]
        if not isinstance(entry, kind):
            raise SpikeGraphError(f"{self.path}/{name} is not {expected}")
        return entry

    def _dataset(self, name: str) -> Any:
        import h5py

        dataset = self._entry(name, h5py.Dataset, "a dataset")
        where = f"{self.path}/{name}"
        if dataset.shape is None:
            raise SpikeGraphError(f"{where} is empty; expected a value")
        if dataset.external or dataset.is_virtual:
            raise SpikeGraphError(f"{where} keeps its data in another file; such are not read")
        creation = dataset.id.get_create_plist()
        codes = {creation.get_filter(number)[0] for number in range(creation.get_nfilters())}
        if not codes <= _FILTERS:
            raise SpikeGraphError(
                f"{where} is stored with a filter that is not built into HDF5 ({min(codes - _FILTERS)})"
            )
        if dataset.chunks and math.prod(dataset.chunks) > max(dataset.size, 2**20):
            raise SpikeGraphError(f"{where} is stored in pieces of {dataset.chunks}, more than it has")
        if dataset.dtype.itemsize > MAX_TEXT:
            raise SpikeGraphError(f"{where} has elements of {dataset.dtype.itemsize} bytes; expected numbers or text")
        return dataset


@contextlib.contextmanager
def opened(path: Path) -> Iterator[Group]:
    """The root of a file.

    Raises:
        SpikeGraphError: it is no HDF5 file, or damaged, too large, or not what the reader asks of it.
        MissingDependency: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingDependency("reading a .nir file needs h5py", hint="install edgeproof[nir]") from error

    if not path.is_file():
        raise SpikeGraphError(f"there is no file {path}")
    size = path.stat().st_size
    if size > MAX_FILE_BYTES:
        raise SpikeGraphError(f"{path} has {size:,} bytes; at most {MAX_FILE_BYTES:,} are read")
    try:
        if not h5py.is_hdf5(path):
            raise SpikeGraphError(f"{path} is no HDF5 file; expected a graph in NIR's format")
        with h5py.File(path, "r") as file:
            yield Group("", file, _Budget(MAX_NUMBERS, size))
    except SpikeGraphError as error:
        named = error.message if str(path) in error.message else f"{path}: {error.message}"
        raise SpikeGraphError(named, hint=error.hint) from error
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, AttributeError, MemoryError) as error:
        raise SpikeGraphError(f"{path} is damaged: {str(error)[:200]}") from error
