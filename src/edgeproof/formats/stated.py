"""A model on input that comes as time passes: one call a step, states carried from one to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import UsageError

if TYPE_CHECKING:
    from edgeproof.formats.base import Array, Session

__all__ = ["StatedStream"]


class StatedStream:
    """A session whose states are inputs and outputs of each call, as a recurrent cell is exported. They begin as zeros.

    Args:
        session: of one step.
        states: which output of a step is which input of the next, by input.

    Raises:
        UsageError: a state is no input or no output of the model, or its two ends differ in shape or dtype.

    Attributes:
        inputs: of one step, without states.
        outputs: of one step, without states.
    """

    def __init__(self, session: Session, states: Mapping[str, str]) -> None:
        given, results = ({spec.name: spec for spec in specs} for specs in (session.inputs, session.outputs))
        for before, after in states.items():
            first, last = given.get(before), results.get(after)
            if first is None or last is None:
                known = f"inputs {', '.join(given)} and outputs {', '.join(results)}"
                raise UsageError(f"the state {before} = {after} is none of the model's; it has {known}")
            if (first.shape, first.dtype) != (last.shape, last.dtype):
                raise UsageError(
                    f"the state {before} is {first.dtype}{list(first.shape)}, and {after}, which is to be the next "
                    f"one, {last.dtype}{list(last.shape)}"
                )
        if len(set(states.values())) < len(states):
            raise UsageError("two states are the same output")
        self._session, self._states = session, dict(states)
        self.inputs: tuple[TensorSpec, ...] = tuple(spec for spec in session.inputs if spec.name not in states)
        self.outputs = tuple(spec for spec in session.outputs if spec.name not in states.values())
        self._begin = {name: np.zeros(given[name].shape, given[name].dtype) for name in states}
        self._now: dict[str, Array] = dict(self._begin)

    def step(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One more step; the states go on only where it succeeds.

        Raises:
            SignatureError, ArtifactError: as ``Session.run``.
        """
        results = self._session.run({**inputs, **self._now})
        self._now = {before: results.pop(after) for before, after in self._states.items()}
        return results

    def reset(self) -> None:
        """Back to zeros."""
        self._now = dict(self._begin)
