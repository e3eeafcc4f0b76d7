"""``edgeproof serve`` and ``edgeproof bench``: the edge server, and the client that drives one."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeproof.cli.console import emit_json, json_option
from edgeproof.cli.options import model_options
from edgeproof.serve.access import read_token
from edgeproof.serve.limits import CALL_SECONDS, CONNECTIONS, QUEUE, REQUEST_SECONDS

if TYPE_CHECKING:
    from edgeproof.documents.latency import LatencySummary, Percentile
    from edgeproof.documents.source import ModelSource

__all__ = ["bench", "serve"]

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

    if source.model.endswith(".toml"):
        if name is not None:
            raise click.UsageError("--name is of one model; a file of models has each one's name in it")
        models = read_models(Path(source.model), trust=source.trust)
    else:
        models = [opening_of(source, name=name, threads=threads)]
    if tls_cert is None and (tls_key is not None or client_ca is not None):
        raise click.UsageError("--tls-key and --client-ca need --tls-cert")
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
            ready=print_ready,
            **how,
        )


@click.command(
    epilog="\b\nExamples:\n  edgeproof bench http://127.0.0.1:8080\n"
    "  edgeproof bench http://192.168.1.20:8080 --requests 1000 --rate 50 --samples heldout.npz --json"
)
@click.argument("url")
@click.option("--name", metavar="MODEL", help="The model; default: the only one the server has.")
@click.option(
    "--requests", type=click.IntRange(min=1), default=100, show_default=True, help="Measured requests; p99 needs 662."
)
@click.option("--warmup", type=click.IntRange(min=0), default=10, show_default=True, help="Requests before them.")
@click.option(
    "--rate",
    "rate_per_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="PER_SECOND",
    help="Send at this rate and count latency from the intended send time; default: a closed loop.",
)
@click.option(
    "--samples",
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="npz or folder of inputs; default: seeded random ones of the model's shapes.",
)
@click.option(
    "--raw", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Keep every value in this JSON file."
)
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=0.001),
    default=30.0,
    show_default=True,
    help="For one answer, s.",
)
@token_option("The token that the server asks for.")
@json_option
def bench(url: str, raw: Path | None, as_json: bool, **how: Any) -> int:
    """Drive the server at URL as one client and report its latency.

    It speaks the Open Inference Protocol in JSON with any server. Exit code 1 when a request failed or the server is
    not reachable.
    """
    from edgeproof import api
    from edgeproof.client.summary import summarise
    from edgeproof.documents.base import write_document

    report = api.bench(url, api.Drive(**how))
    if raw:
        write_document(raw, report)
    summary = summarise(report, raw=str(raw) if raw else "")
    if as_json:
        emit_json(summary)
    else:
        _print(summary, report.requests)
    if report.degraded:
        click.secho(f"degraded: {report.degraded}", fg="yellow", err=True)
    if report.errors:
        click.secho(
            f"{report.errors} of {report.requests} requests failed; the first: {report.first_error}", fg="red", err=True
        )
    return 1 if report.errors else 0


def _print(summary: LatencySummary, requests: int) -> None:
    served = summary.served[0]
    steady = served.steady
    click.echo(f"{served.artifact}  ({served.candidate})")
    click.echo(f"{steady.count} of {requests} answers after {steady.warmup} warm-up requests, {summary.transport}")
    click.echo(f"  median   {steady.median_us:>10.1f} µs   min {steady.min_us:.1f}   max {steady.max_us:.1f}")
    for label, value in (("p50", steady.p50), ("p90", steady.p90), ("p95", steady.p95), ("p99", steady.p99)):
        click.echo(f"  {label} ≤    {_figure(value)}")
    if served.server_inference:
        click.echo(f"  the inference alone, on the server: median {served.server_inference.median_us:.1f} µs")
    if served.server.peak_memory_bytes:
        percent = (
            "not measured" if served.server.cpu_percent is None else f"{served.server.cpu_percent:.0f} % of one core"
        )
        click.echo(f"  server   {percent}, {served.server.peak_memory_bytes / (1 << 20):.0f} MiB at its highest")
    for what, why in summary.not_measured.items():
        click.echo(f"  not measured: {what}: {why}")


def _figure(value: Percentile) -> str:
    if value.value_us is None:
        return f"{'—':>10}      needs {value.needs_more} more requests"
    return f"{value.value_us:>10.1f} µs"
