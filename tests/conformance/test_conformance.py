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
    failed = [one for one in outcomes if one.outcome == "failed"]
    assert [f"{one.case}: {one.reason}" for one in failed if reason_for(one.case) is None] == []
    totals = Counter(one.outcome for one in outcomes)
    assert totals["passed"] + totals["failed"] >= 1_500
    assert sum(re.search(MIXED, one.case) is None for one in failed) <= totals["passed"] // 100
    assert sum(one.predicted > 0 for one in outcomes) >= 0.8 * len(outcomes), "they compare nothing"
    (folder,) = (suite_folder() / one for one in OPERATIONS)
    files = {path.relative_to(folder).as_posix() for path in folder.glob("iOS*/test_*.py")}
    assert {one.file for one in outcomes} >= files - {"iOS15/test_tensor_transformation.py"}


def test_a_sample_of_pytorchs_conversions(tmp_path: Path) -> None:
    outcomes = run_suite(tmp_path / "record.jsonl", CONVERSIONS, sample=FEW)
    compared = [one for one in outcomes if one.predicted]
    assert len(compared) >= FEW // 2, "they compare nothing"
    failed = [f"{one.case}: {one.reason}" for one in compared if one.outcome == "failed" and not reason_for(one.case)]
    assert failed == []
