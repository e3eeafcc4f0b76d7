"""The table of candidates on other processors."""

from __future__ import annotations

from pathlib import Path
from runpy import run_path

import msgspec

from edgeproof.documents.validation import Differences, OnProcessor
from edgeproof.report.processors import table

BUILD = run_path(str(Path(__file__).with_name("builders.py")))


def there(name, agreement, *, relative=None, reason=None, remedy=None):
    worst = None
    if relative is not None:
        worst = Differences(
            max_abs=1.0,
            l2_mean=1.0,
            l2_max=1.0,
            relative_l2=relative,
            cosine_min=1.0,
            snr_db=1.0,
            argmax_agreement=1.0,
            smallest_passing_tolerance=relative,
        )
    return OnProcessor(processor=name, title="t", agreement=agreement, differences=worst, reason=reason, remedy=remedy)


def test_a_row_a_candidate_and_a_column_a_processor():
    validation = BUILD["validation"]()
    first, second, *rest = validation.results
    first = msgspec.structs.replace(
        first,
        processors=(there("a", "same bits", relative=0.1), there("b", "wrong", relative=0.5, reason="r", remedy="m")),
    )
    second = msgspec.structs.replace(
        second, processors=(there("a", "within tolerance", relative=0.02), there("c", "not run", reason="no runtime"))
    )
    found = table(msgspec.structs.replace(validation, results=(first, second, *rest)))
    assert found is not None
    assert [column.title for column in found.columns] == ["Candidate", "a", "b", "c"]
    assert [[cell.text for cell in row[1:]] for row in found.rows] == [
        ["same bits", "wrong, 0.5", "not measured"],
        ["within tolerance, 0.02", "not measured", "not run"],
    ]
    assert [cell.tone for cell in found.rows[0]] == ["name", "good", "bad", "absent"]
    assert found.notes == ("b: r; m", "it was not asked for", "no runtime")
    assert [cell.note for cell in found.rows[1]] == [None, None, 2, 3]


def test_where_nothing_was_run_elsewhere_there_is_no_table():
    assert table(None) is None
    assert table(BUILD["validation"]()) is None
