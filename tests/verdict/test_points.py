"""One candidate against the policy, point by point."""

from __future__ import annotations

import math

import msgspec
import pytest

from edgeproof.documents.activity import ActivityDocument, NeuronActivity
from edgeproof.documents.latency import ProcessUse
from edgeproof.documents.policy import DifferenceLimits, PolicyValue
from edgeproof.documents.power import Energy
from edgeproof.documents.samples import SAYS_NOTHING, Check
from edgeproof.documents.validation import OnProcessor, Variant
from edgeproof.verdict.cases import Case, cases_of
from edgeproof.verdict.decide import decide
from edgeproof.verdict.figures import mean_power_mw
from edgeproof.verdict.points import point_of, standing_of

PLATFORMS = {"sdk-native": ("host", "raspberry-pi"), "litert-fp32": ("host", "raspberry-pi", "android", "iphone")}


def standing_on(evidence, policy, candidate, device):
    case = cases_of(evidence).get(candidate, Case(candidate, evidence))
    return standing_of(case, policy, device)


def state(build, point, *, evidence=None, policy=None, candidate="litert-fp32", device="host"):
    return point_of(standing_on(evidence or build.evidence(), policy or PolicyValue(), candidate, device), point)


def test_a_candidate_that_meets_everything(build):
    standing = standing_on(build.evidence(), PolicyValue(), "litert-fp32", "host")
    assert standing.status == "meets"
    assert not standing.sdk
    assert {point.name: point.state for point in standing.points} == {
        "difference": "met",
        "task": "met",
        "latency": "met",
    }


@pytest.mark.parametrize(
    ("median_us", "count", "expected"),
    [(100.0, 700, "met"), (9_000.0, 700, "not met"), (100.0, 63, "unsupported"), (9_000.0, 10, "unsupported")],
)
def test_latency_needs_a_supported_percentile_below_the_limit(build, median_us, count, expected):
    device = build.device((build.measurement("litert-fp32", median_us, count=count),))
    point = state(build, "latency", evidence=build.evidence(devices=(device,)))
    assert point.state == expected
    if expected == "unsupported":
        assert point.needs_more == 64 - count
        assert f"{64 - count} more needed" in point.text


def test_latency_exactly_at_the_limit_does_not_meet_it(build):
    device = build.device((build.measurement("litert-fp32", 10_000 / 1.2),))
    point = state(build, "latency", evidence=build.evidence(devices=(device,)))
    assert point.value == pytest.approx(10.0)
    assert point.state == "not met"


def test_a_throttled_measurement_does_not_count(build):
    device = build.device((build.measurement("litert-fp32", throttled=True),))
    point = state(build, "latency", evidence=build.evidence(devices=(device,)))
    assert point.state == "unsupported"
    assert "throttled" in point.text


def test_nan_latency_does_not_meet(build):
    bad = msgspec.structs.replace(build.steady(1.0), p90=build.percentile(math.nan, 700, 64))
    device = build.device((build.measurement("litert-fp32", steady=bad),))
    assert state(build, "latency", evidence=build.evidence(devices=(device,))).state == "unsupported"


def test_the_worst_of_two_devices_stands(build):
    fast = build.device((build.measurement("litert-fp32", 100.0),), name="ssh:fast", device_class="raspberry-pi")
    slow = build.device((build.measurement("litert-fp32", 20_000.0),), name="ssh:slow", device_class="raspberry-pi")
    for devices in ((fast, slow), (slow, fast)):
        point = state(build, "latency", evidence=build.evidence(devices=devices), device="raspberry-pi")
        assert point.state == "not met"
        assert "ssh:slow" in point.text


def test_an_emulated_device_measures_nothing(build):
    emulated = build.device(name="emulated:pi4", device_class="raspberry-pi", emulated=True)
    evidence = build.evidence(devices=(emulated,))
    policy = PolicyValue(power_mw=1000.0, memory_mb=1.0)
    for name in ("latency", "power", "memory"):
        assert state(build, name, evidence=evidence, policy=policy, device="raspberry-pi").state == "not measured"


def test_a_candidate_that_fails_on_the_device_is_out(build):
    broken = build.measurement("litert-fp32", status="failed", reason="illegal instruction", steady=None)
    standing = standing_on(build.evidence(devices=(build.device((broken,)),)), PolicyValue(), "litert-fp32", "host")
    assert standing.status == "fails"
    assert "illegal instruction" in point_of(standing, "runs").text


