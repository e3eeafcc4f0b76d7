"""``devices``, ``devices emulate``, ``measure``: where sessions can run, and a run measured again."""

from __future__ import annotations

from pathlib import Path

import click

from edgeproof.cli.console import emit_json, json_option, progress
from edgeproof.cli.options import as_seconds, pace_options, quiet_option, split_counts, split_names

__all__ = ["devices", "measure"]


class Listing(click.Group):
    """A group that lists where it is given no command's name: its words are devices then."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        asks = bool(args) and (args[0] in self.commands or args[0] in ctx.help_option_names)
        return super().parse_args(ctx, args if asks else ["list", *args])


@click.group(
    cls=Listing,
    epilog="\b\nExamples:\n  edgeproof devices\n  edgeproof devices ssh:pi@raspberrypi.local --json\n"
    "  edgeproof devices emulate raspberrypi4\n\n"
    "What may be said of a board: ssh:user@host:port?emulated=1 (or 0), &class=raspberry-pi, &python=PATH of a Python "
    "there that has the runtimes.",
)
def devices() -> None:
    """List the devices: this host, what adb sees, boards that can be emulated here, and those that are named."""


@devices.command("list")
@click.argument("named", nargs=-1, metavar="[DEVICE]...")
@json_option
def list_devices(named: tuple[str, ...], as_json: bool) -> None:
    """List the devices; one that is named, such as ssh:pi@raspberrypi.local, is asked what it is and nothing more.

    No network is scanned.
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


@devices.command(
    epilog="\b\nExamples:\n  edgeproof devices emulate raspberrypi4\n"
    "  edgeproof run examples/digits_snn.py:model --devices host,emulated:raspberrypi4"
)
@click.argument("board", default="raspberrypi4")
@click.option("--suite", default="bookworm", show_default=True, help="Release of Debian.")
@quiet_option
@json_option
def emulate(board: str, suite: str, quiet: bool, as_json: bool) -> None:
    """Make what emulating BOARD takes: a small Debian of its processor, and the runtimes' wheels for it.

    It is unpacked into a folder of yours, which takes no right of root and less than a minute where the network is
    quick; emulated:BOARD is then a device that gives outputs, and never a latency or power.
    """
    from edgeproof import api

    with progress("making the board", quiet=quiet) as tell:
        made = api.emulate(board, suite=suite, progress=tell)
    if as_json:
        emit_json(made)
        return
    click.echo(f"{made.address}: {made.folder}, {made.bytes / 1e6:.0f} MB")
    for reason in made.left_out:
        click.echo(f"left out: {reason}")


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
    help="Record this power meter meanwhile, with --hold: energy per inference. `edgeproof power list` has addresses; "
    "board:pmic is one of the device's own.",
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
