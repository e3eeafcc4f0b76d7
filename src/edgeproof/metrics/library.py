"""Metrics of torchmetrics, by name: what they take is read off outputs and labels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.documents.task import SHARE, Direction
from edgeproof.errors import MissingDependency, UsageError
from edgeproof.metrics.accuracy import classes_last
from edgeproof.metrics.base import Array, Metric, Outputs
from edgeproof.metrics.labels import Labels

__all__ = ["LIBRARY", "Kind", "LibraryMetric"]

INSTALL = "pip install 'edgeproof[metrics]'"
Pair = tuple[Any, Any]
"""What the library is given of the samples: predictions and targets, sample axis first or lists."""


@dataclass(frozen=True)
class Kind:
    """One of the library's metrics.

    Attributes:
        make: the library's object for a pair of predictions and targets.
        read: predictions and targets from outputs and labels.
        better: which of two values is preferred.
        unit: as in ``Metric``.
        made_with: the user's arguments of ``make``.
        read_with: the user's arguments of ``read``.
        labelled: whether it needs labels.
        value: the score, of the library's object that has seen the samples, and of the targets; of the object alone
            where it keeps sums.
    """

    make: Callable[..., Any]
    read: Callable[..., Pair]
    better: Direction = "higher"
    unit: str = ""
    made_with: tuple[str, ...] = ()
    read_with: tuple[str, ...] = ()
    labelled: bool = True
    value: Callable[[Any, Any], float] = lambda metric, _: float(metric.compute())


@dataclass(frozen=True)
class LibraryMetric(Metric):
    """A metric of torchmetrics.

    Attributes:
        kind: which, and how it is given outputs and labels.
    """

    kind: Kind = field(default=None, repr=False)  # type: ignore[assignment]

    def of(self, outputs: Outputs, labels: Labels) -> float:
        """The library's value.

        Raises:
            ValueError: outputs and labels do not fit. MissingDependency: the library is not installed.
        """
        given, wanted = self._read(outputs, labels)
        metric = self._make(given, wanted)
        metric.update(given, wanted)
        return self.kind.value(metric, wanted)

    def resampled(self, outputs: Outputs, labels: Labels) -> Callable[[npt.NDArray[np.int64]], float]:
        """By the sums that the library keeps of each sample, where it keeps sums; else by the drawn samples."""
        given, wanted = self._read(outputs, labels)
        metric = self._make(given, wanted)
        if any(getattr(reduce, "__name__", "") != "dim_zero_sum" for reduce in metric._reductions.values()):
            return self._by_samples(given, wanted)
        names = list(metric._defaults)
        rows = []
        for index in range(len(given)):
            metric.reset()
            metric.update(given[index : index + 1], wanted[index : index + 1])
            rows.append(np.concatenate([np.ravel(getattr(metric, name).numpy()) for name in names]))
        sums = np.stack(rows).astype(np.float64)
        return _Summed(metric, sums, self.kind.value)

    def _read(self, outputs: Outputs, labels: Labels) -> Pair:
        told = {name: self.arguments[name] for name in self.kind.read_with if name in self.arguments}
        return self.kind.read(outputs, labels, **told)

    def _make(self, given: Any, wanted: Any) -> Any:
        told = {name: self.arguments[name] for name in self.kind.made_with if name in self.arguments}
        return self.kind.make((given, wanted), **told)

    def _by_samples(self, given: Any, wanted: Any) -> Callable[[npt.NDArray[np.int64]], float]:
        def again(counts: npt.NDArray[np.int64]) -> float:
            index = np.repeat(np.arange(len(counts)), counts)
            metric = self._make(given, wanted)
            metric.update(_at(given, index), _at(wanted, index))
            return self.kind.value(metric, _at(wanted, index))

        return again


def _at(values: Any, index: npt.NDArray[np.intp]) -> Any:
    return [values[i] for i in index] if isinstance(values, list) else values[index]


class _Summed:
    """The score of drawn samples from the sums of each, put back into the library's object."""

    def __init__(self, metric: Any, sums: npt.NDArray[np.float64], value: Callable[[Any, Any], float]) -> None:
        self.metric, self.sums, self.value = metric, sums, value
        self.states = {name: value.clone() for name, value in metric._defaults.items()}

    def __call__(self, counts: npt.NDArray[np.int64]) -> float:
        import torch

        total, begin = torch.from_numpy(counts @ self.sums), 0
        for name, default in self.states.items():
            size = default.numel()
            setattr(self.metric, name, total[begin : begin + size].reshape(default.shape).to(default.dtype))
            begin += size
        self.metric._computed = None
        return self.value(self.metric, None)


def _library(name: str) -> Any:
    """A part of torchmetrics, which is an extra.

    Raises:
        MissingDependency: it is not installed.
    """
    import importlib

    try:
        return importlib.import_module(f"torchmetrics.{name}")
    except ImportError as error:
        raise MissingDependency(f"this metric needs torchmetrics: {error}", hint=INSTALL) from error


