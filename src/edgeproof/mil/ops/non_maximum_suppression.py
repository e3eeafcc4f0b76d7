"""Boxes that overlap others with better scores, left out."""

from __future__ import annotations

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Budget

__all__ = ["non_maximum_suppression", "non_maximum_suppression_ios17"]


def _overlaps(boxes: Array, index: int) -> Array:
    """Intersection over union of a box with each: (n, 4) as centre x, y, width, height, to (n,). NaN of no area."""
    half = boxes[:, 2:] * boxes.dtype.type(0.5)
    low, high = boxes[:, :2] - half, boxes[:, :2] + half
    shared = np.maximum(np.minimum(high, high[index]) - np.maximum(low, low[index]), 0)
    area = boxes[:, 2] * boxes[:, 3]
    common = shared[:, 0] * shared[:, 1]
    return np.asarray(common / (area + area[index] - common))


def _survivors(
    boxes: Array, scores: Array, overlap: float, least: float | None, count: int, by_class: bool, budget: Budget
) -> Array:
    """Indices of the boxes that are kept, best first; the best one where none reaches the least score.

    Args:
        boxes: shape (n, 4).
        scores: shape (n, classes); a box has its best score, and that class.
        overlap: above which the worse of two is left out.
    """
    top = scores.max(axis=1)
    ranked = np.argsort(-top, kind="stable")
    open_ = np.ones(len(ranked), np.bool_) if least is None else top >= least
    classes = scores.argmax(axis=1)
    kept: list[int] = []
    for box in ranked.tolist():
        if len(kept) == count:
            break
        if not open_[box]:
            continue
        budget.turn()
        kept.append(box)
        hit = _overlaps(boxes, box) > overlap
        if by_class:
            hit &= classes == classes[box]
        open_ &= ~hit
    return np.array(kept if kept else ranked[: min(1, count)], np.int64)


def _suppress(
    boxes: Array, scores: Array, overlap: float, least: float | None, count: int, by_class: bool, budget: Budget
) -> tuple[Array, Array, Array, Array]:
    if boxes.ndim != 3 or scores.ndim != 3 or boxes.shape[2] != 4 or boxes.shape[:2] != scores.shape[:2]:
        raise ArtifactError(f"boxes {list(boxes.shape)} and scores {list(scores.shape)} do not fit")
    batches = len(boxes)
    budget.room((batches, count, max(4, scores.shape[2])), 4)
    chosen_boxes = np.zeros((batches, count, 4), boxes.dtype)
    chosen_scores = np.zeros((batches, count, scores.shape[2]), scores.dtype)
    indices = np.full((batches, count), -1, np.int32)
    numbers = np.zeros(batches, np.int32)
    for batch in range(batches):
        kept = _survivors(boxes[batch], scores[batch], overlap, least, count, by_class, budget)
        number = numbers[batch] = len(kept)
        chosen_boxes[batch, :number], chosen_scores[batch, :number] = boxes[batch][kept], scores[batch][kept]
        indices[batch, :number] = kept
    return chosen_boxes, chosen_scores, indices, numbers


@op("non_maximum_suppression")
def non_maximum_suppression(
    boxes: Array,
    scores: Array,
    iou_threshold: float,
    score_threshold: float,
    max_boxes: int,
    budget: Budget,
    per_class_suppression: bool = False,
) -> tuple[Array, Array, Array, Array]:
    """The best boxes of which no two overlap too much.

    From the best score down each box is kept whose intersection over union with none that is kept already is above
    ``iou_threshold``; with ``per_class_suppression`` only those of its own class, the one it scores best in, count.
    Boxes below ``score_threshold`` are left out, but the best one if no other is left.

    Args:
        boxes: shape (n, boxes, 4): centre x, y, width, height.
        scores: shape (n, boxes, classes).

    Returns:
        Boxes, scores, indices (int32), each filled up to ``max_boxes`` with 0, 0, -1; how many are kept (int32).
    """
    return _suppress(boxes, scores, iou_threshold, score_threshold, max_boxes, per_class_suppression, budget)


@op("non_maximum_suppression", "iOS17")
def non_maximum_suppression_ios17(
    boxes: Array,
    scores: Array,
    iou_threshold: float,
    max_boxes: int,
    budget: Budget,
    per_class_suppression: bool = False,
) -> tuple[Array, Array, Array]:
    """The same without a least score and without numbers; boxes stand in the last dimension of what goes in and out."""
    kept_boxes, kept_scores, indices, _ = _suppress(
        np.swapaxes(boxes, 1, 2),
        np.swapaxes(scores, 1, 2),
        iou_threshold,
        None,
        max_boxes,
        per_class_suppression,
        budget,
    )
    return np.swapaxes(kept_boxes, 1, 2), np.swapaxes(kept_scores, 1, 2), indices
