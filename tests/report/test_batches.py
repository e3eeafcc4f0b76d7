"""The table of several samples a call."""

from __future__ import annotations

from edgeproof.documents.batches import BatchesDocument, BatchResult, RefusedBatch
from edgeproof.report.batches import table


def test_a_row_for_every_size_with_call_sample_and_throughput(build):
    document = BatchesDocument(
        device="host",
        machine=build.machine(),
        asked=(1, 8),
        results=(
            BatchResult(candidate="onnx-fp32", batch=1, steady=build.steady(100.0)),
            BatchResult(candidate="litert-fp32", batch=1, steady=build.steady(50.0), starved=True),
            BatchResult(
                candidate="onnx-fp32",
                batch=8,
                steady=build.steady(160.0),
                validation=build.result("onnx-fp32", spiking=False),
            ),
            BatchResult(candidate="litert-fp32", batch=8, reason="not converted: no such operator"),
        ),
        refused=(RefusedBatch(batch=64, reason="there are 40 samples, fewer than fill one call"),),
        left_out={"8": 3},
    )
    found = table(document)
    assert found is not None
    assert [column.title for column in found.columns][:3] == ["Candidate", "Samples a call", "Outputs"]
    rows = [[cell.text for cell in row] for row in found.rows]
    assert [(row[0], row[1]) for row in rows] == [
        ("onnx-fp32", "1"),
        ("onnx-fp32", "8"),
        ("litert-fp32", "1"),
        ("litert-fp32", "8"),
    ]
    assert rows[1][4:6] == ["160", "20.0"]
    assert "litert-fp32, 8 a call: not converted: no such operator" in found.notes
    for text in (
        "Batches of 8: 3 samples fill no whole one.",
        "No batches of 64: there are 40 samples",
        "these times do not count: litert-fp32 with 1 a call",
    ):
        assert text in found.caption
    assert table(None) is None
