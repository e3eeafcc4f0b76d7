"""The codec of the Open Inference Protocol over JSON: requests to named arrays, outputs to responses.

Tensors stand in ``data``, row-major, flat or nested. The binary tensor extension is not spoken and not announced. No
sockets here.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import ServingError
from edgeproof.serve.messages import (
    InferRequest,
    InferResponse,
    Parameters,
    RequestTensor,
    ResponseTensor,
    TensorMetadata,
)

__all__ = [
    "Array",
    "DecodedRequest",
    "ProtocolError",
    "decode_request",
    "encode_request",
    "encode_response",
    "metadata_of",
    "specs_of",
]

Array = npt.NDArray[Any]
DTYPES = {
    "BOOL": "bool",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
}
DATATYPES = {dtype: datatype for datatype, dtype in DTYPES.items()}


class ProtocolError(ServingError):
    """A request that the protocol does not allow; the server answers 400 with this message."""


class DecodedRequest(msgspec.Struct, frozen=True):
    """A request that fits the model: every input as an array of the spec's shape and dtype."""

    inputs: dict[str, Array]
    id: str | None
    outputs: tuple[str, ...] | None
    """Names asked for, or None for all."""


_request_decoder = msgspec.json.Decoder(InferRequest)
_datatype_of = {np.dtype(dtype): datatype for dtype, datatype in DATATYPES.items()}
"""A dtype's name takes numpy longer to make than a small answer takes to encode."""
_encoder = msgspec.json.Encoder()
_opening = re.compile(rb"[\[ \t\r\n]*")


def metadata_of(spec: TensorSpec) -> TensorMetadata:
    """A spec as the protocol writes it.

    Raises:
        ServingError: its dtype has no datatype in the protocol.
    """
    datatype = DATATYPES.get(spec.dtype)
    if datatype is None:
        raise ServingError(
            f"tensor {spec.name} is {spec.dtype}, which the Open Inference Protocol cannot carry as JSON",
            hint=f"it carries {', '.join(DATATYPES)}",
        )
    return TensorMetadata(name=spec.name, datatype=datatype, shape=list(spec.shape))


def specs_of(tensors: Sequence[TensorMetadata]) -> tuple[TensorSpec, ...]:
    """What a server says of its tensors, as specs; a dynamic axis (-1) is taken as 1.

    Raises:
        ServingError: a datatype is unknown here.
    """
    specs = []
    for tensor in tensors:
        if tensor.datatype not in DTYPES:
            raise ServingError(f"tensor {tensor.name} is {tensor.datatype}; expected one of {', '.join(DTYPES)}")
        shape = tuple(1 if size < 0 else size for size in tensor.shape)
        specs.append(TensorSpec(name=tensor.name, dtype=DTYPES[tensor.datatype], shape=shape))
    return tuple(specs)


def decode_request(
    body: bytes | bytearray | memoryview, inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]
) -> DecodedRequest:
    """Parse a request and hold it against the model's call.

    Raises:
        ProtocolError: not JSON, not a request, an input unknown, missing, twice, of another datatype or shape, data
            that does not fill the shape or is out of the datatype's range, or an unknown output.
    """
    try:
        request = _request_decoder.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError(f"the request is not valid: {error}") from error
    specs = {spec.name: spec for spec in inputs}
    arrays: dict[str, Array] = {}
    for tensor in request.inputs:
        spec = specs.get(tensor.name)
        if spec is None:
            raise ProtocolError(f"unknown input {tensor.name!r}; the model takes {_listed(specs)}")
        if tensor.name in arrays:
            raise ProtocolError(f"input {tensor.name!r} is given twice")
        arrays[tensor.name] = _decode_tensor(tensor, spec)
    missing = [name for name in specs if name not in arrays]
    if missing:
        raise ProtocolError(f"missing input {_listed(missing)}; the model takes {_listed(specs)}")
    return DecodedRequest(inputs=arrays, id=request.id, outputs=_asked(request, outputs))


def encode_request(inputs: Mapping[str, Array], *, request_id: str | None = None) -> bytes:
    """A request body with flat data, in the order of the mapping."""
    tensors = [
        {
            "name": name,
            "shape": list(array.shape),
            "datatype": DATATYPES[str(array.dtype)],
            "data": array.ravel().tolist(),
        }
        for name, array in inputs.items()
    ]
    request: dict[str, Any] = {"inputs": tensors}
    if request_id is not None:
        request["id"] = request_id
    return _encoder.encode(request)


