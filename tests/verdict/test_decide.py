"""The rule, as a table, and what a verdict owes its reader: confidence, gaps, commands."""

from __future__ import annotations

import msgspec
import pytest

from edgeproof.documents.base import decode, encode
from edgeproof.documents.evaluation import EvaluationDocument
from edgeproof.documents.latency import ProcessUse
from edgeproof.documents.policy import DeviceLimits, PolicyValue
from edgeproof.verdict.decide import decide
from edgeproof.verdict.gate import gate, measured_classes

SLOW, FAST = 20_000.0, 100.0


def verdicts(build, evidence, policy=None, platforms=None):
    found = decide(evidence, policy or PolicyValue(), platforms or build.PLATFORMS, policy_source="test")
    return {verdict.device_class: verdict for verdict in found.verdicts}


def measured(build, *, device_class, sdk_us, converted_us, spiking=True, **changes):
    """Evidence with one SDK candidate and one conversion, both measured on a real device of the class."""
    rows = []
    if sdk_us is not None:
        rows.append(build.measurement("sdk-native", sdk_us))
    if converted_us is not None:
        rows.append(build.measurement("litert-fp32", converted_us))
    return build.evidence(
        samples=build.samples(spiking=spiking),
        validation=build.validation(spiking=spiking),
        devices=(build.device(tuple(rows), name="real", device_class=device_class),),
        **changes,
    )


TWO = {
    "sdk-native": ("host", "raspberry-pi", "android", "iphone"),
    "litert-fp32": ("host", "raspberry-pi", "android", "iphone"),
}


@pytest.mark.parametrize(
    ("device_class", "spiking", "sdk_us", "converted_us", "decision", "candidate"),
    [
        # a spiking model runs in its own engine wherever that is fast enough, even when a conversion is faster
        ("host", True, FAST, 10.0, "sdk", "sdk-native"),
        ("raspberry-pi", True, FAST, 10.0, "sdk", "sdk-native"),
        ("android", True, FAST, 10.0, "sdk", "sdk-native"),
        ("iphone", True, FAST, 10.0, "sdk", "sdk-native"),
        # a dense model takes the fastest, whoever's it is
        ("host", False, FAST, 10.0, "convert", "litert-fp32"),
        ("raspberry-pi", False, FAST, 10.0, "convert", "litert-fp32"),
        ("android", False, 10.0, FAST, "sdk", "sdk-native"),
        ("iphone", False, FAST, 10.0, "convert", "litert-fp32"),
        # as fast within the noise: the one with less memory
        ("host", False, FAST, 0.99 * FAST, "sdk", "sdk-native"),
        # the preferred family misses the target: the other one
        ("raspberry-pi", True, SLOW, FAST, "convert", "litert-fp32"),
        ("android", True, SLOW, FAST, "convert", "litert-fp32"),
        ("android", False, FAST, SLOW, "sdk", "sdk-native"),
        # both miss it
        ("raspberry-pi", True, SLOW, SLOW, "none", None),
        ("android", False, SLOW, SLOW, "served", None),
        # one misses it, the other was not measured
        ("raspberry-pi", True, None, SLOW, "undecided", None),
        ("android", False, SLOW, None, "undecided", None),
        # only the less preferred one was measured, and meets it
        ("android", True, None, FAST, "convert", "litert-fp32"),
    ],
)
def test_the_rule(build, device_class, spiking, sdk_us, converted_us, decision, candidate):
    evidence = measured(build, device_class=device_class, sdk_us=sdk_us, converted_us=converted_us, spiking=spiking)
    verdict = verdicts(build, evidence, platforms=TWO)[device_class]
    assert (verdict.decision, verdict.candidate) == (decision, candidate)
    assert "provisional" not in verdict.sentence
    assert f"(confidence: {verdict.confidence})" in verdict.sentence


def test_a_policy_can_take_back_the_preference_for_spiking(build):
    evidence = measured(build, device_class="android", sdk_us=FAST, converted_us=FAST / 2)
    policy = PolicyValue(prefer_sdk_for_spiking=False)
    assert verdicts(build, evidence, policy, TWO)["android"].decision == "convert"


