"""The Pareto front: who is ahead of whom, what noise is, and that the front is never empty."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproof.documents.latency import Percentile, ProcessUse
from edgeproof.documents.task import MetricSpec, TaskScore
from edgeproof.verdict.cases import cases_of
from edgeproof.verdict.pareto import dominates, front_of, objectives_of

build = SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "report" / "builders.py")))


def evidence_of(figures, *, samples=360, labelled=True, energy=None):
    """A run of candidates with (task drop in points, median µs, bytes); a latency of None was not measured."""
    results = [
        msgspec.structs.replace(build.conversion().candidates[3], candidate=name, bytes=figure[2])
        for name, figure in figures.items()
    ]
    validated = [
        build.result(
            name,
            status="passed",
            task_drop=figure[0] if labelled else None,
            task_score=(98 - figure[0]) / 100 if labelled else None,
            differences=build.differences(figure[0], None) if not labelled else build.differences(1e-7, None),
        )
        for name, figure in figures.items()
    ]
    rows = tuple(
        build.measurement(name, figure[1], energy_mj=(energy or {}).get(name))
        for name, figure in figures.items()
        if figure[1] is not None
    )
    validation = msgspec.structs.replace(build.validation(), results=tuple(validated), samples=samples)
    return build.evidence(
        conversion=msgspec.structs.replace(build.conversion(), candidates=tuple(results)),
        validation=validation if labelled else msgspec.structs.replace(validation, task=None),
        devices=(build.device(rows),),
        latency=None,
    )


def front(figures, **changes):
    return front_of(cases_of(evidence_of(figures, **changes)).values())


def test_the_better_in_one_and_worse_in_none_is_ahead_and_says_by_what():
    found = front({"onnx-fp32": (0.0, 100.0, 40_000), "litert-fp32": (0.0, 25.0, 20_000)})
    assert found.objectives == ("task score", "latency", "size")
    assert found.members == ("litert-fp32",)
    (off,) = found.dominated
    assert (off.candidate, off.by) == ("onnx-fp32", ("litert-fp32",))
    assert off.text == "litert-fp32 is 4 × faster and 2 × smaller, task score within the noise"


def test_what_is_better_in_one_and_worse_in_another_is_beaten_by_nobody():
    found = front({"onnx-fp32": (0.0, 100.0, 10_000), "litert-fp32": (0.0, 25.0, 20_000)})
    assert set(found.members) == {"onnx-fp32", "litert-fp32"}
    assert found.dominated == ()


def test_equal_figures_beat_nobody():
    found = front({"onnx-fp32": (0.0, 100.0, 10_000), "litert-fp32": (0.0, 100.0, 10_000)})
    assert len(found.members) == 2


@pytest.mark.parametrize(("median", "beaten"), [(101.0, False), (150.0, True)])
def test_medians_whose_bounds_overlap_are_equal(median, beaten):
    """The builders' bound of the median lies 1 % above it; the floor is 2 % of each."""
    found = front({"onnx-fp32": (0.0, 100.0, 10_000), "litert-fp32": (0.0, median, 10_000)})
    assert bool(found.dominated) is beaten


@pytest.mark.parametrize(("fast", "beaten"), [(15.0, True), (1500.0, False)])
def test_an_uncertain_median_is_as_fast_as_its_bound_is_slow_and_no_faster(fast, beaten):
    """Of 2.8 ms whose bound is twice that: it may be 1.4 ms, and not 15 µs."""
    evidence = evidence_of({"onnx-fp32": (0.0, fast, 10_000), "litert-fp32": (0.0, 2800.0, 10_000)})
    rows = [
        msgspec.structs.replace(
            row, steady=msgspec.structs.replace(row.steady, p50=Percentile(value_us=2 * row.steady.median_us))
        )
        if row.candidate == "litert-fp32"
        else row
        for row in evidence.devices[0].measurements
    ]
    device = msgspec.structs.replace(evidence.devices[0], measurements=tuple(rows))
    found = front_of(cases_of(msgspec.structs.replace(evidence, devices=(device,))).values())
    assert [off.candidate for off in found.dominated] == ["litert-fp32"] * beaten


@pytest.mark.parametrize(("percent", "beaten"), [(99.0, ["litert-fp32"]), (50.0, [])])
def test_a_busy_machine_tells_less_of_who_is_ahead(percent, beaten):
    evidence = evidence_of({"onnx-fp32": (0.0, 100.0, 10_000), "litert-fp32": (0.0, 140.0, 10_000)})
    rows = tuple(
        msgspec.structs.replace(row, process=ProcessUse(cpu_percent=percent, peak_memory_bytes=1))
        for row in evidence.devices[0].measurements
    )
    device = msgspec.structs.replace(evidence.devices[0], measurements=rows)
    found = front_of(cases_of(msgspec.structs.replace(evidence, devices=(device,))).values())
    assert [off.candidate for off in found.dominated] == beaten