@pytest.mark.parametrize(
    ("drop", "expected"), [(0.0, "met"), (1.0, "met"), (1.01, "not met"), (-3.0, "met"), (math.nan, "not met")]
)
def test_task_score_may_lose_a_point(build, drop, expected):
    validation = build.validation(build.result("litert-fp32", task_drop=drop))
    assert state(build, "task", evidence=build.evidence(validation=validation)).state == expected


def test_without_labels_the_task_score_is_not_measured(build):
    point = state(build, "task", evidence=build.evidence(validation=build.validation(labelled=False)))
    assert point.state == "not measured"
    assert "no labels" in point.text


@pytest.mark.parametrize(
    ("relative", "limit", "expected"),
    [
        (9e-4, 1e-3, "met"),
        (1e-3, 1e-3, "met"),
        (2e-3, 1e-3, "not met"),
        (None, 1e-3, "not met"),
        (math.inf, 1e-3, "not met"),
    ],
)
def test_real_outputs_are_held_to_relative_l2(build, relative, limit, expected):
    found = build.differences(relative, None, "logits")
    status = "passed" if expected == "met" else "failed"
    validation = build.validation(
        build.result("onnx-fp32", spiking=False, outputs=(found,), differences=found, status=status), spiking=False
    )
    policy = PolicyValue(difference=DifferenceLimits(fp32=limit))
    point = state(
        build, "difference", evidence=build.evidence(validation=validation), policy=policy, candidate="onnx-fp32"
    )
    assert point.state == expected


def test_the_policy_of_a_gate_judges_anew(build):
    """A validation that failed on its tolerance passes under a policy that allows more, and the other way round."""
    loose = PolicyValue(difference=DifferenceLimits(spike_agreement_int8=0.5))
    assert state(build, "difference", candidate="litert-int8").state == "not met"
    assert state(build, "difference", candidate="litert-int8", policy=loose).state == "met"
    strict = PolicyValue(difference=DifferenceLimits(spike_agreement_fp16=0.999))
    assert state(build, "difference", candidate="litert-fp16").state == "met"
    assert state(build, "difference", candidate="litert-fp16", policy=strict).state == "not met"


def test_a_failure_for_another_reason_stays_one(build):
    nan = build.result(
        "litert-fp32", status="failed", reason="counts has NaN", differences=None, outputs=(), tolerance=None
    )
    loose = PolicyValue(difference=DifferenceLimits(fp32=1e9))
    point = state(build, "difference", evidence=build.evidence(validation=build.validation(nan)), policy=loose)
    assert point.state == "not met"


def test_membranes_beside_spikes_follow_the_rule_of_validation(build):
    spikes, membrane = build.differences(0.1, 0.9999, "spikes"), build.differences(0.005, None, "membrane")
    far = build.differences(0.5, None, "membrane")

    def judged(candidate, *outputs):
        result = build.result(candidate, outputs=outputs, differences=outputs[0], status="passed")
        evidence = build.evidence(validation=build.validation(result))
        return state(build, "difference", evidence=evidence, candidate=candidate).state

    assert judged("litert-fp32", spikes, membrane) == "met"
    assert judged("litert-fp32", spikes, far) == "not met"
    assert judged("litert-fp16", spikes, far) == "met"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "met"),
        ({"synthetic": True, "source": "synthetic"}, "not met"),
        ({"under_sampled": True, "count": 150}, "not met"),
        ({"count": 199}, "not met"),
    ],
)
def test_int8_stands_on_real_samples_and_enough_of_them(build, changes, expected):
    evidence = build.evidence(samples=build.samples(**changes))
    assert state(build, "samples", evidence=evidence, candidate="onnx-int8").state == expected
    assert state(build, "samples", evidence=evidence, candidate="onnx-fp32") is None


def test_int8_without_a_samples_document_cannot_pass(build):
    standing = standing_on(build.evidence(samples=None), PolicyValue(), "onnx-int8", "host")
    assert standing.status == "fails"


