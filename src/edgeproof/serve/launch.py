"""Starts the edge server: opens what it serves, binds the port, says when it is ready, stops on SIGTERM.

    python -m edgeproof.serve.launch ARTIFACT --port 0

prints one line of JSON on stdout when it answers. Torch is imported only when a model is served by its own engine.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgeproof.errors import EdgeProofError, ServingError
from edgeproof.formats.base import Session
from edgeproof.serve.app import BODY_LIMIT_BYTES, EdgeServer

__all__ = ["Opened", "Ready", "is_artifact", "main", "open_served", "print_ready", "serve"]

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


class Opened(msgspec.Struct, frozen=True):
    """What is served."""

    session: Session
    name: str
    platform: str
    load_ms: float
    threads: int


def is_artifact(reference: str) -> bool:
    """Whether ``reference`` names an artifact on disk, and not a MODEL."""
    path = Path(reference)
    if not path.exists():
        return False
    return path.suffix not in MODEL_SUFFIXES or (path.parent / "artifact.json").is_file()


def open_served(
    reference: str,
    *,
    threads: int = 1,
    name: str | None = None,
    inputs: Sequence[str] = (),
    samples: str | None = None,
    trust: bool = False,
) -> Opened:
    """Open an artifact, or a MODEL with its own engine.

    Args:
        reference: path of an artifact, or a MODEL reference.
        threads: of the runtime.
        name: the model's name in the URL; by default the file's.
        inputs: a MODEL's inputs, ``NAME:dtype[shape]``.
        samples: a MODEL's samples.
        trust: load a MODEL file that can only be read with pickle.

    Raises:
        ArtifactError: the artifact cannot be opened.
        MissingDependency: its runtime is not installed.
        UsageError: the MODEL reference is wrong.
    """
    session: Session
    if is_artifact(reference):
        from edgeproof.formats.registry import artifact_document, open_artifact

        begin = time.perf_counter_ns()
        session = open_artifact(Path(reference), threads=threads, timed=True)
        platform = artifact_document(Path(reference))[0].candidate
    else:
        begin = time.perf_counter_ns()
        from edgeproof.model.eager import open_model

        session = open_model(reference, inputs=tuple(inputs), samples=samples, trust=trust, threads=threads)
        platform = "eager"
    load_ms = (time.perf_counter_ns() - begin) / 1e6
    return Opened(session, name or _name_of(reference), platform, load_ms, threads)


def serve(
    opened: Opened,
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    body_limit_bytes: int = BODY_LIMIT_BYTES,
    ready: Callable[[Ready], None],
) -> None:
    """Serve until SIGTERM or SIGINT; a request that runs is answered first.

    Args:
        opened: what to serve; its session is closed at the end.
        host: address to listen on.
        port: 0 takes a free one.
        body_limit_bytes: longer request bodies are refused.
        ready: called once, when connections are answered.

    Raises:
        ServingError: the port cannot be had, or the model's tensors cannot be served.
    """
    import uvicorn

    with opened.session as session:
        app = EdgeServer(
            session, opened.name, platform=opened.platform, threads=opened.threads, body_limit_bytes=body_limit_bytes
        )
        listener = _listen(host, port)
        address = f"[{host}]" if ":" in host else host
        line = Ready(
            url=f"http://{address}:{listener.getsockname()[1]}",
            model=opened.name,
            pid=os.getpid(),
            load_ms=round(opened.load_ms, 3),
            threads=opened.threads,
        )
        config = uvicorn.Config(
            app,
            loop="uvloop" if sys.platform != "win32" else "asyncio",
            http="httptools",
            ws="none",
            lifespan="off",
            log_level="error",
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=10,
        )

        _server_class()(config, lambda: ready(line)).run(sockets=[listener])


def print_ready(line: Ready) -> None:
    """Print the ready line on stdout."""
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one artifact; 0 after SIGTERM, 1 with the reason on stderr when it cannot. Wrong use exits 2."""
    parser = argparse.ArgumentParser(
        prog="python -m edgeproof.serve.launch", description="Serve one artifact over the Open Inference Protocol."
    )
    parser.add_argument("artifact", help="the artifact's file or folder")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free port (default 8080)")
    parser.add_argument("--name", help="the model's name in the URL (default: the file's)")
    parser.add_argument("--threads", type=int, default=1, help="threads of the runtime (default 1)")
    options = parser.parse_args(arguments)
    try:
        opened = open_served(options.artifact, threads=options.threads, name=options.name)
        serve(opened, host=options.host, port=options.port, ready=print_ready)
    except EdgeProofError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
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
            before = {number: signal.signal(number, self.handle_exit) for number in (signal.SIGTERM, signal.SIGINT)}
            try:
                yield
            finally:
                for number, handler in before.items():
                    signal.signal(number, handler)

    return Server


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ServingError(
            f"cannot listen on {host} port {port}: {error}", hint="use another --port; --port 0 takes a free one"
        ) from error
    return listener


def _name_of(reference: str) -> str:
    """``mlp.onnx`` → ``mlp``; ``file.py:factory`` → ``factory``."""
    path, _, factory = reference.rpartition(":")
    return factory if path and factory else Path(reference).stem or "model"


if __name__ == "__main__":
    sys.exit(main())
