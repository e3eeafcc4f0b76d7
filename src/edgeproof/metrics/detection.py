"""Mean average precision as COCO defines it, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.errors import MissingDependency
from edgeproof.metrics.base import Array, Metric, Outputs
from edgeproof.metrics.labels import Labels, rows_of

__all__ = ["MeanAveragePrecision"]

MOST = 100
"""Detections of an image that count, the surest first, as COCO has it."""


@dataclass(frozen=True)
class MeanAveragePrecision(Metric):
    """COCO's mAP over IoU 0.50:0.95, all areas, 100 detections an image.

    The outputs: ``boxes [samples, n, 4]`` as x1, y1, x2, y2; ``scores [samples, n]``, or ``[samples, n, classes]``
    of which the largest counts; ``classes [samples, n]`` where the scores do not tell them. The labels: a row
    ``class, x1, y1, x2, y2`` a box, as many as an image has.

    Attributes:
        boxes: name of that output.
        scores: name of that output.
        classes: name of that output, or None.
        threshold: detections with a lower score are left out.
        iou: a threshold to hold to in place of all ten.
    """

    boxes: str = "boxes"
    scores: str = "scores"
    classes: str | None = None
    threshold: float = 0.0
    iou: float | None = None

    def of(self, outputs: Outputs, labels: Labels) -> float:
        """The mAP, 0..1; NaN where no image has a box.

        Raises:
            ValueError: outputs or labels are no boxes. MissingDependency: pycocotools is not installed.
        """
        return self.resampled(outputs, labels)(np.ones(len(labels), np.int64))

    def resampled(self, outputs: Outputs, labels: Labels) -> Callable[[npt.NDArray[np.int64]], float]:
        """Boxes are matched once, image by image; drawn images are only summed up anew."""
        truth, found = self._truth(labels), self._found(outputs)
        evaluation = self._matched(truth, found, len(labels))
        if evaluation is None:
            return lambda _: float("nan")
        images, matched = len(labels), evaluation.evalImgs  # class by class, image by image
        kinds = [_Kind.of(matched[begin : begin + images]) for begin in range(0, len(matched), images)]
        recalls = evaluation.params.recThrs

        def again(counts: npt.NDArray[np.int64]) -> float:
            known = [precision for kind in kinds if (precision := kind.precision(counts, recalls)) is not None]
            return float(np.mean(known)) if known else float("nan")

        return again

    def _matched(self, truth: list[dict[str, Any]], found: list[dict[str, Any]], images: int) -> Any:
        try:
            from pycocotools.coco import COCO
            from pycocotools.cocoeval import COCOeval
        except ImportError as error:
            hint = "pip install 'edgeproof[metrics]'"
            raise MissingDependency(f"mAP needs pycocotools: {error}", hint=hint) from error
        if not truth:
            return None
        kinds = sorted({box["category_id"] for box in truth})
        with contextlib.redirect_stdout(io.StringIO()):
            coco = COCO()
            coco.dataset = {
                "info": {},
                "images": [{"id": i} for i in range(images)],
                "annotations": truth,
                "categories": [{"id": kind} for kind in kinds],
            }
            coco.createIndex()
            detections = coco.loadRes(found) if found else _without(coco)
            evaluation = COCOeval(coco, detections, "bbox")
            evaluation.params.areaRng, evaluation.params.areaRngLbl = [[0, 1e10]], ["all"]
            evaluation.params.maxDets = [MOST]
            if self.iou is not None:
                evaluation.params.iouThrs = np.asarray([self.iou])
            evaluation.evaluate()
        return evaluation

    def _truth(self, labels: Labels) -> list[dict[str, Any]]:
        boxes: list[dict[str, Any]] = []
        for image, rows in enumerate(rows_of(labels)):
            if rows.ndim != 2 or rows.shape[1] != 5:
                raise ValueError(f"a label is a row class, x1, y1, x2, y2 a box; it is {list(rows.shape)}")
            for kind, *corners in rows.astype(np.float64):
                box = {"id": len(boxes) + 1, "image_id": image, "category_id": int(kind), "iscrowd": 0}
                boxes.append({**box, **_sized(np.asarray(corners))})
        return boxes

    def _found(self, outputs: Outputs) -> list[dict[str, Any]]:
        if not isinstance(outputs, Mapping):
            raise ValueError("it scores outputs by name, boxes and scores; the model gives one: use decode=")
        lacking = [name for name in (self.boxes, self.scores, self.classes) if name and name not in outputs]
        if lacking:
            raise ValueError(f"no output is called {' or '.join(lacking)}; the model gives {', '.join(outputs)}")
        scores = outputs[self.scores]
        kinds: Array = np.zeros(scores.shape[:2], np.int64)
        if scores.ndim == 3:
            kinds, scores = scores.argmax(axis=-1), scores.max(axis=-1)
        if self.classes is not None:
            kinds = outputs[self.classes].reshape(scores.shape).astype(np.int64)
        found = []
        for image, boxes in enumerate(outputs[self.boxes]):
            for number in np.flatnonzero(scores[image] >= self.threshold):
                told = {"image_id": image, "category_id": int(kinds[image, number])}
                found.append({**told, "score": float(scores[image, number]), **_sized(boxes[number])})
        return found


@dataclass(frozen=True)
class _Kind:
    """The boxes of one class, matched: what COCO's ``accumulate`` computes of them, for images drawn several times.

    Attributes:
        hits: ``bool[thresholds, detections]``, which find a box, the surest first.
        counted: ``bool[thresholds, detections]``, which are not ignored, as boxes without an area are.
        images: ``int[detections]``, where each stands.
        boxes: ``int[images]``, how many there are to find.
    """

    hits: npt.NDArray[np.bool_]
    counted: npt.NDArray[np.bool_]
    images: npt.NDArray[np.intp]
    boxes: npt.NDArray[np.int64]

    @classmethod
    def of(cls, matched: Sequence[Any]) -> _Kind:
        """From what the library says of each image, None where there is nothing in it."""
        known = [(image, found) for image, found in enumerate(matched) if found is not None]
        scores = np.concatenate([np.asarray(found["dtScores"], np.float64) for _, found in known] or [np.zeros(0)])
        order = np.argsort(-scores, kind="stable")
        images = np.concatenate([np.full(len(found["dtScores"]), image) for image, found in known] or [np.zeros(0)])
        none = [np.zeros((1, 0), bool)]
        hits = np.concatenate([found["dtMatches"] > 0 for _, found in known] or none, axis=1)
        ignored = np.concatenate([found["dtIgnore"].astype(bool) for _, found in known] or none, axis=1)
        boxes = np.zeros(len(matched), np.int64)
        for image, found in known:
            boxes[image] = len(found["gtIds"])
        return cls(hits[:, order], ~ignored[:, order], images.astype(np.intp)[order], boxes)

    def precision(self, counts: npt.NDArray[np.int64], recalls: npt.NDArray[np.float64]) -> float | None:
        """The mean precision over thresholds and recalls; None where no box is drawn.

        Copies of a detection have one score: what the last of them makes of the precision is the best of it.
        """
        boxes, drawn = int(counts @ self.boxes), counts[self.images]
        if not boxes:
            return None
        hits = np.cumsum(self.hits * drawn, axis=1)
        precision = hits / (np.cumsum(self.counted * drawn, axis=1) + np.spacing(1))
        best = np.maximum.accumulate(precision[:, ::-1], axis=1)[:, ::-1]
        total = 0.0
        for row, found in zip(best, hits / boxes, strict=True):
            reached = np.searchsorted(found, recalls, side="left")
            total += float(row[reached[reached < len(row)]].sum())
        return total / (len(best) * len(recalls))


def _sized(corners: Array) -> dict[str, Any]:
    x, y, right, lower = (float(value) for value in corners)
    return {"bbox": [x, y, right - x, lower - y], "area": max(right - x, 0.0) * max(lower - y, 0.0)}


def _without(coco: Any) -> Any:
    """No detections at all, which the library's own reader refuses."""
    from pycocotools.coco import COCO

    empty = COCO()
    empty.dataset = {**coco.dataset, "annotations": []}
    empty.createIndex()
    return empty
