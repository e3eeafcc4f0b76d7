#!/usr/bin/env python3
"""Brings the generated parts of docs/coreml.md up to date: which operations are known, and what Apple's own tests say.

    scripts/coreml_page.py                    the operations, from the registry
    scripts/coreml_page.py --conformance      coremltools' own tests too: all of them, half an hour on two cores

The text between the marks of the page is written anew; the rest of it is kept.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conformance.suite import Outcome

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "coreml.md"
RECORD = ROOT / "bench_output" / "conformance.jsonl"
CONVERSIONS_RECORD = RECORD.with_name("conversions.jsonl")
ENOUGH = 0.99


def coverage() -> str:
    """The operations by family, each with the systems whose opset brought one of its versions."""
    from edgeproof.mil.registry import known_ops

    families: dict[str, list[str]] = defaultdict(list)
    for name, versions in known_ops().items():
        since = ", ".join(operation.since.removeprefix("iOS") for operation in versions)
        families[versions[0].family].append(f"`{name}` ({since})")
    rows = [f"| {family.replace('_', ' ')} | {', '.join(names)} |" for family, names in sorted(families.items())]
    total = sum(len(names) for names in families.values())
    versions_in_all = sum(len(versions) for versions in known_ops().values())
    return "\n".join(
        [
            f"{total} operations in {versions_in_all} versions. In brackets: the iOS versions whose opsets brought it.",
            "",
            "| family | operations |",
            "|---|---|",
            *rows,
        ]
    )


def outcomes_of(record: Path, files: Sequence[str], options: argparse.Namespace) -> list[Outcome]:
    """Run those files of the suite, or take what their last run left."""
    from tests.conformance.suite import read_record, run_suite

    record.parent.mkdir(parents=True, exist_ok=True)
    if options.kept:
        return read_record(record)
    return run_suite(record, files, workers=os.cpu_count() or 1, show=not options.quiet)


def operations_table(outcomes: Sequence[Outcome]) -> str:
    """What the tests of single operations say."""
    from importlib.metadata import version

    from tests.conformance.reasons import MIXED
    from tests.conformance.suite import counts

    usual = usual_of(outcomes)
    mixed = [outcome for outcome in outcomes if re.search(MIXED, outcome.case)]
    single = [outcome for outcome in outcomes if "precision='fp32'" in outcome.case and outcome not in mixed]
    compared = sum(outcome.predicted > 0 for outcome in outcomes)
    lines = [
        f"coremltools {version('coremltools')}, all {len(outcomes):,} cases for ML programs. Of those that the suite "
        f"runs by default, in fp16, {told(usual)}. The same in fp32, held to 1e-4: {told(single)}. Cases for fp32 that "
        f"bring values in fp16, and hold those to 1e-4 too: {told(mixed)}. In {compared:,} cases the interpreter was "
        "asked; the others test conversion or types alone.",
        "",
        "| file | pass | fail | skipped by the suite |",
        "|---|---:|---:|---:|",
        *(
            f"| `{file}` | {count['passed']:,} | {count['failed']:,} | {count['skipped']:,} |"
            for file, count in counts(outcomes).items()
        ),
    ]
    return "\n".join([*lines, *failures(outcomes)])


def conversions_table(outcomes: Sequence[Outcome]) -> str:
    """What the tests of whole conversions say, of which those count that compared something."""
    compared = [outcome for outcome in outcomes if outcome.predicted]
    passed = sum(outcome.outcome == "passed" for outcome in compared)
    totals = Counter(outcome.outcome for outcome in outcomes if not outcome.predicted)
    lines = [
        f"In {len(compared):,} of {len(outcomes):,} cases the interpreter was asked: {passed:,} pass, "
        f"{len(compared) - passed:,} fail ({100 * share(compared):.2f} % pass). The others compare nothing here: "
        f"{totals['skipped']:,} are skipped by the suite, {totals['passed']:,} expect a refusal, and "
        f"{totals['failed']:,} need torchvision, or end in the converter or in Apple's compiler.",
        "",
        "| precision | pass | fail |",
        "|---|---:|---:|",
    ]
    for precision in ("fp16", "fp32"):
        sorts = Counter(outcome.outcome for outcome in compared if f"'{precision}'" in outcome.case)
        lines.append(f"| {precision} | {sorts['passed']:,} | {sorts['failed']:,} |")
    return "\n".join([*lines, *failures(compared)])


def failures(outcomes: Sequence[Outcome]) -> list[str]:
    """The table of the cases that fail, by reason."""
    from tests.conformance.reasons import reason_for

    reasons: dict[str, list[str]] = defaultdict(list)
    for outcome in outcomes:
        if outcome.outcome == "failed":
            reasons[reason_for(outcome.case) or "**not known**"].append(re.sub(r"\[.*", "", outcome.case))
    if not reasons:
        return []
    return [
        "",
        "| cases that fail | number | why |",
        "|---|---:|---|",
        *(
            f"| {', '.join(f'`{name}`' for name in sorted(set(cases)))} | {len(cases):,} | {reason} |"
            for reason, cases in reasons.items()
        ),
    ]


def usual_of(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The cases that the suite runs by default."""
    return [outcome for outcome in outcomes if "precision='fp32'" not in outcome.case]


def share(outcomes: Sequence[Outcome]) -> float:
    """Of the cases that ran, those that passed."""
    totals = Counter(outcome.outcome for outcome in outcomes)
    return totals["passed"] / max(1, totals["passed"] + totals["failed"])


def told(outcomes: Sequence[Outcome]) -> str:
    totals = Counter(outcome.outcome for outcome in outcomes)
    return (
        f"{totals['passed']:,} pass, {totals['failed']:,} fail ({100 * share(outcomes):.2f} % pass) and "
        f"{totals['skipped']:,} are skipped by the suite itself"
    )


def put(page: str, mark: str, text: str) -> str:
    """The page with the part between two marks replaced."""
    begin, end = f"<!-- {mark}: begin -->", f"<!-- {mark}: end -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise SystemExit(f"{PAGE} has no marks {begin} and {end}")
    return f"{before}{begin}\n{text}\n{end}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conformance", action="store_true", help="run coremltools' own tests")
    parser.add_argument("--quiet", action="store_true", help="without pytest's progress")
    parser.add_argument("--kept", action="store_true", help="take what the last run of them left, and run nothing")
    options = parser.parse_args()
    page = put(PAGE.read_text(encoding="utf-8"), "operations", coverage())
    enough = True
    if options.conformance or options.kept:
        sys.path.insert(0, str(ROOT))
        from tests.conformance.suite import CONVERSIONS, OPERATIONS

        operations = outcomes_of(RECORD, OPERATIONS, options)
        page = put(page, "conformance", operations_table(operations))
        conversions = outcomes_of(CONVERSIONS_RECORD, CONVERSIONS, options)
        page = put(page, "conversions", conversions_table(conversions))
        compared = [outcome for outcome in conversions if outcome.predicted]
        enough = share(usual_of(operations)) >= ENOUGH and share(compared) >= ENOUGH
    PAGE.write_text(page, encoding="utf-8")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
