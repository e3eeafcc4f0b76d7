"""Tables from columns."""

from __future__ import annotations

import math

from edgeproof.report.columns import figured, named, table_of, worded

FIELDS = (
    named("Name", lambda pair: pair[0]),
    figured("Length", "mm", lambda pair: pair[1], absent=lambda pair: f"{pair[0]} has no length"),
    figured("Weight", "g", lambda pair: pair[2], absent="no scales", noted_first=True),
    worded("Errors", lambda pair: str(len(pair)), unit="count", tone=lambda pair: "bad"),
)


def test_a_row_for_each_subject_and_a_footnote_for_each_reason():
    table = table_of("things", "Things.", FIELDS, [("a", 1.0, 2.0), ("b", None, math.nan), ("c", 3.0, math.inf)])
    assert [(column.title, column.unit) for column in table.columns][:2] == [("Name", None), ("Length", "mm")]
    assert [cell.text for cell in table.rows[0]] == ["a", "1.00", "2.00", "3"]
    assert [[cell.note for cell in row] for row in table.rows[1:]] == [[None, 2, 1, None], [None, None, 1, None]]
    assert [cell.tone for cell in table.rows[0]] == ["name", "", "", "bad"]
    assert table.notes == ("no scales", "b has no length")


def test_a_column_without_a_figure_is_a_line_below():
    table = table_of("things", "Things.", FIELDS, [("a", 1.0, None), ("b", None, None)])
    assert [column.title for column in table.columns] == ["Name", "Length", "Errors"]
    assert table.folded == ("Weight (g): no scales",)
    assert table.notes == ("b has no length",)
    assert table.rows[1][1].note == 1


def test_figures_keep_their_value_beside_the_text():
    table = table_of("things", "Things.", FIELDS, [("a", 1.23456, 2.0)])
    assert [cell.value for cell in table.rows[0]] == [None, 1.23456, 2.0, None]


def test_nothing_to_show_is_a_table_without_rows():
    assert table_of("things", "Things.", FIELDS, ()).rows == ()
