"""What is lost of the task score against the policy: by its interval, by slice, and where it outweighs a distance."""

from __future__ import annotations

import msgspec
import pytest

from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.samples import HeldOut
from edgeproof.documents.task import MetricSpec, SliceScore, TaskScore
from edgeproof.metrics.intervals import tango
from edgeproof.verdict.cases import cases_of
from edgeproof.verdict.decide import decide
from edgeproof.verdict.points import point_of, standing_of
from edgeproof.verdict.task import judge_drop, score_in_short, slice_point, slice_words, task_limit, task_point

ACCURACY = MetricSpec(name="accuracy", unit="share", named="accuracy")
ERROR = MetricSpec(name="mae", better="lower", unit="mm")


def counted(lost: int, gained: int, count: int) -> TaskScore:
    low, high = tango(lost, gained, count)
    return TaskScore(
        score=0.97, reference=0.97 + (lost - gained) / count, drop=100 * (lost - gained) / count, low=100 * low,
        high=100 * high, count=count, method="score interval", lost=lost, gained=gained,
    )  # fmt: skip


def drawn(drop: float, low: float | None, high: float | None, reference: float = 40.0) -> TaskScore:
    return TaskScore(
        score=reference + drop, reference=reference, drop=drop, low=low, high=high, count=200,
        method="paired bootstrap", draws=2000,
    )  # fmt: skip


def case_with(build, task, *, metric=ACCURACY, name="onnx-int8", **changes):
    result = build.result(name, spiking=False, task=task, task_drop=task.drop, task_score=task.score, **changes)
    document = msgspec.structs.replace(build.validation(result, spiking=False), metric=metric, task=metric.name)
    evidence = build.evidence(samples=build.samples(spiking=False), validation=document)
    return cases_of(evidence)[name]


@pytest.mark.parametrize(
    ("task", "state", "words"),
    [
        (counted(0, 0, 2000), "met", "no accuracy lost (95 %: −0.19 to +0.19), limit 1 point"),
        (counted(0, 0, 360), "unsupported", "not decided at 360 samples, about 390 would decide"),
        (counted(3, 2, 360), "unsupported", "0.28 points of accuracy lost"),
        (counted(30, 0, 360), "not met", "8.33 points of accuracy lost"),
        (counted(2, 9, 2000), "met", "0.35 points of accuracy gained"),
    ],
)
def test_the_interval_decides(build, task, state, words):
    point = task_point(case_with(build, task), PolicyValue())
    assert point.state == state
    assert words in point.text
    assert (point.needs_more > 0) == (state == "unsupported")


def test_a_policy_may_hold_the_estimate(build):
    case = case_with(build, counted(3, 2, 360))
    assert task_point(case, PolicyValue(task_held_to="estimate")).state == "met"
    assert task_point(case, PolicyValue(task_held_to="estimate", task_drop=0.2)).state == "not met"


@pytest.mark.parametrize(
    ("policy", "metric", "reference", "limit"),
    [
        (PolicyValue(), ACCURACY, 0.9, 1.0),
        (PolicyValue(task_drop_points=2), ACCURACY, 0.9, 2.0),
        (PolicyValue(task_drop=0.5), ACCURACY, 0.9, 0.5),
        (PolicyValue(task_drop="2 %"), ACCURACY, 0.9, 1.8),
        (PolicyValue(), ERROR, 40.0, 0.4),
        (PolicyValue(task_drop=3.0), ERROR, 40.0, 3.0),
        (PolicyValue(task_drop="2.5%"), ERROR, 40.0, 1.0),
        (PolicyValue(task_drop="2 %"), ERROR, -40.0, 0.8),
    ],
)
def test_a_limit_is_in_the_metrics_unit_or_relative(policy, metric, reference, limit):
    assert task_limit(policy, metric, reference) == pytest.approx(limit)


def test_any_metric_is_told_in_its_unit(build):
    point = task_point(case_with(build, drawn(0.459, -0.3, 1.75), metric=ERROR), PolicyValue(task_drop=2.0))
    assert (point.state, point.value, point.limit) == ("met", 0.459, 2.0)
    assert point.text == "mae 0.459 mm higher (95 %: −0.3 to +1.75), limit 2 mm"
    alike = task_point(case_with(build, drawn(1.6e-7, -1.5e-6, 1.7e-6), metric=ERROR), PolicyValue())
    assert (alike.state, alike.text) == ("met", "mae unchanged, limit 0.4 mm")
    undefined = task_point(case_with(build, drawn(0.459, None, None), metric=ERROR), PolicyValue())
    assert undefined.state == "unsupported"


