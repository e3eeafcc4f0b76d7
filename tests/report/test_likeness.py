"""What makes two runs unlike is said first: model, inputs, samples, policy, host, what the eager model computes."""

from __future__ import annotations

import msgspec
import pytest

from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.signature import TensorSpec
from edgeproof.report.comparison import compare_runs, comparison_text
from edgeproof.report.comparison_page import page_of
from edgeproof.report.html import render_comparison
from edgeproof.report.likeness import ComparedRun, unlike
from edgeproof.verdict.decide import decide


def run_of(build, *, policy=None, held_out="a", outputs="b", name="run", **changes):
    evidence = build.evidence(**changes)
    evaluation = decide(evidence, policy or PolicyValue(), build.PLATFORMS, policy_source="test")
    return ComparedRun(name, evidence, evaluation, held_out=held_out, outputs=outputs)


def other_inputs(build):
    samples = build.samples()
    signature = msgspec.structs.replace(
        samples.signature, inputs=(TensorSpec(name="x", dtype="float32", shape=(1, 32)),)
    )
    return msgspec.structs.replace(samples, signature=signature)


def test_alike_runs_have_nothing_to_say(build):
    assert unlike(run_of(build), run_of(build)) == ()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model": "other"}, "two models: digits_snn before, other after"),
        ({"policy": PolicyValue(latency_ms=5.0, size_mb=2.0)}, "latency_ms 10 → 5 and size_mb none → 2"),
        ({"held_out": "c"}, "other values"),
        ({"outputs": "c"}, "the eager model gives other outputs"),
    ],
)
def test_each_difference_is_one_sentence(build, changes, words):
    (sentence,) = unlike(run_of(build), run_of(build, **changes))
    assert words in sentence


def test_other_inputs_samples_and_hosts(build):
    assert (
        "x float32[1, 64] before, x float32[1, 32] after"
        in unlike(run_of(build), run_of(build, samples=other_inputs(build)))[0]
    )
    assert "another seed: 0 before, 7 after" in unlike(run_of(build), run_of(build, samples=build.samples(seed=7)))[0]
    fewer = unlike(run_of(build), run_of(build, samples=build.samples(count=64)))
    assert "256 real representative" in fewer[0]
    assert "64 real representative" in fewer[0]
    machine = msgspec.structs.replace(build.environment(), machine=build.machine(cpu_model="Cortex-A76"))
    assert "latencies and memory are not comparable" in unlike(run_of(build), run_of(build, environment=machine))[0]


def test_without_documents_nothing_is_claimed(build):
    assert unlike(run_of(build, samples=None, environment=None, held_out=None, outputs=None), run_of(build)) == ()


def test_it_stands_before_all_else_in_text_and_page(build):
    found = compare_runs(run_of(build, name="before"), run_of(build, name="after", policy=PolicyValue(latency_ms=5.0)))
    assert found.unlike
    text = comparison_text(found)
    assert text.index("The runs are not alike") < text.index("candidate ")
    page = render_comparison(page_of(found))
    assert page.index("The runs are not alike") < page.index("Verdicts")


class TestPage:
    def test_better_and_worse_are_marked_and_the_rest_is_not(self, build):
        rows = tuple(
            build.measurement(name, median)
            for name, median in (("onnx-fp32", 230.0), ("litert-fp32", 10.0), ("sdk-native", 1.75))
        )
        worse = build.result("onnx-int8", task_score=0.90, task_drop=7.0)
        after = run_of(build, devices=(build.device(rows),), validation=build.validation(worse))
        table = page_of(compare_runs(run_of(build), after)).table
        titles = [column.title for column in table.columns]
        cells = {row[0].text: dict(zip(titles, row, strict=True)) for row in table.rows}
        assert (cells["onnx-fp32"]["Host median"].tone, cells["onnx-fp32"]["Latency"].text) == ("bad", "2.00")
        assert cells["litert-fp32"]["Host median"].tone == "good"
        assert cells["sdk-native"]["Host median"].tone == ""
        assert (cells["onnx-int8"]["Task score"].tone, cells["onnx-int8"]["Task score"].text) == ("bad", "96.7 → 90.0")
        assert cells["onnx-fp32"]["Artifact"].tone == ""

    def test_a_candidate_that_one_run_lacks_is_told_by_its_status(self, build):
        after = run_of(build, conversion=build.conversion(leave_out=("coreml-fp32",)), validation=None)
        found = page_of(compare_runs(run_of(build), after))
        row = next(row for row in found.table.rows if row[0].text == "coreml-fp32")
        assert row[1].text == "skipped → absent"

    def test_verdicts_that_changed_show_both(self, build):
        after = run_of(build, devices=(build.device((build.measurement("onnx-fp32", 20.0),)),))
        page = render_comparison(page_of(compare_runs(run_of(build), after)))
        assert page.count("<del>") == page.count("<ins>") == 1
        assert "</html>" in page
