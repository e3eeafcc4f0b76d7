"""Limits: those of a body follow from the model, and none is nothing."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeproof.errors import UsageError
from edgeproof.serve.limits import ServerLimits, largest_body, most_calls


@given(
    array=hnp.arrays(
        np.float64, hnp.array_shapes(max_dims=4, max_side=6), elements={"allow_nan": False, "allow_infinity": False}
    )
)
def test_every_request_that_a_model_takes_has_room_even_when_it_is_indented(array: np.ndarray) -> None:
    tensor = {"name": "x", "shape": list(array.shape), "datatype": "FP64", "data": array.tolist()}
    assert len(json.dumps({"inputs": [tensor]}, indent=2)) < largest_body(array.size)


def test_a_model_of_few_inputs_takes_no_large_bodies() -> None:
    assert largest_body(64) < 70_000
    assert 5_000_000 < largest_body(3 * 224 * 224) < 8_000_000


@pytest.mark.parametrize(("values", "expected"), [(0, 32), (64, 32), (3 * 224 * 224, 2), (10**7, 1)])
def test_batches_are_as_long_as_16_mebibytes_of_json_hold(values: int, expected: int) -> None:
    assert most_calls(values) == expected
    assert expected == 1 or largest_body(expected * values) < (17 << 20)


@pytest.mark.parametrize(
    "limit", [{"body_bytes": 0}, {"connections": 0}, {"request_seconds": 0.0}, {"request_seconds": float("inf")}]
)
def test_a_limit_of_nothing_is_wrong_use(limit: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="expected a body of at least 1 byte"):
        ServerLimits(**{"body_bytes": 1, **limit})


@given(most=st.integers(1, 1 << 32))
def test_all_bodies_together_may_be_several(most: int) -> None:
    assert ServerLimits(body_bytes=most).bodies_bytes >= 4 * most
