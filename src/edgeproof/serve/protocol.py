"""The codec of the Open Inference Protocol: a request's bytes to packed tensors, packed outputs to an answer's bytes.

Tensors stand as JSON in ``data``, row-major, flat or nested, or behind the JSON as the binary tensor extension has
them. No sockets here, and no numpy.
"""

from __future__ import annotations

import functools
import itertools
import math
import re
import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from edgeproof.errors import ServingError
from edgeproof.serve.messages import (
    InferRequest,
    InferResponse,
    Parameters,
    RequestTensor,
    ResponseTensor,
)
from edgeproof.serve.tensors import Tensor

__all__ = [
    "EXTENSIONS",
    "Asked",
    "DecodedRequest",
    "Encoded",
    "ProtocolError",
    "decode_request",
    "encode_response",
]

EXTENSIONS = ("binary_tensor_data", "sequence")
LONGEST_ID = 200
"""Characters of a sequence's id."""


class ProtocolError(ServingError):
    """A request that the protocol does not allow; the server answers 400 with this message."""


class Asked(NamedTuple):
    """What a request says of its sequence."""

    id: str | int
    start: bool
    end: bool


class DecodedRequest(NamedTuple):
    """A request that fits the model.

    Attributes:
        inputs: packed bytes of each, in the model's order.
        calls: how many calls of the model it asks for: more than one where its batch axis is longer than the model's.
        id: to be repeated in the answer.
        parameters: of the request.
        outputs: names asked for, each with whether it is to be binary.
        sequence: whose next time step it is; None where it is a whole call.
        spans: where the inputs lie in the body; None where one is in it, or has bytes that may be wrong.
    """

    inputs: list[Any]
    calls: int
    id: str | None
    parameters: Mapping[str, Any]
    outputs: Sequence[tuple[str, bool]]
    sequence: Asked | None = None
    spans: tuple[tuple[int, int], ...] | None = None


class Encoded(NamedTuple):
    """A body, and bytes of JSON at its beginning where tensors follow in binary."""

    body: bytes
    json_bytes: int | None


_request_decoder = msgspec.json.Decoder(InferRequest)
_encoder = msgspec.json.Encoder()
_opening = re.compile(rb"[\[ \t\r\n]*")


def decode_request(
    body: Any,
    inputs: Sequence[Tensor],
    outputs: Sequence[Tensor],
    *,
    json_bytes: int | None = None,
    most_calls: int = 1,
    step: tuple[Sequence[Tensor], Sequence[Tensor]] | None = None,
) -> DecodedRequest:
    """Parse a request and hold it against the model's call.

    Args:
        body: its bytes.
        inputs: of the model.
        outputs: of the model.
        json_bytes: of JSON at its beginning, as the header says; None: all of it.
        most_calls: of the model that one request may ask for.
        step: inputs and outputs of one time step, where the model has states to keep.

    Raises:
        ProtocolError: not JSON, not a request, an input unknown, missing, twice, of another datatype or shape, data
            that does not fill the shape or is out of the datatype's range, an unknown output, or binary tensors that
            are shorter or longer than what follows the JSON.
    """
    text, binary = body, None
    if json_bytes is not None:
        if json_bytes > len(body):
            raise ProtocolError(f"Inference-Header-Content-Length is {json_bytes}, and the body has {len(body)} bytes")
        whole = memoryview(body)
        text, binary = whole[:json_bytes], whole[json_bytes:]
    try:
        request = _request_decoder.decode(text)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"the request is not valid: {error}") from error
    parameters = request.parameters or {}
    sequence = asked_of(parameters)
    if sequence is not None:
        if step is None:
            raise ProtocolError("this model has no states to keep from one request to the next; leave sequence_id away")
        (inputs, outputs), most_calls = step, 1
    known = {tensor.name: tensor for tensor in inputs}
    found: dict[str, tuple[Any, int]] = {}
    spans: dict[str, tuple[int, int]] = {}
    at = 0
    for given in request.inputs:
        tensor = known.get(given.name)
        if tensor is None:
            raise ProtocolError(f"unknown input {given.name!r}; the model takes {_listed(known)}")
        if given.name in found:
            raise ProtocolError(f"input {given.name!r} is given twice")
        calls = _calls(given, tensor, most_calls)
        size = _binary_size(given)
        if size is None:
            found[given.name] = _from_json(given, tensor, calls), calls
        else:
            found[given.name] = _from_binary(given, tensor, calls, size, binary, at), calls
            if tensor.datatype.code != "?":
                spans[given.name] = len(text) + at, len(text) + at + size
            at += size
    if binary is not None and at != len(binary):
        raise ProtocolError(f"{len(binary)} bytes follow the JSON, and its inputs take {at} of them")
    missing = [name for name in known if name not in found]
    if missing:
        raise ProtocolError(f"missing input {_listed(missing)}; the model takes {_listed(known)}")
    counts = {calls for _, calls in found.values()}
    if len(counts) > 1:
        batches = ", ".join(f"{name!r} {calls}" for name, (_, calls) in found.items())
        raise ProtocolError(f"the inputs have batches of different sizes: {batches}")
    return DecodedRequest(
        inputs=[found[tensor.name][0] for tensor in inputs],
        calls=counts.pop() if counts else 1,
        id=request.id,
        parameters=parameters,
        outputs=_asked(request, outputs, all_binary=_flag(parameters, "binary_data_output", "the request")),
        sequence=sequence,
        spans=tuple(spans[tensor.name] for tensor in inputs) if len(spans) == len(inputs) else None,
    )


