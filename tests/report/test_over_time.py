"""What a report says of paces, minutes under load, sensors and soaks; and how it draws them."""

from __future__ import annotations

import random
from xml.etree import ElementTree

import pytest
from msgspec.structs import replace
from tests.report.test_report import report_of
from tests.verdict.test_enduring import under_load
from tests.verdict.test_soaks import hour

from edgeproof.documents.heat import Heat, HeatSample
from edgeproof.documents.held import Held, Paced
from edgeproof.documents.soak import SoakSegment
from edgeproof.report.html import render_html
from edgeproof.report.markdown import render_markdown

NOISE = random.Random(0)
HELD = Held(
    seconds=60.0, calls=1_500_000, begin_unix_ns=1, end_unix_ns=2, median_us=39.0, mean_us=39.5, busy_share=0.9875
)
HEAT = Heat(
    every_s=0.5,
    samples=(HeatSample(unix_ns=1, temperature_c=51.0, mhz=1500.0, throttled=False),),
    looks=120,
    cost_us=41.0,
    cost_share=8.2e-5,
    throttled=False,
    hottest_c=51.0,
    slowest_mhz=1500.0,
)


@pytest.fixture(scope="module")
def report(build):
    rows = (
        build.measurement(
            "litert-fp32",
            33.0,
            paced=(Paced(pace_s=0.033, steady=build.steady(66.0)), Paced(pace_s=1.0, reason="the process was killed")),
            held=(HELD,),
            heat=(HEAT,),
            sustained=under_load([33.0, 35.0, 44.0], throttled=(2,), first=1, last=1),
        ),
        build.measurement("onnx-fp32", 115.0, sustained=under_load([115.0, 115.0, 116.0], first=2, last=2)),
    )
    soak = hour(
        median_us=lambda n: 33 + 0.3 * n + NOISE.gauss(0, 0.5),
        temperature_c=lambda n: 40 + n / 4,
        mhz=lambda n: 1800.0 - n,
        throttled=lambda n: 20 <= n < 30,
        resident_bytes=lambda n: 71_000_000 + 1000 * n,
        errors=lambda n: int(n == 50),
        segment=lambda n: n // 30,
    )
    pieces = tuple(SoakSegment(number=n, start_s=1800.0 * n, begin_unix_ns=n, seconds=1800.0) for n in range(2))
    soak = replace(soak, candidate="litert-fp32", segments=pieces, throttled=True)
    return report_of(build, build.evidence(devices=(build.device(rows),), soaks=(soak,)))


def cells(report, name: str) -> list[dict[str, str]]:
    (table,) = [table for table in report.over_time.tables if table.id == name]
    return [{column.title: cell.text for column, cell in zip(table.columns, row, strict=True)} for row in table.rows]


def test_paces_stand_beside_calls_back_to_back(report):
    first, second = cells(report, "paces")
    assert (first["A call every"], first["Median"], first["Median over that back to back"]) == ("33 ms", "66.0", "2.00")
    assert second["Median"] == "not measured"
    (table,) = [table for table in report.over_time.tables if table.id == "paces"]
    assert table.notes == ("the process was killed",)


def test_minutes_under_load_have_both_ends_and_what_the_policy_leaves_out(report):
    found = {row["Candidate"]: row for row in cells(report, "sustained")}
    litert, onnx = found["litert-fp32"], found["onnx-fp32"]
    assert (litert["First median"], litert["Slower at the end"], litert["Throttled"]) == ("33.0", "33.3", "1")
    assert litert["Last median"] == "not measured", "of the last third only a window that throttled"
    assert (onnx["Place at first"], onnx["Place at the end"]) == ("2", "2")


def test_a_look_at_the_sensors_has_its_cost(report):
    (row,) = cells(report, "held")
    assert (row["A look at the sensors"], row["Hottest"], row["Slowest clock"]) == ("41.0", "51.0", "1,500")
    assert row["Inside of calls"] == "98.8"


def test_a_soak_is_told_with_what_decides_it(report):
    (row,) = cells(report, "soaks")
    assert (row["Is"], row["Ran"], row["Failed"]) == ("failing", "60 min in 2 pieces", "1")
    assert row["Latency"].startswith("+5")
    (words,) = report.over_time.words
    assert words.startswith("litert-fp32 on host is failing: 1 of 60,001 calls failed")
    assert "it throttled in 10 of 60 windows" in words
    assert "median latency rises by" in words


def test_both_are_drawn_and_stand_in_the_page_and_in_files(report):
    names = [plot.name for plot in report.over_time.plots]
    assert names == ["sustained-host", "soak-litert-fp32-host"]
    page, text = render_html(report), render_markdown(report)
    for plot in report.over_time.plots:
        ElementTree.fromstring(plot.alone)
        assert plot in report.drawings
        assert f"plot-{plot.name}-title" in page
        assert f"plots/{plot.name}.svg" in text
    drawn = report.over_time.plots[1].inline
    assert all(title in drawn for title in ("median, µs", "memory, MB", "°C", "clock, MHz", "errors", "minutes"))


def test_where_nothing_of_it_was_measured_there_is_no_such_section(build):
    plain = report_of(build, build.evidence())
    assert plain.over_time is None
    assert "Over time" not in render_html(plain)
