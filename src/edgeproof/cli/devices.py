"""``devices``, ``measure``: where sessions can run, and a run measured again."""

from __future__ import annotations

from pathlib import Path

import click

from edgeproof.cli.console import emit_json, json_option, progress
from edgeproof.cli.options import as_seconds, pace_options, quiet_option, split_counts, split_names

__all__ = ["devices", "measure"]


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
    "  edgeproof measure RUN --hold 60s --meter rapl --idle 60s\n"
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
@click.option(
    "--meter",
    metavar="ADDRESS",
    help="Record this power meter meanwhile, with --hold: energy per inference. `edgeproof power list` has addresses.",
)
@click.option("--idle", callback=as_seconds, metavar="TIME", help="With --meter: record idle power so long first.")
@click.option("--supply-volts", type=click.FloatRange(min=0.1), metavar="V", help="Where --meter tells current alone.")
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
    meter: str | None,
    idle: float | None,
    supply_volts: float | None,
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
            meter=meter,
            idle=idle,
            supply_volts=supply_volts,
            progress=tell,
        )
    if as_json:
        emit_json({"run": str(folder), "evaluation": evaluation})
        return
    for verdict in evaluation.verdicts:
        click.echo(verdict.sentence)
