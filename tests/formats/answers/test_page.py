"""The page of operators says what the answers say; ``python -m tests.formats.answers.test_page`` writes it."""

from __future__ import annotations

from pathlib import Path

from edgeproof.formats.answers.table import ANSWERS

PAGE = Path(__file__).parents[3] / "docs" / "operators.md"
MARK = "<!-- answers: written by tests/formats/answers/test_page.py from formats/answers/table.py -->\n"


def section() -> str:
    rows = ["| operators | refused in | why | instead |", "|---|---|---|---|"]
    for answer in ANSWERS:
        operators = ", ".join(f"`{operator}`" for operator in answer.operators)
        cells = (operators, ", ".join(answer.fails), answer.why, answer.remedy)
        rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n" + "\n".join(rows) + "\n"


def written() -> str:
    return PAGE.read_text().partition(MARK)[0] + MARK + section()


def test_the_page_has_the_table_of_answers() -> None:
    assert PAGE.read_text() == written(), "run: python -m tests.formats.answers.test_page"


if __name__ == "__main__":
    PAGE.write_text(written())
