"""The sum of artifact and libraries, and why there is none."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import msgspec
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


def test_of_equally_faithful_ones_that_comes_first_of_which_it_is_known_that_it_ships_least():
    """The runtime of one is not known: its small artifact is no reason to ship it, nor is its name."""
    runtimes = (
        RuntimeSize(format="executorch", device_class="android", unknown="nobody said"),
        RuntimeSize(format="onnx", device_class="android", libraries=(library(18_000_000),)),
        RuntimeSize(format="litert", device_class="android", libraries=(library(3_200_000),)),
    )
    names = ("executorch-fp32", "onnx-fp32", "litert-fp32")
    evidence = build.evidence(
        samples=build.samples(spiking=False),
        conversion=build.conversion(
            *(
                msgspec.structs.replace(build.conversion().candidates[3], candidate=name, bytes=40_000, format=form)
                for name, form in zip(names, ("executorch", "onnx", "litert"), strict=True)
            )
        ),
        validation=build.validation(*(build.result(name, spiking=False) for name in names), spiking=False),
        shipping=ShippingDocument(runtimes=runtimes),
        devices=(),
    )
    platforms = dict.fromkeys(names, ("android",))
    found = decide(evidence, PolicyValue(), platforms, policy_source="test")
    android = next(verdict for verdict in found.verdicts if verdict.device_class == "android")
    assert android.candidate == "litert-fp32"
    assert "the one that ships least (3.24 MB) of the 3 most faithful conversions" in android.sentence
    assert "next come onnx-fp32 (ships 18 MB) and executorch-fp32" in android.reasons
    assert any("the choice falls to onnx-fp32" in change.effect for change in android.would_change)
