#!/usr/bin/env python3
"""Writes docs/conversions.md: what each example converts into, whether it ran, and how it differs.

It reads finished runs. Without any it makes one run for each example, and goes on with those that were stopped; a run
that is finished is taken as it is.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.environment import EnvironmentDocument
from edgeproof.documents.manifest import Manifest
from edgeproof.documents.validation import ValidationDocument, ValidationResult
from edgeproof.errors import EdgeProofError, UsageError
from edgeproof.files import write_bytes
from edgeproof.report.content import Cell, Column, Fact, Table
from edgeproof.report.markdown import code, plain, table
from edgeproof.report.provenance import machine_facts
from edgeproof.report.quantities import difference, percent, significant
from edgeproof.rundir import RunDir

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "conversions.md"
RUNS = ROOT / "bench_output" / "conversions"
EXAMPLES = ("digits_snn", "digits_cnn", "digits_gru")
LONGEST_REASON = 240
ABSENT = "—"
STATES = ("passed", "failed", "error", "not run")
HELD_OUT = {
    "model": "held-out samples of the model",
    "user": "held-out samples of the user",
    "representative": "representative samples, which are not held out",
}
HEAD = """\
# What converts

`make conversions` writes this page: it takes each example through `edgeproof run`, and lists every candidate.

- *Converted*: whether the converter made an artifact. *Ran*: `passed` and `failed` are artifacts that ran and were held
  against the eager model by the limits of the [policy](policy.md); `error` did not run, `not run` cannot run on this
  machine.
- *Difference* is the relative L2 norm over all samples, the worst of the outputs. Spikes are compared by the share of
  equal counts instead.
- *Drop* is the eager model's score minus the candidate's, in percentage points; below zero the candidate scored higher.
- *Size* is everything that ships. *Conversion* is the converter's own time: its import and `torch.export` come once for
  all candidates and are not in it.
- A dash is a figure that does not exist; the columns before it say why.

The times hold for this machine, all else for these versions."""


def page(runs: Sequence[RunDir]) -> str:
    """The whole page.

    Raises:
        UsageError: the runs are not of one machine with one set of versions.
        DocumentError: a run has no phase 3 yet.
    """
    environment = shared_environment(runs)
    versions = ", ".join(f"{name} {version}" for name, version in environment.packages.items())
    facts = [*machine_facts(environment.machine), Fact("Versions", f"edgeproof {environment.edgeproof}, {versions}")]
    machine = "\n".join(f"- {fact.label}: {plain(fact.value)}" for fact in facts if fact.label != "Temperature")
    return "\n\n".join((HEAD, "## Machine", machine, *(section(run) for run in runs))) + "\n"


def shared_environment(runs: Sequence[RunDir]) -> EnvironmentDocument:
    """The environment that all runs have; the temperature may differ.

    Raises:
        UsageError: they differ.
    """
    found = [run.read(EnvironmentDocument) for run in runs]
    told = {
        (msgspec.structs.replace(document.machine, temperature_c=None), *document.packages.items())
        for document in found
    }
    if len(told) != 1:
        folders = ", ".join(str(run.root) for run in runs)
        raise UsageError(
            f"the runs come from different machines or versions: {folders}",
            hint="give runs of one machine, or remove those of before",
        )
    return found[0]


def section(run: RunDir) -> str:
    """One example: its model, counts, and the table."""
    conversion = run.read(ConversionDocument)
    validation = run.read(ValidationDocument)
    told = [counts(conversion, validation), f"Compared on {validation.samples} {HELD_OUT[validation.sample_source]}."]
    if validation.reference_score is not None:
        told.append(f"The eager model's {validation.task} is {percent(validation.reference_score)} %.")
    heading = f"## {code(shown(conversion.model))}"
    return "\n\n".join((heading, " ".join(told), table(candidates(conversion, validation))))


def counts(conversion: ConversionDocument, validation: ValidationDocument) -> str:
    """``19 candidates: 18 converted, 14 passed, 1 failed, 3 not run.``"""
    made = sum(candidate.status == "ok" for candidate in conversion.candidates)
    states = [ran(result) for result in validation.results]
    told = [f"{states.count(state)} {state}" for state in STATES if state in states]
    count = len(conversion.candidates)
    return f"{count} candidate{'s' if count != 1 else ''}: {', '.join([f'{made} converted', *told])}."


def candidates(conversion: ConversionDocument, validation: ValidationDocument) -> Table:
    """One line a candidate, in the run's order; reasons are footnotes."""
    results = {result.candidate: result for result in validation.results}
    spiking = any(
        result.differences is not None and result.differences.spikes is not None for result in validation.results
    )
    reasons: list[str] = []
    columns = (
        Column("Candidate"),
        Column("Form"),
        Column("Converted"),
        Column("Ran"),
        Column("Equal spike counts", "%") if spiking else Column("Difference", "relative L2"),
        Column((validation.task or "task score").capitalize(), "%"),
        Column("Drop", "points"),
        Column("Size", "kB"),
        Column("Conversion", "s"),
    )
    rows = tuple(line(candidate, results.get(candidate.candidate), reasons) for candidate in conversion.candidates)
    return Table(id="candidates", caption="", columns=columns, rows=rows, notes=tuple(reasons))