@pytest.mark.parametrize(
    ("task", "metric", "policy", "words"),
    [
        (counted(0, 0, 360), ACCURACY, {}, "no accuracy lost on 360 samples, too few to exclude a loss of 1 point"),
        (counted(0, 0, 2000), ACCURACY, {}, "no accuracy lost on 2,000 samples, enough to exclude a loss of 1 point"),
        (
            counted(3, 2, 360),
            ACCURACY,
            {"task_drop": 1.5},
            "0.28 points of accuracy lost on 360 samples, too few to exclude a loss of 1.50 points",
        ),
        (counted(0, 0, 360), ACCURACY, {"task_held_to": "estimate"}, "no accuracy lost on 360 samples, limit 1 point"),
        (drawn(0.3, -0.3, 1.75), ERROR, {}, "mae 0.3 mm higher on 200 samples, too few to exclude 0.4 mm more"),
        (drawn(0.3, None, None), ERROR, {}, "mae 0.3 mm higher on 200 samples, limit 0.4 mm"),
    ],
)
def test_a_sentence_says_whether_the_samples_are_enough(build, task, metric, policy, words):
    case, policy = case_with(build, task, metric=metric), PolicyValue(**policy)
    assert score_in_short(case, policy, task_point(case, policy)) == words


def test_the_eager_model_loses_nothing_against_itself(build):
    point = task_point(case_with(build, counted(0, 0, 360), name="sdk-eager"), PolicyValue())
    assert (point.state, point.text) == ("met", "no accuracy lost: it is the eager model")


@pytest.mark.parametrize(
    ("relative", "task", "state"),
    [
        (9e-6, counted(0, 0, 360), "met"),
        (2e-5, counted(0, 0, 360), "unsupported"),
        (9e-6, counted(1, 1, 360), "unsupported"),
    ],
)
def test_outputs_that_differ_by_rounding_alone_lose_nothing(build, relative, task, state):
    """However few samples there are; but not where one is decided otherwise."""
    outputs = (build.differences(relative, None, "counts"),)
    case = case_with(build, task, name="onnx-fp32", differences=outputs[0], outputs=outputs)
    point = task_point(case, PolicyValue())
    assert point.state == state
    if state == "met":
        assert point.text == "no accuracy lost on 360 samples, for outputs are the eager model's but for rounding"
        assert score_in_short(case, PolicyValue(), point) == point.text


def test_what_gained_a_sample_by_luck_is_not_alone_in_meeting_the_policy(build):
    """Its interval excludes a loss of a point and that of the others does not, for they lost and gained nothing."""
    off = {"differences": build.differences(3e-4, None), "outputs": (build.differences(3e-4, None, "counts"),)}
    results = [
        build.result(name, spiking=False, task=task, task_drop=task.drop, task_score=task.score, **off)
        for name, task in (
            ("litert-fp32", counted(0, 0, 360)),
            ("onnx-int8", counted(0, 2, 360)),
            ("litert-int8", counted(1, 0, 360)),
        )
    ]
    rows = [build.measurement(name, time) for name, time in (("litert-fp32", 90), ("onnx-int8", 200))]
    evidence = build.evidence(
        samples=build.samples(spiking=False),
        validation=msgspec.structs.replace(build.validation(*results, spiking=False), metric=ACCURACY),
        devices=(build.device((*rows, build.measurement("litert-int8", 50))),),
    )
    platforms = {result.candidate: ("host",) for result in results}
    host = decide(evidence, PolicyValue(), platforms, policy_source="test").verdicts[0]
    assert {found.candidate: found.status for found in host.standings} == {
        "litert-fp32": "open", "onnx-int8": "meets", "litert-int8": "open",
    }  # fmt: skip
    assert host.candidate == "litert-fp32"
    assert "no accuracy lost on 360 samples, too few to exclude a loss of 1 point (confidence" in host.sentence
    asked = {change.measurement: change.effect for change in host.would_change}
    assert "with more than 1 point of accuracy lost" in asked["task score of litert-fp32 on about 390 labelled samples"]
    assert any(measurement.startswith("litert-int8: ") for measurement in asked)  # it is faster


def test_not_finite_is_not_met():
    assert judge_drop(drawn(float("nan"), None, None), 1.0) == "not met"


def test_the_worst_slice_stands(build):
    """A mean hides it: nothing lost in all, and a fifth of what is small."""
    slices = tuple(
        SliceScore(kind="slice", name=name, task=task)
        for name, task in (("large", counted(0, 2, 1500)), ("small", counted(40, 0, 200)), ("tiny", counted(2, 0, 6)))
    )
    case = case_with(build, counted(40, 42, 1700), slices=slices)
    assert slice_point(case, PolicyValue()) == []
    (point,) = slice_point(case, PolicyValue(slice_drop=5.0))
    assert (point.state, point.value) == ("not met", 20.0)
    assert "on the slice small, of 3" in point.text
    (lenient,) = slice_point(case, PolicyValue(slice_drop=40.0))
    assert (lenient.state, "tiny" in lenient.text) == ("unsupported", True)
    (nothing,) = slice_point(case_with(build, counted(0, 0, 2000)), PolicyValue(slice_drop=5.0))
    assert nothing.state == "not measured"


