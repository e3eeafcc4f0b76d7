"""A compiled engine opened through ctypes: it needs neither torch nor numpy.

Inputs and outputs are anything with the buffer protocol: ``array.array``, ``bytes``, a memoryview, a numpy array.
"""

from __future__ import annotations

import ctypes
import json
import math
import sys
from _thread import allocate_lock
from functools import partial

from edgeproof.errors import ArtifactError
from edgeproof.spike.runtime.library import Library

TYPE_CHECKING = False  # the name is enough for a type checker, and typing costs milliseconds that a start has not
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Any

__all__ = ["Engine", "Port"]

WIDEST = 16
ALIGNMENT = 64
DESCRIBE = "edgeproof_describe"
SHORT = 1 << 17
"""Products in a call up to which it takes some microseconds, and letting other threads of Python's run in the meantime
would cost more than that."""


class Port:
    """An input or output of a whole call: float32, time axis first where it has one.

    Attributes:
        name: as in the model.
        shape: without a batch axis.
        bytes: its size.
    """

    __slots__ = ("bytes", "name", "shape")

    def __init__(self, name: str, shape: tuple[int, ...]) -> None:
        self.name = name
        self.shape = shape
        self.bytes = 4 * math.prod(shape)


class Engine:
    """One instance of a network: its states and its room to work in. Threads that share one take turns; to run at the
    same time each needs its own. Calls of a few microseconds never do: they keep other threads of Python's waiting.

    Attributes:
        library: its code.
        name: of the network; its C functions begin with it.
        timesteps: of one call.
        sequence: whether inputs have a time axis, the first.
        stacked: of each output, whether it has one.
        inputs: of a whole call, in order.
        outputs: of a whole call, in order.
        steps: taken by ``advance`` since the initial states.
    """

    def __init__(self, path: Path | Library, *, widest: int = WIDEST) -> None:
        """Load a library.

        Args:
            path: the shared library, or one that is loaded.
            widest: floats in a vector, at most: 16, 8, 4 or 1.

        Raises:
            ArtifactError: not there, not for this machine, or not one of ours.
        """
        self.library = path if isinstance(path, Library) else Library.of(path)
        try:
            describe = self.library.function(DESCRIBE, ctypes.c_char_p)
        except AttributeError as error:
            raise ArtifactError(f"{path} cannot be loaded as an engine: {error}") from error
        told: dict[str, Any] = json.loads(describe())
        self.name = str(told["name"])
        self.timesteps = int(told["timesteps"])
        self._alone = int(told.get("terms", SHORT + 1)) <= SHORT and _one_thread_runs()
        steps = (self.timesteps,)
        self.sequence = bool(told["sequence"])
        self.stacked = tuple(output["readout"] == "stack" for output in told["outputs"])
        self.inputs = tuple(Port(port["name"], (*(steps * self.sequence), *port["shape"])) for port in told["inputs"])
        self.outputs = tuple(
            Port(port["name"], (*(steps * stacked), *port["shape"]))
            for port, stacked in zip(told["outputs"], self.stacked, strict=True)
        )
        size = self._function("size", ctypes.c_size_t)
        self._memory = ctypes.create_string_buffer(size() + ALIGNMENT)
        self._instance = -(-ctypes.addressof(self._memory) // ALIGNMENT) * ALIGNMENT
        self._function("init", None, ctypes.c_void_p, ctypes.c_int)(self._instance, widest)
        pointers = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
        self._call = self._function("call", None, *pointers)
        self._run = self._function("run", None, ctypes.c_void_p, ctypes.c_int, *pointers[1:])
        self._reset = self._function("reset", None, ctypes.c_void_p)
        self._lock = allocate_lock()  # Python lets other threads run during a call, unless it is a short one
        self.steps = 0
        self._in = (ctypes.c_void_p * len(self.inputs))()
        self._out = (ctypes.c_void_p * len(self.outputs))()
        self._in_at, self._out_at = ctypes.addressof(self._in), ctypes.addressof(self._out)

    def _function(self, name: str, result: Any, *arguments: Any) -> Callable[..., Any]:
        return self.library.function(f"{self.name}_{name}", result, *arguments, alone=self._alone)

    def bind(self, inputs: Sequence[Any], outputs: Sequence[Any]) -> Callable[[], None]:
        """A call without arguments that reads ``inputs`` and writes ``outputs`` in place: the quickest way to run.

        Args:
            inputs: writable buffers of float32 in the order of ``self.inputs``; they must outlive the call.
            outputs: writable buffers in the order of ``self.outputs``.

        Raises:
            ArtifactError: a buffer of another size.
        """
        given = (ctypes.c_void_p * len(self.inputs))(*map(_address, inputs, self.inputs))
        taken = (ctypes.c_void_p * len(self.outputs))(*map(_address, outputs, self.outputs))
        call, instance, acquire, release = self._call, self._instance, self._lock.acquire, self._lock.release
        first, second = ctypes.addressof(given), ctypes.addressof(taken)
        if self._alone:
            record = (ctypes.c_void_p * 3)(instance, first, second)
            short = partial(self._function("bound", None), ctypes.byref(record))
            short.__dict__["kept"] = (given, taken, inputs, outputs, self)
            return short

        def run(_kept: Any = (given, taken, inputs, outputs, self)) -> None:
            acquire()
            try:
                call(instance, first, second)
            finally:
                release()

        return run

    def call(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """One whole call from the initial states, on addresses of float32 in the order of the ports."""
        with self._lock:
            self._place(inputs, outputs)
            self._call(self._instance, self._in_at, self._out_at)

    def advance(self, steps: int, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """Some more time steps from the states as they are: a stream."""
        with self._lock:
            self._place(inputs, outputs)
            self._run(self._instance, steps, self._in_at, self._out_at)
            self.steps += steps

    def _place(self, inputs: Sequence[int], outputs: Sequence[int]) -> None:
        """One address after the other: a slice of them takes twice as long."""
        given, taken = self._in, self._out
        for at, address in enumerate(inputs):
            given[at] = address
        for at, address in enumerate(outputs):
            taken[at] = address

    def reset(self) -> None:
        """Back to the initial states."""
        with self._lock:
            self._reset(self._instance)
            self.steps = 0


def _one_thread_runs() -> bool:
    """Whether only one thread of Python's runs at a time."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def _address(buffer: Any, port: Port) -> int:
    view = memoryview(buffer)
    if view.nbytes != port.bytes:
        raise ArtifactError(f"{port.name} is {view.nbytes} bytes; expected {port.bytes} of float32 {list(port.shape)}")
    if view.readonly:
        raise ArtifactError(f"{port.name} is read-only; expected a buffer that can be written, such as array.array")
    return ctypes.addressof(ctypes.c_char.from_buffer(view))
