"""What a server answers, by path: the models' inference to their processes, all else at once."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from edgeproof import __version__
from edgeproof.serve.connection import JSON, Connection, Request
from edgeproof.serve.connections import Connections
from edgeproof.serve.holding import MODEL_VERSION, error_body
from edgeproof.serve.messages import ServerMetadata
from edgeproof.serve.protocol import EXTENSIONS
from edgeproof.serve.served import ServedModel

__all__ = ["DEGRADED", "Front"]

DEGRADED = b"edgeproof-degraded"
"""The header of every answer of a model whose runtime has fallen back to slow kernels."""
BINARY = b"content-type: application/octet-stream\r\n"
TEXT = b"content-type: text/plain; version=0.0.4\r\n"
LENGTH = b"inference-header-content-length"
LONGEST_LENGTH = 12
"""Digits of a length."""


class HttpError(Exception):
    """An answer other than 200.

    Args:
        status: HTTP's.
        message: for the ``error`` field.
        headers: further ones, whole lines.
    """

    def __init__(self, status: int, message: str, headers: bytes = b"") -> None:
        super().__init__(message)
        self.status, self.message, self.headers = status, message, headers


class Front:
    """The routes of a server.

    Args:
        models: what it serves.
        connections: all of its clients'.
        cpus: that its processes may run on.
    """

    def __init__(self, models: Sequence[ServedModel], connections: Connections, cpus: Sequence[int]) -> None:
        self._models = {model.name: model for model in models}
        self._connections, self._cpus = connections, list(cpus)
        self._infer = {path.encode(): model for model in models for path in infer_paths(model.name)}

    def handle(self, request: Request, connection: Connection) -> None:
        """Answer a request."""
        model = self._infer.get(request.url)
        if model is None:
            model = self._named(request.url)  # written in another way: with a query, or characters escaped
        if model is None or request.method != b"POST":
            self._answer(request, connection)
        else:
            self._ask(model, request, connection)

    def forget(self, connection: Connection) -> None:
        """The client has left."""
        asked, connection.waits_for = connection.waits_for, None
        if asked is not None:
            asked.model.forget(asked)

    def metrics(self) -> bytes:
        """In the Prometheus text format."""
        return "".join(f"{line}\n" for line in self._metric_lines()).encode()

    @property
    def degraded(self) -> str | None:
        """Why the first model whose runtime has fallen back has done so; None where none has."""
        return next((found for model in self._models.values() if (found := degraded_of(model)) is not None), None)

    def _named(self, url: bytes) -> ServedModel | None:
        match path_of(url):
            case ["v2", "models", name, "infer"] | ["v2", "models", name, "versions", "1", "infer"]:
                return self._models.get(name)
        return None

    def _ask(self, model: ServedModel, request: Request, connection: Connection) -> None:
        coding = request.headers.get(b"content-encoding")
        if coding is not None and coding.lower() != b"identity":
            how = coding[:40].decode("latin-1")
            wrong = f"the request's body is compressed with {how}, which is not taken here; send it as it is"
            connection.answer(415, error_body(wrong), JSON + b"accept-encoding: identity\r\n")
            return
        told = request.headers.get(LENGTH)
        json_bytes = None
        if told is not None:
            if not told.isdigit() or len(told) > LONGEST_LENGTH:
                wrong = f"Inference-Header-Content-Length is {told[:40]!r}; expected a number of bytes"
                connection.answer(400, error_body(wrong))
                return
            json_bytes = int(told)
        connection.waits_for = asked = Asked(model, connection, request.body, json_bytes)
        model.submit(asked)

    def _answer(self, request: Request, connection: Connection) -> None:
        degraded = header_of(self.degraded)
        try:
            path = path_of(request.url)
            if path == ["metrics"]:
                allow(request, b"GET")
                connection.answer(200, self.metrics(), TEXT + degraded)
                return
            body = self._found(path, request)
        except HttpError as error:
            connection.answer(error.status, error_body(error.message), JSON + degraded + error.headers)
        else:
            connection.answer(200, body, JSON + degraded)

    def _found(self, path: list[str], request: Request) -> bytes:
        match path:
            case ["v2"]:
                allow(request, b"GET")
                return msgspec.json.encode(self.server())
            case ["v2", "health", "live"]:
                allow(request, b"GET")
                return self._fine()
            case ["v2", "health", "ready"]:
                allow(request, b"GET")
                self._check_ready(*self._models.values())
                return self._fine()
            case ["v2", "models", name, "versions", version, *rest]:
                if version != MODEL_VERSION:
                    self._model(name)
                    raise HttpError(404, f"unknown version {version!r} of {name!r}; there is version {MODEL_VERSION}")
            case ["v2", "models", name, *rest]:
                pass
            case _:
                shown = request.url[:200].decode("latin-1")
                raise HttpError(404, f"there is nothing at {shown}; the protocol starts at /v2")
        return self._of_model(self._model(name), rest, request)

    def _of_model(self, model: ServedModel, rest: list[str], request: Request) -> bytes:
        match rest:
            case []:
                allow(request, b"GET")
                return model.metadata
            case ["ready"]:
                allow(request, b"GET")
                self._check_ready(model)
                degraded = degraded_of(model)
                told = {} if degraded is None else {"degraded": degraded}
                return msgspec.json.encode({"name": model.name, "ready": True, **told})
            case ["infer"]:
                allow(request, b"POST")
                raise AssertionError("a POST is asked of the model")
            case _:
                shown = request.url[:200].decode("latin-1")
                raise HttpError(404, f"there is nothing at {shown}; a model has /ready and /infer")

    def _model(self, name: str) -> ServedModel:
        found = self._models.get(name)
        if found is None:
            known = ", ".join(map(repr, self._models))
            raise HttpError(404, f"unknown model {name[:200]!r}; this server has {known}")
        return found

    def _check_ready(self, *models: ServedModel) -> None:
        if self._connections.ending:
            raise HttpError(503, "the server ends")
        waited_for = [model.name for model in models if not model.ready]
        if waited_for:
            raise HttpError(503, f"not ready: {', '.join(waited_for)}")

    def _fine(self) -> bytes:
        return msgspec.json.encode({} if self.degraded is None else {"degraded": self.degraded})

    def server(self) -> ServerMetadata:
        """What it says of itself."""
        models = list(self._models.values())
        return ServerMetadata(
            name="edgeproof",
            version=__version__,
            extensions=list(EXTENSIONS),
            models=list(self._models),
            pid=os.getpid(),
            processes=[os.getpid(), *(model.pid for model in models if model.pid is not None)],
            threads=max((model.held.threads for model in models if model.held is not None), default=None),
            cpus=self._cpus,
            degraded=self.degraded,
        )

    def _metric_lines(self) -> Iterator[str]:
        models = list(self._models.values())
        for name, kind, of in (
            ("edgeproof_requests_total", "counter", lambda model: model.counts.requests),
            ("edgeproof_errors_total", "counter", lambda model: model.counts.errors),
            ("edgeproof_overload_total", "counter", lambda model: model.counts.refused),
            ("edgeproof_stream_dropped_total", "counter", lambda model: model.dropped),
            ("edgeproof_worker_restarts_total", "counter", lambda model: model.restarts),
            ("edgeproof_queue_length", "gauge", lambda model: model.waiting),
            ("edgeproof_ready", "gauge", lambda model: int(model.ready)),
            ("edgeproof_degraded", "gauge", lambda model: int(degraded_of(model) is not None)),
            ("edgeproof_resident_bytes", "gauge", lambda model: resident_bytes(model.pid)),
        ):
            yield f"# TYPE {name} {kind}"
            yield from (f"{name}{{{label(model)}}} {of(model)}" for model in models)
        yield f'edgeproof_resident_bytes{{process="front"}} {resident_bytes(os.getpid())}'
        for name, histogram in (("edgeproof_request_seconds", "whole"), ("edgeproof_inference_seconds", "inference")):
            yield f"# TYPE {name} histogram"
            for model in models:
                yield from getattr(model.counts, histogram).lines(name, label(model))
        yield "# TYPE edgeproof_connections gauge"
        yield f"edgeproof_connections {len(self._connections.open)}"
        yield "# TYPE edgeproof_refused_total counter"
        for why, count in self._connections.refused.items():
            yield f'edgeproof_refused_total{{reason="{why}"}} {count}'


class Asked:
    """A client that waits for a model.

    Args:
        model: that is asked.
        connection: of the client.
        body: of the request.
        json_bytes: of JSON at its beginning where tensors follow; None: it is JSON alone.
    """

    __slots__ = ("body", "came_ns", "connection", "json_bytes", "model")

    def __init__(self, model: ServedModel, connection: Connection, body: Any, json_bytes: int | None) -> None:
        self.model, self.connection, self.body, self.json_bytes = model, connection, body, json_bytes
        self.came_ns = time.perf_counter_ns()

    def answered(self, status: int, body: Any, json_bytes: int | None = None, retry_s: int | None = None) -> None:
        """Hand the model's answer to the client, if it is still there."""
        connection = self.connection
        if connection.waits_for is not self:
            return
        connection.waits_for = None
        headers = JSON if json_bytes is None else b"%b%b: %d\r\n" % (BINARY, LENGTH, json_bytes)
        degraded = degraded_of(self.model)
        if degraded is not None:
            headers += header_of(degraded)
        if retry_s is not None:
            headers += b"retry-after: %d\r\n" % retry_s
        connection.answer(status, body, headers)


