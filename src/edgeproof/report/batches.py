"""The table of candidates with several samples a call: a row a candidate and size."""

from __future__ import annotations

from edgeproof.documents.batches import BatchesDocument, BatchResult
from edgeproof.report.columns import Field, figured, named, table_of, worded
from edgeproof.report.content import Table
from edgeproof.report.quantities import difference
from edgeproof.verdict.batches import why_not_counted

__all__ = ["table"]

CAPTION = (
    "Several samples a call on this host, measured in turns with one a call, which verdicts are about. Time per sample "
    "is the median of a call over the samples in it; outputs are compared with the eager model's, sample by sample."
)


def table(batches: BatchesDocument | None) -> Table | None:
    """Every candidate in every size; None where no larger batch was asked for or none could be made."""
    if batches is None or not batches.results:
        return None
    results = sorted(
        batches.results, key=lambda result: [known.candidate for known in batches.results].index(result.candidate)
    )
    fields: tuple[Field[BatchResult], ...] = (
        named("Candidate", lambda result: result.candidate),
        worded("Samples a call", lambda result: str(result.batch)),
        worded("Outputs", outputs, tone=lambda result: "bad" if outputs(result) in ("failed", "error") else ""),
        figured(
            "Relative L2",
            "1",
            lambda result: (
                None
                if result.validation is None or result.validation.differences is None
                else result.validation.differences.relative_l2
            ),
            difference,
            lambda result: "in the table of candidates" if result.batch == 1 else why_not_counted(result),
        ),
        figured(
            "Median a call",
            "µs",
            lambda result: None if result.steady is None else result.steady.median_us,
            absent=lacking,
        ),
        figured("Median a sample", "µs", lambda result: result.per_sample_us, absent=lacking),
        figured("Throughput", "samples/s", lambda result: result.samples_per_s, absent=lacking),
    )
    left = [
        f"Batches of {size}: {count} samples fill no whole one" for size, count in batches.left_out.items() if count
    ]
    busy = [f"{result.candidate} with {result.batch} a call" for result in results if result.starved]
    if busy:
        left.append(f"This host was busy, and these times do not count: {', '.join(busy)}")
    lost = [f"No batches of {refused.batch}: {refused.reason}" for refused in batches.refused]
    return table_of("batches", " ".join([CAPTION, *(f"{text}." for text in (*left, *lost))]), fields, results)


def outputs(result: BatchResult) -> str:
    """How the comparison with the eager model ended."""
    if result.batch == 1:
        return "the run's own"
    return result.validation.status if result.validation is not None else "not made"


def lacking(result: BatchResult) -> str:
    """Why there is no time."""
    return f"{result.candidate}, {result.batch} a call: {result.reason or 'no call was timed'}"
