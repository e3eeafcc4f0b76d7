"""A network on input that comes as time passes: one step a call, states carried on."""

from __future__ import annotations

from edgeproof.spike.runtime.buffers import addresses, empty, taken
from edgeproof.spike.runtime.native import Port

TYPE_CHECKING = False  # as in native
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from edgeproof.spike.runtime.native import Engine

__all__ = ["Stream"]


class Stream:
    """One instance whose states go on. A step is whole before another thread takes the next; any number of streams may
    run beside one another.

    Attributes:
        inputs: of one time step: name and shape, float32.
        outputs: of one time step, not read out over any others.
    """

    def __init__(self, engine: Engine, inputs: Sequence[Port], outputs: Sequence[Port]) -> None:
        """Begin at the initial states.

        Args:
            engine: an instance that nobody else uses.
            inputs: of a whole call, in the engine's order.
            outputs: of a whole call.
        """
        self._engine = engine
        self.inputs = tuple(Port(port.name, port.shape[engine.sequence :]) for port in inputs)
        self.outputs = tuple(
            Port(port.name, port.shape[stacked:]) for port, stacked in zip(outputs, engine.stacked, strict=True)
        )

    @property
    def steps(self) -> int:
        """Taken since the initial states."""
        return self._engine.steps

    def step(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """One more time step.

        Args:
            inputs: what the network sees in this step, as ``NativeSession.run`` takes buffers.

        Returns:
            each output's value in this step.

        Raises:
            SignatureError: a name or a size is not the model's.
        """
        given, results = taken(self.inputs, inputs), empty(self.outputs, inputs)
        self._engine.advance(1, addresses(given), addresses([*results.values()]))
        return results

    def reset(self) -> None:
        """Back to the initial states."""
        self._engine.reset()