@pytest.mark.parametrize(
    ("policy", "name", "expected"),
    [
        (PolicyValue(size_mb=0.05), "size", "met"),
        (PolicyValue(size_mb=0.01), "size", "not met"),
        (PolicyValue(memory_mb=100.0), "memory", "met"),
        (PolicyValue(memory_mb=70.0), "memory", "not met"),
        (PolicyValue(power_mw=1000.0), "power", "not measured"),
    ],
)
def test_budgets_are_held_when_the_policy_has_them(build, policy, name, expected):
    evidence = build.evidence(shipping=build.shipping())
    assert state(build, name, policy=policy, evidence=evidence).state == expected
    assert state(build, name, evidence=evidence) is None


def test_what_ships_is_artifact_and_runtime(build):
    """A file of 45 kB and a runtime of 12 MB are no 45 kB; where the runtime is not known, nothing is."""
    policy = PolicyValue(size_mb=5.0)
    known = state(build, "size", policy=policy, evidence=build.evidence(shipping=build.shipping(12_000_000)))
    assert (known.state, known.limit) == ("not met", 5.0)
    assert "librun.so 12" in known.text
    assert state(build, "size", policy=policy).state == "not measured"


def test_mean_power_is_energy_over_time(build):
    found = build.measurement("litert-fp32", 1000.0, energy_mj=2.1)
    assert mean_power_mw(found) == pytest.approx(2.1 / (1050.0 / 1e6))
    assert mean_power_mw(build.measurement("litert-fp32")) is None


def energy(**changes) -> Energy:
    known = {"gross_mj": 2.0, "mean_mw": 1900.0, "mean_low_mw": 1850.0, "mean_high_mw": 1950.0, "source": "a meter"}
    return Energy(**known | changes)


@pytest.mark.parametrize(
    ("found", "limit", "expected", "words"),
    [
        (energy(), 2000.0, "met", "mean power 1900 mW"),
        (energy(), 1800.0, "not met", "limit 1800 mW"),
        (energy(), 1900.0, "unsupported", "1850 to 1950 mW"),
        (energy(estimate="a sum", omits="the 5 V rail"), 2000.0, "unsupported", "leaves out the 5 V rail"),
        (energy(estimate="a sum", omits="the 5 V rail"), 1800.0, "not met", "limit 1800 mW"),
        (Energy(reason="the battery was charged"), 2000.0, "not measured", "the battery was charged"),
    ],
)
def test_power_is_decided_with_its_evidence_or_says_what_is_missing(build, found, limit, expected, words):
    measured = build.measurement("litert-fp32", energy=found, energy_mj=found.gross_mj)
    evidence = build.evidence(devices=(build.device((measured,)),))
    point = state(build, "power", evidence=evidence, policy=PolicyValue(power_mw=limit))
    assert point.state == expected
    assert words in point.text


def test_the_power_of_the_held_load_counts_before_that_of_the_timed_calls(build):
    assert mean_power_mw(build.measurement("litert-fp32", 1000.0, energy_mj=2.0, energy=energy())) == 1900.0


@pytest.mark.parametrize(("candidate", "expected"), [("coreml-fp16", "not measured"), ("openvino-fp32", "not met")])
def test_unknown_numbers_and_failed_conversions(build, candidate, expected):
    assert state(build, "difference", candidate=candidate).state == expected


def test_a_candidate_that_nothing_is_known_of(build):
    standing = standing_on(build.empty(), PolicyValue(), "litert-fp32", "android")
    assert standing.status == "open"
    assert {point.state for point in standing.points} == {"not measured"}


@pytest.mark.parametrize(
    ("percent", "median_us", "expected"),
    [
        (99.0, 50_000.0, "not met"),
        (90.0, 50_000.0, "not met"),
        (89.9, 50_000.0, "unsupported"),
        (89.9, 100.0, "met"),
        (None, 50_000.0, "not met"),
    ],
)
def test_a_busy_machine_makes_slower_and_never_faster(build, percent, median_us, expected):
    """What is above the limit there tells nothing; what is below it is below it on a quiet one too."""
    use = ProcessUse(cpu_percent=percent, peak_memory_bytes=1)
    device = build.device((build.measurement("litert-fp32", median_us, process=use),))
    point = state(build, "latency", evidence=build.evidence(devices=(device,)))
    assert point.state == expected
    if percent == 89.9:
        assert "host was busy: the process had 90 % of a core" in point.text


