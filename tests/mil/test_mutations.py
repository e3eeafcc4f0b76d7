"""One fault in a package is found, and a package without one is not suspected."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.mil.mutations import COUNT, KINDS, clean_packages, drawn, flagged, planted

pytestmark = pytest.mark.slow


def test_two_hundred_faults(tmp_path: Path) -> None:
    cleans = list(clean_packages(tmp_path))
    assert [clean.name for clean in cleans if flagged(clean, clean.message, clean.weights)] == []
    faults = drawn(cleans, COUNT)
    assert len(faults) == COUNT
    assert {fault.kind for _, fault in faults} == set(KINDS)
    missed = [
        f"{clean.name}-{clean.precision} {fault.kind} {fault.where}"
        for clean, fault in faults
        if flagged(clean, *planted(clean, fault)) is None
    ]
    assert len(missed) <= COUNT // 100, missed
