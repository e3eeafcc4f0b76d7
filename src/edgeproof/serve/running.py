"""What a server runs: packed tensors in, packed tensors out. An engine of ours needs no numpy; any other session does.

A stream is the same model one time step at a time, its states carried on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from edgeproof.errors import UsageError
from edgeproof.serve.tensors import Tensor, tensor_of

if TYPE_CHECKING:
    from edgeproof.formats.base import Session
    from edgeproof.spike.runtime.native import Engine
    from edgeproof.spike.runtime.session import NativeSession

__all__ = ["Running", "Stepping", "running"]


class Stepping(Protocol):
    """One client's states."""

    def step(self, inputs: Sequence[Any]) -> list[Any]:
        """One more time step: packed tensors in the order of ``Running.step_inputs``, and of ``step_outputs``."""
        ...


class Running(Protocol):
    """A model that is open.

    Attributes:
        inputs: of a whole call.
        outputs: of a whole call.
        step_inputs: of one time step; empty where the model has no states to carry.
        step_outputs: of one time step.
    """

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    step_inputs: tuple[Tensor, ...]
    step_outputs: tuple[Tensor, ...]

    def call(self, inputs: Sequence[Any]) -> list[Any]:
        """One whole call on packed tensors in the order of ``inputs``; what comes back is valid until the next.

        Raises:
            EdgeProofError: the runtime failed.
        """
        ...

    def stream(self) -> Stepping:
        """States of their own, as they are at the beginning."""
        ...

    def close(self) -> None:
        """Let go of it."""
        ...


def running(session: Session | NativeSession, states: Mapping[str, str] | None = None) -> Running:
    """A session as a server runs it.

    Args:
        states: which output of a whole call is which input of the next one in the same sequence, by input.

    Raises:
        ServingError: a tensor that the protocol cannot carry.
        UsageError: a state that is no input or output of the model, or of another shape.
    """
    from edgeproof.spike.runtime.session import NativeSession

    if isinstance(session, NativeSession):
        if states:
            raise UsageError("an engine of ours carries its states by itself", hint="leave `states` away")
        return EngineRunning(session)
    return SessionRunning(session, states or {})


class EngineRunning:
    """An engine of ours, bound to buffers once."""

    def __init__(self, session: NativeSession) -> None:
        self._session = session
        engine = session.engine
        self.inputs = tuple(tensor_of(spec.name, "float32", spec.shape) for spec in session.inputs)
        self.outputs = tuple(tensor_of(spec.name, "float32", spec.shape) for spec in session.outputs)
        step = session.stream()
        self.step_inputs = tuple(tensor_of(port.name, "float32", port.shape) for port in step.inputs)
        self.step_outputs = tuple(tensor_of(port.name, "float32", port.shape) for port in step.outputs)
        self._given = [memoryview(bytearray(tensor.bytes)) for tensor in self.inputs]
        self._results = [memoryview(bytearray(tensor.bytes)) for tensor in self.outputs]
        self._run = engine.bind(self._given, self._results)

    def call(self, inputs: Sequence[Any]) -> list[Any]:
        for room, data in zip(self._given, inputs, strict=True):
            room[:] = data
        self._run()
        return self._results

    def stream(self) -> Stepping:
        from edgeproof.spike.runtime.native import Engine

        return EngineSteps(Engine(self._session.engine.library), self.step_inputs, self.step_outputs)

    def close(self) -> None:
        self._session.close()


class EngineSteps:
    """An instance of an engine, its states going on."""

    def __init__(self, engine: Engine, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> None:
        self._engine = engine
        self._given = [memoryview(bytearray(tensor.bytes)) for tensor in inputs]
        self._results = [memoryview(bytearray(tensor.bytes)) for tensor in outputs]
        self._from, self._to = _addresses(self._given), _addresses(self._results)

    def step(self, inputs: Sequence[Any]) -> list[Any]:
        for room, data in zip(self._given, inputs, strict=True):
            room[:] = data
        self._engine.advance(1, self._from, self._to)
        return list(self._results)


def _addresses(buffers: Sequence[memoryview]) -> list[int]:
    from edgeproof.spike.runtime.buffers import addresses

    return addresses(buffers)


class SessionRunning:
    """Any session, on numpy arrays."""

    def __init__(self, session: Session, states: Mapping[str, str]) -> None:
        import numpy as np

        self._session = session
        self._frombuffer = np.frombuffer
        self._contiguous = np.ascontiguousarray
        self.inputs = tuple(tensor_of(spec.name, spec.dtype, spec.shape) for spec in session.inputs)
        self.outputs = tuple(tensor_of(spec.name, spec.dtype, spec.shape) for spec in session.outputs)
        self.step_inputs: tuple[Tensor, ...] = ()
        self.step_outputs: tuple[Tensor, ...] = ()
        self._stream: Callable[[], Any] | None = getattr(session, "stream", None)
        if states:
            self._stream = self._stated(states)
        if self._stream is not None:
            step = self._stream()
            self.step_inputs = tuple(tensor_of(spec.name, spec.dtype, spec.shape) for spec in step.inputs)
            self.step_outputs = tuple(tensor_of(spec.name, spec.dtype, spec.shape) for spec in step.outputs)

    def call(self, inputs: Sequence[Any]) -> list[Any]:
        outputs = self._session.run(self.arrays(self.inputs, inputs))
        return self.packed(self.outputs, outputs)

    def stream(self) -> Stepping:
        assert self._stream is not None
        return SessionSteps(self, self._stream())

    def close(self) -> None:
        self._session.close()

    def arrays(self, tensors: Sequence[Tensor], packed: Sequence[Any]) -> dict[str, Any]:
        """Packed tensors as arrays of their own: what was received is overwritten by what comes next."""
        return {
            tensor.name: self._frombuffer(bytearray(data), tensor.datatype.dtype).reshape(tensor.shape)
            for tensor, data in zip(tensors, packed, strict=True)
        }

    def packed(self, tensors: Sequence[Tensor], arrays: Mapping[str, Any]) -> list[Any]:
        """Arrays as packed tensors."""
        return [
            self._contiguous(arrays[tensor.name]).reshape(-1).view("uint8").data if tensor.bytes else b""
            for tensor in tensors
        ]

    def _stated(self, states: Mapping[str, str]) -> Callable[[], Any]:
        """Streams of a model whose states are inputs and outputs of each call."""
        from edgeproof.formats.stated import StatedStream

        return lambda: StatedStream(self._session, states)


class SessionSteps:
    """A session's stream, on packed tensors."""

    def __init__(self, of: SessionRunning, stream: Any) -> None:
        self._of, self._stream = of, stream

    def step(self, inputs: Sequence[Any]) -> list[Any]:
        of = self._of
        return of.packed(of.step_outputs, self._stream.step(of.arrays(of.step_inputs, inputs)))
