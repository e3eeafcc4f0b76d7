"""Float32 of a caller, by name, as addresses for an engine; and room for results of the kind the caller works with."""

from __future__ import annotations

import ctypes
import math
import sys

from edgeproof.errors import SignatureError

TYPE_CHECKING = False  # as in native
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from edgeproof.spike.runtime.native import Port

__all__ = ["addresses", "empty", "taken"]

_address, _at = ctypes.addressof, ctypes.c_char.from_buffer


def taken(ports: Sequence[Port], inputs: Mapping[str, Any]) -> list[memoryview]:
    """The buffers of the ports, in order, each writable and in one piece.

    Raises:
        SignatureError: a name or a size is not the model's.
    """
    found = [_taken(port, inputs) for port in ports]
    if len(inputs) != len(found):
        unknown = set(inputs) - {port.name for port in ports}
        raise SignatureError(f"unknown input {', '.join(sorted(unknown))}")
    return found


def addresses(buffers: Sequence[Any]) -> list[int]:
    """Where they begin."""
    return [_address(_at(buffer)) for buffer in buffers]


def empty(ports: Sequence[Port], inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Room for results, by name: numpy arrays if the first input is one, else memoryviews of float32."""
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(next(iter(inputs.values()), None), numpy.ndarray):
        return {port.name: numpy.empty(port.shape, numpy.float32) for port in ports}
    return {port.name: memoryview(bytearray(port.bytes)).cast("f", list(port.shape or (1,))) for port in ports}


def _taken(port: Port, inputs: Mapping[str, Any]) -> memoryview:
    try:
        view = memoryview(inputs[port.name])
    except KeyError:
        raise SignatureError(f"the input {port.name} is missing") from None
    except TypeError as error:
        raise SignatureError(f"the input {port.name} is no buffer: {error}") from None
    if view.nbytes != port.bytes or (view.format not in ("f", "B", "b", "c")) or not view.c_contiguous:
        raise SignatureError(
            f"the input {port.name} holds {view.nbytes} bytes of format {view.format}; "
            f"expected {math.prod(port.shape)} float32 in one piece, {list(port.shape)}"
        )
    if view.ndim > 1 and view.shape != port.shape:
        raise SignatureError(f"the input {port.name} is {list(view.shape or ())}; expected {list(port.shape)}")
    return memoryview(bytearray(view.cast("B"))) if view.readonly else view
