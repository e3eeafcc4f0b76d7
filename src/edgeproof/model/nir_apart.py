"""A ``.nir`` of unknown origin read in a process of its own: HDF5 is C, and a damaged file crashes it or never ends.

That process writes what it understood as a file of its own making, and only that one is opened here.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import msgspec

from edgeproof.apart import call_apart
from edgeproof.errors import ProcessError, SpikeGraphError
from edgeproof.process import Limits
from edgeproof.spike.graph.network import Network
from edgeproof.spike.nir.nir_file import read, write

__all__ = ["Copy", "copy", "read_apart"]

SECONDS, SECONDS_PER_MIB = 5.0, 0.05
"""Of processor time: what a start takes on a slow machine, and what each MiB adds; a good file needs a fraction."""
MEMORY_BYTES = 4 << 30


class Copy(msgspec.Struct, frozen=True, kw_only=True):
    """A file to be read, and where what it holds is written."""

    file: str
    to: str


def copy(job: Copy) -> None:
    """Read the file and write its graph anew.

    Raises:
        SpikeGraphError, MissingDependency: as ``edgeproof.spike.nir.nir_file.read``.
    """
    write(Path(job.to), read(Path(job.file)))


def read_apart(path: Path) -> Network:
    """A graph from a file of unknown origin.

    Raises:
        SpikeGraphError: it is damaged, reading it crashed or did not end, or its graph cannot be run.
        MissingDependency: h5py is not installed.
    """
    size = path.stat().st_size if path.is_file() else 0
    limits = Limits(seconds=SECONDS + SECONDS_PER_MIB * (size >> 20), memory_bytes=MEMORY_BYTES)
    with tempfile.TemporaryDirectory(prefix="edgeproof-nir-") as scratch:
        clean = Path(scratch) / "graph.nir"
        job = Copy(file=str(path.resolve()), to=str(clean))
        try:
            call_apart(f"{__name__}:{copy.__name__}", job, type(None), what="reading the graph", limits=limits)
        except ProcessError as lost:
            raise SpikeGraphError(
                f"{path} is damaged: {lost.message}", hint="write it again where it came from"
            ) from lost
        return read(clean)
