"""``devices``, ``measure``, ``soak``: where sessions can run, a run measured again, and one session run for long."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edgeproof.cli.console import emit_json, json_option, progress
from edgeproof.cli.options import as_seconds, pace_options, quiet_option, split_counts, split_names, trust_option

__all__ = ["devices", "measure", "soak"]


@click.command(epilog="Example:  edgeproof devices ssh:pi@raspberrypi.local --json")
@click.argument("named", nargs=-1, metavar="[ssh:USER@HOST]...")
@json_option
def devices(named: tuple[str, ...], as_json: bool) -> None:
    """List the devices: this host, what adb sees, and SSH targets that are named.

    An SSH target is asked for a login without a password and nothing else; no network is scanned.
    """
    from edgeproof import api

    found = api.devices(named)
    if as_json:
        emit_json({"devices": found})
        return
    for device in found:
        click.echo(f"{device.address:<28} {device.device_class or 'unknown':<14} {device.state:<12} {device.detail}")
        if device.remedy:
            click.echo(f"{'':<28} → {device.remedy}")


@click.command(
    epilog="\b\nExamples:\n  edgeproof measure RUN --candidates onnx-fp32,litert-fp32 --count 2000\n"
    "  edgeproof measure RUN --threads 1,4\n"
    "  edgeproof measure RUN --pace 33ms,1s --hold 60s\n"
    "  edgeproof measure RUN --candidates sdk-native,litert-int8 --sustained 30min"
)
@click.argument("folder", metavar="RUN", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--candidates", callback=split_names, metavar="A,B", help="Which to measure; default: all of the run.")
@click.option("--devices", "named", callback=split_names, metavar="A,B", help="On which; default: the run's own.")
@click.option("--count", type=click.IntRange(min=1), help="Timed calls of each; default: 702, in 5 s at most.")
@click.option("--threads", callback=split_counts, metavar="A,B", help="Counts of threads; default: the run's own.")
@pace_options
@click.option(
    "--sustained",
    callback=as_seconds,
    metavar="TIME",
    help="Then each under load for so long, from the same temperature; 5min shows what heat does, 30min is for the "
    "record. The verdict rests on the end of it.",
)
@quiet_option
@json_option
def measure(
    folder: Path,
    candidates: tuple[str, ...],
    named: tuple[str, ...],
    count: int | None,
    threads: tuple[int, ...],
    paces: tuple[float, ...] | None,
    hold: float | None,
    sustained: float | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Measure candidates of a run again, interleaved, and write its report.

    What was measured of its other candidates stays, without ratios: these were not measured beside them.
    """
    from edgeproof import api

    with progress("measuring", quiet=quiet) as tell:
        evaluation = api.measure(
            folder,
            devices=named,
            candidates=candidates,
            count=count,
            threads=threads,
            paces=paces,
            hold=hold,
            sustained=sustained,
            progress=tell,
        )
    if as_json:
        emit_json({"run": str(folder), "evaluation": evaluation})
        return
    for verdict in evaluation.verdicts:
        click.echo(verdict.sentence)


@click.command(
    epilog="\b\nExamples:\n  edgeproof soak out/litert-int8/digits.tflite --seconds 600 --samples heldout.npz\n"
    "  edgeproof soak RUN/artifacts/onnx-fp32 --seconds 86400 --into RUN"
)
@click.argument("artifact", type=click.Path(path_type=Path, exists=True))
@click.option("--seconds", type=click.FloatRange(min=0.2), default=60.0, show_default=True, help="How long.")
@click.option("--window", type=click.FloatRange(min=0.1), help="Seconds of one window; default: 1/20, at most 10.")
@click.option(
    "--samples",
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="npz or folder of inputs; default: the run's held-out ones with --into, else seeded random ones.",
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of the runtime.")
@click.option(
    "--into",
    metavar="RUN",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The run that ARTIFACT is of: what the soak saw becomes evidence of its verdict.",
)
@trust_option
@quiet_option
@json_option
def soak(
    artifact: Path, seconds: float, window: float | None, into: Path | None, quiet: bool, as_json: bool, **how: Any
) -> None:
    """Run ARTIFACT on this host for long, and hold the last window against the first.

    Latency, temperature and memory are read per window: a device that heats up, throttles or leaks shows it here.
    """
    from edgeproof import api
    from edgeproof.verdict.soaks import memory_trend

    with progress("soak", quiet=quiet) as tell:
        length = api.SoakLength(seconds, window)
        if into is None:
            report = api.soak(artifact, length, report=tell, **how)
        else:
            report = api.soak_candidate(into, artifact, length, report=tell, **how)
    if as_json:
        emit_json(report)
        return
    first, last = report.windows[0], report.windows[-1]
    click.echo(f"{artifact}: {report.count} calls in {report.seconds:.0f} s, {len(report.windows)} windows")
    click.echo(f"  median   {first.median_us:.1f} µs first, {last.median_us:.1f} µs last: {100 * report.drift:+.1f} %")
    if report.resident_growth_bytes is not None:
        click.echo(f"  memory   {report.resident_growth_bytes / (1 << 20):+.1f} MiB from the first window to the last")
    trend = memory_trend(report.windows)
    if trend is not None and trend.settled:
        click.echo(f"  trend    {trend.words}, the first tenth left out")
    if first.temperature_c is not None and last.temperature_c is not None:
        click.echo(f"  heat     {first.temperature_c:.1f} °C first, {last.temperature_c:.1f} °C last")
    if report.throttled:
        click.secho("  throttled: these figures are not the device's own", fg="red")
    for what, why in report.not_measured.items():
        click.echo(f"  not measured: {what}: {why}")
    if into is not None:
        click.echo(f"  in the run: {into / report.path_in_run()}")