def _tensor(values: Array) -> Any:
    import torch

    return torch.from_numpy(np.ascontiguousarray(values))


def _scores(outputs: Outputs, labels: Labels) -> Pair:
    """Scores with the classes behind the samples, and classes."""
    scores, wanted = classes_last(outputs, labels)
    return _tensor(np.moveaxis(scores, -1, 1)), _tensor(wanted)


def _ignored(pair: Pair, ignore: int) -> dict[str, Any]:
    """``ignore_index`` of the library, where such labels are there."""
    return {"ignore_index": ignore} if bool((pair[1] == ignore).any()) else {}


def _multiclass(name: str, **fixed: Any) -> Callable[..., Any]:
    def make(pair: Pair, ignore: int = -100) -> Any:
        kind = getattr(_library("classification"), f"Multiclass{name}")
        _check_classes(pair[1], int(pair[0].shape[1]), ignore)
        return kind(int(pair[0].shape[1]), **fixed, **_ignored(pair, ignore))

    return make


def _auroc(pair: Pair, ignore: int = -100) -> Any:
    module = _library("classification")
    if pair[0].ndim == 1:
        return module.BinaryAUROC(**_ignored(pair, ignore))
    _check_classes(pair[1], int(pair[0].shape[1]), ignore)
    return module.MulticlassAUROC(int(pair[0].shape[1]), average="none", **_ignored(pair, ignore))


def _mean_area(metric: Any, wanted: Any) -> float:
    """The mean over classes that some samples are of and others not: the library's area is 0 where there are none."""
    counted = wanted if metric.ignore_index is None else wanted[wanted != metric.ignore_index]
    if not counted.numel():
        return float("nan")
    areas = metric.compute().reshape(-1)
    kinds = [1] if len(areas) == 1 else range(len(areas))
    defined = [float(areas[i]) for i, kind in enumerate(kinds) if 0 < int((counted == kind).sum()) < counted.numel()]
    return sum(defined) / len(defined) if defined else float("nan")


def _of_counted(metric: Any, _: Any) -> float:
    """The library's value, which is 0 where no element counts: there it is not defined."""
    return float(metric.compute()) if int((metric.tp + metric.fn).sum()) else float("nan")


def _share_explained(metric: Any, _: Any) -> float:
    """R² of the library's sums. It is not defined on labels that are all the same, and of any scale, where the library
    takes a spread below 1e-4 for none."""
    squares, sum_, count = float(metric.sum_squared_error), float(metric.sum_error), int(metric.total)
    spread = squares - sum_**2 / count if count else 0.0
    return 1 - float(metric.residual) / spread if spread > 1e-13 * squares else float("nan")


def _check_classes(wanted: Any, classes: int, ignore: int) -> None:
    """That labels are classes of the output.

    Raises:
        ValueError: one is not.
    """
    counted = wanted[wanted != ignore]
    if counted.numel() and not (int(counted.min()) >= 0 and int(counted.max()) < classes):
        reach = f"{int(counted.min())} to {int(counted.max())}"
        raise ValueError(f"the labels reach from {reach}; the output has {classes} classes, and ignore is {ignore}")


def _ranked(outputs: Outputs, labels: Labels) -> Pair:
    """Scores of one class against its labels 0 and 1, or of several classes."""
    if isinstance(outputs, np.ndarray) and isinstance(labels, np.ndarray):
        single = outputs.reshape(len(outputs), -1)
        if single.shape[1] == 1 and labels.size == len(outputs):
            return _tensor(single[:, 0].astype(np.float64)), _tensor(labels.reshape(-1).astype(np.int64))
    import torch

    scores, wanted = _scores(outputs, labels)
    return torch.softmax(scores.double(), dim=1), wanted


def _numbers(outputs: Outputs, labels: Labels) -> Pair:
    """One number of each sample: all numbers, side by side."""
    given, wanted = _same_shape(outputs, labels)
    return _tensor(given.reshape(len(given), -1)), _tensor(wanted.reshape(len(wanted), -1))


def _single_numbers(outputs: Outputs, labels: Labels) -> Pair:
    given, wanted = _same_shape(outputs, labels)
    if given.size != len(given):
        raise ValueError(f"it takes one number a sample; the output has {given.size // len(given)}")
    return _tensor(given.reshape(-1)), _tensor(wanted.reshape(-1))


def _same_shape(outputs: Outputs, labels: Labels) -> tuple[Array, Array]:
    """Outputs and labels in float64, of one shape but for axes of length 1."""
    if isinstance(outputs, Mapping):
        raise ValueError(f"it scores one output; the model gives {', '.join(outputs)}: name one as score_output")
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "iufb":
        raise ValueError("its labels are numbers, as many for every sample")
    if _sizes(outputs) != _sizes(labels):
        raise ValueError(f"the output is {list(outputs.shape[1:])} and a label {list(labels.shape[1:])}")
    wanted = labels.astype(np.float64)
    return outputs.reshape(wanted.shape).astype(np.float64), wanted


