"""What ships, as it is read: both figures, which are quoted, and what memory and start contain."""

from __future__ import annotations

import pytest

from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.shipping import Library, RuntimeSize, ShippingDocument
from edgeproof.report.shipping import contents, section
from edgeproof.verdict.decide import decide


@pytest.fixture(scope="module")
def shipping(build):
    def library(how, size):
        return Library(name="libort.so", role="runtime", version="1.31.1", bytes=size, how=how, source="its wheel")

    return ShippingDocument(
        runtimes=(
            RuntimeSize(format="onnx", device_class="host", libraries=(library("measured here", 29_000_000),)),
            RuntimeSize(format="onnx", device_class="android", libraries=(library("quoted", 27_000_000),)),
            RuntimeSize(format="sdk-native", device_class="host", note="no library ships beside it"),
            RuntimeSize(format="sdk-native", device_class="android", note="no library ships beside it"),
        )
    )


def rows_of(build, **changes):
    return decide(build.evidence(**changes), PolicyValue(), build.PLATFORMS, policy_source="test").candidates


def test_both_figures_stand_side_by_side_and_quoted_ones_are_marked(build, shipping):
    found = section(rows_of(build, shipping=shipping), shipping)
    titles = [column.title for column in found.sums.columns]
    assert titles == ["Candidate", "Artifact", "Host", "Raspberry Pi", "Android", "iPhone"]
    cells = {row[0].text: dict(zip(titles, row, strict=True)) for row in found.sums.rows}
    assert (cells["onnx-fp32"]["Artifact"].text, cells["onnx-fp32"]["Host"].text) == ("44.9", "29.0")
    assert cells["onnx-fp32"]["Android"].text == "≈ 27.0"
    assert cells["onnx-fp32"]["Android"].value == 27_044_871
    assert cells["sdk-native"]["Host"].text == "0.0411"
    assert cells["onnx-fp32"]["iPhone"].text == "not known"
    assert cells["coreml-fp16"]["Host"].text == "does not ship there"
    assert "openvino-fp32" not in cells


def test_every_library_has_its_source_and_notes_are_said_once(build, shipping):
    found = section(rows_of(build, shipping=shipping), shipping)
    assert [row[0].text for row in found.libraries.rows] == ["onnx", "onnx"]
    assert [row[6].text for row in found.libraries.rows] == ["measured here", "quoted"]
    assert found.notes == ("sdk-native (Host, Android): no library ships beside it.",)


def test_a_run_that_recorded_nothing_has_no_section(build):
    assert section(rows_of(build), None) is None


def test_memory_and_start_say_what_they_contain(build):
    evidence = build.evidence()
    memory, start, served = contents(rows_of(build), evidence)
    assert "Python and its packages, the runtime, the artifact and the samples" in memory
    assert "Above Python" in memory
    assert "In C or C++ Python's start and all imports fall away" in start
    assert "HTTP server" in served
    assert contents(rows_of(build, devices=()), build.evidence(devices=(), latency=None)) == ()
