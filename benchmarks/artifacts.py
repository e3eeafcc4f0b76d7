"""What the benchmarks measure: each example converted once, and kept until something that makes it changes."""

from __future__ import annotations

import hashlib
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import edgeproof
from edgeproof.devices.base import Target
from edgeproof.documents.base import decode
from edgeproof.documents.conversion import ConversionDocument
from edgeproof.formats.registry import formats
from edgeproof.rundir import write_document

__all__ = ["EXAMPLES", "ROOT", "Made", "make", "tell"]

ROOT = Path(__file__).resolve().parents[1]
KEPT = ROOT / "bench_output" / "benchmarks"
EXAMPLES = ("digits_snn", "digits_cnn", "digits_gru")
PRECISIONS = ("fp32", "int8")


@dataclass(frozen=True)
class Made:
    """An example's artifacts.

    Attributes:
        reference: MODEL, as on the command line.
        targets: the candidates that were made, with their folders.
        failures: candidate to the reason why it was not made.
        inputs: npz of the held-out inputs, sample axis first.
    """

    reference: str
    targets: tuple[Target, ...]
    failures: dict[str, str]
    inputs: Path


def make(example: str) -> Made:
    """The example in fp32 and int8, in every format that runs on this machine; from the last time where it still holds.

    Raises:
        EdgeProofError: the example itself does not load or export.
    """
    folder, sources = KEPT / example, _fingerprint(example)
    reference = f"{ROOT}/examples/{example}.py:model"
    mark, record, inputs = folder / "sources.sha256", folder / "conversion.json", folder / "heldout.npz"
    if not mark.is_file() or mark.read_text() != sources:
        shutil.rmtree(folder, ignore_errors=True)
        tell(f"{example}: converting")
        here = [name for name, one in formats().items() if one.runs_here is None]
        write_document(record, edgeproof.convert(reference, folder, to=here, precision=PRECISIONS))
        _write_inputs(reference, inputs)
        mark.write_text(sources)
    results = decode(record.read_bytes(), ConversionDocument).candidates
    return Made(
        reference=reference,
        targets=tuple(Target(one.candidate, folder / one.candidate) for one in results if one.status == "ok"),
        failures={one.candidate: one.reason or one.status for one in results if one.status != "ok"},
        inputs=inputs,
    )


def tell(text: str) -> None:
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


def _fingerprint(example: str) -> str:
    """Of the example with its weights, the converters' versions, and the rooms that convert."""
    digest = hashlib.sha256()
    for path in _sources(example):
        digest.update(path.relative_to(ROOT).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def _sources(example: str) -> Iterator[Path]:
    yield ROOT / "requirements.lock"
    yield from sorted(ROOT.glob(f"examples/**/{example}.*"))
    yield ROOT / "examples" / "digits_data.py"
    for room in ("formats", "model"):
        yield from sorted(ROOT.glob(f"src/edgeproof/{room}/**/*.py"))


def _write_inputs(reference: str, path: Path) -> None:
    import numpy as np

    from edgeproof.model.samples import resolve_pool

    with edgeproof.load(reference) as eager:
        held_out = resolve_pool(eager.subject.model.held_out)
    assert held_out is not None, f"{reference} brings no held-out samples"
    np.savez(path, allow_pickle=False, **held_out.inputs)
