"""The messages of the Open Inference Protocol (KServe V2) as they stand in the JSON, both directions.

Specification: https://github.com/kserve/open-inference-protocol, ``specification/protocol/inference_rest.md``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

__all__ = [
    "InferRequest",
    "InferResponse",
    "ModelMetadata",
    "Parameters",
    "RequestTensor",
    "RequestedOutput",
    "ResponseTensor",
    "SequenceMetadata",
    "ServerMetadata",
    "TensorMetadata",
]

Parameters = dict[str, bool | int | float | str]


class RequestTensor(msgspec.Struct, frozen=True):
    """An input as it stands in the JSON; ``data`` is decoded when its datatype is known, and absent where
    ``parameters.binary_data_size`` says how many bytes follow the JSON."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw = msgspec.Raw()
    parameters: dict[str, Any] | None = None


class RequestedOutput(msgspec.Struct, frozen=True):
    """An output the client asks for."""

    name: str
    parameters: dict[str, Any] | None = None


class InferRequest(msgspec.Struct, frozen=True):
    """``POST …/infer``."""

    inputs: list[RequestTensor]
    id: str | None = None
    parameters: dict[str, Any] | None = None
    outputs: list[RequestedOutput] | None = None


class ResponseTensor(msgspec.Struct, frozen=True, omit_defaults=True):
    """An output. NaN and Inf have no JSON form: they are ``null``, and ``parameters.non_finite`` counts them; binary
    data follows the JSON."""

    name: str
    shape: list[int]
    datatype: str
    data: Sequence[Any] | None = None
    parameters: Parameters | None = None


class InferResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer; ``parameters`` has the time of the model's run alone (``inference_us``) and what computed it:
    ``artifact_sha256``, ``runtime``, ``runtime_version``, and why it has fallen back to slow kernels (``degraded``),
    where it has."""

    model_name: str
    outputs: list[ResponseTensor]
    model_version: str | None = None
    id: str | None = None
    parameters: Parameters | None = None


class TensorMetadata(msgspec.Struct, frozen=True):
    """A tensor of a model."""

    name: str
    datatype: str
    shape: list[int]


class SequenceMetadata(msgspec.Struct, frozen=True):
    """One time step of a model whose states the server keeps from request to request."""

    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]


class ModelMetadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """``GET /v2/models/{m}``."""

    name: str
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    versions: list[str] = []
    degraded: str | None = None
    """Why the model's runtime has fallen back to slow kernels; None where it has not. This server adds it, and what
    follows."""
    sequence: SequenceMetadata | None = None
    """What a request with a ``sequence_id`` takes and gives; None where the model has no states to keep."""
    artifact_sha256: str | None = None
    runtime: str | None = None
    runtime_version: str | None = None


class ServerMetadata(msgspec.Struct, frozen=True):
    """``GET /v2``. What stands after ``extensions`` is added by this server, for a client that measures it."""

    name: str
    version: str
    extensions: list[str] = []
    models: list[str] = []
    pid: int | None = None
    processes: list[int] = []
    """Of all its processes, ``pid`` first: those behind it run the models."""
    threads: int | None = None
    cpus: list[int] = []
    degraded: str | None = None
