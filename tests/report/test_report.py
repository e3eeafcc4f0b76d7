"""The report: order, units, reasons for what is missing, and that hostile text stays text."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import msgspec
import pytest
from markdown_it import MarkdownIt

from edgeproof.documents.device import DEVICE_CLASSES
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.task import MetricSpec, SliceScore, TaskScore
from edgeproof.report.compose import build as compose
from edgeproof.report.content import DEVICE_TITLES, ReportInput
from edgeproof.report.html import render_html
from edgeproof.report.markdown import code, plain, render_markdown
from edgeproof.report.plots import draw
from edgeproof.verdict.decide import decide
from edgeproof.verdict.policy import policy_toml

HOSTILE = '<script>alert("x")</script> & "q" | `b` $\\frac{1}{2}$ **bold** ]](http://evil.example) '


def report_of(build, evidence, *, latencies=None, policy=None):
    policy = policy or PolicyValue()
    evaluation = decide(evidence, policy, build.PLATFORMS, policy_source="the default policy")
    given = ReportInput(evidence, evaluation, policy_toml(policy), latencies if latencies is not None else {})
    return compose(given, draw(given))


@pytest.fixture(scope="module")
def full(build):
    return report_of(build, build.evidence(), latencies=build.raw_latencies())


@pytest.fixture(scope="module")
def page(full):
    return render_html(full)


class Outline(HTMLParser):
    """Headings, tables, attributes and element balance of a page."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.stack, self.headings, self.tags, self.text = [], [], [], []
        self.ids, self.references = [], []

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        self.references += (attributes.get("aria-labelledby") or "").split()
        if (attributes.get("href") or "").startswith("#"):
            self.references.append(attributes["href"][1:])
        if tag not in self.VOID:
            self.stack.append(tag)
        if re.fullmatch("h[1-6]", tag):
            self.headings.append([tag, ""])

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.stack.pop()

    def handle_endtag(self, tag):
        assert self.stack, f"</{tag}> closes nothing"
        assert self.stack.pop() == tag, f"</{tag}> is out of place"

    def handle_data(self, data):
        self.text.append(data)
        if self.stack and re.fullmatch("h[1-6]", self.stack[-1]):
            self.headings[-1][1] += data


def outline(page):
    found = Outline()
    found.feed(page)
    assert found.stack == []
    return found


def test_the_page_comes_in_the_order_a_reader_needs(page, full):
    headings = [text for tag, text in outline(page).headings if tag == "h2"]
    expected = ["Verdict", "What would change it", "The front", "Candidates", "Plots", "Candidate by candidate",
                "Failures", "Policy", "How to reproduce", "Not measured"]  # fmt: skip
    assert headings == expected
    markdown = re.findall(r"^## (.+)$", render_markdown(full), re.MULTILINE)
    assert markdown == expected


def test_the_page_is_well_formed_and_its_references_lead_somewhere(page):
    found = outline(page)
    assert len(found.ids) == len(set(found.ids))
    assert set(found.references) <= set(found.ids)
    assert ("html", {"lang": "en"}) in found.tags
    assert [text for tag, text in found.headings if tag == "h1"] == ["digits_snn"]


def test_nothing_is_loaded_from_anywhere(page):
    found = outline(page)
    assert not {"link", "img", "iframe", "object"} & {tag for tag, _ in found.tags}
    assert "http://" not in page
    assert "https://" not in page
    assert not re.search(r"@import|url\((?!#)", page)


def test_its_own_script_is_all_that_may_run(page, build):
    scripts = re.findall(r"<script>(.*?)</script>", page, re.DOTALL)
    assert len(scripts) == 1
    digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
    (policy,) = re.findall(r'http-equiv="Content-Security-Policy" content="([^"]+)"', page)
    assert f"script-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"\son\w+=", page)


