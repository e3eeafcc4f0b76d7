"""Calls at a pace, and minutes under load: what they say in a verdict, and which figure it rests on."""

from __future__ import annotations

import pytest

from edgeproof.documents.held import Paced
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.soak import SoakWindow
from edgeproof.documents.sustained import Sustained
from edgeproof.verdict.decide import decide
from edgeproof.verdict.enduring import end_of, sustained_point
from edgeproof.verdict.paces import pace_words

PLATFORMS = {"litert-fp32": ("host",), "onnx-fp32": ("host",)}


def under_load(medians: list[float], *, throttled: tuple[int, ...] = (), first: int = 1, last: int = 1) -> Sustained:
    windows = tuple(
        SoakWindow(
            start_s=60.0 * minute,
            count=1000,
            median_us=median,
            p90_us=1.2 * median,
            max_us=2 * median,
            temperature_c=50.0,
            resident_bytes=10**8,
            throttled=minute in throttled,
        )
        for minute, median in enumerate(medians)
    )
    return Sustained(
        seconds=60.0 * len(medians),
        window_seconds=60.0,
        windows=windows,
        begin_unix_ns=0,
        end_unix_ns=1,
        rank_first=first,
        rank_last=last,
        ranked=2,
    )


def verdict(build, *rows, policy=None):
    evidence = build.evidence(
        samples=build.samples(spiking=False),
        validation=build.validation(spiking=False),
        devices=(build.device(rows),),
    )
    found = decide(evidence, policy or PolicyValue(), PLATFORMS, policy_source="test")
    return next(verdict for verdict in found.verdicts if verdict.device_class == "host")


def test_who_is_the_fastest_at_the_end_is_recommended(build):
    quick = build.measurement("litert-fp32", 30.0, sustained=under_load([30.0, 60.0, 90.0], first=1, last=2))
    lasting = build.measurement("onnx-fp32", 50.0, sustained=under_load([50.0, 50.0, 50.0], first=2, last=1))
    found = verdict(build, quick, lasting)
    assert found.candidate == "onnx-fp32"
    assert "p90 ≤ 60 µs after 3 min under load" in found.sentence
    told = "\n".join(found.reasons)
    assert "litert-fp32 is the fastest at first and onnx-fp32 after" in told
    assert "slow down: litert-fp32 by 200 %" in told
    alone = verdict(build, build.measurement("litert-fp32", 30.0), build.measurement("onnx-fp32", 50.0))
    assert alone.candidate == "litert-fp32"


def test_where_one_that_qualifies_was_not_under_load_the_order_rests_on_short_calls(build):
    found = verdict(
        build,
        build.measurement("litert-fp32", 30.0, sustained=under_load([30.0, 60.0, 90.0])),
        build.measurement("onnx-fp32", 50.0),
    )
    assert found.candidate == "litert-fp32"
    assert "onnx-fp32 was not measured under load on host" in "\n".join(found.reasons)


@pytest.mark.parametrize(
    ("throttled", "rule", "state", "words"),
    [
        ((), "exclude", "met", "p90 ≤ 120 µs"),
        ((1,), "exclude", "met", "p90 ≤ 120 µs"),
        ((5,), "exclude", "met", "p90 ≤ 96 µs"),
        ((3, 4, 5), "exclude", "unsupported", "throttled from 3 min on"),
        ((5,), "fatal", "not met", "throttled 5 min into 6 min"),
        ((3, 4, 5), "count", "met", "p90 ≤ 120 µs"),
    ],
)
def test_throttled_windows_are_what_the_policy_takes_them_for(build, throttled, rule, state, words):
    lasted = under_load([50.0, 50.0, 50.0, 60.0, 80.0, 100.0], throttled=throttled)
    policy = PolicyValue(throttled=rule)
    point = sustained_point(policy, build.device(()), lasted)
    assert (point.name, point.state) == ("latency", state)
    assert words in point.text
    assert (end_of(lasted, policy) is None) == (state == "unsupported")


@pytest.mark.parametrize(("rule", "state"), [("exclude", "unsupported"), ("fatal", "not met"), ("count", "met")])
def test_short_calls_under_throttling_follow_the_same_rule(build, rule, state):
    row = build.measurement("litert-fp32", 30.0, throttled=True)
    found = verdict(build, row, policy=PolicyValue(throttled=rule))
    standing = decide(
        build.evidence(devices=(build.device((row,)),)), PolicyValue(throttled=rule), PLATFORMS, policy_source="t"
    )
    points = {
        point.name: point
        for known in next(v for v in standing.verdicts if v.device_class == "host").standings
        if known.candidate == "litert-fp32"
        for point in known.points
    }
    assert points["latency"].state == state
    assert "throttled" in points["latency"].text
    assert (found.candidate is None) == (state != "met")


def test_a_candidate_that_is_slower_at_a_pace_is_told_and_judged_back_to_back(build):
    row = build.measurement(
        "litert-fp32",
        100.0,
        paced=(
            Paced(pace_s=0.033, steady=build.steady(110.0)),
            Paced(pace_s=1.0, steady=build.steady(9000.0, count=66)),
            Paced(pace_s=2.0, reason="it broke"),
        ),
    )
    found = verdict(build, row)
    told = [line for line in found.reasons if line.startswith("called every")]
    assert told == [
        "called every 1 s on host, litert-fp32 takes 90 × as long as back to back: median 9 ms, p90 ≤ 10.8 ms, "
        "which is not below the limit of 10 ms"
    ]
    assert "p90 ≤ 120 µs" in found.sentence


def test_a_pace_is_told_in_its_unit():
    assert [pace_words(pace) for pace in (0.033, 1.0, 90.0)] == ["33 ms", "1 s", "90 s"]
