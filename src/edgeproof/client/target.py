"""What is driven: the model that a server says it has, and calls of it, encoded before any clock runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from edgeproof.client.connection import Reply
from edgeproof.client.lines import OpenLine
from edgeproof.client.wire import Codec, encode_call
from edgeproof.documents.parsing import parse_json
from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import ServingError, UsageError
from edgeproof.model.samples import Call, calls_of, read_calls, synthetic_samples
from edgeproof.serve.messages import ModelMetadata, ServerMetadata, TensorMetadata
from edgeproof.serve.tensors import DATATYPES

__all__ = [
    "Target",
    "calls_for",
    "encoded_calls",
    "message_of",
    "model_of",
    "server_processes",
    "specs_of",
    "target_of",
]

M = TypeVar("M")

BINARY = "binary_tensor_data"
"""The extension's name among those that a server announces."""
RANDOM_SAMPLES = 16
SEED = 0


class Target(NamedTuple):
    """A model behind a server, with requests of it.

    ``requests`` are whole HTTP requests, one a sample; ``body_bytes`` is the first one's body.
    """

    server: ServerMetadata
    model: ModelMetadata
    requests: tuple[bytes, ...]
    body_bytes: int


def target_of(connection: OpenLine, name: str | None, samples: Path | None, codec: Codec) -> Target:
    """Ask the server, and encode calls.

    Args:
        connection: to it.
        name: the model, or None for the only one.
        samples: npz or folder of inputs; None draws seeded random ones from the model's metadata.
        codec: of the requests.

    Raises:
        ServingError: not reachable, the model is unknown, or what it says is not the protocol.
        UsageError: a name is needed, the samples do not fit, or the server does not announce the codec.
    """
    server, model = model_of(connection, name)
    if codec == "binary" and BINARY not in server.extensions:
        said = ", ".join(server.extensions) or "none"
        raise UsageError(
            f"the server at {connection.url} does not speak the binary tensor extension; it announces {said}",
            hint="use --codec json",
        )
    requests, body_bytes = encoded_calls(connection, model.name, calls_for(samples, specs_of(model.inputs)), codec)
    return Target(server, model, requests, body_bytes)


def model_of(connection: OpenLine, name: str | None) -> tuple[ServerMetadata, ModelMetadata]:
    """The server's and the model's metadata; without a name, of the only model it serves.

    Raises:
        ServingError: not reachable, the model is unknown, or what it says is not the protocol.
        UsageError: a name is needed.
    """
    server = _parsed(connection.request("GET", "/v2"), ServerMetadata, "/v2", connection.url)
    if name is None:
        if len(server.models) != 1:
            known = ", ".join(server.models) or "none that it tells"
            raise UsageError(f"the server at {connection.url} serves {known}", hint="name one with --name")
        name = server.models[0]
    path = f"/v2/models/{quote(name, safe='')}"
    reply = connection.request("GET", path)
    if reply.status == 404:
        known = f"; it serves {', '.join(server.models)}" if server.models else ""
        raise ServingError(f"the server at {connection.url} has no model {name!r}{known}")
    return server, _parsed(reply, ModelMetadata, path, connection.url)


def specs_of(tensors: Sequence[TensorMetadata]) -> tuple[TensorSpec, ...]:
    """What a server says of its tensors, as specs; a dynamic axis (-1) is taken as 1.

    Raises:
        ServingError: a datatype is unknown here.
    """
    specs = []
    for tensor in tensors:
        if tensor.datatype not in DATATYPES:
            raise ServingError(f"tensor {tensor.name} is {tensor.datatype}; expected one of {', '.join(DATATYPES)}")
        shape = tuple(1 if size < 0 else size for size in tensor.shape)
        specs.append(TensorSpec(name=tensor.name, dtype=DATATYPES[tensor.datatype].dtype, shape=shape))
    return tuple(specs)


def server_processes(server: ServerMetadata) -> tuple[int, ...]:
    """The processes that the server says it is made of; none where it tells none."""
    if server.processes:
        return tuple(server.processes)
    return (server.pid,) if server.pid else ()


def calls_for(samples: Path | None, specs: Sequence[TensorSpec]) -> list[Call]:
    """The inputs of each call."""
    if samples is not None:
        return read_calls(samples, specs)
    return calls_of(synthetic_samples(specs, RANDOM_SAMPLES, SEED, below=2))


def encoded_calls(
    connection: OpenLine, model: str, calls: Sequence[Call], codec: Codec
) -> tuple[tuple[bytes, ...], int]:
    """Whole requests, and the length of the first one's body."""
    path = f"/v2/models/{quote(model, safe='')}/infer"
    encoded = [encode_call(codec, call) for call in calls]
    requests = tuple(connection.encode("POST", path, call.body, json_bytes=call.json_bytes) for call in encoded)
    return requests, len(encoded[0].body)


def message_of(reply: Reply) -> str:
    """What an answer that is an error says."""
    try:
        return str(parse_json(reply.body)["error"])
    except (msgspec.MsgspecError, KeyError, TypeError):
        return reply.body[:200].decode(errors="replace")


def _parsed(reply: Reply, kind: type[M], path: str, url: str) -> M:
    if reply.status != 200:
        raise ServingError(f"{url}{path} answered HTTP {reply.status}: {message_of(reply)}")
    try:
        return parse_json(reply.body, kind)
    except msgspec.MsgspecError as error:
        raise ServingError(
            f"{url}{path} does not speak the Open Inference Protocol: {error}", hint="is it another service's port?"
        ) from error
