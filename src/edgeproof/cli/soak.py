"""``soak``: one artifact run for long, on this host or on a device; stopped and gone on with."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeproof.cli.console import emit_json, json_option, progress
from edgeproof.cli.options import as_seconds, quiet_option, trust_option
from edgeproof.errors import UsageError

if TYPE_CHECKING:
    from edgeproof.documents.soak import SoakReport

__all__ = ["soak"]

SOAKS = Path("bench_output/edge_soaks")
TONES = {"stable": "green", "undecided": "yellow"}


@click.command(
    epilog="\b\nExamples:\n  edgeproof soak out/litert-int8/digits.tflite --duration 10min --samples heldout.npz\n"
    "  edgeproof soak RUN/artifacts/onnx-fp32 --duration 24h --into RUN\n"
    "  edgeproof soak RUN/artifacts/sdk-native --duration 1h --device ssh:pi@raspberrypi.local --into RUN\n"
    "  edgeproof soak --resume RUN"
)
@click.argument("artifact", type=click.Path(path_type=Path, exists=True), required=False)
@click.option("--duration", callback=as_seconds, metavar="TIME", help="How long, such as 10min, 1h, 72h; default: 60s.")
@click.option("--seconds", type=click.FloatRange(min=0.2), help="The same in seconds.")
@click.option("--window", type=click.FloatRange(min=0.1), help="Seconds of one window; default: 1/20, at most 10.")
@click.option(
    "--samples",
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="npz or folder of inputs; default: the run's held-out ones with --into, else seeded random ones.",
)
@click.option("--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Threads of the runtime.")
@click.option("--device", default="host", show_default=True, metavar="ADDRESS", help="Where; see edgeproof devices.")
@click.option(
    "--into",
    metavar="RUN",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The run that ARTIFACT is of: what the soak saw becomes evidence of its verdict.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help=f"What was seen, kept while it is seen; default: in the run, else {SOAKS}/<time>-<artifact>.json.",
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path, exists=True),
    metavar="FILE|RUN",
    help="Go on with a soak that was stopped, in place of ARTIFACT.",
)
@trust_option
@quiet_option
@json_option
def soak(
    artifact: Path | None,
    duration: float | None,
    seconds: float | None,
    window: float | None,
    resume: Path | None,
    quiet: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Run ARTIFACT for long and watch it: stable, drifting, leaking, throttling or failing.

    Latency, heat, memory and errors are read per window. What was seen is kept meanwhile: after Ctrl-C, or a machine
    that went down, --resume goes on with it.
    """
    from edgeproof import api

    if (artifact is None) == (resume is None):
        raise UsageError("give ARTIFACT, or --resume FILE|RUN to go on with a soak", hint="see edgeproof soak --help")
    if duration is not None and seconds is not None:
        raise UsageError("--duration and --seconds say the same", hint="leave one of them out")
    into, out = how.pop("into"), how.pop("out")
    if into is not None and out is not None:
        raise UsageError("--into keeps what was seen in the run", hint="leave --out out")
    place = resume or into or out
    try:
        with progress("soak", quiet=quiet) as tell:
            if resume is not None or artifact is None:
                seen = api.resume_soak(resume or "", trust=how["trust"], report=tell)
            else:
                length = api.SoakLength(duration or seconds or 60.0, window)
                if into is not None:
                    seen = api.soak_candidate(into, artifact, length, report=tell, **how)
                else:
                    place = out or SOAKS / f"{time.strftime('%Y%m%d-%H%M%S')}-{artifact.name}.json"
                    seen = api.soak(artifact, length, out=place, report=tell, **how)
    except KeyboardInterrupt:
        _stopped(place)
        raise
    if as_json:
        emit_json(seen)
        return
    _show(seen)
    if seen.partial:
        click.secho(f"  ended early; go on with: edgeproof soak --resume {place}", fg="yellow")
    elif seen.candidate is not None:
        click.echo(f"  in the run: {seen.path_in_run()}")
    else:
        click.echo(f"  kept in {place}")


def _stopped(place: Path | None) -> None:
    """Say what was kept of a soak that was stopped."""
    from edgeproof import api
    from edgeproof.errors import EdgeProofError

    if place is None:
        return
    try:
        file, seen = api.stopped_soak(place)
    except EdgeProofError:
        return
    click.echo(f"{file}: {seen.seconds:.0f} s of {seen.asked_seconds or 0:.0f} s are kept, as a partial soak", err=True)
    click.echo(f"hint: edgeproof soak --resume {file}", err=True)


def _show(seen: SoakReport) -> None:
    from edgeproof.verdict.soaks import judge_soak

    first, last = seen.windows[0], seen.windows[-1]
    judgement = judge_soak(seen)
    click.echo(
        f"{seen.artifact}: {seen.count:,} calls in {seen.seconds:.0f} s on {seen.device}, {len(seen.windows)} windows"
        + (f", {len(seen.segments)} pieces" if len(seen.segments) > 1 else "")
    )
    click.secho(f"  {judgement.word}", fg=TONES.get(judgement.word, "red"), bold=True)
    click.echo(f"  median   {first.median_us:.1f} µs first, {last.median_us:.1f} µs last: {100 * seen.drift:+.1f} %")
    if seen.resident_growth_bytes is not None:
        click.echo(f"  memory   {seen.resident_growth_bytes / (1 << 20):+.1f} MiB from the first window to the last")
    for finding in judgement.findings:
        click.echo(
            f"  {'beyond' if finding.beyond else 'within' if finding.beyond is False else 'open':<8} {finding.text}"
        )
    for what, why in seen.not_measured.items():
        click.echo(f"  not measured: {what}: {why}")
