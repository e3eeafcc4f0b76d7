"""``power list``, ``power record``, ``power import``: meters, what they record, and the energy of a call by it."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeproof.cli.console import emit_json, json_option, progress
from edgeproof.cli.options import as_seconds, quiet_option, split_names

if TYPE_CHECKING:
    from edgeproof.documents.power import Energy, PowerTrace
    from edgeproof.phases.power.joining import Joined

__all__ = ["power"]


@click.group(
    epilog="\b\nExamples:\n  edgeproof power list\n  edgeproof power record rapl --seconds 90s --out trace.json\n"
    "  edgeproof power import RUN meter.csv --candidate sdk-native --device host --clock-within 100ms"
)
def power() -> None:
    """Record power with a meter, and join what it saw to a run: energy per inference.

    The load has to be held for the meter to see it: edgeproof measure RUN --hold 60s.
    """


@power.command("list", epilog="Example:  edgeproof power list --json")
@json_option
def list_meters(as_json: bool) -> None:
    """List the meters that are attached or part of this machine, and those that are known."""
    from edgeproof import api

    found = api.power_list()
    if as_json:
        emit_json(found)
        return
    for meter in found.attached:
        click.echo(f"{meter.address:<28} {meter.state:<10} {meter.detail}")
        if meter.remedy:
            click.echo(f"{'':<28} → {meter.remedy}")
    if not found.attached:
        click.echo(
            "no meter was found; a table that a meter's own program exports can be imported: power import --help"
        )
    click.echo("\nknown:")
    for known in found.known:
        click.echo(f"  {known.name:<12} {known.title}{'' if known.estimate is None else ' (an estimate)'}")
    for name, reason in found.broken.items():
        click.echo(f"  {name:<12} {reason}")


@power.command(
    epilog="\b\nExamples:\n  edgeproof power record rapl --seconds 90s --out trace.json\n"
    "  edgeproof power record ppk2 --supply-volts 5 --out trace.json"
)
@click.argument("meter", metavar="METER")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), required=True, help="The trace, FILE.json.")
@click.option("--seconds", callback=as_seconds, metavar="TIME", help="How long; default: until Ctrl-C.")
@click.option("--rate", type=click.FloatRange(min=0.1), metavar="HZ", help="Readings a second; default: the meter's.")
@click.option("--supply-volts", type=click.FloatRange(min=0.1), metavar="V", help="Where a meter tells current alone.")
@quiet_option
@json_option
def record(
    meter: str,
    out: Path,
    seconds: float | None,
    rate: float | None,
    supply_volts: float | None,
    quiet: bool,
    as_json: bool,
) -> None:
    """Record METER into a trace. Ctrl-C keeps what was recorded, which then says that it is partial.

    METER is an address that `edgeproof power list` shows. Start before the load and end after it; what runs first and
    idle gives idle power.
    """
    from edgeproof import api

    with progress(f"recording {meter}", quiet=quiet) as tell:
        trace = api.power_record(meter, out, seconds=seconds, supply_volts=supply_volts, rate_hz=rate, progress=tell)
    if as_json:
        emit_json(trace)
    else:
        click.echo(f"{out}: {trace_words(trace)}")


@power.command(
    "import",
    epilog="\b\nExamples:\n  edgeproof power import RUN trace.json --candidate sdk-native\n"
    "  edgeproof power import RUN ppk2.csv --candidate litert-int8 --device ssh:pi@raspberrypi.local \\\n"
    "      --supply-volts 5 --starts 2026-11-30T12:00:00Z --clock-within 200ms --idle 60s",
)
@click.argument("folder", metavar="RUN", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("file", metavar="FILE", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--candidate",
    "--candidates",
    "candidates",
    callback=split_names,
    metavar="A,B",
    help="Which ran while the meter recorded; default: those whose held load lies in its time.",
)
@click.option("--device", metavar="ADDRESS", help="On which device; default: the only one that measured them.")
@click.option("--time", metavar="COLUMN", help="The table's column of time, by name or number; default: found.")
@click.option("--watts", metavar="COLUMN", help="That of power.")
@click.option("--volts", metavar="COLUMN", help="That of voltage, with --amps.")
@click.option("--amps", metavar="COLUMN", help="That of current.")
@click.option("--supply-volts", type=click.FloatRange(min=0.1), metavar="V", help="Voltage that no column has.")
@click.option("--time-unit", type=click.Choice(["s", "ms", "us", "ns", "iso"]), help="Of the times; default: found.")
@click.option(
    "--unit", "units", multiple=True, metavar="COLUMN=UNIT", help="Such as amps=mA; default: as the head says."
)
@click.option("--starts", metavar="MOMENT", help="When the first sample was taken, where times count from there.")
@click.option(
    "--clock-offset", metavar="MS", type=float, default=0.0, help="Added to its times gives the device's, ms."
)
@click.option(
    "--clock-within", callback=as_seconds, metavar="TIME", help="How far off the clocks may be, such as 100ms."
)
@click.option("--align", "aligned", is_flag=True, help="Find the load by its edges, where no clock is known.")
@click.option("--idle", callback=as_seconds, metavar="TIME", help="So long at its beginning nothing ran: idle power.")
@json_option
def import_trace(
    folder: Path, file: Path, candidates: tuple[str, ...], device: str | None, as_json: bool, **said: Any
) -> None:
    """Join FILE to what a device of RUN measured under a held load: energy per inference, in document and report.

    FILE is a trace that `edgeproof power record` wrote, a table (CSV) that a meter's own program exported, what
    `dumpsys batterystats` printed, or looks at a Pixel's power monitor. Columns, delimiter and units of a table are
    found and told; options say them where that goes wrong. Exit code 1 where no energy can be made of it, with why.
    """
    from edgeproof import api
    from edgeproof.errors import MeterError

    trace, joined = api.power_import(folder, file, candidates=candidates, device=device, given=_given(**said))
    refused = [found for found in joined if found.energy.reason is not None]
    if as_json:
        emit_json({"run": str(folder), "trace": trace, "joined": joined})
    else:
        click.echo(f"{file}: {trace_words(trace)}")
        for note in trace.notes:
            click.echo(f"  {note}")
        for found in joined:
            if found.energy.reason is None:
                click.echo("\n".join(energy_words(found.candidate, found.energy)))
    if refused:
        raise MeterError("; ".join(map(refusal_words, refused)), hint="docs/power.md tells each refusal")


def refusal_words(found: Joined) -> str:
    """Why a candidate has no energy."""
    kept = "; the figure of an earlier trace is kept" if found.kept else ""
    return f"{found.candidate}: no energy: {found.energy.reason}{kept}"


def _given(
    *,
    time: str | None,
    watts: str | None,
    volts: str | None,
    amps: str | None,
    supply_volts: float | None,
    time_unit: Any,
    units: tuple[str, ...],
    starts: str | None,
    clock_offset: float,
    clock_within: float | None,
    aligned: bool,
    idle: float | None,
) -> Any:
    from edgeproof.meters.csv_columns import Asked
    from edgeproof.phases.power.joining import TraceGiven

    scales: dict[Any, str] = {}
    for word in units:
        name, _, unit = word.partition("=")
        if name not in ("watts", "volts", "amps") or not unit:
            raise click.BadParameter(f"{word}: expected watts=UNIT, volts=UNIT or amps=UNIT", param_hint="--unit")
        scales[name] = unit
    begin: int | None = None
    if starts is not None:
        try:
            begin = round(datetime.datetime.fromisoformat(starts).timestamp() * 1e9)
        except ValueError:
            raise click.BadParameter(
                f"{starts}: expected a moment such as 2026-11-30T12:00:00.250Z", param_hint="--starts"
            ) from None
    asked = Asked(
        time=time, watts=watts, volts=volts, amps=amps, time_unit=time_unit, supply_volts=supply_volts, scales=scales
    )
    return TraceGiven(
        asked=asked,
        starts_unix_ns=begin,
        offset_ms=clock_offset,
        within_ms=None if clock_within is None else 1e3 * clock_within,
        idle_s=idle,
        aligned=aligned,
    )


def trace_words(trace: PowerTrace) -> str:
    """A trace in a line."""
    seconds = (trace.end_unix_ns - trace.begin_unix_ns) / 1e9
    parts = [f"{trace.count:,} samples in {seconds:.1f} s, {trace.source}"]
    parts += [f"{len(trace.gaps)} gaps"] if trace.gaps else []
    parts += [f"{len(trace.faults)} faults"] if trace.faults else []
    parts += [f"partial: {trace.partial}"] if trace.partial else []
    return "; ".join(parts)


def energy_words(candidate: str, energy: Energy) -> list[str]:
    """The figures in lines."""
    lines = [
        f"{candidate}: {energy.gross_mj:.4g} mJ per inference, gross ({energy.low_mj:.4g} to {energy.high_mj:.4g}; "
        f"{energy.interval})",
        f"  mean power {energy.mean_mw:.4g} mW over {energy.seconds:.1f} s and {energy.calls:,} calls, "
        f"{energy.samples:,} samples",
    ]
    if energy.net_mj is not None and energy.idle is not None:
        seconds = (energy.idle.end_unix_ns - energy.idle.begin_unix_ns) / 1e9
        idle = f"{energy.idle.mean_mw:.4g} mW over the trace's first {seconds:.0f} s"
        lines.append(f"  {energy.net_mj:.4g} mJ less idle power: {idle}")
    else:
        lines.append(f"  less idle power: not told: {energy.no_net}")
    lines += [f"  an estimate: {energy.estimate}"] if energy.estimate else []
    lines += [f"  not in it: {energy.omits}"] if energy.omits else []
    return lines
