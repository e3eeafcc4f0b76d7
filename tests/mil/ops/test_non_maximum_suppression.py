"""Boxes left out, against a walk over all pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mil.ops.calling import call

from edgeproof.errors import ArtifactError

Few = settings(max_examples=40, deadline=None, derandomize=True)


def overlap(a: list[float], b: list[float]) -> float:
    """Intersection over union of boxes given by centre and size."""
    sides = []
    for dim in (0, 1):
        low = max(a[dim] - a[dim + 2] / 2, b[dim] - b[dim + 2] / 2)
        high = min(a[dim] + a[dim + 2] / 2, b[dim] + b[dim + 2] / 2)
        sides.append(max(0.0, high - low))
    shared = sides[0] * sides[1]
    union = a[2] * a[3] + b[2] * b[3] - shared
    return shared / union if union else 0.0


def kept(boxes: Any, scores: Any, most: float, least: float | None, count: int, by_class: bool) -> list[int]:
    tops = [max(row) for row in scores]
    classes = [row.index(max(row)) for row in scores]
    found: list[int] = []
    ranked = sorted(range(len(boxes)), key=lambda box: -tops[box])
    for box in ranked:
        rivals = [other for other in found if not by_class or classes[other] == classes[box]]
        if (least is None or tops[box] >= least) and all(overlap(boxes[box], boxes[other]) <= most for other in rivals):
            found.append(box)
    return (found or ranked[:1])[:count]


@given(
    st.integers(1, 2),
    st.integers(1, 12),
    st.integers(1, 3),
    st.sampled_from([0.1, 0.3, 0.5, 0.9]),
    st.sampled_from([-1.0, 0.3, 0.6, 2.0]),
    st.integers(1, 8),
    st.booleans(),
    st.sampled_from([np.float32, np.float16]),
    st.integers(0, 10_000),
)
@Few
def test_no_two_boxes_overlap_too_much(
    batches: int,
    number: int,
    classes: int,
    most: float,
    least: float,
    count: int,
    by_class: bool,
    dtype: Any,
    seed: int,
) -> None:
    generator = np.random.default_rng(seed)
    boxes = (generator.integers(1, 9, (batches, number, 4)) / 2).astype(dtype)
    scores = generator.permutation(batches * number * classes).reshape(batches, number, classes)
    scores = (scores / scores.size).astype(dtype)
    settings_ = {"iou_threshold": most, "max_boxes": count, "per_class_suppression": by_class}
    old = call("non_maximum_suppression", "iOS15", boxes=boxes, scores=scores, score_threshold=least, **settings_)
    new = call(
        "non_maximum_suppression",
        "iOS17",
        boxes=boxes.swapaxes(1, 2),
        scores=scores.swapaxes(1, 2),
        **settings_,
    )
    turned = (new[0].swapaxes(1, 2), new[1].swapaxes(1, 2), new[2])
    for results, threshold in ((old, least), (turned, None)):
        chosen, chosen_scores, indices = results[:3]
        assert chosen.dtype == chosen_scores.dtype == dtype
        assert indices.dtype == np.int32
        for batch in range(batches):
            expected = kept(boxes[batch].tolist(), scores[batch].tolist(), most, threshold, count, by_class)
            rest = count - len(expected)
            assert indices[batch].tolist() == expected + [-1] * rest
            assert chosen[batch].tolist() == boxes[batch][expected].tolist() + [[0] * 4] * rest
            assert chosen_scores[batch].tolist() == scores[batch][expected].tolist() + [[0] * classes] * rest
            if threshold is not None:
                assert old[3].dtype == np.int32
                assert old[3][batch] == len(expected)


def test_boxes_without_scores_are_refused() -> None:
    with pytest.raises(ArtifactError, match="do not fit"):
        call(
            "non_maximum_suppression",
            "iOS15",
            boxes=np.zeros((1, 3, 4), np.float32),
            scores=np.zeros((1, 2, 1), np.float32),
            iou_threshold=0.5,
            score_threshold=0.5,
            max_boxes=1,
        )
