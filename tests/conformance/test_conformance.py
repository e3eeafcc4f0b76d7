"""A sample of coremltools' own tests, spread over all their files, with the interpreter in the place of ``predict``."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from tests.conformance.reasons import MIXED, reason_for
from tests.conformance.suite import CONVERSIONS, OPERATIONS, run_suite, suite_folder

pytestmark = pytest.mark.slow

SAMPLE = 1_650
"""Those that the suite itself skips are among them."""
FEW = 240
"""Of the conversions, which take longer."""


def test_a_sample_of_apples_own_cases(tmp_path: Path) -> None:
    outcomes = run_suite(tmp_path / "record.jsonl", sample=SAMPLE)
    failed = [outcome for outcome in outcomes if outcome.outcome == "failed"]
    assert [f"{outcome.case}: {outcome.reason}" for outcome in failed if reason_for(outcome.case) is None] == []
    totals = Counter(outcome.outcome for outcome in outcomes)
    assert totals["passed"] + totals["failed"] >= 1_500
    assert sum(re.search(MIXED, outcome.case) is None for outcome in failed) <= totals["passed"] // 100
    assert sum(outcome.predicted > 0 for outcome in outcomes) >= 0.8 * len(outcomes), "they compare nothing"
    (folder,) = (suite_folder() / path for path in OPERATIONS)
    files = {path.relative_to(folder).as_posix() for path in folder.glob("iOS*/test_*.py")}
    assert {outcome.file for outcome in outcomes} >= files - {"iOS15/test_tensor_transformation.py"}


def test_a_sample_of_pytorchs_conversions(tmp_path: Path) -> None:
    outcomes = run_suite(tmp_path / "record.jsonl", CONVERSIONS, sample=FEW)
    compared = [outcome for outcome in outcomes if outcome.predicted]
    assert len(compared) >= FEW // 2, "they compare nothing"
    failed = [
        f"{outcome.case}: {outcome.reason}"
        for outcome in compared
        if outcome.outcome == "failed" and not reason_for(outcome.case)
    ]
    assert failed == []
