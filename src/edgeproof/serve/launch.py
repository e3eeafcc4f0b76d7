"""Starts the edge server: binds the port, has each model opened by a process of its own, says when it is ready, and
finishes what was asked before it ends.

    python -m edgeproof.serve.launch ARTIFACT --port 0

prints one line of JSON on stdout when it answers.
"""

from __future__ import annotations

import contextlib
import gc
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import msgspec

from edgeproof.child import child_main
from edgeproof.errors import ServingError, UsageError
from edgeproof.process import usable_cpus
from edgeproof.serve.access import check_address, check_token, read_token
from edgeproof.serve.limits import CALL_SECONDS, CONNECTIONS, QUEUE, REQUEST_SECONDS, ServerLimits, largest_body
from edgeproof.serve.log import Log
from edgeproof.serve.opening import Opening, name_of
from edgeproof.serve.served import ServedModel

if TYPE_CHECKING:
    import asyncio
    import ssl

    from edgeproof.documents.source import ModelSource
    from edgeproof.serve.zenoh.config import ZenohOptions
    from edgeproof.serve.zenoh.server import ZenohServer

__all__ = ["Ready", "main", "opening_of", "print_ready", "serve"]

BACKLOG = 1024
ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
LAME_SECONDS = 0.5
"""For which a server that ends still takes requests on connections that are open: what its clients are sending by then
would be lost."""
GRACE_SECONDS = 10.0
"""For answers that are owed when it ends."""
LOOK_SECONDS = 0.02
TICK_SECONDS = 0.5


class Ready(msgspec.Struct, frozen=True):
    """The line that a started server prints."""

    url: str
    model: str
    """The first."""
    pid: int
    load_ms: float
    """Opening the first model, its runtime's import included."""
    threads: int
    first_inference_us: float | None = None
    """The first call of all, on zeros, before this line."""
    degraded: str | None = None
    """Why the runtime has fallen back to slow kernels; None where it has not."""
    models: list[str] = []
    processes: list[int] = []
    """Of the models, in order."""
    zenoh: list[str] = []
    """Endpoints that zenoh listens on."""


def opening_of(source: ModelSource, *, threads: int = 1, name: str | None = None, **more: Any) -> Opening:
    """What a process is to open.

    Args:
        source: the path of an artifact, or a MODEL, which runs in PyTorch.
        threads: of the runtime.
        name: the model's name in the URL; by default the file's or the factory's.
        more: further fields of ``Opening``.
    """
    found = msgspec.to_builtins(source)
    return Opening(name=name or name_of(source.model), source=found, threads=threads, **more)


def serve(
    models: Sequence[Opening],
    *,
    host: str = "127.0.0.1",
    port: int = 8080,
    body_limit_bytes: int | None = None,
    connections: int = CONNECTIONS,
    request_seconds: float = REQUEST_SECONDS,
    queue: int = QUEUE,
    call_seconds: float = CALL_SECONDS,
    token: str | None = None,
    tls: ssl.SSLContext | None = None,
    log: IO[bytes] | None = None,
    log_requests: bool = False,
    zenoh: ZenohOptions | None = None,
    ready: Callable[[Ready], None] = lambda _line: None,
) -> None:
    """Serve models until SIGTERM, SIGINT or SIGHUP; what was asked by then is answered first.

    Args:
        models: each gets a process.
        host: address to listen on.
        port: 0 takes a free one.
        body_limit_bytes: longer request bodies are refused; default: the largest sensible one for the models' inputs.
        connections: open at a time.
        request_seconds: for a request's head, and again for its body, which gets a second more for each 16 KiB.
        queue: requests that may wait for one model while it runs.
        call_seconds: that a model may take for one request before its process is started anew.
        token: that every request has to bring, ``Authorization: Bearer TOKEN``.
        tls: what connections are wrapped in; it is mutual where it asks clients for a certificate.
        log: gets a line of JSON for each event.
        log_requests: and for each request.
        zenoh: has the models under keys of zenoh as well.
        ready: called once, when connections are answered.

    Raises:
        UsageError: the address is reached by other machines, and nothing protects it; a limit of nothing; two models
            of one name.
        MissingDependency: zenoh is asked for and not installed.
        EdgeProofError: a model cannot be opened, the port cannot be had, or a model's tensors cannot be served.
    """
    names = [opening.name for opening in models]
    if not names or len(set(names)) < len(names):
        raise UsageError(f"expected models of different names, found {', '.join(names) or 'none'}", hint="give --name")
    if token is not None:
        check_token(token)
    with contextlib.ExitStack() as stack:
        with _having(host, port):
            listener = stack.enter_context(_bound(host, port))
        asks = tls is not None and tls.verify_mode != 0
        check_address(listener.getsockname()[0], token=token, asks_for_certificates=asks)
        ServerLimits(body_bytes=body_limit_bytes or 1, connections=connections, request_seconds=request_seconds)
        journal = Log(log, requests=log_requests)
        served = [ServedModel(opening, queue=queue, call_seconds=call_seconds, log=journal) for opening in models]
        after_models = stack.enter_context(contextlib.ExitStack())
        for model in served:
            stack.callback(model.close)
            model.start(fork=True)
        beside = None
        if zenoh is not None:
            from edgeproof.serve.zenoh.server import ZenohServer

            beside = ZenohServer(zenoh, served, connections=connections)
            after_models.callback(beside.close)
        from edgeproof.serve.connection import Connection  # while the models open
        from edgeproof.serve.connections import Connections
        from edgeproof.serve.front import Front

        loop = _new_loop()
        stack.callback(loop.close)
        held = [model.wait_open() for model in served]
        limits = ServerLimits(
            body_bytes=largest_body(max(each.input_values for each in held))
            if body_limit_bytes is None
            else body_limit_bytes,
            connections=connections,
            request_seconds=request_seconds,
        )
        together = Connections(limits, token)
        front = Front(served, together, usable_cpus())
        address = f"[{host}]" if ":" in host else host
        line = Ready(
            url=f"http{'' if tls is None else 's'}://{address}:{listener.getsockname()[1]}",
            model=names[0],
            pid=os.getpid(),
            load_ms=round(held[0].load_ms, 3),
            threads=held[0].threads,
            first_inference_us=held[0].first_inference_us,
            degraded=front.degraded,
            models=names,
            processes=[model.pid for model in served if model.pid is not None],
            zenoh=[] if beside is None else beside.endpoints,
        )
        for model in served:
            model.attach(loop)
        with _having(host, port):
            listener.listen(BACKLOG)
        if beside is not None:
            beside.open(front.server, limits.body_bytes)
        loop.run_until_complete(
            _answer(
                loop,
                lambda: Connection(together, front, loop),
                listener,
                tls,
                served,
                together,
                beside,
                journal,
                lambda: ready(line),
            )
        )


