"""``edgeproof run``: all five phases, ending in a verdict."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from edgeproof.cli.console import emit_json, json_option, phases
from edgeproof.cli.options import (
    limit_options,
    means_options,
    metric_option,
    model_options,
    name_option,
    pace_options,
    processors_option,
    quiet_option,
    split_counts,
    split_names,
)
from edgeproof.errors import UsageError

if TYPE_CHECKING:
    from edgeproof.documents.source import ModelSource
    from edgeproof.process import Limits

__all__ = ["run"]


@click.command(
    epilog="\b\nExamples:\n  edgeproof run examples/digits_snn.py:model\n"
    "  edgeproof run net.py:make --input x:float32[1,3,32,32] --samples images/ --candidates sdk-eager,litert-int8\n"
    "  edgeproof run net.py:make --quick\n"
    "  edgeproof run net.pt2 --samples test.npz --metric mae:unit=mm\n"
    "  edgeproof run --resume bench_output/edge_phase_runs/20260101-120000\n"
    "  edgeproof run --resume bench_output/edge_phase_runs/20260101-120000 --policy ship.toml --candidates onnx-fp16"
)
@click.argument("model", required=False)
@model_options
@metric_option
@name_option
@click.option("--held-out", metavar="PATH", help="Samples for validation and the task score, in the form of --samples.")
@click.option(
    "--count", type=click.IntRange(min=8), default=256, show_default=True, help="Samples to draw from the model's pool."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw.")
@click.option(
    "--synthetic", is_flag=True, help="Use random input when there are no samples; no int8 verdict stands on it."
)
@click.option(
    "--policy",
    metavar="FILE",
    help="TOML with the thresholds of the verdict, or the name of a policy that ships; default: the built-in one. "
    "See edgeproof policy.",
)
@click.option(
    "--latency-ms",
    type=click.FloatRange(min=0, min_open=True),
    help="Milliseconds per inference, in place of the policy's.",
)
@click.option(
    "--candidates",
    callback=split_names,
    metavar="A,B",
    help="Candidates to make, such as sdk-eager,onnx-int8; a format, such as onnx, stands for all its precisions. "
    "Default: all.",
)
@click.option(
    "--artifact",
    "artifacts",
    multiple=True,
    metavar="NAME=PATH",
    help="A candidate made elsewhere: .onnx, .tflite, .pte, .xml or .mlpackage; compared and judged like ours. "
    "NAME ends in -int8 or -fp16 where it is. May be given again.",
)
@click.option(
    "--devices",
    callback=split_names,
    metavar="A,B",
    help="Devices to measure on, such as host,ssh:pi@raspberrypi.local; default: the host. With --resume: in place of "
    "the run's own.",
)
@click.option(
    "--threads",
    callback=split_counts,
    metavar="A,B",
    help="Counts of threads to measure each candidate with, such as 1,4; the verdict names the faster. Default: 1.",
)
@pace_options
@click.option(
    "--batch",
    "batches",
    callback=split_counts,
    metavar="A,B",
    help="Samples a call, such as 1,8: candidates are made for these too, compared, and measured on this host beside "
    "those of one, which verdicts are about.",
)
@processors_option(
    "Other processors to compare outputs on, by QEMU's user mode; default: fp16 and int8 on a usual one or two, where "
    "it is installed; none: on this one alone"
)
@click.option(
    "--requests", type=click.IntRange(min=1), default=100, show_default=True, help="Requests of the local proof."
)
@click.option(
    "--cold-starts",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Fresh servers of the local proof, per candidate; of one that takes seconds to start, fewer.",
)
@click.option(
    "--network",
    "networks",
    callback=split_names,
    metavar="A,B",
    help="Networks that the local proof drives over as well: ethernet, wifi, 4g, 5g, congested-wifi. Default: none.",
)
@click.option(
    "--capacity",
    metavar="P=TIME",
    help="Have the local proof look for the highest rate of requests at which a percentile holds, such as p99=20ms.",
)
@click.option(
    "--quick",
    is_flag=True,
    help="A first look: the first precision of each format, on this host, with fewer calls, starts and requests. The "
    "verdict says so, and its confidence is never high.",
)
@limit_options
@means_options
@click.option(
    "--out", type=click.Path(path_type=Path), help="Run folder; default: bench_output/edge_phase_runs/<time>."
)
@click.option(
    "--resume",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="Go on with a run that was stopped; or take it further, with other --devices, another --policy, --metric or "
    "--latency-ms, or further --candidates. What does not depend on them stands.",
)
@quiet_option
@json_option
def run(
    source: ModelSource,
    limits: Limits,
    resume: Path | None,
    paces: tuple[float, ...] | None,
    quiet: bool,
    as_json: bool,
    **settings: Any,
) -> int:
    """Take MODEL through all five phases and give a verdict per device class.

    MODEL is file.py:factory, package.module:factory, model.pt2, model.pt or 'graph.nir?timesteps=25'. The factory
    returns an nn.Module or an edgeproof.Model; it is your own code and runs with your rights.

    Exit code 1 when no candidate could be made; the report says why.
    """
    from edgeproof import api
    from edgeproof.rundir import REPORT_HTML

    if (not source.model) == (resume is None):
        raise UsageError("give MODEL, or --resume RUN to go on with a run", hint="see edgeproof run --help")
    changes = {name: settings[name] for name in ("devices", "candidates", "policy", "latency_ms")}
    changes["metric"] = source.metric
    folder = resume or api.new_run_folder(source, limits=limits, paces=paces or (), **settings)
    with phases("starting", quiet=quiet) as tell:
        evaluation = api.resume(
            folder,
            **(changes if resume is not None else {}),
            trust=source.trust or resume is None,
            progress=tell,
        )
    report = str(folder / REPORT_HTML)
    if as_json:
        emit_json({"run": str(folder), "report": report, "evaluation": evaluation})
    else:
        for verdict in evaluation.verdicts:
            click.secho(f"{verdict.device_class}: ", bold=True, nl=False)
            click.echo(verdict.sentence)
        click.echo(f"report: {report}")
    return 0 if any(row.status != "not converted" for row in evaluation.candidates) else 1
