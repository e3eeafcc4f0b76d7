"""An engine with the names and shapes of its model: buffers or arrays in, the same kind out. Imports neither torch nor
numpy."""

from __future__ import annotations

import json

from edgeproof.errors import ArtifactError
from edgeproof.spike.runtime.buffers import addresses, empty, shaped, taken
from edgeproof.spike.runtime.native import Engine, Port
from edgeproof.spike.runtime.stream import Stream

TYPE_CHECKING = False  # as in native
if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from types import TracebackType
    from typing import Any

__all__ = ["NativeSession", "engine_in"]

SUFFIX = ".so"
DOCUMENT = "artifact.json"


def engine_in(path: Path) -> Path | None:
    """The engine that ``path`` is, or that an artifact's folder holds; None where it is something else.

    Raises:
        ArtifactError: the artifact's document cannot be read.
    """
    if path.suffix == SUFFIX and path.is_file():
        return path
    document = path / DOCUMENT
    if not document.is_file():
        return None
    file = _document(document).get("file")
    return path / file if isinstance(file, str) and file.endswith(SUFFIX) and (path / file).is_file() else None


class NativeSession:
    """One instance of a network, with states of its own. Not thread-safe; open one per thread.

    Attributes:
        inputs: what a call takes: name and shape, float32.
        outputs: what it gives.
        engine: what runs, for bound calls.
    """

    def __init__(self, library: Path) -> None:
        """Open an engine.

        Raises:
            ArtifactError: not for this machine, or not one of ours.
        """
        self._library = library
        self.engine = Engine(library)
        told = _document(library.with_name(DOCUMENT)) if library.with_name(DOCUMENT).is_file() else {}
        self._given = _ports(told.get("inputs"), self.engine.inputs)
        self._results = _ports(told.get("outputs"), self.engine.outputs)
        self.inputs: tuple[Any, ...] = self._given
        self.outputs: tuple[Any, ...] = self._results

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """One whole call from the initial states.

        Args:
            inputs: a float32 buffer per input: a numpy array of its shape, or anything flat with the buffer protocol.

        Returns:
            numpy arrays where the first input is one, else memoryviews of float32 in the output's shape.

        Raises:
            SignatureError: a name or a size is not the model's.
        """
        given, results = taken(self._given, inputs), empty(self._results)
        self.engine.call(addresses(given), [result.buffer_info()[0] for result in results])
        return shaped(self._results, results, inputs)

    def stream(self) -> Stream:
        """An instance of its own whose states go on from step to step, for input that comes as time passes."""
        return Stream(Engine(self._library), self._given, self._results)

    def close(self) -> None:
        """Nothing is held but memory."""

    def __enter__(self) -> NativeSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _document(path: Path) -> dict[str, Any]:
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ArtifactError(f"cannot read {path}: {error}") from error
    return told if isinstance(told, dict) else {}


def _ports(told: Any, ports: tuple[Port, ...]) -> tuple[Port, ...]:
    """The engine's ports in the shapes of the model's call, batch axis included, where the document has them."""
    try:
        found = tuple(Port(entry["tensor"]["name"], tuple(map(int, entry["tensor"]["shape"]))) for entry in told)
    except (TypeError, KeyError, ValueError):
        return ports
    same = [port.bytes for port in found] == [port.bytes for port in ports]
    return found if same else ports