def line(made: ConversionResult, result: ValidationResult | None, reasons: list[str]) -> tuple[Cell, ...]:
    """A candidate's cells; new reasons are added to ``reasons``."""
    worst = result.differences if result is not None else None
    apart = (
        figure(worst.spikes.agreement, percent)
        if worst is not None and worst.spikes is not None
        else figure(worst.relative_l2 if worst is not None else None, difference)
    )
    return (
        Cell(made.candidate, tone="name"),
        Cell(made.form),
        noted(made.status, made.reason, reasons),
        noted(ran(result), result.reason, reasons) if result is not None else Cell("not run"),
        apart,
        figure(result.task_score if result is not None else None, percent),
        figure(
            result.task_drop if result is not None else None, lambda points: f"{points:.2f}".replace("-0.00", "0.00")
        ),
        figure(made.bytes, lambda size: significant(size / 1e3)),
        figure(made.seconds, significant),
    )


def ran(result: ValidationResult) -> str:
    """What became of an artifact, in the page's words."""
    return "not run" if result.status == "skipped" else result.status


def figure(value: float | None, show: Callable[[float], str]) -> Cell:
    """A figure, or a dash."""
    return Cell(ABSENT) if value is None else Cell(show(value))


def noted(text: str, reason: str | None, reasons: list[str]) -> Cell:
    """A word with the footnote that says why."""
    if reason is None:
        return Cell(text)
    short = textwrap.shorten(shown(reason), LONGEST_REASON, placeholder=" …")
    if short not in reasons:
        reasons.append(short)
    return Cell(text, note=reasons.index(short) + 1)


def shown(text: str) -> str:
    """``text`` with paths as seen from this repository."""
    return text.replace(f"{ROOT}/", "")


def finished_run(example: str) -> RunDir:
    """The example's run, made now or before.

    Raises:
        EdgeProofError: the run failed.
    """
    folder = RUNS / example
    there = (folder / Manifest.FILE).is_file()
    if there and all(phase.status == "done" for phase in RunDir.open(folder).manifest().phases):
        print(f"{example}: taken from {folder}; remove it to run the example anew", file=sys.stderr)
        return RunDir.open(folder)
    what = ["--resume", str(folder)] if there else [f"examples/{example}.py:model", "--out", str(folder)]
    edgeproof = Path(sys.executable).with_name("edgeproof")
    done = subprocess.run([edgeproof, "run", *what], cwd=ROOT, stdout=sys.stderr, check=False)
    if done.returncode != 0:
        raise EdgeProofError(
            f"the run of {example} ended with exit code {done.returncode}",
            hint="what it made is kept: the same command goes on with it",
        )
    return RunDir.open(folder)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, and give the exit code: 0; 1 when a run failed; 2 for runs that cannot be used."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="example:  scripts/conversions_table.py bench_output/edge_phase_runs/20260101-120000",
    )
    parser.add_argument(
        "runs", nargs="*", type=Path, metavar="RUN", help="run folders; default: a run for each example"
    )
    parser.add_argument("--out", type=Path, default=PAGE, metavar="FILE", help="default: docs/conversions.md")
    given = parser.parse_args(arguments)
    try:
        runs = [RunDir.open(folder) for folder in given.runs] or [finished_run(example) for example in EXAMPLES]
        write_bytes(given.out, page(runs).encode())
    except EdgeProofError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code
    print(f"written: {given.out}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
