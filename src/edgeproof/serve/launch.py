"""Starts the edge server: opens what it serves, binds the port, says when it is ready, stops on SIGTERM.

    python -m edgeproof.serve.launch ARTIFACT --port 0

prints one line of JSON on stdout when it answers. Torch is imported only when a model is served by its own engine.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.source import ModelSource
from edgeproof.errors import ServingError
from edgeproof.formats.base import Session
from edgeproof.process import child_main
from edgeproof.serve.access import check_address, check_token, read_token
from edgeproof.serve.app import EdgeServer
from edgeproof.serve.connections import Connections
from edgeproof.serve.limits import CONNECTIONS, REQUEST_SECONDS, ServerLimits, largest_body
from edgeproof.serve.trial import first_call, try_apart

__all__ = ["Opened", "Ready", "is_artifact", "main", "open_served", "print_ready", "serve"]

BACKLOG = 128
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
MODEL_SUFFIXES = {".pt", ".pt2", ".nir", ".py"}
"""Files that are a MODEL, unless an ``artifact.json`` beside them says otherwise."""


class Ready(msgspec.Struct, frozen=True):
    """The line that a started server prints."""

    url: str
    model: str
    pid: int
    load_ms: float
    """Opening the artifact, its runtime's import included."""
    threads: int
    first_inference_us: float | None = None
    """The first call of all, on zeros, before this line."""
    degraded: str | None = None
    """Why the runtime has fallen back to slow kernels; None where it has not."""


class Opened(msgspec.Struct, frozen=True):
    """What is served."""

    session: Session
    name: str
    platform: str
    load_ms: float
    threads: int
    first_inference_us: float | None = None
    degraded: str | None = None


def is_artifact(address: str) -> bool:
    """Whether ``address`` names an artifact on disk, and not a MODEL."""
    path = Path(address)
    if not path.exists():
        return False
    return path.suffix not in MODEL_SUFFIXES or (path.parent / ArtifactDocument.FILE).is_file()


def open_served(source: ModelSource, *, threads: int = 1, name: str | None = None) -> Opened:
    """Open an artifact, or a MODEL with its own engine, and call it once.

    Args:
        source: the path of an artifact, or a MODEL.
        threads: of the runtime.
        name: the model's name in the URL; by default the file's.

    Raises:
        ArtifactError: the artifact cannot be opened.
        TrustError: it would run code, this user did not make it, and it is not trusted.
        MissingDependency: its runtime is not installed.
        ServingError: the runtime crashed on it.
        UsageError: MODEL is wrong.
    """
    session: Session
    begin = time.perf_counter_ns()
    if is_artifact(source.model):
        from edgeproof.formats.registry import artifact_document, made_here, open_artifact

        if not made_here(Path(source.model)):
            try_apart(source.model, threads=threads, trust=source.trust)
            begin = time.perf_counter_ns()

        session = open_artifact(Path(source.model), threads=threads, timed=True, trust=source.trust)
        platform = artifact_document(Path(source.model), trust=source.trust)[0].candidate
    else:
        from edgeproof.model.eager import EagerSession
        from edgeproof.model.resolve import resolve

        session = EagerSession(resolve(source).subject, threads=threads)
        platform = "eager"
    load_ms = (time.perf_counter_ns() - begin) / 1e6
    try:
        first_us = first_call(session)
    except BaseException:
        session.close()
        raise
    degraded: str | None = getattr(session, "degraded", None)
    return Opened(session, name or _name_of(source.model), platform, load_ms, threads, first_us, degraded)