EAGER = {"sdk-eager": ("host", "raspberry-pi"), **TWO}


def test_pytorch_itself_is_a_candidate_like_any_other(build):
    """It is neither the SDK nor preferred: it is chosen where it is the fastest, and named as what it is."""
    for eager_us, candidate, decision in ((FAST, "litert-fp32", "convert"), (1.0, "sdk-eager", "eager")):
        rows = (build.measurement("sdk-eager", eager_us), build.measurement("litert-fp32", 10.0))
        evidence = build.evidence(
            samples=build.samples(spiking=False), validation=build.validation(spiking=False),
            devices=(build.device(rows),),
        )  # fmt: skip
        verdict = verdicts(build, evidence, platforms=EAGER)["host"]
        assert (verdict.candidate, verdict.decision) == (candidate, decision)
    assert "run it in PyTorch, sdk-eager: the fastest of" in verdict.sentence


@pytest.mark.parametrize("device_class", ["raspberry-pi", "android", "iphone"])
def test_a_dense_model_is_converted_where_nothing_was_measured(build, device_class):
    """And by the most faithful one: a lower precision is smaller, and nothing here asks for that."""
    evidence = build.evidence(samples=build.samples(spiking=False), validation=build.validation(spiking=False))
    verdict = verdicts(build, evidence)[device_class]
    assert (verdict.decision, verdict.candidate is not None) == ("convert", True)
    assert verdict.candidate.endswith("-fp32")
    assert "most faithful conversions" in verdict.sentence
    assert "nothing was measured there" in verdict.sentence
    assert not any("nothing was measured" in line for line in verdict.reasons)


@pytest.mark.parametrize("device_class", ["raspberry-pi", "android", "iphone"])
def test_a_spiking_model_keeps_its_engine_where_nothing_was_measured(build, device_class):
    verdict = verdicts(build, build.evidence())[device_class]
    assert (verdict.decision, verdict.candidate) == ("sdk", "sdk-native")
    assert "a spiking model's own engine" in verdict.sentence


@pytest.mark.parametrize(
    ("policy", "candidate"),
    [
        (PolicyValue(prefer="smallest"), "litert-fp16"),  # as small as onnx-int8 within a tenth, with less memory
        (PolicyValue(prefer="fastest"), "sdk-native"),
        (PolicyValue(prefer="faithful"), "sdk-native"),  # as near as PyTorch but for the order of sums
        (PolicyValue(prefer="sdk"), "sdk-native"),
        (PolicyValue(size_mb=0.0225, prefer="faithful"), "litert-fp16"),
    ],
)
def test_a_policy_says_what_it_prefers(build, policy, candidate):
    evidence = build.evidence(
        samples=build.samples(spiking=False), validation=build.validation(spiking=False), shipping=build.shipping()
    )
    assert verdicts(build, evidence, policy)["host"].candidate == candidate


def test_what_asks_for_a_lower_precision_is_said(build):
    evidence = build.evidence(
        samples=build.samples(spiking=False), validation=build.validation(spiking=False), shipping=build.shipping()
    )
    platforms = {"litert-fp32": ("android",), "litert-fp16": ("android",)}
    verdict = verdicts(build, evidence, PolicyValue(size_mb=0.03), platforms)["android"]
    assert verdict.candidate == "litert-fp16"
    assert any(line.startswith("litert-fp16 and not litert-fp32: ships 0.0397 MB") for line in verdict.reasons)


def test_a_tie_asks_for_no_lower_precision(build):
    """As fast within the noise, and smaller by some kilobytes: not a reason to quantise."""
    use = ProcessUse(cpu_percent=99.0, peak_memory_bytes=1)
    rows = tuple(build.measurement(f"litert-{name}", us, process=use) for name, us in (("fp32", 100.0), ("fp16", 98.0)))
    evidence = build.evidence(
        samples=build.samples(spiking=False), validation=build.validation(spiking=False), devices=(build.device(rows),)
    )
    host = verdicts(build, evidence, platforms=dict.fromkeys(("litert-fp32", "litert-fp16"), ("host",)))["host"]
    assert host.candidate == "litert-fp32"
    told = "level with litert-fp16 as the fastest of 2 that qualify, and of a higher precision"
    assert told in host.sentence


