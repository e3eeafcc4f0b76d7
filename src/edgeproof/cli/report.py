"""``report``, ``runbook``, ``compare``, ``gate``: what is done with a run's documents after they were written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeproof.cli.console import emit_json, json_option
from edgeproof.documents.device_class import EVERY_CLASS

if TYPE_CHECKING:
    from edgeproof.documents.device_class import DeviceClass
    from edgeproof.documents.evaluation import EvaluationDocument
    from edgeproof.verdict.gate import Held, Unmet

__all__ = ["compare", "gate", "report", "runbook"]


policy_option = click.option(
    "--policy",
    "policy_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Hold this policy, a TOML file or one that ships, in place of the run's own.",
)
run_folder = click.Path(exists=True, file_okay=False, path_type=Path)
out_file = click.Path(dir_okay=False, path_type=Path)


@click.command(
    epilog="Example:  edgeproof report bench_output/edge_phase_runs/20261120-093000 "
    "--measured iphone:coreml-fp16=latencies.json"
)
@click.argument("folder", metavar="RUN", type=run_folder)
@click.option(
    "--measured",
    metavar="CLASS:CANDIDATE=FILE",
    multiple=True,
    help="Bring back a result that was measured by hand: device class (raspberry-pi, android, iphone), candidate, and "
    "a JSON file: a list of latencies in µs, or the object that the runbook describes. May be given again.",
)
@policy_option
@click.option(
    "--csv",
    "csv_folder",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Write every table of the report there too, one CSV file a table: figures in full, units in the heads.",
)
@json_option
def report(
    folder: Path, measured: tuple[str, ...], policy_file: Path | None, csv_folder: Path | None, as_json: bool
) -> None:
    """Write a run's report again, from its documents.

    Holds the documents of RUN against its policy and writes phase5_evaluation.json, edge_phase1_5_report.md and .html,
    and plots/*.svg.
    """
    from edgeproof import api
    from edgeproof.rundir import REPORT_HTML, REPORT_MD

    evaluation = api.report(folder, measured=_measured(folder, measured), policy=policy_file, csv=csv_folder)
    markdown, html = folder / REPORT_MD, folder / REPORT_HTML
    if as_json:
        written = {"run": str(folder), "markdown": str(markdown), "html": str(html)}
        written |= {"csv": str(csv_folder)} if csv_folder is not None else {}
        emit_json({**written, "evaluation": evaluation})
        return
    for verdict in evaluation.verdicts:
        click.echo(verdict.sentence)
    click.echo(f"\n{html}\n{markdown}{'' if csv_folder is None else f'{chr(10)}{csv_folder}'}")


def _measured(folder: Path, words: tuple[str, ...]) -> dict[DeviceClass, dict[str, Path]]:
    """``CLASS:CANDIDATE=FILE`` words by device class and candidate."""
    if not words:
        return {}
    from edgeproof.errors import UsageError
    from edgeproof.phases.evaluate import read_evidence
    from edgeproof.rundir import RunDir
    from edgeproof.verdict.cases import cases_of

    known = cases_of(read_evidence(RunDir.open(folder)))
    files: dict[DeviceClass, dict[str, Path]] = {}
    for word in words:
        target, _, file = word.partition("=")
        named, _, candidate = target.partition(":")
        device_class = next((known_class for known_class in EVERY_CLASS if known_class == named), None)
        if device_class is None or not candidate or not file:
            raise UsageError(
                f"--measured {word}: expected CLASS:CANDIDATE=FILE",
                hint=f"CLASS is one of {', '.join(EVERY_CLASS)}; for example iphone:coreml-fp16=latencies.json",
            )
        if candidate not in known:
            raise UsageError(
                f"--measured {word}: this run has no candidate {candidate}", hint=f"it has {', '.join(known)}"
            )
        files.setdefault(device_class, {})[candidate] = Path(file)
    return files


@click.command(epilog="Example:  edgeproof runbook bench_output/edge_phase_runs/20261120-093000 --iphone digits-iphone")
@click.argument("folder", metavar="RUN", type=run_folder)
@click.option(
    "--iphone", "project", type=click.Path(path_type=Path), metavar="DIR",
    help="Write an Xcode project with this run's Core ML packages and engines there too: an app that measures them.",
)  # fmt: skip
@click.option(
    "--board", type=click.Path(path_type=Path), metavar="DIR",
    help="Write a folder with all that a Raspberry Pi needs that is not reached over SSH from here, and a script.",
)  # fmt: skip
@click.option("--python", default="3.11", show_default=True, help="Of the Raspberry Pi that --board is for.")
@json_option
def runbook(folder: Path, project: Path | None, board: Path | None, python: str, as_json: bool) -> None:
    """Write the device runbook of a run.

    Writes phase4_device_runbook.md into RUN: the commands that measure this run's artifacts on a Raspberry Pi, an
    Android phone and an iPhone, what to expect, and how to bring the results back.
    """
    from edgeproof import api

    path = api.runbook(folder)
    left_out = api.iphone_project(folder, project) if project is not None else {}
    not_there: dict[str, str] = {}
    if board is not None:
        from dataclasses import replace

        from edgeproof.phases.away.bundle import PLACE

        not_there = api.write_bundle(folder, board, place=replace(PLACE, python=python))
    if as_json:
        told = {} if project is None else {"iphone": {"project": str(project), "left_out": left_out}}
        told |= {} if board is None else {"board": {"folder": str(board), "left_out": not_there}}
        emit_json({"run": str(folder), "runbook": str(path), **told})
        return
    click.echo(str(path))
    if board is not None:
        click.echo(f"{board}  for the board: sh measure.sh there, then edgeproof import RUN DIR/results/*.json")
        for candidate, reason in not_there.items():
            click.echo(f"  without {candidate}: {reason}")
    if project is not None:
        click.echo(f"{project}  Xcode project; {project / 'README.md'} has its commands")
        for candidate, reason in left_out.items():
            click.echo(f"  without {candidate}: {reason}")


@click.command(epilog="Example:  edgeproof compare runs/before runs/after --html compared.html")
@click.argument("before", metavar="RUN", type=run_folder)
@click.argument("after", metavar="RUN", type=run_folder)
@click.option(
    "--html", "page", metavar="FILE", type=out_file, help="Write the comparison as a page too, with differences marked."
)
@json_option
def compare(before: Path, after: Path, page: Path | None, as_json: bool) -> None:
    """Hold two runs against each other, candidate by candidate.

    Says first where they are runs of other models, inputs, samples, policies or hosts. Then shows what changed from the
    first RUN to the second: status, difference, task score, size, and the ratio of host latency medians. The two runs
    were not measured interleaved, so a latency ratio is an indication, not a proof.
    """
    from edgeproof import api
    from edgeproof.report.comparison import comparison_text

    comparison = api.compare_runs(before, after)
    if page is not None:
        from edgeproof.files import write_bytes
        from edgeproof.report.comparison_page import page_of
        from edgeproof.report.html import render_comparison

        write_bytes(page, render_comparison(page_of(comparison)).encode())
    if as_json:
        emit_json(comparison)
    else:
        click.echo(comparison_text(comparison), nl=False)


@click.command(
    epilog="Example:  edgeproof gate bench_output/edge_phase_runs/20261120-093000 --device-class raspberry-pi"
)
@click.argument("folder", metavar="RUN", type=run_folder)
@policy_option
@click.option(
    "--device-class",
    "device_classes",
    type=click.Choice(EVERY_CLASS),
    multiple=True,
    help="Device class that must meet the policy; may be given again. Default: every class that was measured.",
)
@click.option("--junit", metavar="FILE", type=out_file, help="Write JUnit XML: a test for each point of the policy.")
@click.option("--markdown", metavar="FILE", type=out_file, help="Write a summary in Markdown.")
@click.option(
    "--github-summary", is_flag=True, help="Append that summary to the job's page, the file of $GITHUB_STEP_SUMMARY."
)
@json_option
def gate(
    folder: Path,
    policy_file: Path | None,
    device_classes: tuple[DeviceClass, ...],
    junit: Path | None,
    markdown: Path | None,
    github_summary: bool,
    as_json: bool,
) -> None:
    """Exit 3 when a run does not meet its policy.

    A device class meets it when its verdict recommends a candidate that meets every point the policy asks for. A point
    that was not measured is not met. Files for the pages of a build server are written either way.
    """
    from edgeproof import api
    from edgeproof.errors import PolicyNotMet

    summary = _step_summary() if github_summary else None
    held = api.gate(folder, policy=policy_file, device_classes=device_classes)
    _write_gate_files(held, str(folder), junit=junit, markdown=markdown, summary=summary)
    evaluation, unmet = held.evaluation, held.unmet
    if as_json:
        emit_json(
            {
                "run": str(folder),
                "policy": evaluation.policy_source,
                "device_classes": held.device_classes,
                "met": not unmet,
                "unmet": unmet,
            }
        )
    elif not unmet:
        click.echo("\n".join(passed_lines(evaluation, held.device_classes)))
    if unmet:
        if not as_json:
            click.echo("\n".join(unmet_lines(unmet)))
        count = f"{len(unmet)} point{'s' if len(unmet) != 1 else ''} unmet"
        raise PolicyNotMet(
            f"{folder} does not meet {evaluation.policy_source}: {count}",
            hint=f"what would change it stands in the report: edgeproof report {folder}",
        )


def _step_summary() -> Path:
    """The file that a GitHub job's page is made of."""
    from edgeproof.errors import UsageError

    named = os.environ.get("GITHUB_STEP_SUMMARY")
    if not named:
        raise UsageError(
            "--github-summary: GITHUB_STEP_SUMMARY is not set, as it is in a job of GitHub Actions",
            hint="elsewhere, --markdown FILE writes the same",
        )
    return Path(named)


def _write_gate_files(held: Held, run: str, *, junit: Path | None, markdown: Path | None, summary: Path | None) -> None:
    from edgeproof.files import write_bytes
    from edgeproof.report.gate_files import gate_junit, gate_markdown

    if junit is not None:
        write_bytes(junit, gate_junit(held, run).encode())
    if markdown is not None:
        write_bytes(markdown, gate_markdown(held, run).encode())
    if summary is not None:
        with summary.open("a", encoding="utf-8") as page:
            page.write(gate_markdown(held, run))


def passed_lines(evaluation: EvaluationDocument, held: tuple[str, ...]) -> list[str]:
    return [
        f"{verdict.device_class}: {verdict.candidate} meets the policy"
        for verdict in evaluation.verdicts
        if verdict.device_class in held
    ]


def unmet_lines(unmet: tuple[Unmet, ...]) -> list[str]:
    return [
        f"{point.device_class or 'any device'}: {point.candidate or 'no candidate'}: "
        f"{point.point} {point.state}: {point.text}"
        for point in unmet
    ]
