"""numpy's files of unknown origin, read within limits: declared sizes are looked at before anything is read.

An ``.npz`` may grow to 1 GiB, or to 64 times its own size where that is more; an ``.npy`` holds what it says, or is
refused. Nothing is unpickled.
"""

from __future__ import annotations

import contextlib
import math
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from edgeproof.errors import SamplesError

__all__ = ["GROWTH", "MOST_ARRAYS", "UNGROWN_BYTES", "read_npy", "read_npz"]

Array = npt.NDArray[Any]
UNGROWN_BYTES = 1 << 30
"""What an archive may always grow to."""
GROWTH = 64
"""How many times its size it may grow to."""
MOST_ARRAYS = 4096
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
                    header = _header(stream, member.file_size)
                if expected is not None and _bytes_of(*header) > expected.get(name, 0):
                    raise ValueError(f"{name[:200]} has {_bytes_of(*header)} bytes; expected {expected.get(name, 0)}")
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


def _header(stream: IO[bytes], file_bytes: int) -> tuple[tuple[int, ...], np.dtype[Any]]:
    """Shape and dtype, once the numbers that they say are there."""
    version = FORMAT.read_magic(stream)
    read = HEADERS.get(version)
    if read is None:
        raise ValueError(f"its header is of version {version}; expected plain numbers, which are of version 1 or 2")
    shape, _, dtype = read(stream, max_header_size=LONGEST_HEADER)
    if dtype.hasobject or dtype.names is not None:
        raise ValueError(f"it holds {dtype}, which are no plain numbers")
    if any(size < 0 for size in shape) or _bytes_of(shape, dtype) != file_bytes - stream.tell():
        raise ValueError(
            f"its header says {list(shape)} of {dtype}, {_bytes_of(shape, dtype):,} bytes; "
            f"it holds {file_bytes - stream.tell():,}"
        )
    return shape, dtype


def _bytes_of(shape: tuple[int, ...], dtype: np.dtype[Any]) -> int:
    return math.prod(shape) * dtype.itemsize


def _array(stream: IO[bytes]) -> Array:
    array: Array = FORMAT.read_array(stream, allow_pickle=False, max_header_size=LONGEST_HEADER)
    return array
