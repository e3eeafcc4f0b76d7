"""Samples: reading a user's folder or npz, bringing them to the signature's shapes, choosing among them, writing them.

There is one rule of what is taken, for calibration, validation, servers and benchmarks alike: what a cast would change
is refused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.documents.samples import Check
from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import SamplesError
from edgeproof.files import atomic_path
from edgeproof.metrics.labels import COUNTS, Labels, Ragged, classes_of, ragged
from edgeproof.model.arrays import read_npy, read_npz
from edgeproof.model.model import Samples

__all__ = [
    "MINIMUM_COUNT",
    "MINIMUM_INT8_COUNT",
    "TOLD",
    "calls_of",
    "check_samples",
    "class_balanced",
    "conform",
    "evenly",
    "load_samples",
    "pool",
    "read_calls",
    "read_row",
    "read_samples",
    "sample_files",
    "save",
    "synthetic_samples",
    "write_samples",
]

MINIMUM_COUNT = 8
MINIMUM_INT8_COUNT = 200
TOLD = ("labels", "slices", COUNTS)
"""What is told of samples beside their inputs: keys, and names of files in a folder."""
Array = npt.NDArray[Any]
Call = dict[str, Array]
"""The inputs of one call, by name."""


def pool(declared: Samples | Callable[[], Samples] | None) -> Samples | None:
    """The samples a model declares, or None.

    Raises:
        SamplesError: they hold no input.
    """
    found = declared() if callable(declared) else declared
    if found is not None and not found.inputs:
        raise SamplesError("the model's samples hold no input")
    return found


def read_samples(path: Path, *, minimum: int = MINIMUM_COUNT) -> Samples:
    """Read a folder of ``.npy`` (one a sample) or ``.npz`` (one a sample, several inputs), or one ``.npz``.

    In a folder, ``labels.npy`` and ``slices.npy`` hold the labels and the slices in the order of the sorted file names;
    labels of several lengths stand in ``labels.npz``, or in the samples' own ``.npz``. In one ``.npz`` the keys are
    ``labels``, ``slices`` and, where samples have different numbers of rows, ``labels_counts``.

    Args:
        path: the folder or the file.
        minimum: how many there have to be, to represent anything.

    Raises:
        SamplesError: nothing there, unreadable, ragged, or fewer.
    """
    if path.is_dir():
        samples = _read_folder(path)
    elif path.suffix == ".npz" and path.is_file():
        samples = _from_arrays(read_npz(path), path)
    else:
        what = "is not there" if not path.exists() else "is neither a folder nor a .npz file"
        raise SamplesError(f"{path} {what}", hint="give a folder of .npy files, or one .npz keyed by input name")
    if samples.count < minimum:
        raise SamplesError(
            f"{path} holds {samples.count} samples; at least {minimum} are needed",
            hint=f"give {MINIMUM_INT8_COUNT} or more for int8",
        )
    return samples


def read_calls(path: Path, specs: Sequence[TensorSpec], *, limit: int | None = None) -> list[Call]:
    """Samples of a folder or npz as a session takes them, call by call.

    Args:
        path: as in ``read_samples``; one sample is enough.
        specs: the session's inputs.
        limit: at most so many.

    Raises:
        SamplesError: the file cannot be read, or holds what these inputs cannot take.
    """
    return calls_of(load_samples(path, specs), limit=limit)


def load_samples(path: Path, specs: Sequence[TensorSpec]) -> Samples:
    """Samples of a folder or npz as a signature wants them.

    Args:
        path: as in ``read_samples``; one sample is enough.
        specs: of the inputs.

    Raises:
        SamplesError: the file cannot be read, or holds what these inputs cannot take.
    """
    return conform(read_samples(path, minimum=1), specs)[0]


def calls_of(samples: Samples, *, limit: int | None = None) -> list[Call]:
    """Each sample as the inputs of one call, contiguous; at most so many."""
    count = samples.count if limit is None else min(limit, samples.count)
    return [
        {name: np.ascontiguousarray(array[index]) for name, array in samples.inputs.items()} for index in range(count)
    ]


def evenly(available: int, wanted: int) -> npt.NDArray[np.intp]:
    """Numbers of at most ``wanted`` of so many samples, evenly chosen, the first and the last among them."""
    return np.unique(np.linspace(0, available - 1, min(wanted, available)).astype(np.intp))


def save(samples: Samples, path: Path) -> None:
    """Write one npz, whole or not at all: a key an input, and ``labels`` and ``slices`` where there are any."""
    arrays: dict[str, Any] = {**samples.inputs, **_told(samples)}
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def _told(samples: Samples) -> dict[str, Array]:
    """What is told of samples beside their inputs, as arrays."""
    told: dict[str, Array] = {}
    if isinstance(samples.labels, Ragged):
        told |= {"labels": samples.labels.values, COUNTS: samples.labels.counts}
    elif samples.labels is not None:
        told["labels"] = samples.labels
    if samples.slices is not None:
        told["slices"] = samples.slices
    return told


def _from_arrays(arrays: dict[str, Array], path: Path) -> Samples:
    labels = _popped_labels(arrays, path)
    slices = arrays.pop("slices", None)
    if not arrays:
        raise SamplesError(f"{path} holds no input", hint="its keys are the input names, sample axis first")
    for name, array in arrays.items():
        if array.ndim == 0:
            raise SamplesError(f"{path}: {name} is a single number; expected the sample axis first")
    counts = {name: len(array) for name, array in arrays.items()}
    counts |= {name: len(told) for name, told in (("labels", labels), ("slices", slices)) if told is not None}
    if len(set(counts.values())) != 1:
        listing = ", ".join(f"{name} {count}" for name, count in counts.items())
        raise SamplesError(f"{path}: sample counts differ: {listing}")
    return Samples(arrays, labels, origin=str(path), slices=slices)


def _popped_labels(arrays: dict[str, Array], path: Path) -> Labels | None:
    """The labels among arrays, taken out of them.

    Raises:
        SamplesError: their counts do not add up.
    """
    labels, counts = arrays.pop("labels", None), arrays.pop(COUNTS, None)
    if labels is None:
        return None
    if counts is None:
        return np.atleast_1d(labels)
    if counts.ndim != 1 or counts.dtype.kind not in "iu":
        raise SamplesError(f"{path}: {COUNTS} is {counts.dtype}{list(counts.shape)}; expected a whole number a sample")
    try:
        return Ragged(np.atleast_1d(labels), counts.astype(np.int64))
    except ValueError as error:
        raise SamplesError(f"{path}: {COUNTS} does not fit labels: {error}") from error


def sample_files(path: Path) -> list[Path]:
    """The files of a folder that hold a sample each, in their order.

    Raises:
        SamplesError: there are none, or of two kinds.
    """
    files = sorted(file for file in path.iterdir() if file.suffix in (".npy", ".npz") and file.stem not in TOLD)
    if not files:
        raise SamplesError(f"{path} holds no .npy or .npz file")
    if len({file.suffix for file in files}) > 1:
        raise SamplesError(f"{path} mixes .npy and .npz files", hint="one .npy a sample, or one .npz a sample")
    return files


def read_row(file: Path) -> dict[str, Array]:
    """One sample of a folder, with its label where it has one.

    Raises:
        SamplesError: unreadable.
    """
    return {"input0": read_npy(file)} if file.suffix == ".npy" else read_npz(file)


def _read_folder(path: Path) -> Samples:
    files = sample_files(path)
    stacked: dict[str, Array] = {}
    labels: list[Array] = []
    for index, file in enumerate(files):  # one after the other: all of them twice may be more than there is memory
        row = read_row(file)
        if "labels" in row:
            labels.append(row.pop("labels"))
        if not stacked:
            stacked = {name: np.empty((len(files), *array.shape), array.dtype) for name, array in row.items()}
        if row.keys() != stacked.keys():
            raise SamplesError(f"{file} has the keys {sorted(row)}, {files[0].name} has {sorted(stacked)}")
        for name, array in row.items():
            all_rows = stacked[name]
            if array.shape != all_rows.shape[1:] or array.dtype != all_rows.dtype:
                raise SamplesError(
                    f"{file}: {name} is {array.dtype}{list(array.shape)}; "
                    f"{files[0].name} has {all_rows.dtype}{list(all_rows.shape[1:])}"
                )
            all_rows[index] = array
    return Samples(stacked, _folder_labels(path, labels, len(files)), str(path), _beside(path, "slices", len(files)))


def _folder_labels(path: Path, rows: Sequence[Array], count: int) -> Labels | None:
    """The labels of a folder: of their own file, or of the samples' files."""
    if (path / "labels.npz").is_file():
        found = _popped_labels(read_npz(path / "labels.npz"), path / "labels.npz")
        if found is None or len(found) != count:
            raise SamplesError(f"{path}/labels.npz has {0 if found is None else len(found)} labels for {count} samples")
        return found
    own = _beside(path, "labels", count)
    if own is not None or len(rows) != count:
        return own
    if len({row.shape for row in rows}) == 1:
        return np.stack(rows)
    try:
        return ragged(rows)
    except ValueError as error:
        raise SamplesError(f"{path}: {error}") from error