def test_what_is_refused_could_not_qualify(build):
    """A candidate that its format does not take is out, and said to be; nobody is undecided for it."""
    refused = build.conversion().candidates[-1]
    rows = (build.measurement("litert-fp32", SLOW),)
    for status in ("failed", "skipped"):
        changed = msgspec.structs.replace(refused, candidate="onnx-fp32", status=status, reason="it has a loop")
        evidence = build.evidence(
            conversion=build.conversion(changed),
            validation=build.validation(),
            devices=(build.device(rows, name="real", device_class="android"),),
        )
        found = verdicts(build, evidence, platforms={"onnx-fp32": ("android",), "litert-fp32": ("android",)})["android"]
        assert found.decision == "served"
        assert "onnx-fp32 is out: not converted: it has a loop" in found.reasons
        assert "litert-fp32 misses the policy by least" in found.sentence


def test_a_lower_precision_that_is_slower_buys_size_only(build):
    rows = (build.measurement("onnx-fp32", 100.0), build.measurement("onnx-int8", 420.0))
    evidence = build.evidence(
        samples=build.samples(spiking=False), validation=build.validation(spiking=False), devices=(build.device(rows),)
    )
    verdict = verdicts(build, evidence)["host"]
    assert "on this host int8 buys size only: onnx-int8 is 4.2 × slower than onnx-fp32" in verdict.reasons


def test_a_runtime_that_fell_back_is_a_reason(build):
    """Of the class that measured it, and those that fell back alike are told together."""
    rows = tuple(
        build.measurement(name, FAST, degraded="LiteRT runs every operator on its own kernels")
        for name in ("litert-fp32", "litert-fp16")
    )
    rows = (*rows, build.measurement("sdk-native"))
    told = verdicts(build, build.evidence(devices=(build.device(rows),)))
    line = "litert-fp32 and litert-fp16 ran without their delegate: LiteRT runs every operator on its own kernels"
    assert line in told["host"].reasons
    assert line not in told["android"].reasons


def test_what_would_not_be_chosen_anyway_could_not_replace_the_choice(build):
    """Too few calls of two candidates: the slower one's do not matter, and those of another family do not."""
    rows = [build.measurement("sdk-native", FAST), build.measurement("litert-fp32", 50.0, count=20)]
    dense = build.evidence(
        samples=build.samples(spiking=False),
        validation=build.validation(spiking=False),
        devices=(build.device(tuple(rows)),),
    )
    host = verdicts(build, dense, platforms=TWO)["host"]
    assert any(change.measurement.startswith("litert-fp32: ") for change in host.would_change)
    assert "the only one that qualifies so far" in host.sentence
    spiking = verdicts(build, build.evidence(devices=dense.devices), platforms=TWO)["host"]
    assert spiking.candidate == "sdk-native"
    assert not any("litert-fp32: " in change.measurement for change in spiking.would_change)


def test_what_this_host_suggests_of_others_is_told_where_it_is_of_their_family(build):
    rows = tuple(
        build.measurement(name, us, ratio_to_baseline=us / 100)
        for name, us in (("onnx-fp32", 100.0), ("litert-fp32", 25.0))
    )
    for architecture, expected in (("aarch64", True), ("x86_64", False)):
        host = msgspec.structs.replace(build.device(rows), machine=build.machine(architecture=architecture))
        evidence = build.evidence(
            samples=build.samples(spiking=False), validation=build.validation(spiking=False), devices=(host,)
        )
        platforms = {"onnx-fp32": ("host", "android"), "litert-fp32": ("host", "android")}
        smaller = build.conversion(
            msgspec.structs.replace(build.conversion().candidates[3], bytes=10_000),
        )
        verdict = verdicts(build, msgspec.structs.replace(evidence, conversion=smaller), platforms=platforms)["android"]
        assert verdict.candidate == "onnx-fp32"
        told = [line for line in verdict.reasons if line.startswith("expected, not measured")]
        assert bool(told) == expected
    assert verdict.candidate == "onnx-fp32"