def test_the_fastest_on_a_busy_machine_is_recommended_with_low_confidence(build):
    use = ProcessUse(cpu_percent=40.0, peak_memory_bytes=1)
    rows = (build.measurement("sdk-native", 100.0), build.measurement("litert-fp32", 160.0, process=use))
    evidence = build.evidence(samples=build.samples(spiking=False), devices=(build.device(rows),))
    platforms = dict.fromkeys(("sdk-native", "litert-fp32"), ("host",))
    host = decide(evidence, PolicyValue(), platforms, policy_source="test").verdicts[0]
    assert (host.candidate, host.confidence) == ("sdk-native", "low")
    assert " on a busy machine against a limit of 10 ms" in host.sentence
    (change,) = (change for change in host.would_change if "it was busy" in change.effect)
    assert change.command == f"edgeproof measure {evidence.folder} --candidates sdk-native,litert-fp32"
    near = build.measurement("litert-fp32", 140.0, process=use)  # as good as on such a machine, and with less memory
    evidence = msgspec.structs.replace(evidence, devices=(build.device((rows[0], near)),))
    host = decide(evidence, PolicyValue(), platforms, policy_source="test").verdicts[0]
    assert host.candidate == "litert-fp32"
    told = "level with sdk-native as the fastest of 2 that qualify, and with less memory"
    assert told in host.sentence
    spiking = decide(build.evidence(devices=evidence.devices), PolicyValue(), platforms, policy_source="test")
    assert "busy" not in spiking.verdicts[0].sentence  # its own engine was timed alone, and is chosen by family


def test_a_busy_machine_leaves_the_verdict_open_and_says_so(build):
    use = ProcessUse(cpu_percent=22.0, peak_memory_bytes=1)
    slow = tuple(build.measurement(name, 50_000.0, process=use) for name in ("sdk-native", "litert-fp32"))
    evidence = build.evidence(devices=(build.device(slow),))
    (host,) = (
        verdict
        for verdict in decide(evidence, PolicyValue(), PLATFORMS, policy_source="default").verdicts
        if verdict.device_class == "host"
    )
    assert (host.decision, host.candidate) == ("undecided", None)
    assert any("host was busy" in line for line in host.missing)
    assert "could qualify, but host was busy: the process had 22 % of a core" in host.sentence
    (change,) = (change for change in host.would_change if "it was busy" in change.measurement)
    assert change.measurement.startswith("sdk-native and litert-fp32: latency on ")


@pytest.mark.parametrize("name", sorted(SAYS_NOTHING))
def test_agreement_with_a_model_that_says_nothing_recommends_nobody(build, name):
    checks = (Check(name=name, status="warning", detail="no neuron fires"),)
    evidence = build.evidence(samples=build.samples(checks=checks))
    point = state(build, "evidence", evidence=evidence)
    assert (point.state, point.text) == ("unsupported", "agreement says nothing: no neuron fires")
    for verdict in decide(evidence, PolicyValue(), PLATFORMS, policy_source="default").verdicts:
        assert verdict.decision != "convert"
        assert verdict.candidate is None
        assert verdict.confidence == "low"
    assert state(build, "evidence") is None


@pytest.mark.parametrize(("rate", "words"), [(0.0, "never fire"), (1.0, "fire at every time step"), (0.2, None)])
def test_neurons_that_never_fire_or_always_do_are_told(build, rate, words):
    neurons = NeuronActivity(
        name="lif1",
        shape=(8,),
        states=("v",),
        membranes=("v",),
        firing_rate=rate,
        activation_sparsity=None,
        membrane_updates=1.0,
    )
    activity = ActivityDocument(model="net", definitions="ours", neurons=(neurons,))
    point = state(build, "evidence", evidence=build.evidence(activity=activity))
    assert (point is None) == (words is None)
    if words is not None:
        assert f"the neurons lif1 {words} on any sample" in point.text


def on(name, agreement, classes=("raspberry-pi", "android"), reason=None):
    return OnProcessor(processor=name, title="a board", agreement=agreement, classes=classes, reason=reason)


def with_processors(build, *found, status="passed", variants=()):
    evidence = build.evidence()
    results = tuple(
        msgspec.structs.replace(result, processors=found, variants=variants, status=status)
        for result in evidence.validation.results
    )
    return build.evidence(validation=msgspec.structs.replace(evidence.validation, results=results))


