"""The page in a real browser: its tables sort and filter under its own policy, a phone's width holds it, folds open."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from edgeproof.documents.policy import PolicyValue
from edgeproof.report.compose import build as compose
from edgeproof.report.content import ReportInput
from edgeproof.report.html import render_html
from edgeproof.report.plots import draw
from edgeproof.verdict.decide import decide

browser = runpy.run_path(str(Path(__file__).parent / "browser.py"))
pytestmark = pytest.mark.skipif(browser["CHROMIUM"] is None, reason="there is no Chromium here")

CANDIDATES = "document.getElementById('candidates')"
NAMES = f"Array.from({CANDIDATES}.tBodies[0].rows).filter(row => !row.hidden).map(row => row.cells[0].textContent)"


@pytest.fixture(scope="module")
def file(build, tmp_path_factory):
    evidence = build.evidence()
    evaluation = decide(evidence, PolicyValue(), build.PLATFORMS, policy_source="test")
    given = ReportInput(evidence, evaluation, "x = 1", build.raw_latencies())
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(render_html(compose(given, draw(given))))
    return path


@pytest.fixture(scope="module")
def page(file, tmp_path_factory):
    with browser["opened"](file, tmp_path_factory.mktemp("profile")) as found:
        yield found


def press(page, title):
    page.evaluate(
        f"Array.from({CANDIDATES}.tHead.rows[0].cells).find(cell => cell.textContent.startsWith('{title}'))"
        ".querySelector('button').click()"
    )


def test_a_table_sorts_by_its_figures_and_what_is_missing_stays_last(page, build):
    press(page, "Host p90")
    names = page.evaluate(NAMES)
    measured = sorted(build.FIGURES, key=lambda name: build.FIGURES[name][4])
    assert names[: len(measured)] == measured
    assert set(names[len(measured) :]) == {"openvino-fp32", "coreml-fp16", "coreml-fp32"}
    press(page, "Host p90")
    assert page.evaluate(NAMES)[: len(measured)] == measured[::-1]
    sort = f"Array.from({CANDIDATES}.tHead.rows[0].cells).map(cell => cell.getAttribute('aria-sort')).filter(Boolean)"
    assert page.evaluate(sort) == ["descending"]


def test_words_sort_as_words(page, build):
    press(page, "Candidate")
    names = page.evaluate(NAMES)
    assert names == sorted(names)


def test_rows_are_filtered_by_words(page):
    field = f"{CANDIDATES}.parentElement.previousElementSibling.querySelector('input')"
    page.evaluate(f"{field}.value = 'litert passed'; {field}.dispatchEvent(new Event('input'))")
    assert set(page.evaluate(NAMES)) == {"litert-fp32", "litert-fp16"}
    assert page.evaluate(f"{field}.nextElementSibling.textContent") == "2 of 12 rows"
    page.evaluate(f"{field}.value = ''; {field}.dispatchEvent(new Event('input'))")
    assert len(page.evaluate(NAMES)) == 12


def test_no_other_script_runs(page):
    run = (
        "new Promise(go => { const script = document.createElement('script'); script.textContent = 'window.evil = 1';"
        " document.body.appendChild(script); setTimeout(() => go(window.evil === undefined), 50) })"
    )
    assert page.evaluate(run) is True


def test_a_link_opens_the_folds_around_its_target(page):
    page.evaluate("document.querySelector('a.whole').click(); new Promise(go => setTimeout(go, 100))")
    target = "document.getElementById('candidate-sdk-native')"
    assert page.evaluate(f"{target}.open && {target}.parentElement.closest('details').open") is True


def test_the_verdict_the_changes_and_the_front_are_one_screen_and_the_rest_is_folded(file, tmp_path):
    with browser["opened"](file, tmp_path) as page:
        bottom = "document.getElementById('front-section').getBoundingClientRect().bottom"
        assert page.evaluate(bottom) < 1200
        assert page.evaluate("document.querySelectorAll('details[open]').length") == 0


def test_a_phone_scrolls_tables_and_never_the_page_and_no_word_is_broken(file, tmp_path):
    with browser["opened"](file, tmp_path, width=390) as page:
        page.evaluate("document.querySelectorAll('details').forEach(fold => fold.open = true)")
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate(f"{CANDIDATES}.parentElement.scrollWidth > {CANDIDATES}.parentElement.clientWidth") is True
        broken = (
            "Array.from(document.querySelectorAll('td.absent, td.num')).filter(cell => { const range ="
            " document.createRange(); range.selectNodeContents(cell.firstChild);"
            " return range.getClientRects().length > 1 }).map(cell => cell.textContent)"
        )
        assert page.evaluate(broken) == []
