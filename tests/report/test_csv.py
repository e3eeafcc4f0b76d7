"""Tables as CSV: full figures, units in heads, why something is missing, and nothing a spreadsheet would run."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.report.columns import figured, named, table_of, worded
from edgeproof.report.content import Cell, Column, Table
from edgeproof.report.csv_files import csv_files, csv_text
from edgeproof.report.quantities import percent

FIELDS = (
    named("Name", lambda row: row[0]),
    figured("Agreement", "%", lambda row: row[1], percent, "nobody looked", raw="share"),
    figured("Weight", "g", lambda row: None, absent="no scales"),
    worded("Calls", lambda row: "12,345", unit="count"),
)


def read(text):
    return list(csv.reader(io.StringIO(text, newline="")))


def test_figures_are_whole_and_their_unit_is_the_one_they_have():
    table = table_of("things", "Things.", FIELDS, [("a", 0.123456789), ("b", None)])
    head, first, second = read(csv_text(table))
    assert head == ["Name", "Agreement (share)", "Calls (count)", "not measured"]
    assert first == ["a", "0.123456789", "12345", "Weight (g): no scales"]
    assert second == ["b", "", "12345", "Agreement: nobody looked"]
    assert list(csv_files([table])) == ["things.csv"]


@pytest.mark.parametrize("text", ["=1+1", "@SUM(A1)", "+cmd", "-cmd|x"])
def test_a_text_never_starts_a_formula(text):
    table = Table("t", "T.", (Column("Name"),), ((Cell(text),),))
    assert read(csv_text(table))[1][0] == f"'{text}"


def test_a_negative_number_stays_one():
    table = Table("t", "T.", (Column("Lost", "points"),), ((Cell("-0.28", value=-0.28),), (Cell("-3.1e-8"),)))
    assert [row[0] for row in read(csv_text(table))[1:]] == ["-0.28", "-3.1e-8"]


@given(st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=1), min_size=1, max_size=4))
def test_any_text_comes_back_behind_at_most_a_quote(texts):
    table = Table("t", "T.", tuple(Column(f"c{at}") for at in range(len(texts))), (tuple(map(Cell, texts)),))
    for found, text in zip(read(csv_text(table))[1], texts, strict=False):
        assert found in (text, f"'{text}", text.replace(",", ""))
