"""Samples as a session takes them: one mapping of named arrays a call, from an npz file or drawn at random.

It reads what a run or a user wrote; it does not judge whether the samples represent anything.
"""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import SamplesError

__all__ = ["Feed", "load_feeds", "random_feeds"]

Array = npt.NDArray[Any]
Feed = dict[str, Array]


def load_feeds(path: Path, inputs: Sequence[TensorSpec], *, limit: int | None = None) -> list[Feed]:
    """The samples of an npz file: one key per input, sample axis first; the key ``labels`` is not an input.

    A folder of samples is read too, as ``--samples`` takes it.

    Keys may also be ``input0, input1 …`` in the order of the inputs. A sample without its batch axis gets one when the
    input has one. Floats are cast to the input's float type; integers become floats, never the other way round.

    Args:
        path: the npz file or the folder.
        inputs: what the session takes.
        limit: at most so many samples.

    Raises:
        SamplesError: the file cannot be read, an input is missing, or a shape or dtype does not fit.
    """
    if path.is_dir():
        return _folder_feeds(path, inputs)[:limit]
    if not path.is_file():
        raise SamplesError(f"there are no samples at {path}")
    if not zipfile.is_zipfile(path):
        raise SamplesError(f"{path} is not an npz file", hint="save it with numpy.savez, one key per input")
    try:
        with np.load(path, allow_pickle=False) as archive:
            stacks = [_stack(archive, spec, index, path)[:limit] for index, spec in enumerate(inputs)]
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise SamplesError(f"cannot read samples from {path}: {error}") from error
    counts = {len(stack) for stack in stacks}
    if len(counts) != 1 or counts == {0}:
        raise SamplesError(f"{path} holds {sorted(counts)} samples per input; expected the same number, at least one")
    fitted = [_fit(stack, spec, path) for stack, spec in zip(stacks, inputs, strict=True)]
    names = [spec.name for spec in inputs]
    return [dict(zip(names, arrays, strict=True)) for arrays in zip(*fitted, strict=True)]


def random_feeds(inputs: Sequence[TensorSpec], *, count: int, seed: int = 0) -> list[Feed]:
    """Seeded samples of the inputs' shapes: normal floats, integers 0 and 1. They say nothing of the task."""
    source = np.random.default_rng(seed)
    feeds: list[Feed] = []
    for _ in range(count):
        feed: Feed = {}
        for spec in inputs:
            dtype = np.dtype(spec.dtype)
            if dtype.kind == "f":
                feed[spec.name] = source.standard_normal(spec.shape).astype(dtype)
            else:
                feed[spec.name] = source.integers(0, 2, spec.shape).astype(dtype)
        feeds.append(feed)
    return feeds


def _folder_feeds(path: Path, inputs: Sequence[TensorSpec]) -> list[Feed]:
    from edgeproof.model.samples import conform, read_samples

    samples, _ = conform(read_samples(path), inputs)
    return [{spec.name: samples.inputs[spec.name][index] for spec in inputs} for index in range(samples.count)]


def _stack(archive: Any, spec: TensorSpec, index: int, path: Path) -> Array:
    for key in (spec.name, f"input{index}"):
        if key in archive.files:
            stack: Array = archive[key]
            if stack.ndim == 0:
                raise SamplesError(f"{path}: {key} is a single number; expected a sample axis first")
            return stack
    found = ", ".join(name for name in archive.files if name != "labels") or "none"
    raise SamplesError(f"{path} has no key {spec.name!r} for that input; its keys are {found}")


def _fit(stack: Array, spec: TensorSpec, path: Path) -> list[Array]:
    shape = tuple(stack.shape[1:])
    if shape != spec.shape:
        if spec.shape[:1] == (1,) and shape == spec.shape[1:]:
            stack = stack[:, np.newaxis]
        else:
            raise SamplesError(f"{path}: a sample of {spec.name} is {list(shape)}; expected {list(spec.shape)}")
    dtype = np.dtype(spec.dtype)
    if stack.dtype != dtype and not np.can_cast(stack.dtype, dtype, "same_kind"):
        raise SamplesError(f"{path}: {spec.name} is {stack.dtype}; expected {dtype}")
    return [np.ascontiguousarray(sample) for sample in stack.astype(dtype, copy=False)]
