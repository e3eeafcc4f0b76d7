"""A sample of coremltools' own tests, spread over all their files, with the interpreter in the place of ``predict``."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from tests.conformance.reasons import KNOWN
from tests.conformance.suite import run_suite, suite_folder

pytestmark = pytest.mark.slow

PARTS = 2
SAMPLE = 1_600


@pytest.mark.parametrize("part", range(PARTS))
def test_a_sample_of_apples_own_cases(part: int, tmp_path: Path) -> None:
    outcomes = run_suite(tmp_path / "record.jsonl", sample=f"{SAMPLE}/{part}/{PARTS}")
    failed = [f"{one.case}: {one.reason}" for one in outcomes if one.outcome == "failed"]
    unexpected = [line for line in failed if not any(line.startswith(start) for start in KNOWN)]
    assert unexpected == []
    totals = Counter(one.outcome for one in outcomes)
    assert totals["passed"] + totals["failed"] >= 1_500 // PARTS
    assert len(failed) <= totals["passed"] // 100
    assert sum(one.predicted > 0 for one in outcomes) >= 0.8 * len(outcomes), "they compare nothing"
    files = {path.relative_to(suite_folder()).as_posix() for path in suite_folder().glob("iOS*/test_*.py")}
    assert {one.file for one in outcomes} >= files - {"iOS15/test_tensor_transformation.py"}