def test_device_classes_have_limits_of_their_own(build):
    evidence = build.evidence(
        devices=(build.device(), build.device(name="pi", device_class="raspberry-pi")),
    )
    policy = PolicyValue(latency_ms=0.001, device={"raspberry-pi": DeviceLimits(latency_ms=20.0)})
    found = verdicts(build, evidence, policy)
    assert (found["host"].candidate, found["raspberry-pi"].candidate) == (None, "sdk-native")


def test_a_conversion_beyond_its_tolerance_or_task_score_is_not_shipped(build):
    for changes in ({"task_drop": 1.5}, {"status": "failed", "differences": None, "outputs": (), "reason": "NaN"}):
        evidence = measured(build, device_class="android", sdk_us=FAST, converted_us=FAST, spiking=False)
        validation = build.validation(build.result("litert-fp32", spiking=False, **changes), spiking=False)
        evidence = msgspec.structs.replace(evidence, validation=validation)
        verdict = verdicts(build, evidence, platforms=TWO)["android"]
        assert verdict.candidate == "sdk-native"
        assert any(line.startswith("litert-fp32 is out: ") for line in verdict.reasons)


def test_power_over_budget_turns_the_sdk_down(build):
    rows = (
        build.measurement("sdk-native", FAST, energy_mj=0.5),
        build.measurement("litert-fp32", FAST, energy_mj=0.05),
    )
    evidence = build.evidence(devices=(build.device(rows, name="real", device_class="raspberry-pi"),))
    verdict = verdicts(build, evidence, PolicyValue(power_mw=1000.0), TWO)["raspberry-pi"]
    assert verdict.candidate == "litert-fp32"
    assert any("mean power 4762 mW" in line for line in verdict.reasons)


def test_a_complete_candidate_goes_before_one_with_gaps(build):
    rows = (build.measurement("sdk-native", FAST), build.measurement("litert-fp32", FAST, energy_mj=0.05))
    evidence = build.evidence(devices=(build.device(rows, name="real", device_class="raspberry-pi"),))
    verdict = verdicts(build, evidence, PolicyValue(power_mw=1000.0), TWO)["raspberry-pi"]
    assert verdict.candidate == "litert-fp32"
    assert any("sdk-native" in change.measurement and "power" in change.measurement for change in verdict.would_change)


def test_int8_on_synthetic_samples_is_never_recommended(build):
    evidence = measured(build, device_class="android", sdk_us=SLOW, converted_us=None, spiking=False)
    rows = (build.measurement("onnx-int8", FAST),)
    evidence = msgspec.structs.replace(
        evidence,
        samples=build.samples(spiking=False, synthetic=True, source="synthetic", origin="noise"),
        devices=(build.device(rows, name="real", device_class="android"),),
    )
    verdict = verdicts(build, evidence, platforms={"onnx-int8": ("android",)})["android"]
    assert (verdict.decision, verdict.candidate) == ("served", None)
    assert any("200 or more real representative samples" in change.measurement for change in verdict.would_change)


