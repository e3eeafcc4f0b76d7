"""``edgeproof run``: all five phases, ending in a verdict."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeproof.cli.console import emit_json, json_option, stderr_console
from edgeproof.cli.options import limit_options, model_options, split_names
from edgeproof.errors import UsageError

if TYPE_CHECKING:
    from edgeproof.documents.evaluation import EvaluationDocument
    from edgeproof.pipeline import Progress
    from edgeproof.rundir import RunDir

__all__ = ["run"]


@click.command(
    epilog="\b\nExamples:\n  edgeproof run examples/digits_snn.py:model\n"
    "  edgeproof run net.py:make --input x:float32[1,3,32,32] --samples images/ --candidates sdk-eager,litert-int8\n"
    "  edgeproof run --resume bench_output/edge_phase_runs/20260101-120000"
)
@click.argument("model", required=False)
@model_options
@click.option("--held-out", metavar="PATH", help="Samples for validation and the task score, in the form of --samples.")
@click.option(
    "--count", type=click.IntRange(min=8), default=256, show_default=True, help="Samples to draw from the model's pool."
)
@click.option("--seed", type=int, default=0, show_default=True, help="Of the draw.")
@click.option(
    "--synthetic", is_flag=True, help="Use random input when there are no samples; no int8 verdict stands on it."
)
@click.option("--policy", metavar="FILE", help="TOML with the thresholds of the verdict; default: the built-in policy.")
@click.option(
    "--candidates",
    callback=split_names,
    metavar="A,B",
    help="Candidates to make, such as sdk-eager,onnx-int8; default: all.",
)
@click.option("--devices", callback=split_names, metavar="A,B", help="Devices to measure on; default: the host.")
@click.option(
    "--requests", type=click.IntRange(min=1), default=100, show_default=True, help="Requests of the local proof."
)
@click.option(
    "--cold-starts",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Fresh servers of the local proof, per candidate: some seconds each.",
)
@limit_options
@click.option(
    "--out", type=click.Path(path_type=Path), help="Run folder; default: bench_output/edge_phase_runs/<time>."
)
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with a run that was stopped.")
@json_option
def run(
    model: str | None,
    inputs: tuple[str, ...],
    samples: str | None,
    trust: bool,
    held_out: str | None,
    count: int,
    seed: int,
    synthetic: bool,
    policy: str | None,
    candidates: tuple[str, ...],
    devices: tuple[str, ...],
    requests: int,
    cold_starts: int,
    limit_seconds: float,
    limit_memory: float,
    out: Path | None,
    resume: Path | None,
    as_json: bool,
) -> int:
    """Take MODEL through all five phases and give a verdict per device class.

    MODEL is file.py:factory, package.module:factory, model.pt2, model.pt or 'graph.nir?timesteps=25'. The factory
    returns an nn.Module or an edgeproof.Model; it is your own code and runs with your rights.

    Exit code 1 when no candidate could be made; the report says why.
    """
    from edgeproof.documents.manifest import RunOptions
    from edgeproof.model.reference import parse_reference
    from edgeproof.pipeline import execute, new_run
    from edgeproof.rundir import RunDir

    if (model is None) == (resume is None):
        raise UsageError("give MODEL, or --resume RUN to go on with a run", hint="see edgeproof run --help")
    if resume is not None:
        folder = RunDir.open(resume)
    else:
        assert model is not None
        options = RunOptions(
            model=model,
            model_name=parse_reference(model).name,
            inputs=inputs,
            samples=samples,
            held_out=held_out,
            sample_count=count,
            seed=seed,
            synthetic=synthetic,
            policy=policy,
            candidates=candidates,
            devices=devices,
            requests=requests,
            cold_starts=cold_starts,
            trust=trust,
            limit_seconds=limit_seconds,
            limit_memory_bytes=int(limit_memory * 2**30),
        )
        folder = new_run(options, out)
    with _progress() as tell:
        evaluation = execute(folder, tell)
    if as_json:
        emit_json({"run": str(folder.root), "report": str(folder.path(REPORT)), "evaluation": evaluation})
    else:
        _print_verdict(folder, evaluation)
    made = any(one.status != "not converted" for one in evaluation.candidates)
    return 0 if made else 1


REPORT = "edge_phase1_5_report.html"


@contextlib.contextmanager
def _progress() -> Iterator[Progress]:
    """A line for each phase and a spinner with what it is doing; nothing where stderr is no terminal."""
    console = stderr_console()
    with console.status("starting") as status:
        shown: list[str] = []

        def tell(title: str, text: str) -> None:
            if not text and title not in shown:
                shown.append(title)
                console.print(f"[bold]{title}[/bold]", highlight=False)
            elif text:
                console.print(f"  {text}", highlight=False, markup=False, style="dim")
            status.update(f"{title}: {text}" if text else title)

        yield tell


def _print_verdict(folder: RunDir, evaluation: EvaluationDocument) -> None:
    for verdict in evaluation.verdicts:
        click.secho(f"{verdict.device_class}: ", bold=True, nl=False)
        click.echo(verdict.sentence)
    click.echo(f"report: {folder.path(REPORT)}")