async def _answer(
    loop: asyncio.AbstractEventLoop,
    make: Callable[[], asyncio.Protocol],
    listener: socket.socket,
    tls: ssl.SSLContext | None,
    served: Sequence[ServedModel],
    connections: Any,
    beside: ZenohServer | None,
    log: Log,
    tell: Callable[[], None],
) -> None:
    """Answer until a signal comes, and then what is owed."""
    import asyncio

    end = asyncio.Event()
    for number in _ending():
        loop.add_signal_handler(number, end.set)
    server = await loop.create_server(make, sock=listener, ssl=tls, backlog=BACKLOG)

    def tick() -> None:
        for model in served:
            model.look()
        loop.call_later(TICK_SECONDS, tick)

    tick()
    gc.collect()
    gc.freeze()  # what lives as long as the server is not looked through again and again
    log.event("ready", models=[model.name for model in served], pid=os.getpid())
    tell()
    await end.wait()
    log.event("ending", connections=len(connections.open))
    connections.ending = True
    finished = None if beside is None else loop.run_in_executor(None, beside.finish, GRACE_SECONDS)
    until = loop.time() + LAME_SECONDS
    while connections.open and loop.time() < until:
        await asyncio.sleep(LOOK_SECONDS)
    server.close()
    for connection in connections.open:
        connection.close_unless_owed()
    until = loop.time() + GRACE_SECONDS
    while connections.open and loop.time() < until:
        await asyncio.sleep(LOOK_SECONDS)
    for connection in connections.open:
        connection.drop()
    await (asyncio.sleep(0) if finished is None else finished)
    log.event("ended")


def print_ready(line: Ready) -> None:
    """Print the ready line on stdout."""
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve one artifact; 0 after SIGTERM. Wrong use exits 2.

    Raises:
        EdgeProofError: it cannot be opened, or the port cannot be had.
    """
    import argparse

    parser = argparse.ArgumentParser(
        prog="python -m edgeproof.serve.launch", description="Serve one artifact over the Open Inference Protocol."
    )
    parser.add_argument("artifact", help="the artifact's file or folder")
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free port (default 8080)")
    parser.add_argument("--name", help="the model's name in the URL (default: the file's)")
    parser.add_argument("--threads", type=int, default=1, help="threads of the runtime (default 1)")
    parser.add_argument("--token-file", type=Path, metavar="FILE", help="ask every request for the token in this file")
    parser.add_argument("--trust", action="store_true", help="run code of an artifact that this user did not make")
    options = parser.parse_args(arguments)
    source = {"model": options.artifact, "trust": options.trust}
    name = options.name or name_of(options.artifact)
    serve(
        [Opening(name=name, source=source, threads=options.threads)],
        host=options.host,
        port=options.port,
        token=None if options.token_file is None else read_token(options.token_file),
        ready=print_ready,
    )
    return 0


def _new_loop() -> asyncio.AbstractEventLoop:
    if sys.platform == "win32":
        import asyncio

        return asyncio.new_event_loop()
    import uvloop

    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _ending() -> Iterator[signal.Signals]:
    """The signals that end a server: only the main thread can hear them."""
    if threading.current_thread() is threading.main_thread():
        for number in ENDING:
            if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # as nohup asks
                yield number


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


if __name__ == "__main__":
    child_main(main)
