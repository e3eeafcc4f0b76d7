"""zenoh's own Python client, as the tests use it: a session of its own, told of nothing but the server's endpoint."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from edgeproof.serve.spawned import SpawnedServer

REQUEST = {"inputs": [{"name": "x", "shape": [1, 4], "datatype": "FP32", "data": [0, 1, 0, 0]}]}
BODY = json.dumps(REQUEST).encode()
LISTEN = {"listen": ["tcp/127.0.0.1:0"]}


class Told(NamedTuple):
    """An answer: whether it is none but an error, its body, and its attachment."""

    ok: bool
    body: bytes
    attachment: bytes | None

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@contextlib.contextmanager
def joined(endpoint: str, **config: Any) -> Iterator[Any]:
    """A session that is connected there, and finds nobody else; further keys of its configuration have ``__`` for /."""
    import zenoh

    told = {"mode": "client", "connect__endpoints": [endpoint], "scouting__multicast__enabled": False, **config}
    found = zenoh.Config()
    for key, value in told.items():
        found.insert_json5(key.replace("__", "/"), json.dumps(value))
    with zenoh.open(found) as session:
        yield session


@contextlib.contextmanager
def asking(server: SpawnedServer) -> Iterator[Any]:
    """A session that is connected to a server."""
    with joined(server.ready.zenoh[0]) as session:
        yield session


def told(replies: Any) -> list[Told]:
    """Every reply to a query."""
    return [told_of(reply) for reply in replies]


def told_of(reply: Any) -> Told:
    if reply.ok is None:
        return Told(False, reply.err.payload.to_bytes(), None)
    attachment = reply.ok.attachment
    return Told(True, reply.ok.payload.to_bytes(), None if attachment is None else attachment.to_bytes())


def ask(session: Any, body: bytes = BODY, name: str = "double", *, json_bytes: int | None = None) -> Told:
    """The one reply to a request."""
    attachment = None if json_bytes is None else b"%d" % json_bytes
    (found,) = told(session.get(f"edgeproof/{name}/infer", payload=body, attachment=attachment, timeout=20))
    return found


def binary(values: Any, **parameters: Any) -> tuple[bytes, int]:
    """A request with its tensor in binary, that asks for an answer in it; and the length of its JSON."""
    data = np.asarray(values, "<f4").tobytes()
    tensor = {"name": "x", "shape": [1, len(values)], "datatype": "FP32", "parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True, **parameters}}).encode()
    return head + data, len(head)