def test_the_slice_that_loses_most_is_told_of_who_is_recommended(build):
    slices = tuple(
        SliceScore(kind="class", name=name, task=task)
        for name, task in (("3", counted(1, 2, 150)), ("8", counted(9, 0, 150)), ("9", counted(9, 1, 150)))
    )
    result = build.result("onnx-fp32", spiking=False, task=counted(19, 3, 2000), slices=slices)
    validation = msgspec.structs.replace(build.validation(result, spiking=False), metric=ACCURACY)
    evidence = build.evidence(samples=build.samples(spiking=False), validation=validation)
    verdict = decide(evidence, PolicyValue(task_drop=5.0), {"onnx-fp32": ("host",)}, policy_source="test").verdicts[0]
    told = [line for line in verdict.reasons if "loses most" in line]
    assert told[0].startswith("onnx-fp32 loses most on the class 8 (150 samples, of 3): 6.00 points of accuracy lost (")


def test_a_slice_that_loses_nothing_that_counts_is_not_told(build):
    task = drawn(1.6e-7, -1.5e-6, 1.7e-6)
    case = case_with(build, task, metric=ERROR, slices=(SliceScore(kind="slice", name="a", task=task),))
    assert slice_words(case, PolicyValue()) is None
    lost = case_with(build, task, metric=ERROR, slices=(SliceScore(kind="slice", name="a", task=drawn(2, 1, 3)),))
    assert slice_words(lost, PolicyValue()) == (
        "onnx-int8 loses most on the slice a (200 samples, of 1): mae 2 mm higher (95 %: +1 to +3)"
    )


OFF = {"status": "failed", "reason": None}


class TestWhatOutweighs:
    """int8 of a classifier: its outputs lie 0.16 off, and it decides every sample as before."""

    def standing(self, build, task, relative=0.16, samples=None, **changes):
        found = build.differences(relative, None, "counts")
        case = case_with(build, task, **{"differences": found, "outputs": (found,), **OFF, **changes})
        if samples is not None:
            evidence = msgspec.structs.replace(case.evidence, samples=samples)
            case = cases_of(evidence)["onnx-int8"]
        return standing_of(case, PolicyValue(), "host")

    def test_the_task_score_does_where_labels_are_real_and_held_out(self, build):
        point = point_of(self.standing(build, counted(0, 1, 2000)), "difference")
        assert point.state == "met"
        assert "0.16, limit 0.1 at int8: it warns, for the task score decides" in point.text

    @pytest.mark.parametrize(
        "changes",
        [
            {"held_out": HeldOut(count=360, labelled=True, source="representative", file="rep_samples")},
            {"held_out": HeldOut(count=360, labelled=False, source="model", file="h.npz")},
            {"synthetic": True},
        ],
    )
    def test_the_distance_does_without_such(self, build, changes):
        samples = build.samples(spiking=False, **changes)
        assert point_of(self.standing(build, counted(0, 1, 2000), samples=samples), "difference").state == "not met"

    def test_the_distance_does_where_too_much_is_lost(self, build):
        assert point_of(self.standing(build, counted(60, 0, 2000)), "difference").state == "not met"

    def test_an_output_that_no_metric_takes_is_held_to_its_distance(self, build):
        both = (build.differences(0.001, None, "counts"), build.differences(0.4, None, "embedding"))
        assert point_of(self.standing(build, counted(0, 1, 2000), outputs=both), "difference").state == "not met"

    def test_another_fault_stays_one(self, build):
        standing = self.standing(build, counted(0, 1, 2000), reason="its weights are not those of the model")
        assert point_of(standing, "difference").state == "not met"


def test_what_is_not_decided_is_recommended_with_medium_confidence(build):
    rows = (build.measurement("onnx-fp32", throttled=False),)
    off = {"differences": build.differences(3e-4, None), "outputs": (build.differences(3e-4, None, "counts"),)}
    result = build.result("onnx-fp32", spiking=False, task=counted(0, 0, 360), **off)
    evidence = build.evidence(
        samples=build.samples(spiking=False),
        validation=msgspec.structs.replace(build.validation(result, spiking=False), metric=ACCURACY),
        devices=(build.device(rows),),
    )
    found = decide(evidence, PolicyValue(), {"onnx-fp32": ("host",)}, policy_source="test").verdicts[0]
    assert (found.candidate, found.confidence) == ("onnx-fp32", "medium")
    assert any("not decided at 360 samples" in line for line in found.missing)
    enough = decide(evidence, PolicyValue(task_drop=1.5), {"onnx-fp32": ("host",)}, policy_source="test").verdicts[0]
    assert enough.confidence == "high"


def test_what_is_lost_of_the_task_is_what_speaks_against_a_candidate(build):
    found = build.differences(0.999, None, "counts")
    task = counted(105, 0, 170)
    evidence = case_with(build, task, differences=found, outputs=(found,), **OFF).evidence
    host = decide(evidence, PolicyValue(), {"onnx-int8": ("host",)}, policy_source="test").verdicts[0]
    assert any(line.startswith("onnx-int8 is out: 61.76 points of accuracy lost (95 %: ") for line in host.reasons)
    assert "onnx-int8 misses the policy by least: 61.76 points of accuracy lost" in host.sentence
