"""What several samples a call would change: said beside a verdict, which is about one."""

from __future__ import annotations

from edgeproof.documents.batches import BatchesDocument, BatchResult
from edgeproof.verdict.wording import and_list, milliseconds, shortened

__all__ = ["batch_lines", "best_batch"]


def best_batch(batches: BatchesDocument, candidate: str) -> BatchResult | None:
    """The size with the lowest time per sample, of those whose outputs passed; None where none was measured."""
    found = [result for result in batches.results if result.candidate == candidate and result.counts]
    return min(found, key=lambda result: result.per_sample_us or 0.0, default=None)


def batch_lines(batches: BatchesDocument | None, candidate: str) -> list[str]:
    """Which size is the best of a candidate, per sample; else why none can be told."""
    if batches is None:
        return []
    lines = [f"no batches of {lost.batch}: {shortened(lost.reason)}" for lost in batches.refused]
    own = [result for result in batches.results if result.candidate == candidate]
    larger = [result for result in own if result.batch > 1]
    best, single = best_batch(batches, candidate), next((result for result in own if result.batch == 1), None)
    timed = [result.batch for result in larger if result.counts]
    lines += [
        f"{candidate} in batches of {result.batch} does not count: {shortened(why_not_counted(result))}"
        for result in larger
        if not result.counts
    ]
    if best is None or best.steady is None or not timed or single is None or not single.counts:
        return lines
    told = f"{milliseconds(best.per_sample_us or 0.0)} per sample"
    if best.batch == 1:
        sizes = and_list([str(size) for size in timed])
        return [
            *lines,
            f"one sample a call is the fastest, {told}; in batches of {sizes} a sample takes longer",
        ]
    rate = f"{best.samples_per_s or 0.0:,.0f} samples/s"
    line = (
        f"in batches of {best.batch} {candidate} takes {told} ({milliseconds(best.steady.median_us)} a call, {rate}), "
        f"one by one {milliseconds(single.per_sample_us or 0.0)}; the verdict is about one by one"
    )
    return [*lines, line]


def why_not_counted(result: BatchResult) -> str:
    """Why a size of a candidate has no time that counts."""
    if result.validation is not None and result.validation.status != "passed":
        return result.validation.reason or f"its outputs {result.validation.status}"
    return result.reason or "this host was busy while it was timed"
