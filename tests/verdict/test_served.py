"""The model served from nearby, where a phone cannot run it within the policy."""

from __future__ import annotations

import pytest

from edgeproof.documents.policy import DeviceLimits, PolicyValue
from edgeproof.verdict.decide import decide

PLATFORMS = {"sdk-native": ("host", "android", "iphone"), "sdk-eager": ("host",)}


def phone(build, policy, **changes):
    rows = (build.measurement("sdk-native", 50_000.0),)
    devices = (build.device(), build.device(rows, name="real", device_class="android"))
    evidence = build.evidence(devices=devices, **changes)
    return {v.device_class: v for v in decide(evidence, policy, PLATFORMS, policy_source="test").verdicts}["android"]


@pytest.mark.parametrize(
    ("policy", "decision", "words"),
    [
        (
            PolicyValue(),
            "served",
            "served by sdk-native from an edge server nearby it meets the latency: p90 ≤ 5.05 ms",
        ),
        (PolicyValue(served_network_ms=20), "none", "it misses it too: p90 ≤ 20.1 ms with a network of 20 ms"),
        (PolicyValue(latency_percentile="p99"), "none", "was not measured often enough to say: median 5.04 ms"),
        (PolicyValue(device={"android": DeviceLimits(latency_ms=2.0)}), "none", "it misses it too"),
    ],
)
def test_it_is_offered_where_nothing_qualifies(build, policy, decision, words):
    verdict = phone(build, policy)
    assert (verdict.decision, verdict.candidate) == (decision, None)
    assert words in verdict.sentence
    assert verdict.served is not None
    assert verdict.served.candidate == "sdk-native"


def test_it_is_not_where_the_phone_can(build):
    verdict = phone(build, PolicyValue(latency_ms=100.0))
    assert (verdict.decision, verdict.served) == ("sdk", None)


def test_it_is_not_where_nothing_was_served(build):
    assert phone(build, PolicyValue(), latency=None).served is None
