"""``edgeproof bench``: phones that call a running server."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeproof.cli.console import emit_json, json_option, progress
from edgeproof.cli.options import split_names
from edgeproof.cli.serve import token_option
from edgeproof.errors import UsageError

if TYPE_CHECKING:
    from edgeproof.client.loadgen import Terms
    from edgeproof.documents.latency import Capacity, LatencySummary, OverNetwork, Percentile, Steady
    from edgeproof.documents.load import Scenario

__all__ = ["bench"]

NETWORKS = ("loopback", "ethernet", "wifi", "4g", "5g", "congested-wifi")
PERCENTILES = ("p50", "p90", "p95", "p99")
MOST_REQUESTS = 100_000
MOST_SECONDS = 600.0


@click.command(
    epilog="\b\nExamples:\n  edgeproof bench http://127.0.0.1:8080\n"
    "  edgeproof bench http://127.0.0.1:8080 --until p99 --codec binary\n"
    "  edgeproof bench http://127.0.0.1:8080 --clients 8 --network wifi,4g --think 0.1 --raw raw/phones.json\n"
    "  edgeproof bench http://127.0.0.1:8080 --clients 4 --capacity p99=20ms\n"
    "  edgeproof bench http://127.0.0.1:8080 --scenario server --rate 50 --bound-ms 20\n"
    "  edgeproof bench zenoh:tcp/127.0.0.1:7447 --codec binary\n"
    "  edgeproof bench http://192.168.1.20:8080 --requests 1000 --rate 50 --poisson --samples heldout.npz --json"
)
@click.argument("url")
@click.option("--name", metavar="MODEL", help="The model; default: the only one the server has.")
@click.option(
    "--clients", type=click.IntRange(1, 250), default=1, show_default=True, help="Phones, each with its own connection."
)
@click.option(
    "--network",
    "networks",
    callback=split_names,
    metavar="A,B",
    help=f"Networks between, one after the other: {', '.join(NETWORKS)}. Default: none.",
)
@click.option(
    "--requests",
    type=click.IntRange(min=1),
    default=100,
    show_default=True,
    help="Measured requests of all phones together; p99 needs 662.",
)
@click.option(
    "--until",
    type=click.Choice(PERCENTILES),
    help="Go on until this percentile is supported, or a cap is reached; in place of --requests.",
)
@click.option(
    "--max-requests",
    type=click.IntRange(min=1),
    help=f"Cap of --until.  [default: {MOST_REQUESTS}]",
)
@click.option(
    "--max-seconds",
    type=click.FloatRange(min=0, min_open=True),
    help=f"Cap on the measured requests, over each network.  [default: none; with --until: {MOST_SECONDS:g}]",
)
@click.option(
    "--warmup", type=click.IntRange(min=0), default=10, show_default=True, help="Requests of each phone before them."
)
@click.option(
    "--rate",
    "rate_per_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="PER_SECOND",
    help="Send at this rate and count latency from the intended send time; default: a closed loop.",
)
@click.option("--poisson", is_flag=True, help="With --rate: random times between, as of a Poisson process.")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Of a Poisson process.")
@click.option(
    "--pace",
    "pace_s",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="A request of each phone every so often.",
)
@click.option(
    "--think", "think_s", type=click.FloatRange(min=0), metavar="S", help="A pause of each phone after an answer."
)
@click.option(
    "--codec", type=click.Choice(("json", "binary")), default="json", show_default=True, help="Of tensors, both ways."
)
@click.option("--connection-per-request", is_flag=True, help="Open a connection for each request, and count that.")
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Of a request without an answer, or answered by 503; its latency counts from the first time.",
)
@click.option(
    "--capacity",
    metavar="P=TIME",
    help="Search the highest Poisson rate at which a percentile holds, such as p99=20ms.",
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0.01, 0.5),
    default=0.1,
    show_default=True,
    help="Of that search, a share of the rate.",
)
@click.option(
    "--scenario",
    type=click.Choice(("single-stream", "server", "offline")),
    help="Have MLPerf's load generator drive it too, with its own verdict.",
)
@click.option("--bound-ms", type=click.FloatRange(min=0, min_open=True), help="Of the server scenario's p99.")
@click.option(
    "--scenario-queries",
    type=click.IntRange(min=1),
    default=1024,
    show_default=True,
    help="That a scenario makes at least.",
)
@click.option(
    "--scenario-seconds",
    type=click.FloatRange(min=0),
    default=10.0,
    show_default=True,
    help="That a scenario takes at least; a submission's takes 600.",
)
@click.option(
    "--samples",
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="npz or folder of inputs; default: seeded random ones of the model's shapes.",
)
@click.option(
    "--raw",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Keep every value in this JSON file; of further networks, and a scenario's log, beside it.",
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
def bench(
    url: str,
    clients: int,
    networks: tuple[str, ...],
    until: str | None,
    max_requests: int | None,
    max_seconds: float | None,
    poisson: bool,
    seed: int,
    connection_per_request: bool,
    capacity: str | None,
    tolerance: float,
    raw: Path | None,
    as_json: bool,
    **given: Any,
) -> int:
    """Drive the server at URL as phones do, and report their latency.

    It speaks the Open Inference Protocol with any server. Latencies over simulated networks stand beside what the
    simulation itself measured. Ctrl-C keeps what was measured. Exit code 1 when a request failed or the server is
    not reachable.
    """
    from edgeproof import api
    from edgeproof.client.capacity import bound_of
    from edgeproof.measure.statistics import minimum_queries

    terms = _terms(given)
    if (max_requests is not None) and until is None:
        raise UsageError("--max-requests is a cap of --until", hint="give --requests, or --until p99")
    requests = given.pop("requests")
    answers = None
    if until is not None:
        answers = minimum_queries(int(until[1:]) / 100)
        requests, max_seconds = max_requests or MOST_REQUESTS, max_seconds or MOST_SECONDS
    how = api.Drive(
        requests=requests,
        answers=answers,
        seconds=max_seconds,
        poisson_seed=seed if poisson else None,
        reuse=not connection_per_request,
        **given,
    )
    what = api.Simulation(
        how=how,
        phones=clients,
        networks=networks,
        bound=None if capacity is None else bound_of(capacity),
        tolerance=tolerance,
        terms=terms,
        raw=raw,
    )

    def show(summary: LatencySummary) -> None:
        if as_json:
            emit_json(summary)
        else:
            _print(summary)

    with progress("bench", quiet=not sys.stderr.isatty()) as tell:
        summary = api.simulate(url, what, report=tell, kept=show)
    show(summary)
    return _told(summary, until)


def _terms(given: dict[str, Any]) -> Terms | None:
    """What belongs to a scenario alone, taken out of the options."""
    from edgeproof.client.loadgen import Terms

    scenario, bound_ms = given.pop("scenario"), given.pop("bound_ms")
    queries, seconds = given.pop("scenario_queries"), given.pop("scenario_seconds")
    if scenario is None:
        if bound_ms is not None:
            raise UsageError("--bound-ms belongs to --scenario server", hint="for a search give --capacity p99=20ms")
        return None
    return Terms(scenario, queries, seconds, given["rate_per_s"], bound_ms)


def _told(summary: LatencySummary, until: str | None) -> int:
    """What went wrong, on stderr; the exit code."""
    served = summary.served[0]
    if served.degraded:
        click.secho(f"degraded: {served.degraded}", fg="yellow", err=True)
    if until is not None:
        percentile: Percentile = getattr(served.steady, until)
        if percentile.value_us is None:
            click.secho(
                f"{until} needs {percentile.needs_more} more requests: a cap was reached", fg="yellow", err=True
            )
    failed = [(served.errors, served.requests, served.first_error)]
    failed += [(network.errors, network.requests, network.first_error) for network in served.networks[1:]]
    errors = sum(count for count, _, _ in failed)
    if errors:
        first = next(reason for count, _, reason in failed if count)
        requests = sum(requests for _, requests, _ in failed)
        click.secho(f"{errors} of {requests} requests failed; the first: {first}", fg="red", err=True)
    if served.scenario is not None and served.scenario.errors:
        click.secho(f"{served.scenario.errors} requests of the scenario failed", fg="red", err=True)
        errors += served.scenario.errors
    return 1 if errors else 0


def _print(summary: LatencySummary) -> None:
    served = summary.served[0]
    steady = served.steady
    click.echo(f"{served.artifact}  ({served.candidate})")
    if served.partial:
        click.echo(f"partial: {served.partial}; these are the figures until then")
    if served.networks:
        click.echo(f"{summary.protocol}, {summary.transport}")
        for network in served.networks:
            _print_network(network)
    else:
        click.echo(
            f"{steady.count} of {served.requests} answers after {steady.warmup} warm-up requests, {summary.transport}"
        )
        _print_steady(steady)
        if served.capacity is not None:
            click.echo(f"  capacity {_capacity(served.capacity)}")
    if served.server_inference:
        click.echo(f"  the inference alone, on the server: median {served.server_inference.median_us:.1f} µs")
    if served.server.peak_memory_bytes:
        percent = (
            "not measured" if served.server.cpu_percent is None else f"{served.server.cpu_percent:.0f} % of one core"
        )
        click.echo(f"  server   {percent}, {served.server.peak_memory_bytes / (1 << 20):.0f} MiB at its highest")
    if served.scenario is not None:
        _print_scenario(served.scenario)
    for what, why in summary.not_measured.items():
        click.echo(f"  not measured: {what}: {why}")


def _print_steady(steady: Steady) -> None:
    click.echo(f"  median   {steady.median_us:>10.1f} µs   min {steady.min_us:.1f}   max {steady.max_us:.1f}")
    for label in PERCENTILES:
        click.echo(f"  {label} ≤    {_figure(getattr(steady, label))}")


def _print_network(network: OverNetwork) -> None:
    made = network.shaping
    click.echo(f"{network.profile.name}: {made.how}")
    if made.round_trip_median_ms is not None:
        up, down = made.up_mbit_per_s, made.down_mbit_per_s
        click.echo(f"  it measures {made.round_trip_median_ms:g} ms round trip, {up:g} Mbit/s up, {down:g} down")
    if network.steady is not None:
        click.echo(f"  {network.steady.count} of {network.requests} answers, {network.retries} retries")
        _print_steady(network.steady)
    if network.first_request is not None:
        click.echo(f"  a phone's first request: median {network.first_request.median_us:.1f} µs")
    if network.capacity is not None:
        click.echo(f"  capacity {_capacity(network.capacity)}")


def _capacity(capacity: Capacity) -> str:
    bound = f"{capacity.percentile} ≤ {capacity.bound_us / 1000:g} ms"
    because = f" ({capacity.reason})" if capacity.reason else ""
    if capacity.rate_per_s is None:
        return f"{bound}: at no rate that was tried{because}"
    until = "" if capacity.fails_at_per_s is None else f", not at {capacity.fails_at_per_s:.4g}/s"
    return f"{bound}: {capacity.rate_per_s:.4g} requests/s{until}, {capacity.phones} phones, Poisson{because}"


def _print_scenario(scenario: Scenario) -> None:
    click.echo(f"MLPerf {scenario.scenario}: {scenario.verdict} (mlcommons_loadgen {scenario.version})")
    for reason in scenario.reasons:
        click.echo(f"  {reason}")


def _figure(value: Percentile) -> str:
    if value.value_us is None:
        return f"{'—':>10}      needs {value.needs_more} more requests"
    return f"{value.value_us:>10.1f} µs"