def test_every_verdict_stands_in_one_sentence_with_its_confidence(full, page):
    assert sorted(device for verdict in full.verdicts for device in verdict.devices) == sorted(DEVICE_CLASSES)
    markdown = render_markdown(full)
    for verdict in full.verdicts:
        assert verdict.sentence.count(". ") == 0
        assert f"{verdict.confidence} confidence" in page
        assert f"{plain(verdict.sentence)} Confidence: {verdict.confidence}." in markdown


def test_every_column_of_figures_has_a_unit(full):
    words = {
        "Candidate",
        "Status",
        "Output",
        "Device",
        "Policy",
        "What was seen",
        "Rewrite",
        "Why",
        "Reason",
        "What can be done",
        *DEVICE_TITLES.values(),
    }
    for table in full.tables:
        for index, column in enumerate(table.columns):
            assert column.unit or column.title in words, f"{table.id}: {column.title} has no unit"
            if not column.numeric:
                assert not any(re.fullmatch(r"[\d.,]+", row[index].text) for row in table.rows)


def test_every_row_has_a_cell_a_column_and_every_note_a_reason(full):
    for table in full.tables:
        for row in table.rows:
            assert len(row) == len(table.columns)
            for cell in row:
                if cell.text == "not measured" and cell.tone == "absent" and cell.note is not None:
                    assert table.notes[cell.note - 1]
    absent = [cell for row in full.candidates.rows for cell in row if cell.text == "not measured"]
    assert absent
    assert all(cell.note for cell in absent)


def test_slices_have_a_table_of_their_own_in_the_metrics_unit(build):
    task = TaskScore(
        score=4.2, reference=4.0, drop=0.2, low=-0.1, high=0.5, count=120, method="paired bootstrap", draws=2000
    )
    slices = (SliceScore(kind="slice", name="night", task=task),)
    metric = MetricSpec(name="mae", better="lower", unit="mm")
    result = build.result("onnx-int8", spiking=False, task=task, task_score=4.2, task_drop=0.2, slices=slices)
    validation = build.validation(result, spiking=False)
    validation = msgspec.structs.replace(validation, metric=metric, task="mae", reference_score=4.0)
    evidence = build.evidence(samples=build.samples(spiking=False), validation=validation)
    report = report_of(build, evidence)
    detail = next(detail for detail in report.details if detail.row.candidate == "onnx-int8")
    table = next(table for table in detail.tables if table.id.endswith("-slices"))
    heads = [f"{column.title} {column.unit or ''}".strip() for column in table.columns]
    assert heads == ["Slice", "Samples", "Eager mae mm", "MAE mm", "Lost mm", "At least mm", "At most mm"]
    assert [cell.text for cell in table.rows[0]] == ["slice night", "120", "4.00", "4.20", "0.200", "-0.100", "0.500"]
    heads = {column.title: column.unit for column in report.candidates.columns}
    assert (heads["MAE"], heads["Lost"]) == ("mm", "mm")


def test_the_candidates_table_keeps_cold_start_apart_from_latency(full):
    titles = [column.title for column in full.candidates.columns]
    assert titles.index("Host p90 ≤") < titles.index("Cold start")
    row = next(row for row in full.candidates.rows if row[0].text == "sdk-native")
    cells = dict(zip(titles, (cell.text for cell in row), strict=True))
    assert cells["Cold start"] == "79.0"
    assert cells["Host p90 ≤"] == "2.04"
    assert cells["Peak memory"] == "38.0"


def test_a_percentile_that_the_count_does_not_support_is_not_printed(build):
    rows = (build.measurement("sdk-native", 100.0, count=20),)
    report = report_of(build, build.evidence(devices=(build.device(rows),)))
    row = next(row for row in report.candidates.rows if row[0].text == "sdk-native")
    cells = {column.title: cell for column, cell in zip(report.candidates.columns, row, strict=True)}
    assert cells["Host median"].text == "100"
    assert "Host p90 ≤" not in cells
    assert [line for line in report.candidates.folded if line.startswith("Host p90") and "44 more needed" in line]