class TestNotMeasured:
    """A device class of which there is no real device: accuracy speaks, latency of another machine never does."""

    def test_it_is_provisional_and_low(self, build):
        for name in ("raspberry-pi", "android", "iphone"):
            verdict = verdicts(build, build.evidence())[name]
            assert verdict.decision == "sdk"
            assert verdict.confidence == "low"
            assert "provisionally" in verdict.sentence
            assert "nothing was measured there" in verdict.sentence
            assert not any("ms," in line or "µs" in line for line in verdict.reasons)
            assert any("p90 latency" in change.measurement and change.command for change in verdict.would_change)

    def test_host_latency_decides_nothing_elsewhere(self, build):
        slow = build.device((build.measurement("sdk-native", SLOW), build.measurement("litert-fp32", 1.0)))
        before = verdicts(build, build.evidence(devices=()))["android"]
        after = verdicts(build, build.evidence(devices=(slow,)))["android"]
        assert before.candidate == after.candidate == "sdk-native"

    def test_an_emulated_device_proves_that_it_runs_and_nothing_else(self, build):
        emulated = build.device(name="emulated:pi4", device_class="raspberry-pi", emulated=True)
        verdict = verdicts(build, build.evidence(devices=(emulated,)))["raspberry-pi"]
        assert verdict.confidence == "low"
        assert any("emulated:pi4 ran" in line and "no latency or power" in line for line in verdict.reasons)

    def test_unknown_numbers_are_not_recommended(self, build):
        dense = build.evidence(samples=build.samples(spiking=False), validation=build.validation(spiking=False))
        only_coreml = {"coreml-fp16": ("iphone",), "coreml-fp32": ("iphone",)}
        verdict = verdicts(build, dense, platforms=only_coreml)["iphone"]
        assert (verdict.decision, verdict.candidate) == ("undecided", None)
        assert any(change.command.startswith("edgeproof validate ") for change in verdict.would_change)
        with_sdk = verdicts(build, dense, platforms=only_coreml | {"sdk-native": ("iphone",)})["iphone"]
        assert with_sdk.candidate == "sdk-native"
        assert any(change.measurement.startswith("coreml-fp16") for change in with_sdk.would_change)

    def test_nothing_ships_there(self, build):
        verdict = verdicts(build, build.evidence(), platforms={"sdk-native": ("host",)})["iphone"]
        assert verdict.decision == "none"
        assert "no candidate of this run ships there" in verdict.sentence

    def test_nothing_was_converted_yet(self, build):
        for verdict in verdicts(build, build.empty()).values():
            assert verdict.decision == "undecided"
            assert verdict.would_change[0].command == "edgeproof run --resume run"


class TestTooFewMeasurements:
    def test_it_says_how_many_more(self, build):
        rows = (build.measurement("sdk-native", FAST, count=60),)
        evidence = build.evidence(devices=(build.device(rows),))
        verdict = verdicts(build, evidence, platforms={"sdk-native": ("host",)})["host"]
        assert verdict.decision == "undecided"
        assert any("4 more needed" in line for line in verdict.missing)
        command = next(change.command for change in verdict.would_change if "p90" in change.measurement)
        assert command is not None
        assert command.endswith("--candidates sdk-native --count 64")


class TestConfidence:
    def on_pi(self, build, **changes):
        rows = (build.measurement("sdk-native", FAST, **({"throttled": False} | changes.pop("row", {}))),)
        device = build.device(rows, name="ssh:pi", device_class="raspberry-pi")
        policy = changes.pop("policy", PolicyValue())
        return verdicts(build, build.evidence(devices=(device,), **changes), policy, TWO)["raspberry-pi"]

    def test_high(self, build):
        verdict = self.on_pi(build)
        assert verdict.confidence == "high"
        assert verdict.missing == ()

    @pytest.mark.parametrize(
        ("row", "policy"),
        [({"throttled": None}, PolicyValue()), ({}, PolicyValue(power_mw=5000.0))],
    )
    def test_medium_with_one_secondary_gap(self, build, row, policy):
        assert self.on_pi(build, row=row, policy=policy).confidence == "medium"

    def test_medium_without_a_held_out_split(self, build):
        held_out = msgspec.structs.replace(build.samples().held_out, source="representative")
        assert self.on_pi(build, samples=build.samples(held_out=held_out)).confidence == "medium"

    def test_medium_for_a_quick_look(self, build):
        manifest = build.evidence().manifest
        quick = msgspec.structs.replace(manifest, options=msgspec.structs.replace(manifest.options, quick=True))
        verdict = self.on_pi(build, manifest=quick)
        assert verdict.confidence == "medium"
        assert any(line.startswith("a quick look") for line in verdict.missing)

    def test_low_with_two_secondary_gaps(self, build):
        assert self.on_pi(build, row={"throttled": None}, policy=PolicyValue(power_mw=5000.0)).confidence == "low"

    def test_low_without_labels_or_real_samples(self, build):
        assert self.on_pi(build, validation=build.validation(labelled=False)).confidence == "low"
        assert self.on_pi(build, samples=build.samples(synthetic=True)).confidence == "low"


