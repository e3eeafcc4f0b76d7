"""What the benchmarks measure: each model converted once, and kept until something that makes it changes."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import edgeproof
from edgeproof.devices.base import Target
from edgeproof.documents.base import decode, write_document
from edgeproof.documents.conversion import ConversionDocument
from edgeproof.formats.registry import formats

__all__ = ["BOTH", "DENSE", "ROOT", "SPIKING", "Made", "make", "tell"]

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "bench_output" / "benchmarks"
SPIKING = (
    "examples/digits_snn.py",
    "examples/digits_snn_spikingjelly.py",
    "examples/digits_snn_norse.py",
    "examples/digits_rsnn.py",
    "benchmarks/networks/wide_snn.py",
    "benchmarks/networks/event_camera.py",
)
DENSE = ("examples/digits_cnn.py", "examples/digits_gru.py")
BOTH = ("fp32", "int8")
PRECISIONS = dict.fromkeys(SPIKING[1:4], ("fp32",)) | dict.fromkeys((SPIKING[0], *SPIKING[4:], *DENSE), BOTH)
"""The twins differ from the first in nothing that int8 would show again."""


@dataclass(frozen=True)
class Made:
    """A model's artifacts.

    Attributes:
        address: MODEL, as on the command line.
        targets: the candidates that were made, with their folders.
        failures: candidate to the reason why it was not made.
        inputs: npz of the held-out inputs, sample axis first.
    """

    address: str
    targets: tuple[Target, ...]
    failures: dict[str, str]
    inputs: Path


def make(model: str, to: Sequence[str] = (), precisions: Sequence[str] = ()) -> Made:
    """The model in every format whose own runtime is of this machine; from the last time where it still holds.

    Args:
        model: a file with a factory ``model``, in the project's folder.
        to: formats; empty: all.
        precisions: empty: fp32 where formats are given, else the model's.

    Raises:
        EdgeProofError: the model itself does not load or export.
    """
    folder, sources = KEPT / "-".join((Path(model).stem, *to, *precisions)), _fingerprint(model)
    address = f"{ROOT}/{model}:model"
    mark, record, inputs = folder / "sources.sha256", folder / "conversion.json", folder / "heldout.npz"
    if not mark.is_file() or mark.read_text() != sources:
        shutil.rmtree(folder, ignore_errors=True)
        tell(f"{model}: converting")
        here = [name for name, format in formats().items() if format.stands_in is None]
        precisions = precisions or (("fp32",) if to else PRECISIONS[model])
        write_document(record, edgeproof.convert(address, folder, to=to or here, precision=precisions))
        _write_inputs(address, inputs)
        mark.write_text(sources)
    results = decode(record.read_bytes(), ConversionDocument).candidates
    return Made(
        address=address,
        targets=tuple(
            Target(result.candidate, folder / result.candidate) for result in results if result.status == "ok"
        ),
        failures={
            result.candidate: (result.reason or result.status).replace(f"{ROOT}/", "")
            for result in results
            if result.status != "ok"
        },
        inputs=inputs,
    )


def tell(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


def _fingerprint(model: str) -> str:
    """Of the model with its weights, the converters' versions, and the rooms that convert."""
    digest = hashlib.sha256()
    for path in _sources(model):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _sources(model: str) -> Iterator[Path]:
    yield ROOT / "requirements.lock"
    yield ROOT / model
    yield from sorted(ROOT.glob(f"examples/weights/{Path(model).stem}.*"))
    yield ROOT / "examples" / "digits_data.py"
    for room in ("formats", "model", "spike"):
        yield from sorted(ROOT.glob(f"src/edgeproof/{room}/**/*.py"))


def _write_inputs(address: str, path: Path) -> None:
    import numpy as np

    from edgeproof.model.samples import pool

    with edgeproof.load(address) as eager:
        held_out = pool(eager.subject.model.held_out)
    assert held_out is not None, f"{address} brings no held-out samples"
    np.savez(path, allow_pickle=False, **held_out.inputs)