def test_failures_come_with_reason_and_remedy(full):
    failed = {row[0].text: [cell.text for cell in row[1:]] for row in full.failures.rows}
    assert failed["openvino-fp32"][0] == "not converted"
    assert failed["openvino-fp32"][2] == "sum over time in the model's forward instead"
    assert set(failed) == {"litert-int8", "openvino-fp32", "coreml-fp16, coreml-fp32"}


def test_details_hold_rewrites_with_their_measured_effect_and_the_sha(full):
    detail = next(detail for detail in full.details if detail.row.candidate == "litert-fp32")
    rewrites = next(table for table in detail.tables if table.id.endswith("rewrites"))
    assert rewrites.rows[0][2].text == "3.1e-8"
    assert rewrites.notes == ("it changes only how the model is called",)
    assert any(fact.label == "sha256" and len(fact.value) == 64 for fact in detail.facts)


def test_the_server_has_its_own_table(full):
    assert [row[0].text for row in full.served.rows] == ["sdk-eager", "sdk-native"]
    assert full.served.notes == ("the client did not start the server", "the server does not tell its inference time")


@pytest.mark.parametrize(
    "missing", ["manifest", "environment", "samples", "latency", "conversion", "validation", "devices"]
)
def test_any_document_may_be_missing(build, missing):
    changes = {missing: () if missing == "devices" else None}
    report = report_of(build, build.evidence(**changes))
    outline(render_html(report))
    assert render_markdown(report)


def test_an_empty_run_still_has_a_report(build):
    report = report_of(build, build.empty())
    page = render_html(report)
    outline(page)
    assert "This run has no candidates yet." in page
    assert report.plots == ()


def test_nulls_and_nan_everywhere(build):
    nothing = build.differences(None, None)
    results = [
        build.result(name, differences=nothing, outputs=(nothing,), task_score=None, task_drop=None, tolerance=None)
        for name in build.FIGURES
    ]
    bad = build.differences(float("nan"), None)
    results[0] = build.result("sdk-eager", differences=bad, outputs=(), task_score=float("nan"), task_drop=float("nan"))
    rows = (build.measurement("sdk-eager", cold_start=None, steady=None, process=None),)
    report = report_of(
        build,
        build.evidence(validation=build.validation(*results), devices=(build.device(rows),)),
        latencies={"sdk-eager": [float("nan"), 0.0, -1.0]},
    )
    text = render_html(report) + render_markdown(report)
    outline(render_html(report))
    assert re.findall(r".*\bnan\b.*", text) == []


def hostile(build):
    conversion = build.conversion()
    strange = msgspec.structs.replace(
        conversion.candidates[3], candidate=f"onnx-{HOSTILE}", reason=HOSTILE, status="failed", remedy=HOSTILE
    )
    renamed = msgspec.structs.replace(build.result("onnx-fp32"), candidate=f"litert-{HOSTILE}", reason=HOSTILE)
    return build.evidence(
        model=HOSTILE,
        conversion=msgspec.structs.replace(conversion, candidates=(*conversion.candidates, strange)),
        validation=msgspec.structs.replace(build.validation(), results=(*build.validation().results, renamed)),
        samples=build.samples(origin=HOSTILE),
        devices=(build.device(tuple(build.measurement(name) for name in build.FIGURES), name=HOSTILE),),
    )


def test_hostile_text_stays_text_in_html(build):
    evidence = hostile(build)
    page = render_html(report_of(build, evidence, latencies={HOSTILE: [1.0, 2.0], "onnx-fp32": [3.0]}))
    found = outline(page)
    assert [tag for tag, _ in found.tags].count("script") == 1
    assert HOSTILE.strip() in " ".join(found.text)
    assert not any(attributes.get("href", "").startswith("http") for _, attributes in found.tags)


