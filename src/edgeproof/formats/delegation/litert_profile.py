"""LiteRT's own profile of operators, through its C library: the Python package gives no way to it.

The interface is that of one minor version of the library, and of no other. A call with another layout of memory ends a
process: this is for one that may end.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from edgeproof.errors import ArtifactError
from edgeproof.formats.base import Array

__all__ = ["VERSION", "Event", "LiteRTProfile", "unsupported"]

VERSION = "2.3"
"""Of ai-edge-litert: the one whose interface this is."""
CPU = 1
READ, WRITE = 0, 1
SHAPE_BYTES = 512
"""Room for the library's description of a tensor's shape, with much to spare."""
PROFILED = b"enable_profiling = true\n"
INVOKED, DELEGATE_INVOKED = 1 << 1, 1 << 2
Handle = ctypes.c_void_p


@dataclass(frozen=True)
class Event:
    """One operator in one call.

    Attributes:
        name: as the runtime or the delegate calls it.
        index: of the operator in the graph, or in the delegate's partition.
        delegated: whether a delegate ran it.
        time_us: whole microseconds.
    """

    name: str
    index: int
    delegated: bool
    time_us: int


class _Event(ctypes.Structure):
    _fields_ = (
        ("tag", ctypes.c_char_p),
        ("kind", ctypes.c_int),
        ("start_us", ctypes.c_uint64),
        ("elapsed_us", ctypes.c_uint64),
        ("memory_before", ctypes.c_uint64 * 3),
        ("memory_after", ctypes.c_uint64 * 3),
        ("index", ctypes.c_uint64),
        ("subgraph", ctypes.c_uint64),
        ("source", ctypes.c_int),
    )


def unsupported() -> str | None:
    """Why the installed library's profile cannot be read; None when it can."""
    version = metadata.version("ai-edge-litert")
    if version.startswith(f"{VERSION}."):
        return None
    return f"LiteRT's profile is read of ai-edge-litert {VERSION} alone, and {version} is installed"


class LiteRTProfile:
    """A graph compiled for the processor, with its profiler.

    Args:
        path: the ``.tflite``.

    Raises:
        ArtifactError: the library refuses it.
    """

    def __init__(self, path: Path) -> None:
        import ai_edge_litert

        self._library = ctypes.CDLL(str(Path(ai_edge_litert.__file__).with_name("libLiteRt.so")))
        self._environment, self._file, self._model, self._profiler = Handle(), Handle(), Handle(), Handle()
        self._call("LiteRtCreateEnvironment", 0, None, ctypes.byref(self._environment))
        self._call("LiteRtCreateModelFromFile", self._environment, str(path).encode(), ctypes.byref(self._file))
        options = self._options()
        self._call("LiteRtCreateCompiledModel", self._environment, self._file, options, ctypes.byref(self._model))
        self._call("LiteRtCompiledModelGetProfiler", self._model, ctypes.byref(self._profiler))
        signature = Handle()
        self._call("LiteRtGetModelSignature", self._file, ctypes.c_size_t(0), ctypes.byref(signature))
        self._inputs = self._buffers("Input", signature)
        self._outputs = self._buffers("Output", signature)

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs, in order."""
        return tuple(name for name, _ in self._inputs)

    def feed(self, name: str, array: Array) -> None:
        """Write an input.

        Raises:
            ArtifactError: it is of another size.
        """
        buffer, size, memory = dict(self._inputs)[name], ctypes.c_size_t(), Handle()
        self._call("LiteRtGetTensorBufferSize", buffer, ctypes.byref(size))
        raw = array.tobytes()
        if len(raw) > size.value:
            raise ArtifactError(f"the input {name} takes {size.value} bytes, and was given {len(raw)}")
        self._call("LiteRtLockTensorBuffer", buffer, ctypes.byref(memory), WRITE)
        ctypes.memmove(memory, raw, len(raw))
        self._call("LiteRtUnlockTensorBuffer", buffer)

    def run(self) -> None:
        """One call."""
        inputs, outputs = ([buffer for _, buffer in buffers] for buffers in (self._inputs, self._outputs))
        self._call(
            "LiteRtRunCompiledModel",
            self._model,
            ctypes.c_size_t(0),
            ctypes.c_size_t(len(inputs)),
            (Handle * len(inputs))(*inputs),
            ctypes.c_size_t(len(outputs)),
            (Handle * len(outputs))(*outputs),
        )

    def start(self) -> None:
        """Take times from here on."""
        self._call("LiteRtStartProfiler", self._profiler)

    def stop(self) -> Sequence[Event]:
        """Take no more times; the operators that were run since the start, call by call."""
        self._call("LiteRtStopProfiler", self._profiler)
        count = ctypes.c_int()
        self._call("LiteRtGetNumProfilerEvents", self._profiler, ctypes.byref(count))
        events = (_Event * count.value)()
        self._call("LiteRtGetProfilerEvents", self._profiler, count, events)
        return [
            Event(event.tag.decode(errors="replace"), event.index, event.kind != INVOKED, event.elapsed_us)
            for event in events
            if event.kind in (INVOKED, DELEGATE_INVOKED, DELEGATE_INVOKED << 1)
        ]

    def _options(self) -> Handle:
        """For the processor, with a profiler."""
        system: Any = ctypes.CDLL(None)
        system.strdup.restype = Handle
        options, more = Handle(), Handle()
        self._call("LiteRtCreateOptions", ctypes.byref(options))
        self._call("LiteRtSetOptionsHardwareAccelerators", options, CPU)
        text = Handle(system.strdup(PROFILED))
        free = ctypes.cast(system.free, Handle)
        self._call("LiteRtCreateOpaqueOptions", b"runtime_options_string", text, free, ctypes.byref(more))
        self._call("LiteRtAddOpaqueOptions", options, more)
        return options

    def _buffers(self, kind: str, signature: Handle) -> list[tuple[str, Handle]]:
        """A buffer for each of the signature's inputs or outputs, with its name: two outputs that are one tensor have
        one."""
        count, found = ctypes.c_size_t(), []
        self._call(f"LiteRtGetNumSignature{kind}s", signature, ctypes.byref(count))
        for number in range(count.value):
            at, name = ctypes.c_size_t(number), ctypes.c_char_p()
            self._call(f"LiteRtGetSignature{kind}Name", signature, at, ctypes.byref(name))
            tensor, needs, buffer = Handle(), Handle(), Handle()
            self._call(f"LiteRtGetSignature{kind}TensorByIndex", signature, at, ctypes.byref(tensor))
            shape = ctypes.create_string_buffer(SHAPE_BYTES)
            self._call("LiteRtGetRankedTensorType", tensor, shape)
            requirements = f"LiteRtGetCompiledModel{kind}BufferRequirements"
            self._call(requirements, self._model, ctypes.c_size_t(0), at, ctypes.byref(needs))
            managed = "LiteRtCreateManagedTensorBufferFromRequirements"
            self._call(managed, self._environment, shape, needs, ctypes.byref(buffer))
            found.append(((name.value or b"").decode(), buffer))
        return found

    def _call(self, name: str, *arguments: Any) -> None:
        function = getattr(self._library, name)
        function.restype = ctypes.c_int
        status = function(*arguments)
        if status:
            raise ArtifactError(f"LiteRT's profiler: {name} gave status {status}")