class TestRows:
    def test_every_missing_figure_has_a_reason(self, build):
        for evidence in (build.evidence(), build.evidence(devices=(), validation=None, latency=None)):
            for row in decide(evidence, PolicyValue(), build.PLATFORMS, policy_source="test").candidates:
                for field in (
                    "relative_l2",
                    "max_abs",
                    "task_score",
                    "bytes",
                    "p50_us",
                    "cold_start_ms",
                    "peak_memory_bytes",
                ):
                    assert getattr(row, field) is not None or row.absent[field], (row.candidate, field)

    def test_nan_is_no_figure(self, build):
        result = build.result("litert-fp32", differences=build.differences(float("nan"), None))
        row = next(
            row
            for row in decide(
                build.evidence(validation=build.validation(result)), PolicyValue(), {}, policy_source="test"
            ).candidates
            if row.candidate == "litert-fp32"
        )
        assert row.relative_l2 is None
        assert "not finite" in row.absent["relative_l2"]

    def test_the_document_survives_json(self, build):
        document = decide(build.evidence(), PolicyValue(), build.PLATFORMS, policy_source="test")
        assert decode(encode(document), EvaluationDocument) == document

    def test_an_empty_run_has_no_rows_and_says_what_is_missing(self, build):
        document = decide(build.empty(), PolicyValue(), {}, policy_source="test")
        assert document.candidates == ()
        assert "conversion" in document.not_measured
        assert "raspberry-pi: latency, memory, temperature, power" in document.not_measured


class TestGate:
    def evaluation(self, build, evidence, policy=None):
        return decide(evidence, policy or PolicyValue(), build.PLATFORMS, policy_source="test")

    def test_it_opens_for_what_was_measured_and_meets(self, build):
        evaluation = self.evaluation(build, build.evidence())
        assert measured_classes(evaluation) == ("host",)
        assert gate(evaluation) == []

    def test_what_was_not_measured_is_unmet(self, build):
        unmet = gate(self.evaluation(build, build.evidence()), ["raspberry-pi"])
        assert [(point.candidate, point.point, point.state) for point in unmet] == [
            ("sdk-native", "latency", "not measured")
        ]

    def test_a_miss_names_the_nearest_candidate(self, build):
        unmet = gate(self.evaluation(build, build.evidence(), PolicyValue(latency_ms=0.001)))
        assert {point.state for point in unmet} == {"not met"}
        assert {point.point for point in unmet} == {"latency"}

    def test_nothing_measured_at_all(self, build):
        assert [point.text for point in gate(self.evaluation(build, build.empty()))] == ["no device was measured"]


def test_of_two_boards_the_one_that_lacks_a_measurement_is_named(build):
    boards = [
        build.device(
            (build.measurement("litert-fp32", 100.0, count=count),),
            name=f"ssh:pi@{name}",
            device_class="raspberry-pi",
        )
        for name, count in (("whole", 700), ("few", 40))
    ]
    verdicts = decide(
        build.evidence(devices=(*boards, build.device())),
        PolicyValue(),
        {"litert-fp32": ("host", "raspberry-pi")},
        policy_source="",
    ).verdicts
    (verdict,) = (verdict for verdict in verdicts if verdict.device_class == "raspberry-pi")
    commands = [change.command for change in verdict.would_change if "24 more needed" in change.measurement]
    assert len(commands) == 1
    assert "--devices ssh:pi@few " in commands[0]
