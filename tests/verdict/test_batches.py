"""What is said beside a verdict of several samples a call."""

from __future__ import annotations

import pytest

from edgeproof.documents.batches import BatchesDocument, BatchResult, RefusedBatch
from edgeproof.documents.policy import PolicyValue
from edgeproof.verdict.batches import batch_lines, best_batch
from edgeproof.verdict.decide import decide


@pytest.fixture
def batches(build):
    def make(*medians: tuple[int, float], refused=(), **changes) -> BatchesDocument:
        results = tuple(
            BatchResult(
                candidate="litert-fp32",
                batch=size,
                steady=build.steady(median),
                validation=None if size == 1 else build.result("litert-fp32", spiking=False),
                **(changes if size > 1 else {}),
            )
            for size, median in medians
        )
        return BatchesDocument(
            device="host", machine=build.machine(), asked=(1, 8), results=results, refused=tuple(refused)
        )

    return make


def test_the_size_with_the_best_time_per_sample_is_named(batches):
    found = batches((1, 100.0), (8, 160.0), (64, 3200.0))
    best = best_batch(found, "litert-fp32")
    assert best is not None
    assert (best.batch, best.per_sample_us) == (8, 20.0)
    (line,) = batch_lines(found, "litert-fp32")
    assert line.startswith("in batches of 8 litert-fp32 takes 20 µs per sample (160 µs a call, ")
    assert line.endswith("samples/s), one by one 100 µs; the verdict is about one by one")


def test_one_by_one_may_be_the_best(batches):
    (line,) = batch_lines(batches((1, 10.0), (8, 160.0)), "litert-fp32")
    assert line == ("one sample a call is the fastest, 10 µs per sample; in batches of 8 a sample takes longer")


def test_what_was_busy_or_is_wrong_does_not_count(build, batches):
    busy = batches((1, 100.0), (8, 160.0), starved=True)
    assert batch_lines(busy, "litert-fp32") == [
        "litert-fp32 in batches of 8 does not count: this host was busy while it was timed"
    ]
    wrong = batches((1, 100.0), (8, 160.0))
    failed = build.result("litert-fp32", status="failed", reason="relative L2 0.5, limit 0.001")
    results = tuple(
        result
        if result.batch == 1
        else BatchResult(candidate=result.candidate, batch=8, steady=result.steady, validation=failed)
        for result in wrong.results
    )
    lines = batch_lines(
        BatchesDocument(device="host", machine=wrong.machine, asked=(8,), results=results), "litert-fp32"
    )
    assert lines == ["litert-fp32 in batches of 8 does not count: relative L2 0.5, limit 0.001"]


def test_a_size_that_cannot_be_says_why(build, batches):
    found = batches(refused=[RefusedBatch(batch=8, reason="it has time steps")])
    assert batch_lines(found, "litert-fp32") == ["no batches of 8: it has time steps"]
    assert batch_lines(None, "litert-fp32") == []
    assert decide(build.evidence(batches=found), PolicyValue(), {}, policy_source="").not_measured["batches of 8"] == (
        "it has time steps"
    )


def test_a_verdict_says_it_and_stays_as_it_is(build, batches):
    platforms = {"litert-fp32": ("host", "android")}
    plain = decide(build.evidence(), PolicyValue(), platforms, policy_source="")
    beside = decide(build.evidence(batches=batches((1, 100.0), (8, 160.0))), PolicyValue(), platforms, policy_source="")
    for before, after in zip(plain.verdicts, beside.verdicts, strict=True):
        assert (before.candidate, before.sentence, before.standings) == (
            after.candidate,
            after.sentence,
            after.standings,
        )
        added = [line for line in after.reasons if line not in before.reasons]
        assert len(added) == (1 if after.device_class == "host" and after.candidate == "litert-fp32" else 0)