def infer_paths(name: str) -> tuple[str, str]:
    """Where a model is asked."""
    from urllib.parse import quote

    plain = name if name.isalnum() else quote(name, safe="")
    return f"/v2/models/{plain}/infer", f"/v2/models/{plain}/versions/{MODEL_VERSION}/infer"


def path_of(url: bytes) -> list[str]:
    """The parts of a path, decoded, without the query."""
    parts = url.partition(b"?")[0].decode("latin-1").split("/")
    if any("%" in part for part in parts):
        from urllib.parse import unquote

        parts = [unquote(part) for part in parts]
    return [part for part in parts if part]


def allow(request: Request, method: bytes) -> None:
    """
    Raises:
        HttpError: another method.
    """
    if request.method != method:
        shown, right = request.method[:20].decode("latin-1"), method.decode()
        raise HttpError(405, f"{shown} is not allowed here; use {right}", b"allow: %b\r\n" % method)


def degraded_of(model: ServedModel) -> str | None:
    """Why its runtime has fallen back to slow kernels; None where it has not."""
    return None if model.held is None else model.held.degraded


def header_of(degraded: str | None) -> bytes:
    """A reason as a header: one line of plain characters."""
    if degraded is None:
        return b""
    return b"%b: %b\r\n" % (DEGRADED, " ".join(degraded.split()).encode("ascii", errors="replace"))


def label(model: ServedModel) -> str:
    """A model's name as Prometheus takes it."""
    escaped = model.name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'model="{escaped}"'


def resident_bytes(pid: int | None) -> int:
    """Resident memory of a process; 0 where the system does not tell."""
    from edgeproof.measure.process import memory_of  # not needed before somebody asks

    return (memory_of([pid]).resident_bytes if pid is not None else None) or 0