def encode_response(
    model: str,
    version: str,
    outputs: Mapping[str, Array],
    *,
    request: DecodedRequest,
    parameters: Parameters | None = None,
) -> bytes:
    """A response body with flat data, the outputs that were asked for in the model's order.

    Raises:
        ServingError: an output's dtype has no datatype in the protocol.
    """
    chosen = outputs if request.outputs is None else {name: outputs[name] for name in request.outputs}
    return _encoder.encode(
        InferResponse(
            model_name=model,
            model_version=version,
            id=request.id,
            parameters=parameters,
            outputs=[_encode_tensor(name, array) for name, array in chosen.items()],
        )
    )


def _listed(names: Mapping[str, object] | Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _asked(request: InferRequest, outputs: Sequence[TensorSpec]) -> tuple[str, ...] | None:
    if not request.outputs:
        return None
    names = [spec.name for spec in outputs]
    for output in request.outputs:
        if output.name not in names:
            raise ProtocolError(f"unknown output {output.name!r}; the model gives {_listed(names)}")
        if output.parameters and output.parameters.get("binary_data"):
            raise ProtocolError("the binary tensor extension is not supported; ask for JSON data")
    return tuple(output.name for output in request.outputs)


def _decode_tensor(tensor: RequestTensor, spec: TensorSpec) -> Array:
    where = f"input {tensor.name!r}"
    expected = DATATYPES[spec.dtype]
    if tensor.parameters and "binary_data_size" in tensor.parameters:
        raise ProtocolError(f"{where}: the binary tensor extension is not supported; send JSON data")
    if tensor.datatype != expected:
        raise ProtocolError(f"{where} has datatype {tensor.datatype!r}; expected {expected}")
    if tuple(tensor.shape) != spec.shape:
        raise ProtocolError(f"{where} has shape {tensor.shape}; expected {list(spec.shape)}")
    raw = bytes(tensor.data)
    takes = math.prod(spec.shape)
    if raw.count(b",") >= takes:  # before anything is made of them: what is sent may be a thousand times what is asked
        raise ProtocolError(f"{where} has more values than shape {list(spec.shape)} takes, {takes}")
    depth = _depth(raw)
    if depth not in {1, len(spec.shape)}:
        rank = len(spec.shape)
        raise ProtocolError(f"{where} has data nested {depth} deep; expected a flat list, or lists nested {rank} deep")
    try:
        values = _data_decoder(np.dtype(spec.dtype).kind, depth).decode(raw)
        with np.errstate(over="raise"):
            array: Array = np.array(values, dtype=spec.dtype)
    except msgspec.MsgspecError as error:
        raise ProtocolError(f"{where} has data that is not {expected}: {error}") from error
    except (OverflowError, FloatingPointError) as error:
        raise ProtocolError(f"{where} has a value out of the range of {expected}: {error}") from error
    except ValueError as error:
        raise ProtocolError(f"{where} has nested data that is not rectangular; expected {list(spec.shape)}") from error
    if depth > 1 and array.shape != spec.shape:
        raise ProtocolError(f"{where} has data of shape {list(array.shape)}; expected {list(spec.shape)}")
    if array.size != takes:
        raise ProtocolError(f"{where} has {array.size} values; shape {list(spec.shape)} takes {takes}")
    return array.reshape(spec.shape)


def _depth(raw: bytes) -> int:
    """How many lists open before the first value."""
    opening = _opening.match(raw)
    return opening.group().count(b"[") if opening else 0


@functools.lru_cache(maxsize=256)
def _data_decoder(kind: str, depth: int) -> msgspec.json.Decoder[Any]:
    """A decoder of lists nested ``depth`` deep of one kind of number, strict: neither text, null nor bool."""
    data_type: Any = {"b": bool, "f": float}.get(kind, int)
    for _ in range(depth):
        data_type = list[data_type]
    return msgspec.json.Decoder(data_type)


def _encode_tensor(name: str, array: Array) -> ResponseTensor:
    datatype = _datatype_of.get(array.dtype)
    if datatype is None:
        raise ServingError(f"output {name!r} is {array.dtype}, which the protocol cannot carry as JSON")
    bad = 0 if array.dtype.kind != "f" or np.isfinite(array).all() else int(array.size - np.isfinite(array).sum())
    return ResponseTensor(
        name=name,
        shape=list(array.shape),
        datatype=datatype,
        data=array.ravel().tolist(),
        parameters={"non_finite": bad} if bad else None,
    )
