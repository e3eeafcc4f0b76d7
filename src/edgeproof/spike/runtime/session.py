"""An engine with the names and shapes of its model: buffers or arrays in, the same kind out. Imports neither torch nor
numpy."""

from __future__ import annotations

from edgeproof.errors import ArtifactError
from edgeproof.spike.runtime.buffers import addresses, empty, taken
from edgeproof.spike.runtime.native import Engine, Port
from edgeproof.spike.runtime.stream import Stream

TYPE_CHECKING = False  # as in native
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Any

__all__ = ["NativeSession"]


class NativeSession:
    """One instance of a network, with states of its own. Threads that share one take turns; open one per thread for
    calls at the same time.

    Attributes:
        inputs: what a call takes: name and shape, float32.
        outputs: what it gives.
    """

    def __init__(self, library: Path, *, inputs: Sequence[Port] = (), outputs: Sequence[Port] = ()) -> None:
        """Open an engine.

        Args:
            library: the engine.
            inputs: names and shapes of the model's call, batch axis included; the engine's own where they do not fit.
            outputs: likewise.

        Raises:
            ArtifactError: not for this machine, or not one of ours.
        """
        self._engine: Engine | None = Engine(library)
        self._given = _ports(inputs, self._engine.inputs)
        self._results = _ports(outputs, self._engine.outputs)
        self.inputs: tuple[Any, ...] = self._given
        self.outputs: tuple[Any, ...] = self._results

    @property
    def engine(self) -> Engine:
        """What runs, for bound calls.

        Raises:
            ArtifactError: the session is closed.
        """
        if self._engine is None:
            raise ArtifactError("the session is closed", hint="open the artifact again")
        return self._engine

    def run(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """One whole call from the initial states.

        Args:
            inputs: a float32 buffer per input: a numpy array of its shape, or anything flat with the buffer protocol.

        Returns:
            numpy arrays where the first input is one, else memoryviews of float32 in the output's shape.

        Raises:
            SignatureError: a name or a size is not the model's.
            ArtifactError: the session is closed.
        """
        given, results = taken(self._given, inputs), empty(self._results, inputs)
        self.engine.call(addresses(given), addresses([*results.values()]))
        return results

    def stream(self) -> Stream:
        """An instance of its own whose states go on from step to step, for input that comes as time passes. It may
        outlive the session.

        Raises:
            ArtifactError: the session is closed.
        """
        return Stream(Engine(self.engine.library), self._given, self._results)

    def close(self) -> None:
        """Let go of the engine. Its code is unloaded when no stream and no other session of the same content has it."""
        self._engine = None

    def __enter__(self) -> NativeSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _ports(told: Sequence[Port], ports: tuple[Port, ...]) -> tuple[Port, ...]:
    """The engine's ports in the shapes of the model's call, batch axis included, where they are told and fit."""
    same = [port.bytes for port in told] == [port.bytes for port in ports]
    return tuple(told) if same else ports
