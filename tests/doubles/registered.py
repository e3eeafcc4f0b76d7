"""The misbehaving format as an installed one, here and in every process started from here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from edgeproof.formats.registry import forget_formats

DOUBLES = Path(__file__).parent / "formats"


@pytest.fixture
def _misbehaving(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.syspath_prepend(DOUBLES)
    monkeypatch.setenv("PYTHONPATH", str(DOUBLES))
    forget_formats()
    yield
    forget_formats()