def _beside(path: Path, name: str, count: int) -> Array | None:
    """The array of a folder's ``labels.npy`` or ``slices.npy``, or None."""
    if not (path / f"{name}.npy").is_file():
        return None
    found = np.atleast_1d(read_npy(path / f"{name}.npy"))
    if len(found) != count:
        raise SamplesError(f"{path}/{name}.npy has {len(found)} {name} for {count} samples")
    return found


def conform(samples: Samples, specs: Sequence[TensorSpec]) -> tuple[Samples, list[Check]]:
    """Samples as the signature wants them: its names, ``[count, *spec.shape]``, its dtypes.

    Keys are the input names, or ``input0, input1…`` in order. A missing batch axis is added where the spec has a 1.

    Raises:
        SamplesError: names, shapes or dtypes that cannot be the model's.
    """
    checks: list[Check] = []
    names = list(samples.inputs)
    wanted = [spec.name for spec in specs]
    if set(names) != set(wanted):
        if len(names) != len(wanted) or names != [f"input{i}" for i in range(len(names))]:
            raise SamplesError(
                f"the samples hold {', '.join(names)}; the model's inputs are {', '.join(wanted)}",
                hint="name the npz keys after the inputs, or input0, input1… in order",
            )
        names = [f"input{i}" for i in range(len(names))]
    else:
        names = wanted
    inputs: dict[str, Array] = {}
    for key, spec in zip(names, specs, strict=True):
        array = _with_batch_axis(samples.inputs[key], spec)
        inputs[spec.name] = _with_dtype(array, spec, checks)
    return replace(samples, inputs=inputs), checks