def asked_of(parameters: Mapping[str, Any]) -> Asked | None:
    """The sequence that a request belongs to; None where it is a whole call.

    Raises:
        ProtocolError: its parameters are not what they should be.
    """
    found = parameters.get("sequence_id")
    if found is None or found == 0 or found == "":  # the protocol's words for none
        if parameters.get("sequence_start") or parameters.get("sequence_end"):
            raise ProtocolError(
                "sequence_start and sequence_end need a sequence_id, a number or text that is not empty"
            )
        return None
    if isinstance(found, bool) or not isinstance(found, int | str) or len(str(found)) > LONGEST_ID:
        raise ProtocolError(f"sequence_id is {str(found)[:LONGEST_ID]!r}; expected a number, or a text of {LONGEST_ID}")
    flags = []
    for name in ("sequence_start", "sequence_end"):
        flag = parameters.get(name, False)
        if not isinstance(flag, bool):
            raise ProtocolError(f"{name} is {flag!r}; expected true or false")
        flags.append(flag)
    return Asked(found, *flags)


def encode_response(
    model: str,
    version: str,
    outputs: Sequence[Tensor],
    results: Sequence[Any],
    *,
    request: DecodedRequest,
    parameters: Parameters | None = None,
) -> Encoded:
    """A response body: the outputs that were asked for, as they were asked for.

    Args:
        model: its name.
        version: of the model.
        outputs: of the model.
        results: packed bytes of each, those of several calls one after the other.
        request: what is answered.
        parameters: of the answer.
    """
    places = {tensor.name: place for place, tensor in enumerate(outputs)}
    tensors: list[ResponseTensor] = []
    parts: list[Any] = []
    values: Sequence[Any] | None
    about: Parameters | None
    for name, binary in request.outputs:
        place = places[name]
        tensor, data = outputs[place], results[place]
        if binary:
            parts.append(data)
            values, about = None, {"binary_data_size": len(data)}
        else:
            values = tensor.values(data)
            about = _non_finite(tensor, values)
        shape = list(tensor.shape)
        if request.calls > 1:
            shape[0] = request.calls
        tensors.append(ResponseTensor(name, shape, tensor.datatype.name, values, about))
    text = _encoder.encode(InferResponse(model, tensors, version, request.id, parameters))
    if not parts:
        return Encoded(text, None)
    return Encoded(b"".join((text, *parts)), len(text))


