"""The edge server as an ASGI application: one session behind the Open Inference Protocol.

A bare ASGI callable: a web framework costs a quarter of the cold start. The session runs in the event loop's thread:
calls are served one after the other, as a session needs, and no hand-over between threads is in the latency. Health
answers wait for the call that runs. What a client may take is the connection's business.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import msgspec

from edgeproof import __version__
from edgeproof.errors import EdgeProofError, ServingError, SignatureError
from edgeproof.formats.base import Session
from edgeproof.measure.machine import usable_cpus
from edgeproof.serve.messages import ModelMetadata, ServerMetadata
from edgeproof.serve.protocol import ProtocolError, decode_request, encode_response, metadata_of

__all__ = ["MODEL_VERSION", "EdgeServer"]

MESSAGE_LIMIT = 2000
"""Characters of an error: it may repeat what a client sent."""
MODEL_VERSION = "1"
JSON = b"application/json"
DEGRADED = b"edgeproof-degraded"
"""The header of every answer of a model whose runtime has fallen back to slow kernels."""

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class HttpError(Exception):
    """An answer other than 200.

    Args:
        status: HTTP status.
        message: for the ``error`` field.
        headers: to add.
    """

    def __init__(self, status: int, message: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.headers = headers


class EdgeServer:
    """The ASGI application of one session.

    Args:
        session: what it serves; it is not closed here.
        name: the model's name in the URL.
        platform: what runs it, for the model's metadata: the candidate.
        threads: of the session's runtime, for the server's metadata.
        degraded: why the session's runtime has fallen back to slow kernels, where it has: every answer says so.
        refused: how many requests and connections were cut off before they came here, by reason, for the metrics.

    Raises:
        ServingError: the session has a tensor that the protocol cannot carry.
    """

    def __init__(
        self,
        session: Session,
        name: str,
        *,
        platform: str = "edgeproof",
        threads: int | None = None,
        degraded: str | None = None,
        refused: Mapping[str, int] | None = None,
    ) -> None:
        self._session = session
        self._name = name
        self._refused = {} if refused is None else refused
        self._requests = 0
        self._errors = 0
        self._inference_ns = 0
        self._degraded: dict[str, str] = {} if degraded is None else {"degraded": degraded}
        self._headers = () if degraded is None else ((DEGRADED, _header(degraded)),)
        self._model = ModelMetadata(
            name=name,
            versions=[MODEL_VERSION],
            platform=platform,
            inputs=[metadata_of(spec) for spec in session.inputs],
            outputs=[metadata_of(spec) for spec in session.outputs],
            degraded=degraded,
        )
        self._server = ServerMetadata(
            name="edgeproof",
            version=__version__,
            models=[name],
            pid=os.getpid(),
            threads=threads,
            cpus=list(usable_cpus()),
            degraded=degraded,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ServingError(f"this application speaks HTTP; found a {scope['type']} connection")
        headers: tuple[tuple[bytes, bytes], ...] = ()
        content_type = JSON
        try:
            status = 200
            if scope["path"] == "/metrics":
                _allow(scope, "GET")
                body, content_type = self._metrics(), b"text/plain; version=0.0.4"
            else:
                body = await self._answer(scope, receive)
        except HttpError as error:
            status, body, headers = error.status, _error(error.message), error.headers
        except (ProtocolError, SignatureError) as error:
            status, body = 400, _error(str(error))
        except EdgeProofError as error:
            status, body = 500, _error(str(error))
        except ConnectionResetError:
            return
        except Exception as error:
            status, body = 500, _error(f"{type(error).__name__}: {error}")
        if status >= 400:
            self._errors += 1
        length = str(len(body)).encode()
        start_headers = [(b"content-type", content_type), (b"content-length", length), *self._headers, *headers]
        await send({"type": "http.response.start", "status": status, "headers": start_headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> bytes:
        parts = [part for part in scope["path"].split("/") if part]
        match parts:
            case ["v2", "models", name, "versions", version, *rest]:
                self._known(name, version)
            case ["v2", "models", name, *rest]:
                self._known(name, MODEL_VERSION)
            case ["v2"]:
                _allow(scope, "GET")
                return msgspec.json.encode(self._server)
            case ["v2", "health", "live" | "ready"]:
                _allow(scope, "GET")
                return msgspec.json.encode(self._degraded)
            case _:
                raise HttpError(404, f"there is nothing at {scope['path']}; the protocol starts at /v2")
        match rest:
            case ["infer"]:
                _allow(scope, "POST")
                return self._infer(await _body(receive))
            case []:
                _allow(scope, "GET")
                return msgspec.json.encode(self._model)
            case ["ready"]:
                _allow(scope, "GET")
                return msgspec.json.encode({"name": self._name, "ready": True, **self._degraded})
            case _:
                raise HttpError(404, f"there is nothing at {scope['path']}; a model has /ready and /infer")

    def _known(self, name: str, version: str) -> None:
        if name != self._name:
            raise HttpError(404, f"unknown model {name!r}; this server has {self._name!r}")
        if version != MODEL_VERSION:
            raise HttpError(404, f"unknown version {version!r} of {name!r}; there is version {MODEL_VERSION}")

    def _infer(self, body: bytes | bytearray) -> bytes:
        self._requests += 1
        request = decode_request(body, self._session.inputs, self._session.outputs)
        begin = time.perf_counter_ns()
        outputs = self._session.run(request.inputs)
        spent_ns = time.perf_counter_ns() - begin
        self._inference_ns += spent_ns
        return encode_response(
            self._name,
            MODEL_VERSION,
            outputs,
            request=request,
            parameters={"inference_us": spent_ns / 1000, **self._degraded},
        )

    def _metrics(self) -> bytes:
        """Counters in the Prometheus text format."""
        label = '{model="' + self._name.replace("\\", "\\\\").replace('"', '\\"') + '"}'
        return (
            "# TYPE edgeproof_requests_total counter\n"
            f"edgeproof_requests_total{label} {self._requests}\n"
            "# TYPE edgeproof_errors_total counter\n"
            f"edgeproof_errors_total{label} {self._errors}\n"
            "# TYPE edgeproof_inference_seconds_total counter\n"
            f"edgeproof_inference_seconds_total{label} {self._inference_ns / 1e9:.9f}\n"
            "# TYPE edgeproof_degraded gauge\n"
            f"edgeproof_degraded{label} {len(self._degraded)}\n"
            "# TYPE edgeproof_refused_total counter\n"
            + "".join(f'edgeproof_refused_total{{reason="{why}"}} {count}\n' for why, count in self._refused.items())
        ).encode()


async def _body(receive: Receive) -> bytes | bytearray:
    """The whole request body.

    Raises:
        ConnectionResetError: the client left, or was cut off.
    """
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError("the client left while it sent")
        chunk: bytes = message.get("body", b"")
        if not message.get("more_body"):
            return body + chunk if body else chunk
        body += chunk


def _allow(scope: Scope, method: str) -> None:
    if scope["method"] != method:
        raise HttpError(405, f"{scope['method']} is not allowed here; use {method}", (b"allow", method.encode()))


def _header(text: str) -> bytes:
    """A text as a header's value: one line of plain characters."""
    return " ".join(text.split()).encode("ascii", errors="replace")


def _error(message: str) -> bytes:
    clipped = message if len(message) <= MESSAGE_LIMIT else f"{message[:MESSAGE_LIMIT]}…"
    return msgspec.json.encode({"error": clipped})