def _with_batch_axis(array: Array, spec: TensorSpec) -> Array:
    shape = array.shape[1:]
    if shape == spec.shape:
        return array
    for axis, size in enumerate(spec.shape):
        if size == 1 and shape == spec.shape[:axis] + spec.shape[axis + 1 :]:
            return np.expand_dims(array, axis + 1)
    raise SamplesError(
        f"a sample of {spec.name} has the shape {list(shape)}; the model takes {list(spec.shape)}",
        hint="with or without the batch axis; the batch must be 1 in a sample's file",
    )


def _with_dtype(array: Array, spec: TensorSpec, checks: list[Check]) -> Array:
    wanted = np.dtype(spec.dtype)
    if array.dtype == wanted:
        return array
    is_float, wants_float = np.issubdtype(array.dtype, np.floating), np.issubdtype(wanted, np.floating)
    if is_float and not wants_float:
        raise SamplesError(
            f"samples of {spec.name} are {array.dtype}; the model takes {spec.dtype}", hint="give whole numbers"
        )
    if array.dtype.kind not in "iufb":
        raise SamplesError(f"samples of {spec.name} are {array.dtype}; the model takes {spec.dtype}")
    with np.errstate(over="ignore"):
        cast = array.astype(wanted)
    kept = np.isfinite(cast) | ~np.isfinite(array) if wants_float else cast.astype(array.dtype) == array
    if not kept.all():
        raise SamplesError(f"samples of {spec.name} hold values that {spec.dtype} cannot: they are {array.dtype}")
    checks.append(
        Check(
            name="dtype",
            status="ok" if is_float == wants_float else "warning",
            detail=f"{spec.name}: {array.dtype} in the files, used as {spec.dtype}",
        )
    )
    return cast


