"""numpy's files of unknown origin, read within limits: declared sizes are looked at before anything is read.

An ``.npz`` may grow to 1 GiB, or to 64 times its own size where that is more; an ``.npy`` holds what it says, or is
refused. Nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import math
import struct
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from edgeproof.errors import SamplesError

__all__ = ["GROWTH", "MOST_ARRAYS", "UNGROWN_BYTES", "Rows", "read_npy", "read_npz", "rows_of"]

Array = npt.NDArray[Any]
UNGROWN_BYTES = 1 << 30
"""What an archive may always grow to."""
GROWTH = 64
"""How many times its size it may grow to."""
MOST_ARRAYS = 4096
LOCAL_HEADER_BYTES = 30
"""Of an archive's member, before its name and an extra field, whose lengths are its last four."""
LONGEST_HEADER = 10_000
"""Characters, as ``numpy.load`` has it."""
FORMAT: Any = np.lib.format
HEADERS = {(1, 0): FORMAT.read_array_header_1_0, (2, 0): FORMAT.read_array_header_2_0}
WRITE_IT = "write it with numpy.save or numpy.savez, without object arrays"


def read_npz(path: Path, *, expected: Mapping[str, int] | None = None) -> dict[str, Array]:
    """The arrays of an archive, by name.

    Args:
        path: the file.
        expected: the bytes of each array, where they are known: then it holds these or fewer.

    Raises:
        SamplesError: it cannot be read, is damaged, holds something else than arrays, or grows too large.
    """
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive, _quietly():
            members = archive.infolist()
            _check_growth(members, path.stat().st_size)
            arrays = {}
            for member in members:
                name = member.filename.removesuffix(".npy")
                if name == member.filename or name in arrays:
                    raise ValueError(f"{member.filename[:200]!r} is no array, or is there twice")
                with archive.open(member) as stream:
                    shape, dtype, _ = _header(stream, member.file_size)
                held = _bytes_of(shape, dtype)
                if expected is not None and held > expected.get(name, 0):
                    raise ValueError(f"{name[:200]} has {held} bytes; expected {expected.get(name, 0)}")
                with archive.open(member) as stream:
                    arrays[name] = _array(stream)
            return arrays
    except Exception as error:
        raise _refusal(path, error) from error


def read_npy(path: Path) -> Array:
    """The array of a file.

    Raises:
        SamplesError: it cannot be read, is damaged, or holds no plain array.
    """
    try:
        with path.open("rb") as file, _quietly():
            _header(file, path.stat().st_size)
            file.seek(0)
            return _array(file)
    except Exception as error:
        raise _refusal(path, error) from error


@dataclass(frozen=True)
class Rows:
    """An array of an archive that is read row by row.

    Attributes:
        path: the archive.
        offset: where its numbers begin.
        shape: of the array, rows first.
        dtype: of the array.
    """

    path: Path
    offset: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def __getitem__(self, index: int) -> Array:
        """One row.

        Raises:
            SamplesError: the file is shorter than it said.
        """
        count = math.prod(self.shape[1:])
        with self.path.open("rb") as file:
            file.seek(self.offset + index * count * self.dtype.itemsize)
            row = np.fromfile(file, self.dtype, count)
        if row.size != count:
            raise SamplesError(f"cannot read {self.path}: it ends within row {index}", hint=WRITE_IT)
        return row.reshape(self.shape[1:])


def rows_of(path: Path) -> dict[str, Rows] | None:
    """The arrays of an archive by name, none of them read; None where rows do not lie in it one after the other, as in
    one that is compressed.

    Raises:
        SamplesError: as ``read_npz``.
    """
    found = {}
    try:
        with path.open("rb") as file, zipfile.ZipFile(file) as archive, _quietly():
            members = archive.infolist()
            _check_growth(members, path.stat().st_size)
            for member in members:
                if member.compress_type != zipfile.ZIP_STORED:
                    return None
                with archive.open(member) as stream:
                    shape, dtype, by_columns = _header(stream, member.file_size)
                    begin = stream.tell()
                if by_columns or not shape:
                    return None
                file.seek(member.header_offset)
                lengths = struct.unpack("<HH", file.read(LOCAL_HEADER_BYTES)[-4:])
                offset = member.header_offset + LOCAL_HEADER_BYTES + sum(lengths) + begin
                found[member.filename.removesuffix(".npy")] = Rows(path, offset, shape, dtype)
    except Exception as error:
        raise _refusal(path, error) from error
    return found


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without numpy's words on headers as Python 2 wrote them, which are read all the same."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _refusal(path: Path, error: Exception) -> SamplesError:
    """Whatever a reader raises on a damaged file: zipfile, zlib, struct and tokenize have errors of their own."""
    said = " ".join(str(error).split())[:300] or "no more memory"
    known = isinstance(error, OSError | ValueError | zipfile.BadZipFile)
    return SamplesError(f"cannot read {path}: {said if known else f'{type(error).__name__}: {said}'}", hint=WRITE_IT)


def _check_growth(members: list[zipfile.ZipInfo], archive_bytes: int) -> None:
    if len(members) > MOST_ARRAYS:
        raise ValueError(f"it holds {len(members)} arrays; at most {MOST_ARRAYS} are read")
    grown, most = sum(member.file_size for member in members), max(UNGROWN_BYTES, GROWTH * archive_bytes)
    if grown > most:
        raise ValueError(f"its {archive_bytes:,} bytes would grow to {grown:,}; at most {most:,} are read")


def _header(stream: IO[bytes], file_bytes: int) -> tuple[tuple[int, ...], np.dtype[Any], bool]:
    """Shape, dtype and whether columns come first, once the numbers that they say are there."""
    version = FORMAT.read_magic(stream)
    read = HEADERS.get(version)
    if read is None:
        raise ValueError(f"its header is of version {version}; expected plain numbers, which are of version 1 or 2")
    shape, by_columns, dtype = read(stream, max_header_size=LONGEST_HEADER)
    if dtype.hasobject or dtype.names is not None:
        raise ValueError(f"it holds {dtype}, which are no plain numbers")
    if any(size < 0 for size in shape) or _bytes_of(shape, dtype) != file_bytes - stream.tell():
        raise ValueError(
            f"its header says {list(shape)} of {dtype}, {_bytes_of(shape, dtype):,} bytes; "
            f"it holds {file_bytes - stream.tell():,}"
        )
    return shape, dtype, by_columns and len(shape) > 1


def _bytes_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return math.prod(shape) * dtype.itemsize


def _array(stream: IO[bytes]) -> Array:
    array: Array = FORMAT.read_array(stream, allow_pickle=False, max_header_size=LONGEST_HEADER)
    return array