@pytest.mark.parametrize(
    ("agreements", "expected", "words"),
    [
        (("same bits", "same bits"), "met", "the same bits on cortex-a53 and cortex-a76 (emulated)"),
        (("same bits", "within tolerance"), "met", "within tolerance on cortex-a53 and cortex-a76 (emulated)"),
        (("same bits", "wrong"), "unsupported", "on cortex-a76 (emulated) wrong: too far; here "),
        (("wrong", "does not run"), "not met", "on cortex-a53 and cortex-a76 (emulated) wrong: too far; here "),
        (("does not run",), "not met", "on cortex-a53 (emulated) it does not run; here "),
        (("not run", "not run"), "met", None),
    ],
)
def test_a_class_rests_on_its_own_processors(build, agreements, expected, words):
    found = [on(name, agreement, reason="too far") for name, agreement in zip(("cortex-a53", "cortex-a76"), agreements)]
    evidence = with_processors(build, *found)
    for device, state_there in (("raspberry-pi", expected), ("android", expected), ("iphone", "met"), ("host", "met")):
        point = state(build, "difference", evidence=evidence, device=device)
        assert point.state == state_there
        there = device in ("raspberry-pi", "android") and words is not None
        assert ("emulated" in point.text) == there
        assert not there or words in point.text


def test_what_its_processors_gave_counts_more_than_what_they_may_give(build):
    doubt = Variant(name="standard", samples=4, warning="it overflows", against=("raspberry-pi", "iphone"))
    evidence = with_processors(build, on("cortex-a76", "within tolerance"), variants=(doubt,))
    assert state(build, "difference", evidence=evidence, device="raspberry-pi").state == "met"
    assert state(build, "difference", evidence=evidence, device="iphone").state == "unsupported"


def test_what_fails_here_alone_is_open_there(build):
    evidence = with_processors(build, on("cortex-a53", "within tolerance"))
    strict = PolicyValue(difference=DifferenceLimits(spike_agreement_fp32=1.0))
    point = state(build, "difference", evidence=evidence, policy=strict, device="raspberry-pi")
    assert point.state == "unsupported"
    assert "but within tolerance on cortex-a53" in point.text
    assert state(build, "difference", evidence=evidence, policy=strict).state == "not met"


def test_a_recommendation_for_this_host_says_on_which_other_computers_it_is_wrong(build):
    wrong = on("x86-64-v3", "wrong", classes=(), reason="too far")
    evidence = with_processors(build, msgspec.structs.replace(wrong, remedy="take seven bits"))
    verdict = decide(evidence, PolicyValue(), PLATFORMS, policy_source="built in").verdicts[0]
    assert verdict.candidate is not None
    told = f"on a board (x86-64-v3, emulated) {verdict.candidate} is wrong: too far; take seven bits"
    assert told in verdict.reasons


def test_processors_that_could_not_be_had_stand_among_what_was_not_measured(build):
    evidence = build.evidence()
    lacking = msgspec.structs.replace(evidence.validation, not_emulated={"cortex-a76": "no emulator"})
    evaluation = decide(build.evidence(validation=lacking), PolicyValue(), PLATFORMS, policy_source="built in")
    assert evaluation.not_measured["outputs on cortex-a76"] == "no emulator"


def test_what_does_not_run_is_said_once(build):
    result = build.result("onnx-fp32", status="error", reason="it does not run: the process was killed by SIGSEGV")
    evidence = build.evidence(validation=build.validation(result))
    point = state(build, "difference", candidate="onnx-fp32", evidence=evidence)
    assert (point.state, point.text) == ("not met", "does not run: the process was killed by SIGSEGV")


def test_a_fault_of_the_artifact_is_not_met_whatever_its_outputs_are(build):
    faults = ("layer_norm a, epsilon: 1e-05 became 0.1", "linear b, weight: these are other weights")
    result = build.result("litert-fp16", status="failed", reason="; ".join(faults), faults=faults)
    evidence = build.evidence(validation=build.validation(result))
    point = state(build, "difference", candidate="litert-fp16", evidence=evidence)
    assert point.state == "not met"
    assert point.text == "validation failed: layer_norm a, epsilon: 1e-05 became 0.1, and 1 more"


def test_a_failure_without_figures_has_its_reason(build):
    why = "logits: 3836 values are NaN or Inf, first in sample 0"
    result = build.result("litert-fp16", status="failed", reason=why, differences=None, outputs=())
    evidence = build.evidence(validation=build.validation(result))
    point = state(build, "difference", candidate="litert-fp16", evidence=evidence)
    assert (point.state, point.text) == ("not met", f"validation failed: {why}")