def check_samples(samples: Samples, *, synthetic: bool) -> tuple[Check, ...]:
    """Count, finiteness, constant inputs, duplicates.

    One input of several may be the same in all samples: an attention mask, a position index, the state a call starts
    from. Where every input is, nothing is represented.

    Raises:
        SamplesError: NaN or Inf, or all samples are the same in every input.
    """
    checks = []
    same = [] if samples.count == 1 else [n for n, array in samples.inputs.items() if bool((array == array[:1]).all())]
    if samples.count >= MINIMUM_INT8_COUNT:
        checks.append(Check(name="count", status="ok", detail=f"{samples.count} samples"))
    else:
        detail = (
            f"{samples.count} samples, fewer than {MINIMUM_INT8_COUNT}: int8 results are under-sampled and cannot pass"
        )
        checks.append(Check(name="count", status="warning", detail=detail))
    for name, array in samples.inputs.items():
        flat = array.reshape(samples.count, -1)
        bad = np.flatnonzero(~np.isfinite(flat.astype(np.float64)).all(axis=1))
        if bad.size:
            raise SamplesError(
                f"{bad.size} samples of {name} hold NaN or Inf; the first is number {bad[0]}",
                hint="remove or repair them",
            )
        checks.append(Check(name="finite", status="ok", detail=f"{name}: all values are finite"))
        constant = int((flat == flat[:, :1]).all(axis=1).sum()) if flat.shape[1] > 1 else 0
        if name in same:
            detail = f"{name}: all samples are the same, so results hold for this value of it alone"
        else:
            detail = f"{name}: {constant} samples hold one value only" if constant else f"{name}: no constant sample"
        checks.append(Check(name="constant", status="warning" if constant or name in same else "ok", detail=detail))
    if len(same) == len(samples.inputs):
        raise SamplesError(
            f"all samples of {', '.join(same)} are the same: they represent nothing",
            hint="give samples that differ in at least one input",
        )
    joined = np.concatenate(
        [np.ascontiguousarray(a).reshape(samples.count, -1).view(np.uint8) for a in samples.inputs.values()], axis=1
    )
    repeated = samples.count - len({row.tobytes() for row in joined})
    checks.append(
        Check(
            name="duplicates",
            status="warning" if repeated else "ok",
            detail=f"{repeated} samples repeat another" if repeated else "no sample repeats another",
        )
    )
    if synthetic:
        checks.append(Check(name="synthetic", status="warning", detail="random input: no int8 result stands on it"))
    return tuple(checks)


def class_balanced(pool: Samples, count: int, seed: int) -> Samples:
    """Draw ``count`` samples without repeats, as even over the classes as the pool allows; in a seeded order.

    Raises:
        SamplesError: the pool holds fewer.
    """
    if count > pool.count:
        raise SamplesError(f"{count} samples asked for; the model's pool holds {pool.count}", hint="ask for fewer")
    generator = np.random.default_rng(seed)
    order = generator.permutation(pool.count)
    classes = classes_of(pool.labels)
    if classes is None:
        return pool.take(np.sort(order[:count]))
    queues = {label: [i for i in order if classes[i] == label] for label in np.unique(classes)}
    drawn: list[int] = []
    while len(drawn) < count:
        for label in sorted(queues):
            if queues[label] and len(drawn) < count:
                drawn.append(queues[label].pop(0))
    return pool.take(generator.permutation(np.asarray(drawn)))


def synthetic_samples(specs: Sequence[TensorSpec], count: int, seed: int, *, below: int = 10) -> Samples:
    """Standard normal floats, whole numbers from 0 and ``below`` this, fair coins; marked synthetic wherever used."""
    generator = np.random.default_rng(seed)
    inputs: dict[str, Array] = {}
    for spec in specs:
        shape, dtype = (count, *spec.shape), np.dtype(spec.dtype)
        if np.issubdtype(dtype, np.floating):
            inputs[spec.name] = generator.standard_normal(shape).astype(dtype)
        else:
            inputs[spec.name] = generator.integers(0, 2 if dtype == np.bool_ else below, shape).astype(dtype)
    return Samples(inputs, None, origin=f"random, seed {seed}")


def write_samples(samples: Samples, folder: Path) -> None:
    """One file a sample: ``.npy`` for one input, ``.npz`` for several; ``labels.npy`` or ``labels.npz``, and
    ``slices.npy``, where there are such."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("sample_*.np[yz]"), *folder.glob("labels.np[yz]"), *folder.glob("slices.npy")):
        old.unlink()
    width = max(4, len(str(samples.count)))
    for index in range(samples.count):
        stem = folder / f"sample_{index:0{width}d}"
        if len(samples.inputs) == 1:
            np.save(stem.with_suffix(".npy"), next(iter(samples.inputs.values()))[index])
        else:
            np.savez(stem.with_suffix(".npz"), **{name: array[index] for name, array in samples.inputs.items()})
    told = _told(samples)
    if COUNTS in told:
        np.savez(folder / "labels.npz", allow_pickle=False, **{name: told.pop(name) for name in ("labels", COUNTS)})
    for name, array in told.items():
        np.save(folder / f"{name}.npy", array, allow_pickle=False)