def _sizes(array: Array) -> list[int]:
    return [size for size in array.shape[1:] if size > 1]


def _from(module: str, name: str, **fixed: Any) -> Callable[..., Any]:
    def make(_: Pair) -> Any:
        kind = getattr(_library(module), name)
        return kind(**fixed).set_dtype(_double()) if module == "regression" else kind(**fixed)

    return make


def _double() -> Any:
    import torch

    return torch.float64


def _perplexity(pair: Pair, ignore: int = -100) -> Any:
    _check_classes(pair[1], int(pair[0].shape[-1]), ignore)
    return _library("text").Perplexity(ignore_index=ignore)


def _tokens(outputs: Outputs, labels: Labels) -> Pair:
    scores, wanted = classes_last(outputs, labels)
    if scores.ndim != 3:
        raise ValueError(f"it takes scores of every token; the output is {list(scores.shape[1:])} of a sample")
    return _tensor(scores.astype(np.float32)), _tensor(wanted)


def _texts(outputs: Outputs, labels: Labels, alphabet: Sequence[str] | None = None, blank: int = 0) -> Pair:
    """Texts: as ``decode`` gives them, or read from scores of an alphabet over time, as CTC has it (greedy)."""
    if not isinstance(labels, np.ndarray) or labels.dtype.kind not in "US" or labels.ndim != 1:
        raise ValueError("its labels are one text a sample, an array of str")
    wanted = [str(text) for text in labels]
    if isinstance(outputs, list) or (isinstance(outputs, np.ndarray) and outputs.dtype.kind in "US"):
        return [str(text) for text in outputs], wanted
    if alphabet is None or not isinstance(outputs, np.ndarray) or outputs.ndim != 3:
        raise ValueError("it needs texts: give decode=, or alphabet= for scores [time steps, letters] of a sample")
    return [_greedy(row.argmax(axis=-1), alphabet, blank) for row in outputs], wanted


def _greedy(letters: Sequence[int], alphabet: Sequence[str], blank: int) -> str:
    kept = [letter for i, letter in enumerate(letters) if i == 0 or letter != letters[i - 1]]
    return "".join(alphabet[letter] for letter in kept if letter != blank)


LIBRARY: dict[str, Kind] = {
    "macro_f1": Kind(
        _multiclass("F1Score", average="macro"), _scores, unit=SHARE, made_with=("ignore",), value=_of_counted
    ),
    "auroc": Kind(_auroc, _ranked, unit=SHARE, made_with=("ignore",), value=_mean_area),
    "mae": Kind(_from("regression", "MeanAbsoluteError"), _numbers, "lower"),
    "rmse": Kind(_from("regression", "MeanSquaredError", squared=False), _numbers, "lower"),
    "r2": Kind(_from("regression", "R2Score"), _single_numbers, value=_share_explained),
    "correlation": Kind(_from("regression", "PearsonCorrCoef"), _single_numbers),
    "cosine": Kind(_from("regression", "CosineSimilarity", reduction="mean"), _numbers, labelled=False),
    "miou": Kind(_multiclass("JaccardIndex", average="macro"), _scores, unit=SHARE, made_with=("ignore",)),
    "dice": Kind(
        _multiclass("F1Score", average="macro"), _scores, unit=SHARE, made_with=("ignore",), value=_of_counted
    ),
    "wer": Kind(_from("text", "WordErrorRate"), _texts, "lower", SHARE, read_with=("alphabet", "blank")),
    "cer": Kind(_from("text", "CharErrorRate"), _texts, "lower", SHARE, read_with=("alphabet", "blank")),
    "perplexity": Kind(_perplexity, _tokens, "lower", made_with=("ignore",)),
}
"""By name. mIoU and Dice are over all pixels of all samples, averaged over classes."""


def library_metric(name: str, arguments: Mapping[str, Any]) -> LibraryMetric:
    """One of them.

    Raises:
        UsageError: it does not take such an argument.
    """
    kind = LIBRARY[name]
    unknown = sorted(set(arguments) - {*kind.made_with, *kind.read_with, "unit"})
    if unknown:
        takes = ", ".join(("unit", *kind.made_with, *kind.read_with))
        raise UsageError(f"the metric {name} takes no {', '.join(unknown)}", hint=f"it takes {takes}")
    return LibraryMetric(
        name=name,
        better=kind.better,
        unit=str(arguments.get("unit", kind.unit)),
        arguments={key: value for key, value in arguments.items() if key != "unit"},
        labelled=kind.labelled,
        by_class=False,
        kind=kind,
    )
