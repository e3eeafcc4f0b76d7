#!/usr/bin/env python3
"""Runs the benchmarks and writes docs/benchmarks.md: figures, machine, versions."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

from artifacts import ROOT, tell

from edgeproof.files import write_bytes
from edgeproof.phases.preparation.environment import read_environment
from edgeproof.process import environment as environment_of_children
from edgeproof.report.content import Fact
from edgeproof.report.markdown import plain
from edgeproof.report.provenance import machine_facts

PAGE = ROOT / "docs" / "benchmarks.md"
PARTS = ("runtimes.py", "instructions.py", "startup.py", "serving.py", "soak_server.py", "reference_check.py")
HEAD = """\
# Benchmarks

`make bench` writes this page. Both sides of a comparison take turns in the same minutes; a percentile stands here only
if its count supports it by the early-stopping rule of MLPerf LoadGen, at 99 % confidence. The figures hold for this
machine and these versions, and for nothing else: measure on your device before you decide."""


def page() -> str:
    """All parts.

    Raises:
        CalledProcessError: a benchmark failed.
    """
    environment = read_environment()
    versions = ", ".join(f"{name} {version}" for name, version in environment.packages.items())
    facts = [*machine_facts(environment.machine), Fact("Versions", f"edgeproof {environment.edgeproof}, {versions}")]
    machine = "\n".join(f"- {fact.label}: {plain(fact.value)}" for fact in facts)
    return "\n\n".join((HEAD, "## Machine", machine, *(printed(part) for part in PARTS))) + "\n"


def printed(part: str) -> str:
    """What a benchmark prints, in a process whose thread pools are held to one thread from its start.

    Raises:
        CalledProcessError: it failed, and said why on stderr.
    """
    command = [sys.executable, str(Path(__file__).with_name(part))]
    return subprocess.run(
        command, env=environment_of_children(), stdout=subprocess.PIPE, text=True, check=True
    ).stdout.strip()


def main() -> int:
    """Write the page; exit code 1 when a benchmark failed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=PAGE, metavar="FILE", help="default: docs/benchmarks.md")
    out: Path = parser.parse_args().out
    try:
        write_bytes(out, page().encode())
    except subprocess.CalledProcessError as error:
        tell(f"error: {Path(error.cmd[-1]).name} ended with exit code {error.returncode}; {out} is as it was")
        return 1
    tell(f"written: {out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
