"""Why a case of coremltools' own tests is not expected to pass; docs/coreml.md says the same."""

from __future__ import annotations

import re

__all__ = ["MIXED", "reason_for"]

MIXED = r"precision='fp32'.*(float16|fp16)"
"""Cases of fp32 that bring values in fp16."""

KNOWN: tuple[tuple[str, str], ...] = (
    (
        MIXED,
        "asks for a program in fp32 and then gives it fp16 values, and holds their results, rounded to fp16 as "
        "the program declares, to 1e-4 of values that were not rounded; half a unit of fp16 is 2.4e-4 at 0.5",
    ),
    (
        r"TestSliceByIndex::test_slice_by_index|test_type_inference_dynamic_x_with_groups|neuralnetwork"
        r"|TestHardswish::test_longer_range",
        "converts to a neural network first, which is no ML program",
    ),
    (
        r"iOS14.*TestNormalizationLocalResponseNorm::test_builder_to_backend_smoke.*fp32",
        "the literals sum the channel itself alone; the documentation, and the suite's own stress test, take its "
        "neighbours too",
    ),
    (
        r"iOS15.*TestCropResize::test_builder_to_backend_smoke",
        "a normalised box of [2, 2, 1, 1], outside the documented [0, 1]; the literals are those of the whole image",
    ),
    (
        r"TestCropResize::test_builder_to_backend_ios1[67].*fp32",
        "a literal of 7.899 for 7.9, held to 1e-4",
    ),
    (
        r"iOS15.*TestResample::test_builder_to_backend_smoke.*fp32",
        "counts on two casts, whatever the precision; in fp32 the converter writes none",
    ),
    (
        r"TestMatMul::test_ios17_mixed_precision",
        "int32 by a constant of fp32, declared int32: which side is the constant decides the dtype, and a function of "
        "values cannot see that; refused, for it gives fp32",
    ),
    (
        r"TestLSTMWithPackedSequence",
        "the converter takes the length of the first sequence for the batch, and gives the LSTM a first state of 10 "
        "rows for 3 sequences, which the documentation does not allow: refused",
    ),
    (
        r"TestGather::test_gather_nd_int16_indices.*'fp32'",
        "the values agree; the case looks for int16 indices in the program, which the converter writes for fp16 only",
    ),
    (
        r"TestLinear::test_linear_fp16.*'fp32'",
        "a layer that PyTorch computed in fp16, held to 1e-4",
    ),
    (
        r"TestIndex::test_index_bool_indices.*'fp16'",
        "picks the elements of random numbers above 0.5: one that lies just above is 0.5 in fp16, and is not picked",
    ),
    (
        r"TestStack::test_stack_dynamic_range_dim",
        "wants a package refused for its default size, where the sizes that are given fit",
    ),
    (
        r"TestBisectModel::test_(api_example|pipeline)",
        "a pipeline of two models, which is no ML program",
    ),
    (
        r"TestSliceByIndex::test_efficient_type_inference",
        "a limit of 10 ms on the wall clock for coremltools itself; nothing is predicted",
    ),
)
"""A pattern in the case's name, and the reason."""


def reason_for(case: str) -> str | None:
    """The reason; None where there is none."""
    return next((reason for pattern, reason in KNOWN if re.search(pattern, case)), None)
