"""The predicted class from counts, logits and records over time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeproof.differences.score import accuracy, predicted_classes

LABELS = np.array([0, 1, 2, 2])


def test_logits_and_counts() -> None:
    logits = np.eye(3)[[0, 1, 2, 0]][:, None]
    assert predicted_classes(logits).tolist() == [0, 1, 2, 0]
    assert accuracy(logits, LABELS) == 0.75
    assert accuracy((logits * 7).astype(np.int64), LABELS) == 0.75


def test_a_record_of_spikes_is_counted_first() -> None:
    record = np.zeros((2, 5, 1, 3))
    record[0, 4, 0, 1] = 1
    record[0, :2, 0, 2] = 1
    record[1, 0, 0, 0] = 1
    assert predicted_classes(record).tolist() == [2, 0]
    assert accuracy(record, np.array([2, 1])) == 0.5


@given(hnp.arrays(np.float64, st.tuples(st.integers(1, 9), st.just(1), st.integers(2, 6)), elements=st.integers(0, 9)))
def test_a_record_of_one_step_is_its_counts(counts: np.ndarray) -> None:
    assert np.array_equal(predicted_classes(counts), predicted_classes(counts[:, None]))
    assert accuracy(counts, predicted_classes(counts)) == 1


@pytest.mark.parametrize("shape", [(4,), (4, 3), (4, 2, 3), (4, 5, 2, 3), (4, 1, 1, 1, 3)])
def test_other_shapes_have_no_class(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="no class can be read"):
        predicted_classes(np.zeros(shape))
