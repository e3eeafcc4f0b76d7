"""docs/metrics.md says what there is."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from edgeproof.metrics.comparing import DRAWS, LEAST_DRAWS, LEAST_SAMPLES
from edgeproof.metrics.intervals import MOST_UNDEFINED, tango
from edgeproof.metrics.library import LIBRARY
from edgeproof.metrics.registry import BUILT_IN, metric

PAGE = (Path(__file__).parents[2] / "docs" / "metrics.md").read_text()
ROWS = {
    cells[0].strip("`"): cells[1:]
    for line in PAGE.partition("## By name")[2].partition("\n- ")[0].splitlines()
    if len(cells := [cell.strip() for cell in line.strip("|").split("|")]) == 6 and cells[0].startswith("`")
}


def test_the_table_has_every_built_in_name() -> None:
    assert ROWS.keys() == BUILT_IN.keys()


@pytest.mark.parametrize("name", BUILT_IN)
def test_a_row_says_what_the_metric_says(name: str) -> None:
    _, _, better, unit, arguments = ROWS[name]
    spec = metric(name).spec
    assert (better, unit) == (spec.better, spec.unit)
    own = LIBRARY.get(name)
    taken = ["unit", *own.made_with, *own.read_with] if own else list(inspect.signature(BUILT_IN[name]).parameters)
    assert re.findall(r"`(\w+)`", arguments) == taken


def test_the_figures_are_those_of_the_code() -> None:
    assert f"up to {DRAWS:,} draws" in PAGE
    assert f"fewer than {LEAST_DRAWS} draws" in PAGE
    assert f"fewer than {LEAST_SAMPLES} samples" in PAGE
    assert f"{MOST_UNDEFINED:.0%}".replace("%", " %") in PAGE
    assert f"± {100 * tango(0, 0, 360)[1]:.2f} points at 360 samples" in PAGE
