"""``edgeproof serve``: the edge server."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeproof.cli.options import model_options
from edgeproof.serve.access import read_token
from edgeproof.serve.limits import CALL_SECONDS, CONNECTIONS, QUEUE, REQUEST_SECONDS

if TYPE_CHECKING:
    from edgeproof.documents.source import ModelSource

__all__ = ["serve", "token_option"]

FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
OUT = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


def token_option(what: str) -> Callable[[Any], Any]:
    """``--token-file``, which a server and its client take."""
    return click.option(
        "--token-file",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        envvar="EDGEPROOF_TOKEN_FILE",
        show_envvar=True,
        help=what,
    )


@click.command(
    epilog="\b\nExamples:\n  edgeproof serve out/onnx-fp32/digits.onnx --port 8080\n"
    "  edgeproof serve examples/digits_snn.py:model --port 0\n"
    "  edgeproof serve models.toml --host 0.0.0.0 --token-file token.txt --log server.jsonl"
)
@click.argument("model")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; one that other machines reach needs --token-file or --client-ca.",
)
@click.option(
    "--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="Port; 0 takes a free one."
)
@click.option("--name", help="The model's name in the URL; default: the file's or the factory's.")
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of the runtime.")
@click.option(
    "--body-limit",
    type=click.FloatRange(min=0.001),
    metavar="MIB",
    help="Longest request body that is taken; default: the largest sensible one for the model's inputs.",
)
@click.option(
    "--connections",
    type=click.IntRange(min=1),
    default=CONNECTIONS,
    show_default=True,
    help="Open at a time; a further one takes the place of the one that lets the server wait for longest.",
)
@click.option(
    "--request-seconds",
    type=click.FloatRange(min=0.1, max=86400),
    default=REQUEST_SECONDS,
    show_default=True,
    help="For a request's head, and again for its body, which gets a second more for each 16 KiB.",
)
@click.option(
    "--queue",
    type=click.IntRange(min=0),
    default=QUEUE,
    show_default=True,
    help="Requests that may wait for one model; a further one is told at once to come again (503, Retry-After).",
)
@click.option(
    "--call-seconds",
    type=click.FloatRange(min=0.1),
    default=CALL_SECONDS,
    show_default=True,
    help="That a model may take for one request before its process is started anew.",
)
@token_option("Ask every request for the token in this file, as Authorization: Bearer TOKEN.")
@click.option("--tls-cert", type=FILE, metavar="PEM", help="Speak TLS with this certificate.")
@click.option("--tls-key", type=FILE, metavar="PEM", help="The certificate's key; default: it is in the same file.")
@click.option("--client-ca", type=FILE, metavar="PEM", help="Ask each client for a certificate that this one signed.")
@click.option("--log", type=OUT, metavar="FILE", help="A line of JSON for each event; - is stderr.")
@click.option("--log-requests", is_flag=True, help="And for each request.")
@click.option(
    "--zenoh",
    "zenoh_listen",
    multiple=True,
    metavar="ENDPOINT",
    help="Serve over zenoh too, and listen here, such as tcp/127.0.0.1:7447; repeatable. Needs the extra zenoh.",
)
@click.option(
    "--zenoh-connect", multiple=True, metavar="ENDPOINT", help="Connect to this router or peer of zenoh; repeatable."
)
@click.option("--zenoh-config", type=FILE, metavar="FILE", help="zenoh's own configuration, for TLS and passwords.")
@click.option("--zenoh-scouting", is_flag=True, help="Let others on zenoh find this server, by multicast and gossip.")
@model_options
def serve(
    source: ModelSource,
    name: str | None,
    threads: int,
    body_limit: float | None,
    token_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    client_ca: Path | None,
    log: Path | None,
    log_requests: bool,
    zenoh_listen: tuple[str, ...],
    zenoh_connect: tuple[str, ...],
    zenoh_config: Path | None,
    zenoh_scouting: bool,
    **how: Any,
) -> None:
    """Serve MODEL, or a converted artifact, over the Open Inference Protocol (KServe V2): JSON and binary tensors.

    MODEL is an artifact's file or folder, a MODEL such as file.py:factory, which runs in PyTorch, or a TOML file that
    names several. Each has a process of its own. One line of JSON on stdout says the URL when it answers. SIGTERM or
    Ctrl-C ends it once all that was asked is answered.
    """
    from edgeproof import api
    from edgeproof.serve.access import tls_context
    from edgeproof.serve.launch import opening_of, print_ready
    from edgeproof.serve.models_file import read_models
    from edgeproof.serve.zenoh.config import ZenohOptions

    if source.model.endswith(".toml"):
        if name is not None:
            raise click.UsageError("--name is of one model; a file of models has each one's name in it")
        models = read_models(Path(source.model), trust=source.trust)
    else:
        models = [opening_of(source, name=name, threads=threads)]
    if tls_cert is None and (tls_key is not None or client_ca is not None):
        raise click.UsageError("--tls-key and --client-ca need --tls-cert")
    zenoh = None
    if zenoh_listen or zenoh_connect:
        zenoh = ZenohOptions(zenoh_listen, zenoh_connect, zenoh_config, zenoh_scouting)
    elif zenoh_config is not None or zenoh_scouting:
        raise click.UsageError("--zenoh-config and --zenoh-scouting need --zenoh or --zenoh-connect")
    with contextlib.ExitStack() as stack:
        journal = None
        if log is not None:
            journal = sys.stderr.buffer if str(log) == "-" else stack.enter_context(log.open("ab"))
        elif log_requests:
            journal = sys.stderr.buffer
        api.serve(
            models,
            body_limit_bytes=None if body_limit is None else int(body_limit * (1 << 20)),
            token=None if token_file is None else read_token(token_file),
            tls=None if tls_cert is None else tls_context(tls_cert, tls_key or tls_cert, client_ca),
            log=journal,
            log_requests=log_requests,
            zenoh=zenoh,
            ready=print_ready,
            **how,
        )
