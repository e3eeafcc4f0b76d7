"""One call as it goes over the wire, and its answer, in either codec of the Open Inference Protocol V2.

``json`` has tensors as flat lists in the JSON; ``binary`` is the binary tensor extension: JSON, then raw little-endian
row-major tensors in order, the length of the JSON in a header. Specification: kserve/open-inference-protocol,
``specification/protocol/inference_rest.md``, and triton-inference-server/server, ``docs/protocol/
extension_binary_data.md``. No sockets here.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt

from edgeproof.errors import ServingError, UsageError
from edgeproof.serve.messages import Parameters
from edgeproof.serve.tensors import DATATYPES

__all__ = ["CODECS", "Answer", "Codec", "EncodedCall", "encode_call", "parse_answer"]

Codec = Literal["json", "binary"]
CODECS: tuple[Codec, ...] = ("json", "binary")
Array = npt.NDArray[Any]

DTYPES = {name: np.dtype(found.dtype).newbyteorder("<") for name, found in DATATYPES.items()}
"""Datatypes, and how one value of each lies in the bytes."""
NAMES = {dtype: name for name, dtype in DTYPES.items()}


class EncodedCall(NamedTuple):
    """A request's body, and the length of the JSON it begins with; None where it is nothing else."""

    body: bytes
    json_bytes: int | None


class Answer(msgspec.Struct, frozen=True):
    """What was answered: lists from JSON, arrays from raw tensors; values that were NaN or Inf are counted."""

    outputs: dict[str, list[Any] | Array]
    parameters: Parameters
    non_finite: int


class _Tensor(msgspec.Struct, frozen=True):
    name: str
    shape: list[int]
    datatype: str
    data: list[Any] | None = None
    parameters: dict[str, Any] | None = None


class _Response(msgspec.Struct, frozen=True):
    outputs: list[_Tensor]
    parameters: Parameters | None = None


_encoder = msgspec.json.Encoder()
_responses = msgspec.json.Decoder(_Response)


def encode_call(codec: Codec, inputs: Mapping[str, Array], parameters: Parameters | None = None) -> EncodedCall:
    """A request body, the inputs in the mapping's order; in ``binary`` raw outputs are asked for too.

    Raises:
        UsageError: the protocol has no datatype for an input.
    """
    told: dict[str, Any] = dict(parameters or {})
    tensors: list[dict[str, Any]] = []
    raw: list[bytes] = []
    for name, array in inputs.items():
        datatype = NAMES.get(array.dtype.newbyteorder("<"))
        if datatype is None:
            raise UsageError(f"input {name!r} is {array.dtype}, which the Open Inference Protocol cannot carry")
        tensor: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": datatype}
        if codec == "json":
            tensor["data"] = array.ravel().tolist()
        else:
            raw.append(np.ascontiguousarray(array, DTYPES[datatype]).tobytes())
            tensor["parameters"] = {"binary_data_size": len(raw[-1])}
        tensors.append(tensor)
    if codec == "binary":
        told["binary_data_output"] = True
    head = _encoder.encode({"inputs": tensors, **({"parameters": told} if told else {})})
    return EncodedCall(head, None) if codec == "json" else EncodedCall(b"".join([head, *raw]), len(head))


def parse_answer(body: bytes, json_bytes: int | None) -> Answer:
    """An answer's body in full: every value is parsed and counted against its shape.

    Args:
        body: as it came.
        json_bytes: length of the JSON in it, as the header says; None: all of it.

    Raises:
        ServingError: it is not the protocol's, or its sizes do not agree.
    """
    if json_bytes is not None and not 0 <= json_bytes <= len(body):
        raise ServingError(f"the answer says that {json_bytes} of its {len(body)} bytes are JSON")
    head = body if json_bytes is None else memoryview(body)[:json_bytes]
    try:
        response = _responses.decode(head)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise ServingError(f"the answer is not the protocol's: {error}") from error
    outputs: dict[str, list[Any] | Array] = {}
    non_finite, at = 0, len(head)
    for tensor in response.outputs:
        told = tensor.parameters or {}
        size = told.get("binary_data_size")
        if size is None:
            outputs[tensor.name] = _listed(tensor)
            bad = told.get("non_finite", 0)
            non_finite += bad if isinstance(bad, int) else 0
            continue
        array = _raw(tensor, size, body, at)
        at += array.nbytes
        outputs[tensor.name] = array
        if array.dtype.kind == "f":
            non_finite += int(array.size - np.count_nonzero(np.isfinite(array)))
    if at != len(body):
        raise ServingError(f"the answer has {len(body) - at} bytes behind its last tensor")
    return Answer(outputs, response.parameters or {}, non_finite)


def _listed(tensor: _Tensor) -> list[Any]:
    """The values of an output in JSON, flat or nested, as they came."""
    data, expected = tensor.data, math.prod(tensor.shape)
    if data is None:
        raise ServingError(f"output {tensor.name!r} has neither data nor a size of raw bytes")
    try:
        count = int(np.size(np.asarray(data, object))) if data and isinstance(data[0], list) else len(data)
    except ValueError as error:
        raise ServingError(f"output {tensor.name!r} has nested data that is not rectangular") from error
    if count != expected:
        raise ServingError(f"output {tensor.name!r} has {count} values; its shape {tensor.shape} takes {expected}")
    return data


def _raw(tensor: _Tensor, size: Any, body: bytes, at: int) -> Array:
    """The raw bytes of an output as an array over them."""
    dtype = DTYPES.get(tensor.datatype)
    if dtype is None:
        raise ServingError(f"output {tensor.name!r} is {tensor.datatype}; expected one of {', '.join(DTYPES)}")
    count = math.prod(tensor.shape)
    if type(size) is not int or min(tensor.shape, default=0) < 0 or size != count * dtype.itemsize:
        raise ServingError(
            f"output {tensor.name!r} has {size!r} raw bytes; shape {tensor.shape} of {tensor.datatype} takes "
            f"{count * dtype.itemsize}"
        )
    if at + size > len(body):
        raise ServingError(f"output {tensor.name!r} ends {at + size - len(body)} bytes behind the answer")
    return np.frombuffer(body, dtype, count, at).reshape(tensor.shape)
