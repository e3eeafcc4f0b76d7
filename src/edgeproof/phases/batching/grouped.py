"""A run's workspace in groups of samples: the same samples and eager outputs, so many to a call, for another export.

The reference of a group is what the eager model gives for its samples one by one: a model whose samples are not
independent of each other fails the comparison.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from edgeproof.documents.base import write_document
from edgeproof.documents.samples import HELD_OUT_FILE, SamplesDocument
from edgeproof.documents.signature import Signature, TensorSpec
from edgeproof.files import atomic_path
from edgeproof.model.arrays import read_npz
from edgeproof.model.model import Samples
from edgeproof.model.samples import save, write_samples
from edgeproof.model.workspace import Workspace

__all__ = ["grouped_workspace", "input_words", "why_not_grouped"]

Array = npt.NDArray[Any]


def why_not_grouped(samples: SamplesDocument, batch: int) -> str | None:
    """Why the model cannot take so many samples a call, or None."""
    signature = samples.signature
    if signature.timesteps is not None:
        return "it has time steps, and the state that they carry is of one sample"
    if signature.stateful:
        return "it keeps state, which is of one sample"
    for kind, specs in (("input", signature.inputs), ("output", signature.outputs)):
        for spec in specs:
            if spec.shape[:1] != (1,):
                return f"its {kind} {spec.name} is {list(spec.shape)}, whose first axis is no batch axis of 1"
    fewest = min(samples.count, samples.held_out.count)
    return f"there are {fewest} samples, fewer than fill one call" if fewest < batch else None


def grouped_workspace(workspace: Workspace, batch: int, root: Path) -> Workspace:
    """A workspace at ``root`` with the samples of another one, ``batch`` to a call; what is there already stays.

    Args:
        workspace: with samples and the reference; ``why_not_grouped`` has nothing against it.
        batch: samples a call.
        root: of the new one. Samples that fill no whole call are left out.
    """
    made = Workspace(root)
    if made.has_samples and made.reference.is_file():
        return made
    root.mkdir(parents=True, exist_ok=True)
    samples = workspace.samples
    representative = _groups(workspace.read(workspace.sample_folder).inputs, batch)
    held_out = _groups(workspace.read(workspace.held_out).inputs, batch)
    reference = _groups(read_npz(workspace.reference), batch)
    write_samples(Samples(representative), root / samples.folder)
    save(Samples(held_out), root / HELD_OUT_FILE)
    made.reference.parent.mkdir(parents=True, exist_ok=True)
    with atomic_path(made.reference) as path:
        np.savez(path, allow_pickle=False, **reference)
    made.note(name=workspace.prepared.name)
    document = replace(
        samples,
        signature=_of_batch(samples.signature, batch),
        count=samples.count // batch,
        labelled=False,
        per_class={},
        metric=None,
        held_out=replace(samples.held_out, count=samples.held_out.count // batch, labelled=False, file=HELD_OUT_FILE),
    )
    write_document(root / SamplesDocument.FILE, document)
    return made


def input_words(signature: Signature, batch: int) -> tuple[str, ...]:
    """The inputs of so many samples, as ``--input`` says them."""
    specs = _of_batch(signature, batch).inputs
    return tuple(f"{spec.name}:{spec.dtype}[{','.join(map(str, spec.shape))}]" for spec in specs)


def _of_batch(signature: Signature, batch: int) -> Signature:
    def grown(specs: tuple[TensorSpec, ...]) -> tuple[TensorSpec, ...]:
        return tuple(replace(spec, shape=(batch, *spec.shape[1:])) for spec in specs)

    return replace(signature, inputs=grown(signature.inputs), outputs=grown(signature.outputs))


def _groups(arrays: Mapping[str, Array], batch: int) -> dict[str, Array]:
    """``[samples, 1, …]`` to ``[calls, batch, …]``."""
    found = {}
    for name, array in arrays.items():
        calls = len(array) // batch
        found[name] = array[: calls * batch].reshape(calls, batch, *array.shape[2:])
    return found
