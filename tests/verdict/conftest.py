"""The builders of ``tests/report/builders.py`` as one fixture."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest


@pytest.fixture(scope="session")
def build() -> SimpleNamespace:
    """Typed documents of a run, every part replaceable."""
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "report" / "builders.py")))
