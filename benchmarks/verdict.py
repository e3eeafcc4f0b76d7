#!/usr/bin/env python3
"""The time to a verdict: a whole run of an example, the same again, and what of it is done further.

    python benchmarks/verdict.py [--model MODEL] [--against TREE]

writes ``docs/time.md``. ``--against`` runs the same with the sources of another checkout too, before and in turn.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec
from artifacts import ROOT, tell

from edgeproof.documents.manifest import Manifest
from edgeproof.files import write_bytes
from edgeproof.measure.machine import read_machine
from edgeproof.process import usable_cpus
from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.markdown import plain, table
from edgeproof.report.provenance import machine_facts
from edgeproof.rundir import TIMELINE
from edgeproof.timeline import MEASUREMENT, STANDING, WORK, Entry, read_timeline

PAGE = ROOT / "docs" / "time.md"
MODEL = "examples/digits_snn.py:model"
FEW, CANDIDATE = "sdk-native,onnx-fp32", "onnx-int8"
"""Of a run, and the further one that it is taken on with."""
POLICY = "realtime-audio"
KINDS = {
    MEASUREMENT: "timed, with the machine to itself",
    WORK: "conversion, validation, export",
    STANDING: "imports that forks start from",
}


@dataclass(frozen=True)
class Ran:
    """A command that was run: seconds by the clock, and processor seconds of it and all that it started."""

    wall_s: float
    processor_s: float

    @property
    def idle(self) -> float:
        """Share of this machine's cores, over its time, in which nothing of it ran."""
        return max(0.0, 1 - self.processor_s / (self.wall_s * max(1, len(usable_cpus()))))


def ran(words: Sequence[str], cache: Path, tree: Path = ROOT) -> Ran:
    """Run ``edgeproof WORDS`` with a user's cache of its own.

    Raises:
        CalledProcessError: it failed.
    """
    environment = {**os.environ, "XDG_CACHE_HOME": str(cache), "PYTHONPATH": str(tree / "src")}
    environment.pop("EDGEPROOF_CACHE", None)
    command = [sys.executable, "-c", "from edgeproof.cli import main; main()", *words]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    subprocess.run(command, env=environment, cwd=tree, check=True, stdout=subprocess.DEVNULL)
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return Ran(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def phases_of(run: Path) -> dict[str, float]:
    """Seconds of each phase."""
    manifest = msgspec.json.decode((run / Manifest.FILE).read_bytes(), type=Manifest)
    return {phase.name: phase.seconds or 0.0 for phase in manifest.phases}


def phase_table(before: Path | None, after: Path) -> Table:
    """Seconds of each phase of one run, or of two."""
    runs = [phases_of(run) for run in (before, after) if run is not None]
    titles = ("Before", "Now")[-len(runs) :]
    columns = (Column("Phase"), *(Column(title, "s") for title in titles))
    rows = [(Cell(name), *(Cell(f"{run.get(name, 0.0):.1f}") for run in runs)) for name in runs[-1]]
    return Table("", "", columns, tuple(rows))


def kind_table(entries: Sequence[Entry]) -> Table:
    """What processes were for: how many, and their processor time."""
    counts: dict[str, int] = defaultdict(int)
    seconds: dict[str, float] = defaultdict(float)
    for entry in entries:
        counts[entry.kind] += 1
        seconds[entry.kind] += entry.processor_s or 0.0
    columns = (Column("Processes"), Column("Count", ""), Column("Processor time", "s"))
    rows = [(Cell(KINDS[kind]), Cell(str(counts[kind])), Cell(f"{seconds[kind]:.0f}")) for kind in KINDS]
    return Table("", "", columns, tuple(rows))


def longest_table(entries: Sequence[Entry]) -> Table:
    """The dozen that took most."""
    seconds: dict[str, float] = defaultdict(float)
    for entry in entries:
        name = f"imports for {entry.what}" if entry.kind == STANDING else entry.what
        seconds[name] += entry.processor_s or 0.0
    most = sorted(seconds.items(), key=lambda each: -each[1])[:12]
    columns = (Column("What"), Column("Processor time", "s"))
    return Table("", "", columns, tuple((Cell(name, tone="name"), Cell(f"{value:.1f}")) for name, value in most))


def whole_table(runs: Mapping[str, Ran]) -> Table:
    """Each command that was run."""
    columns = (
        Column("Run"),
        Column("Wall", "s"),
        Column("Processor time", "s"),
        Column("Cores idle", "%"),
    )
    rows = [
        (Cell(name), Cell(f"{one.wall_s:.1f}"), Cell(f"{one.processor_s:.0f}"), Cell(f"{100 * one.idle:.0f}"))
        for name, one in runs.items()
    ]
    return Table("", "", columns, tuple(rows))


def page(model: str, against: Path | None) -> str:
    """Run all of it, and tell."""
    runs: dict[str, Ran] = {}
    with tempfile.TemporaryDirectory(prefix="edgeproof-verdict-") as folder:
        root = Path(folder)
        if against is not None:
            tell("the time to a verdict: before")
            runs["before, all candidates"] = ran(("run", model, "--out", f"{root}/before"), root / "then", against)
        for name, words in (
            ("all candidates", ("run", model, "--out", f"{root}/now")),
            ("the same again, in another folder", ("run", model, "--out", f"{root}/again")),
            ("that one with another policy", ("run", "--resume", f"{root}/again", "--policy", POLICY)),
            ("with another metric", ("run", "--resume", f"{root}/again", "--metric", "top_k:k=2")),
            ("a quick look, nothing cached", ("run", model, "--quick", "--no-cache", "--out", f"{root}/quick")),
            ("two candidates alone", ("run", model, "--candidates", FEW, "--out", f"{root}/few")),
            ("that one with a further candidate", ("run", "--resume", f"{root}/few", "--candidates", CANDIDATE)),
        ):
            tell(f"the time to a verdict: {name}")
            runs[name] = ran(words, root / "user")
        entries = read_timeline(root / "now" / TIMELINE)
        before = root / "before" if against is not None else None
        facts = "\n".join(f"- {fact.label}: {plain(fact.value)}" for fact in machine_facts(read_machine()))
        return "\n\n".join(
            (
                "# The time to a verdict",
                f"`python benchmarks/verdict.py` writes this page. It runs `{model}` with every candidate that can be\n"
                "made here, on a machine that should do nothing else.",
                "## Machine",
                facts,
                "## Whole commands",
                table(whole_table(runs)),
                """\
*The same again* takes the conversions from the cache and measures anew; what goes further takes conversions,
comparisons and measurements as they stand in the run.""",
                "## Phases of the first",
                table(phase_table(before, root / "now")),
                "## What the first was made of",
                table(kind_table(entries)),
                table(longest_table(entries)),
                """\
Processor time of emulated processors is in the validation of the candidates that round values; it is not there without
QEMU.""",
            )
        )


def main() -> int:
    """Write the page; exit code 1 when a run failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default=MODEL)
    parser.add_argument("--against", type=Path, metavar="TREE", help="another checkout, to be run before")
    parser.add_argument("--out", type=Path, default=PAGE, metavar="FILE", help="default: docs/time.md")
    options = parser.parse_args()
    try:
        write_bytes(options.out, (page(options.model, options.against) + "\n").encode())
    except subprocess.CalledProcessError as error:
        tell(f"error: a run ended with exit code {error.returncode}; {options.out} is as it was")
        return 1
    tell(f"written: {options.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