def _listed(names: Mapping[str, object] | Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _flag(parameters: Mapping[str, Any] | None, name: str, where: str) -> bool:
    value = False if parameters is None else parameters.get(name, False)
    if not isinstance(value, bool):
        raise ProtocolError(f"{where} has a parameter {name} that is {value!r}; expected true or false")
    return value


def _asked(request: InferRequest, outputs: Sequence[Tensor], *, all_binary: bool) -> Sequence[tuple[str, bool]]:
    """What is asked for; all outputs where nothing is said."""
    if not request.outputs:
        return [(tensor.name, all_binary) for tensor in outputs]
    names = [tensor.name for tensor in outputs]
    asked: dict[str, bool] = {}
    for output in request.outputs:
        if output.name not in names:
            raise ProtocolError(f"unknown output {output.name!r}; the model gives {_listed(names)}")
        if output.name in asked:
            raise ProtocolError(f"output {output.name!r} is asked for twice")
        told = output.parameters
        if told and "classification" in told:
            raise ProtocolError("the classification extension is not spoken here; ask for the values")
        said = told is not None and "binary_data" in told
        asked[output.name] = _flag(told, "binary_data", f"output {output.name!r}") if said else all_binary
    return list(asked.items())


def _calls(given: RequestTensor, tensor: Tensor, most: int) -> int:
    """How many calls an input is for: its first axis, where the rest is the model's and the model's first is 1."""
    where = f"input {given.name!r}"
    if given.datatype != tensor.datatype.name:
        raise ProtocolError(f"{where} has datatype {given.datatype!r}; expected {tensor.datatype.name}")
    shape, expected = tuple(given.shape), tensor.shape
    if shape == expected:
        return 1
    if most > 1 and expected[:1] == (1,) and shape[1:] == expected[1:] and shape[:1] > (0,):
        if shape[0] > most:
            raise ProtocolError(f"{where} is a batch of {shape[0]}; a request may have {most}")
        return shape[0]
    wanted = [-1, *expected[1:]] if most > 1 and expected[:1] == (1,) else list(expected)
    raise ProtocolError(f"{where} has shape {given.shape}; expected {wanted}")


def _binary_size(given: RequestTensor) -> int | None:
    """Bytes that an input has behind the JSON; None: its data is in it."""
    size = None if given.parameters is None else given.parameters.get("binary_data_size")
    where = f"input {given.name!r}"
    if size is None:
        if not bytes(given.data):
            raise ProtocolError(f"{where} has neither data nor a parameter binary_data_size")
        return None
    if bytes(given.data):
        raise ProtocolError(f"{where} has data and a parameter binary_data_size; expected one of them")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ProtocolError(f"{where} has a binary_data_size of {size!r}; expected a number of bytes")
    return size


def _from_binary(given: RequestTensor, tensor: Tensor, calls: int, size: int, binary: Any, at: int) -> Any:
    where, takes = f"input {given.name!r}", calls * tensor.bytes
    if binary is None:
        raise ProtocolError(f"{where} is binary, and the request has no header Inference-Header-Content-Length")
    if size != takes:
        raise ProtocolError(f"{where} has {size} bytes; shape {given.shape} of {given.datatype} takes {takes}")
    if len(binary) < at + size:
        raise ProtocolError(f"{where} has {size} bytes, and {max(0, len(binary) - at)} are left of the body")
    data = binary[at : at + size]
    if tensor.datatype.code == "?" and bytes(data).strip(b"\0\1"):
        raise ProtocolError(f"{where} has a byte that is neither 0 nor 1, which is no BOOL")
    return data


def _from_json(given: RequestTensor, tensor: Tensor, calls: int) -> bytes:
    where, expected = f"input {given.name!r}", tensor.datatype
    raw, takes = bytes(given.data), calls * tensor.count
    if raw.count(b",") >= max(takes, 1):  # before anything is made of them: what is sent may be a thousand times that
        raise ProtocolError(f"{where} has more values than shape {given.shape} takes, {takes}")
    depth = _depth(raw)
    rank = len(tensor.shape)
    if depth not in {1, rank}:
        raise ProtocolError(f"{where} has data nested {depth} deep; expected a flat list, or lists nested {rank} deep")
    try:
        values = _data_decoder(_kind(expected.code), depth).decode(raw)
    except msgspec.MsgspecError as error:
        raise ProtocolError(f"{where} has data that is not {expected.name}: {error}") from error
    if depth > 1:
        values = _flat(values, given.shape, where)
    if len(values) != takes:
        raise ProtocolError(f"{where} has {len(values)} values; shape {given.shape} takes {takes}")
    try:
        return tensor.packed(values)
    except (struct.error, OverflowError) as error:
        raise ProtocolError(f"{where} has a value out of the range of {expected.name}: {error}") from error


def _flat(values: Any, shape: Sequence[int], where: str) -> list[Any]:
    """Nested lists of a shape, in a row.

    Raises:
        ProtocolError: they are of another shape.
    """
    level = [values]
    for axis, size in enumerate(shape):
        lengths = {len(row) for row in level}
        if lengths and lengths != {size}:
            found = lengths.pop() if len(lengths) == 1 else f"from {min(lengths)} to {max(lengths)}"
            raise ProtocolError(f"{where} has nested data of {found} along axis {axis}; expected {list(shape)}")
        level = list(itertools.chain.from_iterable(level))
    return level


def _depth(raw: bytes) -> int:
    """How many lists open before the first value."""
    opening = _opening.match(raw)
    return opening.group().count(b"[") if opening else 0


def _kind(code: str) -> str:
    return "b" if code == "?" else "f" if code in "efd" else "i"


@functools.lru_cache(maxsize=256)
def _data_decoder(kind: str, depth: int) -> msgspec.json.Decoder[Any]:
    """A decoder of lists nested ``depth`` deep of one kind of number, strict: neither text, null nor bool."""
    data_type: Any = {"b": bool, "f": float}.get(kind, int)
    for _ in range(depth):
        data_type = list[data_type]
    return msgspec.json.Decoder(data_type)


def _non_finite(tensor: Tensor, values: Sequence[Any]) -> Parameters | None:
    """How many values have no form in JSON, where any has none."""
    if tensor.datatype.code not in "efd" or math.isfinite(sum(values)):
        return None
    bad = sum(not math.isfinite(value) for value in values)
    return {"non_finite": bad} if bad else None
