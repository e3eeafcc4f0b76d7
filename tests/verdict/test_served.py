"""The model served from nearby, where a phone cannot run it within the policy."""

from __future__ import annotations

import msgspec
import pytest

from edgeproof.client.network import PROFILES
from edgeproof.documents.latency import OverNetwork, ProcessUse
from edgeproof.documents.load import Load, Shaping
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


@pytest.mark.parametrize(
    ("medians", "decision", "words"),
    [
        ({"wifi": 4000.0}, "served", "it meets the latency: p90 ≤ 4.8 ms over a simulated wifi network of 3 ms"),
        (
            {"wifi": 4000.0, "4g": 24_000.0},
            "none",
            "it misses it too: p90 ≤ 28.8 ms over a simulated 4g network of 21 ms",
        ),
    ],
)
def test_networks_that_were_driven_stand_in_place_of_the_policy_s(build, medians, decision, words):
    found = build.latency()
    networks = tuple(over(name, build.steady(median, count=100)) for name, median in medians.items())
    served = tuple(
        msgspec.structs.replace(seen, networks=networks) for seen in found.served if seen.candidate == "sdk-native"
    )
    verdict = phone(build, PolicyValue(), latency=msgspec.structs.replace(found, served=served))
    assert verdict.decision == decision
    assert words in verdict.sentence


def over(name, steady):
    profile = PROFILES[name]
    return OverNetwork(
        profile=profile,
        shaping=Shaping(how="user space", why="the tests", round_trip_median_ms=2 * profile.delay_ms),
        load=Load(),
        requests=100,
        errors=0,
        retries=0,
        sent_bytes=1,
        received_bytes=1,
        connections=1,
        first_request=None,
        steady=steady,
        server=ProcessUse(cpu_percent=None, peak_memory_bytes=None),
    )


def test_it_is_not_where_the_phone_can(build):
    verdict = phone(build, PolicyValue(latency_ms=100.0))
    assert (verdict.decision, verdict.served) == ("sdk", None)


def test_it_is_not_where_nothing_was_served(build):
    assert phone(build, PolicyValue(), latency=None).served is None
