"""The messages of the Open Inference Protocol (KServe V2) as they stand in the JSON, both directions.

Specification: https://github.com/kserve/open-inference-protocol, ``specification/protocol/inference_rest.md``.
"""

from __future__ import annotations

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
    "ServerMetadata",
    "TensorMetadata",
]

Parameters = dict[str, bool | int | float | str]


class RequestTensor(msgspec.Struct, frozen=True):
    """An input as it stands in the JSON; ``data`` is decoded when its datatype is known."""

    name: str
    shape: list[int]
    datatype: str
    data: msgspec.Raw
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
    """An output. NaN and Inf have no JSON form: they are ``null``, and ``parameters.non_finite`` counts them."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]
    parameters: Parameters | None = None


class InferResponse(msgspec.Struct, frozen=True, omit_defaults=True):
    """The answer; ``parameters.inference_us`` is the time of the session's run alone, and ``parameters.degraded`` why
    its runtime has fallen back to slow kernels, where it has."""

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


class ModelMetadata(msgspec.Struct, frozen=True, omit_defaults=True):
    """``GET /v2/models/{m}``."""

    name: str
    platform: str
    inputs: list[TensorMetadata]
    outputs: list[TensorMetadata]
    versions: list[str] = []
    degraded: str | None = None
    """Why the model's runtime has fallen back to slow kernels; None where it has not. This server adds it."""


class ServerMetadata(msgspec.Struct, frozen=True):
    """``GET /v2``. What stands after ``extensions`` is added by this server, for a client that measures it."""

    name: str
    version: str
    extensions: list[str] = []
    models: list[str] = []
    pid: int | None = None
    threads: int | None = None
    cpus: list[int] = []
    degraded: str | None = None
