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
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "coreml.md"
RECORD = ROOT / "bench_output" / "conformance.jsonl"
ENOUGH = 0.99


def coverage() -> str:
    """The operations by family, each with the systems whose opset brought one of its versions."""
    from edgeproof.mil.registry import known_ops

    families: dict[str, list[str]] = defaultdict(list)
    for name, versions in known_ops().items():
        since = ", ".join(one.since.removeprefix("iOS") for one in versions)
        families[versions[0].family].append(f"`{name}` ({since})")
    rows = [f"| {family.replace('_', ' ')} | {', '.join(names)} |" for family, names in sorted(families.items())]
    total = sum(len(names) for names in families.values())
    versions = sum(len(versions) for versions in known_ops().values())
    return "\n".join(
        [
            f"{total} operations in {versions} versions. In brackets: the iOS versions whose opsets brought it.",
            "",
            "| family | operations |",
            "|---|---|",
            *rows,
        ]
    )


def conformance(show: bool) -> tuple[str, bool]:
    """Run the suite; its table, and whether enough cases pass."""
    sys.path.insert(0, str(ROOT))
    from importlib.metadata import version

    from tests.conformance.reasons import reason_for
    from tests.conformance.suite import counts, run_suite

    RECORD.parent.mkdir(parents=True, exist_ok=True)
    outcomes = run_suite(RECORD, workers=os.cpu_count() or 1, show=show)
    totals = Counter(one.outcome for one in outcomes)
    compared = sum(one.predicted > 0 for one in outcomes)
    tried = totals["passed"] + totals["failed"]
    lines = [
        f"coremltools {version('coremltools')}, all {len(outcomes):,} cases for ML programs, in fp16 and in fp32: "
        f"{totals['passed']:,} pass, {totals['failed']:,} fail ({100 * totals['passed'] / tried:.2f} % of those that "
        f"run pass), {totals['skipped']:,} are skipped by the suite itself. In {compared:,} the interpreter was asked; "
        "the others test conversion or types alone.",
        "",
        "| file | pass | fail | skipped |",
        "|---|---:|---:|---:|",
        *(f"| `{file}` | {one['passed']:,} | {one['failed']:,} | {one['skipped']:,} |"
          for file, one in counts(outcomes).items()),
    ]  # fmt: skip
    failures: dict[str, list[str]] = defaultdict(list)
    for one in outcomes:
        if one.outcome == "failed":
            failures[reason_for(one.case) or "**not known**"].append(re.sub(r"\[.*", "", one.case))
    if failures:
        lines += ["", "| cases that fail | number | why |", "|---|---:|---|"]
        for reason, cases in failures.items():
            lines.append(f"| {', '.join(f'`{name}`' for name in sorted(set(cases)))} | {len(cases):,} | {reason} |")
    return "\n".join(lines), totals["passed"] / tried >= ENOUGH


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
    parser.add_argument("--conformance", action="store_true", help="run coremltools' own tests of operations")
    parser.add_argument("--quiet", action="store_true", help="without pytest's progress")
    options = parser.parse_args()
    page = put(PAGE.read_text(encoding="utf-8"), "operations", coverage())
    enough = True
    if options.conformance:
        table, enough = conformance(not options.quiet)
        page = put(page, "conformance", table)
    PAGE.write_text(page, encoding="utf-8")
    return 0 if enough else 1


if __name__ == "__main__":
    sys.exit(main())