def test_who_is_behind_only_one_that_is_behind_itself_stays_on_the_front():
    """a is within the noise of b, b of c, and a clearly faster than c: only b goes."""
    figures = {"a-fp32": (0.0, 100.0, 30_000), "b-fp32": (0.0, 103.0, 20_000), "c-fp32": (0.0, 106.5, 10_000)}
    found = front(figures)
    assert found.members == ("a-fp32", "c-fp32")
    assert [(off.candidate, off.by) for off in found.dominated] == [("b-fp32", ("c-fp32",))]


@pytest.mark.parametrize(("lost", "on_the_front"), [(5, True), (6, False)])
def test_five_samples_of_a_score_decide_nothing_and_six_may(lost, on_the_front):
    """Exact McNemar, two-sided: 5 pairs on one side give 0.0625, 6 give 0.031."""
    figures = {"onnx-fp32": (0.0, 100.0, 10_000), "litert-fp32": (100 * lost / 360, 100.0, 10_000)}
    assert ("litert-fp32" in front(figures, samples=360).members) is on_the_front


def test_a_metric_of_its_own_unit_has_its_interval_for_noise():
    given = evidence_of({"onnx-fp32": (0.0, 100.0, 10_000), "litert-fp32": (0.4, 100.0, 10_000)})

    def wide(half):
        results = tuple(
            msgspec.structs.replace(
                result,
                task=TaskScore(
                    score=1.0, reference=1.0, drop=result.task_drop, low=result.task_drop - half,
                    high=result.task_drop + half, count=360, method="paired bootstrap",
                ),
            )
            for result in given.validation.results
        )  # fmt: skip
        metric = MetricSpec(name="mae", better="lower", unit="mm")
        validation = msgspec.structs.replace(given.validation, results=results, task="mae", metric=metric)
        return front_of(cases_of(msgspec.structs.replace(given, validation=validation)).values())

    assert len(wide(0.5).members) == 2
    (off,) = wide(0.1).dominated
    assert off.text == "onnx-fp32 is 0.4 mm better, latency and size within the noise"


def test_without_labels_the_difference_is_the_score():
    found = front({"onnx-fp32": (1e-7, 100.0, 10_000), "onnx-int8": (0.05, 100.0, 10_000)}, labelled=False)
    assert found.objectives[0] == "difference"
    assert found.members == ("onnx-fp32",)
    assert "closer to eager" in found.dominated[0].text


def test_energy_counts_where_it_was_measured_and_who_lacks_it_is_not_compared():
    figures = dict.fromkeys(("onnx-fp32", "litert-fp32", "openvino-fp32"), (0.0, 100.0, 10000))
    found = front(figures, energy={"onnx-fp32": 2.0, "litert-fp32": 1.0})
    assert found.objectives[-1] == "energy"
    assert found.members == ("litert-fp32",)
    assert found.not_compared == {"openvino-fp32": "not known on the host: energy"}


def test_a_candidate_that_failed_beats_nobody():
    given = evidence_of({"onnx-fp32": (0.0, 100.0, 10_000), "litert-fp32": (0.0, 90.0, 9_000)})
    failed = msgspec.structs.replace(build.result("onnx-int8"), status="failed", task_drop=0.0)
    results = (*given.validation.results, failed)
    given = msgspec.structs.replace(given, validation=msgspec.structs.replace(given.validation, results=results))
    found = front_of(cases_of(given).values())
    assert "onnx-int8" not in (*found.members, *(off.candidate for off in found.dominated), *found.not_compared)


def test_nothing_to_compare_is_no_front():
    assert front_of(cases_of(build.empty()).values()) is None
    assert front({"onnx-fp32": (0.0, 100.0, 10_000)}) is None
    assert front({"onnx-fp32": (0.0, None, 10_000), "litert-fp32": (0.0, 25.0, 20_000)}) is None


FIGURES = st.tuples(st.floats(-2, 5), st.floats(90, 120), st.integers(9_800, 10_300))


@settings(max_examples=150, deadline=None)
@given(st.lists(FIGURES, min_size=2, max_size=6))
def test_some_are_always_on_the_front_and_every_other_is_behind_one(drawn):
    found = front({f"onnx{number}-fp32": figures for number, figures in enumerate(drawn)})
    assert found.members
    assert {*found.members, *(off.candidate for off in found.dominated)} == {
        f"onnx{number}-fp32" for number in range(len(drawn))
    }
    for off in found.dominated:
        assert set(off.by) <= set(found.members)
        assert " is " in off.text


@settings(max_examples=100, deadline=None)
@given(st.lists(FIGURES, min_size=2, max_size=5))
def test_nobody_is_ahead_of_whom_is_ahead_of_it_in_any_ring(drawn):
    cases = list(cases_of(evidence_of({f"onnx{n}-fp32": figures for n, figures in enumerate(drawn)})).values())
    objectives = objectives_of(cases)
    edges = {one.candidate: {o.candidate for o in cases if dominates(one, o, objectives)} for one in cases}
    from graphlib import TopologicalSorter

    TopologicalSorter(edges).prepare()
