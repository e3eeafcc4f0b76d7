"""Metrics by name, held against other people's implementations of them."""

from __future__ import annotations

import contextlib
import io
import math
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as sk

from edgeproof.errors import UsageError
from edgeproof.metrics.base import Metric
from edgeproof.metrics.comparing import Beside, Slices, lost_of, slices_of
from edgeproof.metrics.detection import MeanAveragePrecision
from edgeproof.metrics.intervals import draw_counts
from edgeproof.metrics.labels import Labels, Ragged, labels_of
from edgeproof.metrics.registry import find_metric, metric, metric_names, parse_metric

SOURCE = np.random.default_rng(5)
COUNT = 60
CLASSES = SOURCE.integers(0, 4, COUNT)
SCORES = (SOURCE.standard_normal((COUNT, 4)) + 2 * np.eye(4)[CLASSES]).astype(np.float32)
WANTED = SOURCE.standard_normal(COUNT)
GIVEN = (WANTED + 0.3 * SOURCE.standard_normal(COUNT)).astype(np.float32)
MASKS = SOURCE.integers(0, 3, (COUNT, 5, 6))
PIXELS = (SOURCE.standard_normal((COUNT, 3, 5, 6)) + 2 * np.moveaxis(np.eye(3)[MASKS], -1, 1)).astype(np.float32)
TOKENS = np.where(SOURCE.random((COUNT, 7)) < 0.2, -100, SOURCE.integers(0, 4, (COUNT, 7)))
TOKEN_SCORES = SOURCE.standard_normal((COUNT, 7, 4)).astype(np.float32)
TEXTS = np.array(["the cat sat", "a dog", "on the mat"] * (COUNT // 3))
HEARD = np.array(["the cat sat", "a dog barked", "on a hat"] * (COUNT // 3))


def softmax(scores: np.ndarray) -> np.ndarray:
    exp = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.asarray(exp / exp.sum(axis=-1, keepdims=True))


def jaccard() -> float:
    return float(sk.jaccard_score(MASKS.ravel(), PIXELS.argmax(1).ravel(), average="macro"))


def token_loss() -> float:
    kept = TOKENS != -100
    return math.exp(sk.log_loss(TOKENS[kept], softmax(TOKEN_SCORES.astype(np.float64))[kept], labels=range(4)))


CASES: dict[str, tuple[Any, Any, Any, Callable[[], float]]] = {
    "accuracy": ("accuracy", SCORES, CLASSES, lambda: sk.accuracy_score(CLASSES, SCORES.argmax(-1))),
    "accuracy of tokens": (
        "accuracy", TOKEN_SCORES, TOKENS,
        lambda: sk.accuracy_score(TOKENS[TOKENS != -100], TOKEN_SCORES.argmax(-1)[TOKENS != -100]),
    ),
    "top-2": (metric("top_k", k=2), SCORES, CLASSES, lambda: sk.top_k_accuracy_score(CLASSES, SCORES, k=2)),
    "macro F1": ("macro_f1", SCORES, CLASSES, lambda: sk.f1_score(CLASSES, SCORES.argmax(-1), average="macro")),
    "AUROC": (
        "auroc", SCORES, CLASSES, lambda: sk.roc_auc_score(CLASSES, softmax(SCORES), multi_class="ovr", average="macro")
    ),
    "AUROC of one": ("auroc", GIVEN[:, None], WANTED > 0, lambda: sk.roc_auc_score(WANTED > 0, GIVEN)),
    "MAE": ("mae", GIVEN[:, None], WANTED, lambda: sk.mean_absolute_error(WANTED, GIVEN)),
    "RMSE": ("rmse", GIVEN[:, None], WANTED, lambda: sk.root_mean_squared_error(WANTED, GIVEN)),
    "R2": ("r2", GIVEN, WANTED, lambda: sk.r2_score(WANTED, GIVEN)),
    "correlation": ("correlation", GIVEN, WANTED, lambda: stats.pearsonr(WANTED, GIVEN).statistic),
    "cosine": (
        "cosine", SCORES, SCORES + 1,
        lambda: np.diag(sk.pairwise.cosine_similarity(SCORES.astype(float), SCORES.astype(float) + 1)).mean(),
    ),
    "mIoU": ("miou", PIXELS, MASKS, jaccard),
    "Dice": ("dice", PIXELS, MASKS, lambda: sk.f1_score(MASKS.ravel(), PIXELS.argmax(1).ravel(), average="macro")),
    "perplexity": ("perplexity", TOKEN_SCORES, TOKENS, token_loss),
    "WER": (metric("wer", decode=lambda _: HEARD), SCORES, TEXTS, lambda: (0 + 1 + 2) / (3 + 2 + 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_a_score_is_what_others_compute(name: str) -> None:
    given, outputs, labels, expected = CASES[name]
    assert find_metric(given).of(outputs, labels) == pytest.approx(expected(), rel=2e-5)


@pytest.mark.parametrize("name", [name for name in CASES if name != "WER"])
def test_drawn_samples_score_as_those_samples_do(name: str) -> None:
    """What makes the bootstrap quick gives what scoring the drawn samples gives."""
    given, outputs, labels, _ = CASES[name]
    found = find_metric(given)
    again = found.resampled(outputs, labels)
    for counts in draw_counts(COUNT, 3):
        index = np.repeat(np.arange(COUNT), counts)
        assert again(counts) == pytest.approx(found.of(outputs[index], labels[index]), rel=1e-4)


def test_letters_of_ctc_are_read_greedily() -> None:
    path = np.array([[1, 1, 0, 1, 2, 2, 0, 0], [2, 0, 2, 2, 1, 0, 0, 1]])
    scores = np.eye(3)[path]
    found = metric("cer", alphabet="-ab")
    assert found.of(scores, np.array(["aab", "bbaa"])) == 0
    assert found.of(scores, np.array(["aabb", "bbaa"])) == pytest.approx(1 / 8)


BOXES = labels_of(
    [np.array([[0, 10, 10, 50, 50], [1, 60, 60, 90, 80]], float), np.zeros((0, 5)), np.array([[0, 5, 5, 25, 45.0]])]
)
FOUND = [[[10, 10, 50, 50], [60, 60, 90, 80]], [[0, 0, 5, 5], [0, 0, 1, 1]], [[5, 5, 25, 30], [0, 0, 2, 2]]]
SURE = [[[0.9, 0.1], [0.2, 0.8]], [[0.3, 0.0], [0.0, 0.01]], [[0.7, 0.1], [0.05, 0.0]]]
DETECTED = {"boxes": np.array(FOUND, float), "scores": np.array(SURE)}


def test_boxes_are_scored_as_coco_does() -> None:
    """Class 1 is found exactly: 1. Class 0 has two boxes: one exact, one with an IoU of 25/40 = 0.625, which counts at
    three of ten thresholds; the box in the empty image is surer than none of them."""
    found = metric("map")
    expected = np.mean([1.0, np.mean([1.0] * 3 + [51 / 101] * 7)])
    assert found.of(DETECTED, BOXES) == pytest.approx(expected, abs=1e-6)  # type: ignore[arg-type]
    assert metric("map", iou=0.5).of(DETECTED, BOXES) == pytest.approx(1.0)  # type: ignore[arg-type]
    again = found.resampled(DETECTED, BOXES)  # type: ignore[arg-type]
    assert again(np.array([1, 1, 1])) == pytest.approx(expected)
    assert again(np.array([3, 0, 0])) == pytest.approx(1.0)
    assert found.of({**DETECTED, "scores": DETECTED["scores"] * 0 - 1}, BOXES) == 0  # type: ignore[arg-type]


def test_drawn_images_are_summed_up_as_coco_does() -> None:
    """Its own sum over images that are there several times, with boxes without an area among those that are found."""
    source, count = np.random.default_rng(0), 30
    truth, found, kinds = [], [], []
    for _ in range(count):
        corners, sides = source.integers(0, 50, (source.integers(0, 4), 2)), source.integers(5, 30, 2)
        rows = np.concatenate([source.integers(0, 3, (len(corners), 1)), corners, corners + sides], axis=1)
        others = source.uniform(0, 60, (6 - len(rows), 4))
        truth.append(rows.astype(float))
        found.append(np.concatenate([rows[:, 1:] + source.normal(0, 2, (len(rows), 4)), others]))
        kinds.append(np.concatenate([rows[:, 0], source.integers(0, 3, len(others))]))
    outputs = {"boxes": np.array(found), "scores": source.random((count, 6)), "classes": np.array(kinds)}
    labels, used = labels_of(truth), metric("map", classes="classes")
    assert isinstance(labels, Ragged)
    assert isinstance(used, MeanAveragePrecision)
    again = used.resampled(outputs, labels)
    for counts in (np.ones(count, np.int64), *draw_counts(count, 4)):
        index = np.repeat(np.arange(count), counts)
        truths = used._truth(labels[index])
        library = used._matched(truths, used._found({k: v[index] for k, v in outputs.items()}), count)
        with contextlib.redirect_stdout(io.StringIO()):
            library.accumulate()
        precision = library.eval["precision"]
        assert again(counts) == pytest.approx(precision[precision > -1].mean(), rel=1e-9)


def test_a_metric_that_is_not_defined_on_a_draw_or_a_slice_costs_only_that() -> None:
    """As scikit-learn's AUROC, which raises where one class is not there."""

    def area(outputs: np.ndarray, labels: np.ndarray) -> float:
        return float(sk.roc_auc_score(labels, outputs, labels=[0, 1])) if len(set(labels)) > 1 else 1 / 0

    labels = (np.arange(40) % 20 == 0).astype(np.int64)
    beside = Beside(find_metric(area), GIVEN[:40], labels)
    slices = Slices.of(beside, {("slice", "rest"): np.flatnonzero(labels == 0), ("slice", "all"): np.arange(40)})
    assert [name for _, name in slices.parts] == ["all"]
    assert beside.task(GIVEN[:40]).low is None, "one draw in eight has none of the two"
    with pytest.raises(ValueError, match="is nan of its outputs"):
        Beside(Metric("nan", lambda outputs, _: float(np.sum(outputs))), GIVEN, WANTED).task(GIVEN * np.nan)


def test_the_area_of_a_class_that_is_not_there_is_not_counted() -> None:
    area, binary = metric("auroc"), (CLASSES > 1).astype(np.int64)
    several = [sk.roc_auc_score(CLASSES[CLASSES < 3] == i, softmax(SCORES)[CLASSES < 3, i]) for i in range(3)]
    assert area.of(SCORES[CLASSES < 3], CLASSES[CLASSES < 3]) == pytest.approx(np.mean(several))
    assert math.isnan(area.of(SCORES[CLASSES == 1], CLASSES[CLASSES == 1]))
    assert math.isnan(area.of(GIVEN[:, None][binary == 1], binary[binary == 1]))
    assert math.isfinite(area.of(GIVEN[:, None], binary))


def test_a_slow_metric_is_scored_without_an_interval() -> None:
    def slow(outputs: np.ndarray, labels: np.ndarray) -> float:
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass
        return float(np.abs(outputs - labels).mean())

    told = Beside(find_metric(slow), GIVEN, WANTED, seconds=0.2).task(GIVEN + 1)
    assert (told.low, told.high) == (None, None)
    assert 0 < told.draws < 20


def test_a_function_is_a_metric() -> None:
    def worst(outputs: np.ndarray, labels: np.ndarray) -> float:
        return float(np.abs(outputs - labels).max())

    found = find_metric(worst)
    assert (found.name, found.better, found.of(GIVEN, WANTED)) == ("worst", "higher", worst(GIVEN, WANTED))
    assert Metric("worst", worst, better="lower", unit="mm").spec.unit == "mm"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mae", ("mae", {})),
        ("top_k:k=3", ("top_k", {"k": 3})),
        ("mae:unit=mm", ("mae", {"unit": "mm"})),
        ("map: iou=0.5, boxes=corners", ("map", {"iou": 0.5, "boxes": "corners"})),
        ("cer:alphabet=-0123456789,blank=0", ("cer", {"alphabet": "-0123456789", "blank": 0})),
        ("cer:alphabet=012", ("cer", {"alphabet": "012"})),
        ("own:strict=true,base=1e-3,of=a=b", ("own", {"strict": True, "base": 1e-3, "of": "a=b"})),
    ],
)
def test_a_metric_is_said_in_words(text: str, expected: tuple[str, dict[str, Any]]) -> None:
    assert parse_metric(text) == expected


@pytest.mark.parametrize("text", ["", ":", "top_k:", "top_k:3", "top_k:k=3,", "top_k:k 3=1", ":k=3"])
def test_words_that_are_no_metric_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="cannot read the metric"):
        find_metric(text)


def test_words_and_a_call_make_the_same_metric() -> None:
    assert find_metric("top_k:k=2").of(SCORES, CLASSES) == metric("top_k", k=2).of(SCORES, CLASSES)
    assert find_metric("mae:unit=mm").spec == metric("mae", unit="mm").spec


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("acuracy", {}, "the nearest name is accuracy"),
        ("mae", {"k": 3}, "takes no k"),
        ("mae", {"decode": "x"}, "decode of the metric mae is no function"),
        ("top_k", {"n": 3}, "takes no n"),
    ],
)
def test_a_name_that_is_not_there_is_told(name: str, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        metric(name, **arguments)
    assert {"accuracy", "map", "wer", "perplexity"} <= set(metric_names())


@pytest.mark.parametrize(
    ("name", "outputs", "labels", "message"),
    [
        ("accuracy", SCORES, CLASSES + 4, "labels reach 7"),
        ("accuracy", SCORES, TEXTS, "classes, whole numbers"),
        ("accuracy", {"a": SCORES, "b": SCORES}, CLASSES, "name one as score_output"),
        ("macro_f1", PIXELS, CLASSES, "no class can be read"),
        ("mae", SCORES, WANTED, "the output is"),
        ("r2", SCORES, SCORES, "one number a sample"),
        ("wer", SCORES, TEXTS, "give decode="),
        ("macro_f1", SCORES, CLASSES + 3, "labels reach from 3 to 6; the output has 4 classes"),
        ("perplexity", TOKEN_SCORES, TOKENS + 9, "the output has 4 classes"),
        ("map", SCORES, BOXES, "outputs by name"),
        ("map", {"boxes": SCORES}, BOXES, "no output is called scores"),
        ("map", DETECTED, CLASSES, "a row class"),
    ],
)
def test_what_does_not_fit_is_told(name: str, outputs: Any, labels: Labels, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric(name).of(outputs, labels)


def test_what_is_lost_has_the_sign_and_unit_of_its_metric() -> None:
    assert lost_of(metric("accuracy").spec, 0.9, 0.85) == pytest.approx(5.0)
    assert lost_of(metric("mae", unit="mm").spec, 0.9, 0.85) == pytest.approx(-0.05)


def test_accuracy_is_counted_and_others_are_drawn() -> None:
    worse = SCORES.copy()
    worse[:9] = worse[:9, ::-1]
    counted = Beside(metric("accuracy"), SCORES, CLASSES).task(worse)
    first, second = SCORES.argmax(-1) == CLASSES, worse.argmax(-1) == CLASSES
    assert (counted.lost, counted.gained) == (int((first & ~second).sum()), int((~first & second).sum()))
    assert counted.method == "score interval"
    assert counted.low is not None
    assert counted.high is not None
    assert counted.low < counted.drop < counted.high
    assert counted.drop == pytest.approx(100 * (first.mean() - second.mean()))
    drawn = Beside(metric("macro_f1"), SCORES, CLASSES).task(worse)
    assert (drawn.method, drawn.draws, drawn.p_value) == ("paired bootstrap", 2000, None)
    assert drawn.low is not None
    assert drawn.high is not None
    assert drawn.low < drawn.drop < drawn.high
    assert drawn == Beside(metric("macro_f1"), SCORES, CLASSES).task(worse)


def test_slices_are_the_classes_and_what_the_samples_name() -> None:
    named = np.array(["day"] * 50 + ["night"] * 7 + ["fog"] * 3)
    found = slices_of(CLASSES, named)
    assert set(found) == {*(("class", str(kind)) for kind in range(4)), ("slice", "day"), ("slice", "night")}
    worse = SCORES.copy()
    worse[CLASSES == 2] = worse[CLASSES == 2][:, ::-1]
    scores = {
        part.name: part.task for part in Slices.of(Beside(metric("accuracy"), SCORES, CLASSES), found).scores(worse)
    }
    assert scores["2"].drop > 0
    assert [scores[kind].drop for kind in "013"] == [0, 0, 0]
    assert scores["day"].count == 50
    assert slices_of(CLASSES, None, by_class=False) == {}


@pytest.mark.parametrize("name", ["macro_f1", "dice", "miou", "auroc", "accuracy", "perplexity"])
def test_where_every_label_is_ignored_there_is_no_score(name: str) -> None:
    nothing = np.full_like(TOKENS, -100)
    scores = TOKEN_SCORES if name == "perplexity" else TOKEN_SCORES.astype(np.float64)
    assert math.isnan(metric(name).of(scores, nothing))
    if name != "auroc":  # it keeps no sums
        assert math.isnan(metric(name).resampled(scores, nothing)(np.ones(COUNT, np.int64)))


def test_r2_is_not_defined_on_labels_that_are_all_the_same_and_knows_no_scale() -> None:
    assert math.isnan(metric("r2").of(GIVEN, np.full(COUNT, 3.3)))
    one_other = np.where(np.arange(COUNT) == 0, 1.0, 3.3)
    again = metric("r2").resampled(GIVEN, one_other)
    assert math.isnan(again(np.where(np.arange(COUNT) == 0, 0, 1)))
    assert again(np.ones(COUNT, np.int64)) == pytest.approx(sk.r2_score(one_other, GIVEN))
    for scale, mean in ((1e-6, 0.0), (1e5, 1e7)):
        given, wanted = GIVEN.astype(np.float64) * scale + mean, WANTED * scale + mean
        assert metric("r2").of(given, wanted) == pytest.approx(sk.r2_score(wanted, given))
        assert metric("r2").resampled(given, wanted)(np.ones(COUNT, np.int64)) == pytest.approx(
            sk.r2_score(wanted, given)
        )


def test_what_says_little_of_one_class_is_not_told_by_class() -> None:
    assert [name for name in metric_names() if metric(name).by_class] == ["accuracy", "map", "top_k"]