def serve(
    source: ModelSource,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    name: str | None = None,
    threads: int = 1,
    body_limit_bytes: int | None = None,
    connections: int = CONNECTIONS,
    request_seconds: float = REQUEST_SECONDS,
    token: str | None = None,
    open_to_network: bool = False,
    ready: Callable[[Ready], None] = lambda _line: None,
) -> None:
    """Serve a model or an artifact in this process until SIGTERM, SIGINT or SIGHUP; a request that runs is answered
    first.

    Args:
        source: the path of an artifact, or a MODEL, which runs in PyTorch.
        host: address to listen on.
        port: 0 takes a free one.
        name: the model's name in the URL; default: the file's or the factory's.
        threads: of the runtime.
        body_limit_bytes: longer request bodies are refused; default: the largest sensible one for the model's inputs.
        connections: open at a time.
        request_seconds: for a request's head, and again for its body, which gets a second more for each 16 KiB.
        token: that every request has to bring, ``Authorization: Bearer TOKEN``.
        open_to_network: listen on an address that other machines reach, without a token.
        ready: called once, when connections are answered.

    Raises:
        UsageError: the address is reached by other machines, and nothing protects it; a limit of nothing.
        EdgeProofError: it cannot be opened, the port cannot be had, or the model's tensors cannot be served.
    """
    import uvicorn

    from edgeproof.serve.connection import LimitedConnection

    if token is not None:
        check_token(token)
    stdout = sys.stdout
    with contextlib.ExitStack() as stack:
        stack.enter_context(contextlib.redirect_stdout(sys.stderr))  # what a user's model prints is no line of ours
        with _having(host, port):
            listener = stack.enter_context(_bound(host, port))
        check_address(listener.getsockname()[0], token=token, open_to_network=open_to_network)
        opened = open_served(source, threads=threads, name=name)
        session = stack.enter_context(opened.session)
        limits = ServerLimits(
            body_bytes=largest_body(session.inputs) if body_limit_bytes is None else body_limit_bytes,
            connections=connections,
            request_seconds=request_seconds,
        )
        held = Connections(limits, token)
        app = EdgeServer(
            session,
            opened.name,
            platform=opened.platform,
            threads=opened.threads,
            degraded=opened.degraded,
            refused=held.refused,
        )
        with _having(host, port):
            listener.listen(BACKLOG)
        address = f"[{host}]" if ":" in host else host
        line = Ready(
            url=f"http://{address}:{listener.getsockname()[1]}",
            model=opened.name,
            pid=os.getpid(),
            load_ms=round(opened.load_ms, 3),
            threads=opened.threads,
            first_inference_us=opened.first_inference_us,
            degraded=opened.degraded,
        )
        config = uvicorn.Config(
            app,
            loop="uvloop" if sys.platform != "win32" else "asyncio",
            http=cast(Any, functools.partial(LimitedConnection, held)),  # called as the class would be
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=10,
        )

        def tell() -> None:
            with contextlib.redirect_stdout(stdout):
                ready(line)

        _server_class()(config, tell).run(sockets=[listener])


def print_ready(line: Ready) -> None:
    """Print the ready line on stdout."""
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one artifact; 0 after SIGTERM. Wrong use exits 2.

    Raises:
        EdgeProofError: it cannot be opened, or the port cannot be had.
    """
    parser = argparse.ArgumentParser(
        prog="python -m edgeproof.serve.launch", description="Serve one artifact over the Open Inference Protocol."
    )
    parser.add_argument("artifact", help="the artifact's file or folder")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free port (default 8080)")
    parser.add_argument("--name", help="the model's name in the URL (default: the file's)")
    parser.add_argument("--threads", type=int, default=1, help="threads of the runtime (default 1)")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="ask every request for the token in this file")
    parser.add_argument("--open-to-network", action="store_true", help="let others reach --host without one")
    parser.add_argument("--trust", action="store_true", help="run code of an artifact that this user did not make")
    options = parser.parse_args(arguments)
    source = ModelSource(model=options.artifact, trust=options.trust)
    serve(
        source,
        host=options.host,
        port=options.port,
        name=options.name,
        threads=options.threads,
        token=None if options.token_file is None else read_token(options.token_file),
        open_to_network=options.open_to_network,
        ready=print_ready,
    )
    return 0


def _server_class() -> Any:
    """uvicorn's server, that says when it is ready and ends cleanly instead of dying of the signal that stopped it."""
    import uvicorn

    class Server(uvicorn.Server):
        def __init__(self, config: uvicorn.Config, started: Callable[[], None]) -> None:
            super().__init__(config)
            self._say_started = started

        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                self._say_started()

        @contextlib.contextmanager
        def capture_signals(self) -> Iterator[None]:
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            kept = {signal.SIGHUP} if signal.getsignal(signal.SIGHUP) == signal.SIG_IGN else set()  # as nohup asks
            before = {number: signal.signal(number, self.handle_exit) for number in ENDING if number not in kept}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    return Server


@contextlib.contextmanager
def _having(host: str, port: int) -> Iterator[None]:
    """What the system says of an address is our error."""
    try:
        yield
    except (OSError, OverflowError) as error:
        raise ServingError(
            f"cannot listen on {host} port {port}: {error}", hint="use another --port; --port 0 takes a free one"
        ) from error


def _bound(host: str, port: int) -> socket.socket:
    """A socket that has the address; nobody can connect before it listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except BaseException:
        listener.close()
        raise
    return listener


def _name_of(address: str) -> str:
    """``mlp.onnx`` → ``mlp``; ``file.py:factory`` → ``factory``."""
    path, _, factory = address.rpartition(":")
    return factory if path and factory else Path(address).stem or "model"


if __name__ == "__main__":
    child_main(main)
