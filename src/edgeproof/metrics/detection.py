"""Mean average precision as COCO defines it, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
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
        images = len(labels)
        matched = evaluation.evalImgs  # class by class, image by image

        def again(counts: npt.NDArray[np.int64]) -> float:
            index = np.repeat(np.arange(images), counts)
            evaluation.evalImgs = [matched[begin + i] for begin in range(0, len(matched), images) for i in index]
            with contextlib.redirect_stdout(io.StringIO()):
                evaluation.accumulate()
            precision = evaluation.eval["precision"]
            known = precision[precision > -1]
            return float(known.mean()) if known.size else float("nan")

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