def test_hostile_text_stays_text_in_markdown(build):
    markdown = render_markdown(report_of(build, hostile(build)))
    page = MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown)
    found = outline(page)
    assert "script" not in {tag for tag, _ in found.tags}
    assert not any(attributes.get("href", "").startswith("http") for _, attributes in found.tags)


def test_markdown_tables_keep_their_columns(full, build):
    for report in (full, report_of(build, hostile(build))):
        tokens = MarkdownIt("commonmark").enable("table").parse(render_markdown(report))
        widths = []
        for token in tokens:
            if token.type == "tr_open":
                widths.append(0)
            elif token.type in ("td_open", "th_open"):
                widths[-1] += 1
        assert len(widths) > 20
        assert 0 not in widths


@pytest.mark.parametrize("text", ["a|b", "`", "``x``", "a`b``c", "<i>", "plain", "*x*", "[a](b)", "1 < 2 & 3"])
def test_code_and_plain_render_to_the_text_itself(text):
    for shown in (code(text), plain(text)):
        tokens = MarkdownIt("commonmark").enable("table").parse(f"| h |\n|---|\n| {shown} |\n")
        cell = next(token for token in tokens if token.type == "inline" and token.content != "h")
        assert "".join(child.content for child in cell.children) == text


def test_a_long_name_is_whole_in_the_tables_and_short_in_drawings(build):
    name = "onnx-" + "long" * 40 + "-fp32"
    conversion = build.conversion(msgspec.structs.replace(build.conversion().candidates[3], candidate=name))
    conversion = msgspec.structs.replace(
        conversion,
        candidates=(*conversion.candidates, msgspec.structs.replace(conversion.candidates[3], candidate=name)),
    )
    report = report_of(build, build.evidence(conversion=conversion), latencies={name: [10.0, 11.0]})
    assert name in render_html(report)
    latency = next(plot for plot in report.plots if plot.name == "latency")
    assert "…" in latency.inline


class TestPlots:
    def test_there_are_four_and_each_is_valid_svg(self, full):
        assert [plot.name for plot in full.plots] == ["latency", "size", "speed", "tolerance"]
        for plot in full.plots:
            root = ElementTree.fromstring(plot.alone.encode())
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            assert root.get("role") == "img"
            assert [child.tag.rpartition("}")[2] for child in root][:2] == ["title", "desc"]

    def test_they_take_the_colours_of_the_page(self, full):
        for plot in full.plots:
            assert "currentColor" in plot.inline
            assert "var(--rule)" in plot.inline
            for sentinel in ("#010203", "#010204", "#fefefd", "#000000", "DejaVu"):
                assert sentinel not in plot.inline
            assert "prefers-color-scheme:dark" in plot.alone

    def test_they_are_the_same_every_time(self, build, full):
        again = report_of(build, build.evidence(), latencies=build.raw_latencies())
        assert [plot.inline for plot in again.plots] == [plot.inline for plot in full.plots]

    def test_formats_differ_in_shape_and_not_in_colour_alone(self, build):
        from edgeproof.report.drawings import styles_of

        rows = decide(build.evidence(), PolicyValue(), build.PLATFORMS, policy_source="test").candidates
        styles = styles_of(rows)
        shapes = {style.format: style.marker for style in styles.values()}
        assert len(set(shapes.values())) == len(shapes)
        assert len({styles[f"litert-{precision}"].fill for precision in ("fp32", "fp16", "int8")}) == 3

    def test_without_scores_the_difference_is_drawn(self, build):
        evidence = build.evidence(validation=build.validation(labelled=False))
        assert "Difference against size" in {plot.title for plot in report_of(build, evidence).plots}

    def test_a_limit_far_away_is_told_and_not_drawn(self, build):
        report = report_of(
            build, build.evidence(), latencies={"sdk-native": [1.0, 1.1]}, policy=PolicyValue(latency_ms=1e4)
        )
        latency = next(plot for plot in report.plots if plot.name == "latency")
        assert "lies outside the drawing" in latency.caption
