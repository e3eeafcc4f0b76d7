"""The sum of artifact and libraries, and why there is none."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.shipping import Library, RuntimeSize, ShippingDocument
from edgeproof.verdict.cases import cases_of
from edgeproof.verdict.decide import decide
from edgeproof.verdict.pareto import front_of
from edgeproof.verdict.shipping import ships_bytes, ships_unknown, ships_words

build = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "report" / "builders.py")))


def library(size, how="measured", name="libort.so"):
    return Library(name=name, role="runtime", version="1.31.1", bytes=size, how=how, source="its wheel")


SHIPPING = ShippingDocument(
    runtimes=(
        RuntimeSize(format="onnx", device_class="host", libraries=(library(29_000_000, "measured here"),)),
        RuntimeSize(format="onnx", device_class="android", libraries=(library(27_000_000, "quoted"),)),
        RuntimeSize(format="onnx", device_class="iphone", unknown="nobody said"),
        RuntimeSize(format="sdk-native", device_class="host", note="no library ships beside it"),
    )
)


@pytest.fixture
def cases():
    return cases_of(build.evidence(shipping=SHIPPING))


def test_the_sum_is_artifact_and_libraries(cases):
    assert ships_bytes(cases["onnx-fp32"], "host") == 44_871 + 29_000_000
    assert ships_words(cases["onnx-fp32"], "host") == "29 MB: artifact 0.0449, libort.so 29"
    assert ships_words(cases["onnx-fp32"], "android") == "27 MB: artifact 0.0449, libort.so 27 (quoted)"


def test_the_compiled_engine_ships_alone(cases):
    assert ships_bytes(cases["sdk-native"], "host") == 41_120


@pytest.mark.parametrize(
    ("name", "device", "words"),
    [
        ("onnx-fp32", "iphone", "nobody said"),
        ("litert-fp32", "host", "has not recorded"),
        ("openvino-fp32", "host", "the artifact has no size"),
    ],
)
def test_what_is_not_known_has_no_sum_and_a_reason(cases, name, device, words):
    assert ships_bytes(cases[name], device) is None
    assert words in ships_unknown(cases[name], device)


def test_rows_have_both(cases):
    evidence = build.evidence(shipping=SHIPPING)
    rows = decide(evidence, PolicyValue(), build.PLATFORMS, policy_source="test").candidates
    row = next(row for row in rows if row.candidate == "onnx-fp32")
    assert row.ships == {"host": 29_044_871, "android": 27_044_871}
    assert set(row.ships_unknown) == {"raspberry-pi", "iphone"}
    assert row.bytes == 44_871


def test_the_front_counts_what_ships_where_all_of_it_is_known():
    names = ("sdk-native", "onnx-fp32")
    found = cases_of(build.evidence(shipping=SHIPPING))
    front = front_of(found[name] for name in names)
    assert front.objectives[-1] == "what ships"
    assert front.members == ("sdk-native",)
    front = front_of(found[name] for name in (*names, "litert-fp32"))
    assert front.objectives[-1] == "size"
