"""An artifact as its callers see it: named arrays of the model's shapes, whatever the graph wants; the time loop of the
step form. Knows no runtime."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

import numpy as np

from edgeproof.documents.artifact import ArtifactDocument, Binding
from edgeproof.documents.signature import Loop, Readout, StateSpec, TensorSpec
from edgeproof.errors import ArtifactError, EdgeProofError, SamplesError, SignatureError
from edgeproof.formats.base import Array, GraphRunner
from edgeproof.formats.narrowing import narrowed
from edgeproof.model.arrays import read_npz
from edgeproof.model.inputs import InputCheck
from edgeproof.trust import contained

__all__ = ["ArtifactSession", "LoopStream"]


class ArtifactSession:
    """A session over a graph runner. Threads that share one take turns: some runtimes have one room for inputs and
    outputs, and give one thread's result to another without a word.

    Args:
        degraded: why the runtime has fallen back to slow kernels, where it has.

    Attributes:
        inputs: the model's inputs, of a whole call.
        outputs: the model's outputs, of a whole call.
        degraded: as given.
    """

    def __init__(
        self, document: ArtifactDocument, folder: Path, runner: GraphRunner, *, degraded: str | None = None
    ) -> None:
        self.document = document
        self.degraded = degraded
        self._runner = runner
        self._loop = document.loop
        loop = document.loop
        count = len(document.inputs) - (len(loop.states) if loop else 0)
        outputs = len(loop.readouts) if loop else len(document.outputs)
        self.inputs = tuple(_call_input(binding.tensor, loop) for binding in document.inputs[:count])
        self.outputs = tuple(
            _call_output(binding.tensor, loop, loop.readouts[i] if loop else None)
            for i, binding in enumerate(document.outputs[:outputs])
        )
        self._check = InputCheck(self.inputs)
        self._lock = threading.Lock()
        self._initial: list[Array] = _initial_state(loop, folder) if loop else []

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call; see ``Session.run``.

        Raises:
            SignatureError, ArtifactError: as there.
        """
        arrays = self._check(inputs)
        results = self._guarded(self._whole, arrays)
        return {spec.name: result for spec, result in zip(self.outputs, results, strict=True)}

    def advance(self, arrays: Sequence[Array]) -> list[Array]:
        """One time step on inputs and states in the graph's order; outputs and states after it.

        Raises:
            ArtifactError: the runtime failed.
        """
        return self._guarded(self._graph, arrays)

    def _whole(self, arrays: Sequence[Array]) -> list[Array]:
        return self._graph(arrays) if self._loop is None else self._run_loop(self._loop, arrays)

    def _guarded(self, work: Callable[[Sequence[Array]], list[Array]], arrays: Sequence[Array]) -> list[Array]:
        """One thread at a time, and what a runtime raises is our error."""
        try:
            with self._lock:
                return work(arrays)
        except EdgeProofError:
            raise
        except Exception as error:
            raise ArtifactError(f"{self.document.candidate} failed to run: {type(error).__name__}: {error}") from error

    @property
    def stream(self) -> Callable[[], LoopStream] | None:
        """Makes a stream of its own for input that comes as time passes; None where the artifact has no time steps."""
        return None if self._loop is None else self._streaming

    def _streaming(self) -> LoopStream:
        assert self._loop is not None
        return LoopStream(self, self._loop, self._initial)

    def _graph(self, arrays: Sequence[Array]) -> list[Array]:
        fed = [_fit(array, binding) for array, binding in zip(arrays, self.document.inputs, strict=True)]
        results = self._runner(fed)
        return [_unfit(result, binding) for result, binding in zip(results, self.document.outputs, strict=True)]

    def _run_loop(self, loop: Loop, arrays: Sequence[Array]) -> list[Array]:
        states: list[Array] = self._initial
        count = len(loop.readouts)
        held: list[list[Array]] = [[] for _ in range(count)]
        for step in range(loop.timesteps):
            now = [array[step] for array in arrays] if loop.encoding == "sequence" else list(arrays)
            results = self._graph([*now, *states])
            states = results[count:]
            for store, result, how in zip(held, results, loop.readouts, strict=False):
                _accumulate(store, result, how)
        return [_read_out(store, how, loop.timesteps) for store, how in zip(held, loop.readouts, strict=True)]

    def close(self) -> None:
        """Release the runtime, once nothing runs."""
        with self._lock:
            self._runner.close()

    def __enter__(self) -> ArtifactSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class LoopStream:
    """One time step a call, the states carried on; any number of streams share a session and take turns.

    Attributes:
        inputs: of one time step.
        outputs: of one time step, not read out over any others.
    """

    def __init__(self, session: ArtifactSession, loop: Loop, initial: Sequence[Array]) -> None:
        self._session, self._initial, self._states = session, initial, list(initial)
        document = session.document
        self.inputs = tuple(binding.tensor for binding in document.inputs[: len(session.inputs)])
        self.outputs = tuple(binding.tensor for binding in document.outputs[: len(loop.readouts)])
        self._check = InputCheck(self.inputs)

    def step(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One more time step; the states go on only where it succeeds.

        Returns:
            each output's value in this step.

        Raises:
            SignatureError, ArtifactError: as ``Session.run``.
        """
        results = self._session.advance([*self._check(inputs), *self._states])
        count = len(self.outputs)
        self._states = [np.array(state) for state in results[count:]]  # a runtime may write the next ones over them
        return {spec.name: result for spec, result in zip(self.outputs, results, strict=False)}

    def reset(self) -> None:
        """Back to the initial states."""
        self._states = list(self._initial)


def _call_input(spec: TensorSpec, loop: Loop | None) -> TensorSpec:
    if loop is None or loop.encoding == "repeat":
        return spec
    return TensorSpec(name=spec.name, dtype=spec.dtype, shape=(loop.timesteps, *spec.shape), kind=spec.kind)


def _call_output(spec: TensorSpec, loop: Loop | None, how: Readout | None) -> TensorSpec:
    if loop is None or how != "stack":
        return spec
    return TensorSpec(name=spec.name, dtype=spec.dtype, shape=(loop.timesteps, *spec.shape), kind=spec.kind)


def _initial_state(loop: Loop, folder: Path) -> list[Array]:
    given: dict[str, Array] = {}
    if any(state.initial for state in loop.states):
        expected = {
            state.initial: math.prod(state.shape) * np.dtype(state.dtype).itemsize
            for state in loop.states
            if state.initial is not None
        }
        try:
            given = read_npz(contained(folder, "initial_state.npz"), expected=expected)
        except SamplesError as error:
            raise ArtifactError(f"cannot read the initial state in {folder}: {error.message}") from error
    return [_first(state, given, folder) for state in loop.states]


def _first(state: StateSpec, given: Mapping[str, Array], folder: Path) -> Array:
    if state.initial is None:
        return np.zeros(state.shape, state.dtype)
    array = given.get(state.initial)
    if array is None or array.shape != state.shape or array.dtype.name != state.dtype:
        raise ArtifactError(f"the initial state in {folder} has no {state.initial}: {state.dtype}{list(state.shape)}")
    return array


def _fit(array: Array, binding: Binding) -> Array:
    """The array as the graph wants it: quantised, cast, reshaped.

    Raises:
        SignatureError: a value that the graph's dtype does not hold.
    """
    if binding.scale is not None:
        limits = np.iinfo(binding.graph_dtype)
        levels = np.rint(array / binding.scale) + binding.zero_point
        array = np.clip(levels, limits.min, limits.max).astype(binding.graph_dtype)
    elif array.dtype.name != binding.graph_dtype:
        array = _cast(array, binding)
    return array if array.shape == binding.graph_shape else array.reshape(binding.graph_shape)


def _cast(array: Array, binding: Binding) -> Array:
    """In the graph's dtype, or refused."""
    cast, lost = narrowed(array, binding.graph_dtype)
    if lost is not None:
        raise SignatureError(
            f"the input {binding.tensor.name} holds {lost}, which {binding.graph_dtype} cannot hold; "
            f"the artifact's graph takes {binding.graph_dtype}",
            hint="give smaller values, or ship a format whose graph keeps the dtype",
        )
    return cast


def _unfit(result: Array, binding: Binding) -> Array:
    """The graph's output as the model gives it: dequantised, cast, reshaped."""
    spec = binding.tensor
    if binding.scale is not None:
        result = ((result.astype(np.float32) - binding.zero_point) * np.float32(binding.scale)).astype(spec.dtype)
    elif result.dtype.name != spec.dtype:
        result = result.astype(spec.dtype)
    if result.shape != spec.shape:
        if result.size != int(np.prod(spec.shape, dtype=np.int64)):
            raise ArtifactError(
                f"the output {spec.name} has the shape {list(result.shape)}; expected {list(spec.shape)}"
            )
        result = result.reshape(spec.shape)
    return result


def _accumulate(store: list[Array], result: Array, how: Readout) -> None:
    if how == "stack" or not store:
        store.append(result if how in ("stack", "last") else result.copy())
    elif how == "last":
        store[0] = result
    else:
        store[0] += result


def _read_out(store: list[Array], how: Readout, timesteps: int) -> Array:
    if how == "stack":
        return np.stack(store)
    return store[0] / np.asarray(timesteps, store[0].dtype) if how == "mean" else store[0]
