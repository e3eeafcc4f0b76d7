"""docs/power.md and pyproject.toml say what meters there are; ``python -m tests.meters.test_page`` writes the table."""

from __future__ import annotations

import tomllib
from pathlib import Path

from edgeproof.measure.metering import CLOCK_SHARE, CLOCKS_WITHIN_MS, ENOUGH, FRESH, GAP_SHARE, GARBAGE_SHARE
from edgeproof.meters.base import About
from edgeproof.meters.registry import OURS, broken_meters, meters

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "power.md"
BEGIN, END = "<!-- meters -->\n", "<!-- /meters -->"
HEAD = "| meter | what it is | reads | resolution | leaves out | where | tried with |\n|---|---|---|---|---|---|---|\n"


def row(about: About) -> str:
    """A meter's line in the table."""
    what = f"{about.title}{'; **an estimate**: ' + about.estimate if about.estimate else ''}"
    where = "board" if about.on_board else "beside"
    cells = (f"`{about.name}`", what, about.reads, about.resolution, about.omits, where, about.tested_with)
    return f"| {' | '.join(cells)} |\n"


def with_table(page: str) -> str:
    """The page with the table as the registry has it."""
    before, _, rest = page.partition(BEGIN)
    rows = "".join(row(meters()[name].about) for name in OURS)
    return before + BEGIN + HEAD + rows + END + rest.partition(END)[2]


def test_the_table_is_what_the_registry_has() -> None:
    page = PAGE.read_text()
    assert with_table(page) == page, "python -m tests.meters.test_page writes it"


def test_pyproject_registers_what_is_known_without_it() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["entry-points"]["edgeproof.meters"] == OURS
    assert broken_meters() == {}
    for name in OURS:
        about = meters()[name].about
        assert about.name == name
        assert about.tested_with, "what stands in for the hardware, which none of them has seen"
        assert about.rate_hz > 0
    asked = {package for name in OURS for package in meters()[name].about.requires}
    extra = {requirement.partition(">")[0] for requirement in project["optional-dependencies"]["power"]}
    assert asked <= extra


def test_the_page_has_the_figures_of_the_code() -> None:
    page = PAGE.read_text()
    assert f"more than {CLOCKS_WITHIN_MS:.0f} ms" in page
    assert f"more than {CLOCK_SHARE:.0%}".replace("%", " %") in page
    assert f"fewer than {ENOUGH} samples, or {FRESH} new values" in page
    assert f"gaps (five usual intervals) of more than {GAP_SHARE:.0%}".replace("%", " %") in page
    assert f"more than {GARBAGE_SHARE:.0%}".replace("%", " %") in page
    assert "No meter of this page has been tried on hardware" in page


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text()))
