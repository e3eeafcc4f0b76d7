"""Phase 1: the environment, and the samples that everything later stands on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgeproof.documents.manifest import RunOptions
from edgeproof.documents.samples import Check, HeldOut, SamplesDocument
from edgeproof.errors import SamplesError
from edgeproof.model.coding import ready
from edgeproof.model.model import Samples
from edgeproof.model.resolve import resolve
from edgeproof.model.samples import (
    MINIMUM_INT8_COUNT,
    check_samples,
    class_balanced,
    read_samples,
    resolve_pool,
    synthetic_samples,
    write_samples,
)
from edgeproof.model.subject import Subject
from edgeproof.phases.environment import read_environment
from edgeproof.rundir import RunDir, atomic_path

__all__ = ["Prepared", "draw", "prepare", "prepare_samples"]

HELD_OUT_LIMIT = 1000
ENVIRONMENT = "phase1_environment.json"
SAMPLES = "phase1_samples.json"
REP_SAMPLES = "rep_samples"
HELD_OUT = "phase3_heldout.npz"
REPRESENTATIVE = "work/representative.npz"


class Prepared:
    """Samples ready for use, and the document that tells of them."""

    def __init__(self, representative: Samples, held_out: Samples, document: SamplesDocument) -> None:
        self.representative = representative
        self.held_out = held_out
        self.document = document


def prepare(run: RunDir, report: Callable[[str], None] = lambda _: None) -> SamplesDocument:
    """Write ``phase1_environment.json``, ``rep_samples/``, ``phase1_samples.json`` and the held-out npz.

    Raises:
        ModelReferenceError, SignatureError, SamplesError: see there.
    """
    options = run.manifest().options
    report("looking at the machine")
    run.write(ENVIRONMENT, read_environment())
    report(f"loading {options.model}")
    resolved = resolve(options.model, inputs=options.inputs, samples=options.samples, trust=options.trust)
    report("drawing samples")
    prepared = draw(resolved.subject, resolved.user_samples, options)
    return prepare_samples(run.root, prepared)


def prepare_samples(root: Path, prepared: Prepared) -> SamplesDocument:
    """Write the samples into a folder: files, npz for the workers, and the document last."""
    write_samples(prepared.representative, root / REP_SAMPLES)
    for name, samples in ((REPRESENTATIVE, prepared.representative), (HELD_OUT, prepared.held_out)):
        arrays: dict[str, Any] = dict(samples.inputs)
        if samples.labels is not None:
            arrays["labels"] = samples.labels
        with atomic_path(root / name) as path:
            np.savez(path, **arrays)
    RunDir(root).write(SAMPLES, prepared.document)
    return prepared.document


def draw(subject: Subject, user: Samples | None, options: RunOptions) -> Prepared:
    """Choose representative and held-out samples.

    A user's own are taken as they are; else they are drawn, class-balanced and seeded, from the model's pool; random
    input only on request.

    Raises:
        SamplesError: there are none, or they cannot be used.
    """
    specs = subject.signature.inputs
    checks: list[Check] = []
    pool = resolve_pool(subject.model.samples)
    seed: int | None = options.seed
    if user is not None:
        representative, found = ready(subject.model, user, specs)
        checks += found
        source, seed = "user", None
    elif pool is not None:
        whole, found = ready(subject.model, pool, specs)
        checks += found
        if whole.count < options.sample_count:
            detail = f"{options.sample_count} samples asked for, the model's pool holds {whole.count}: all are taken"
            checks.append(Check(name="pool", status="warning", detail=detail))
        representative = class_balanced(whole, min(options.sample_count, whole.count), options.seed)
        source = "model"
    elif options.synthetic:
        representative = synthetic_samples(specs, options.sample_count, options.seed)
        source = "synthetic"
    else:
        raise SamplesError(
            "the model brings no samples and none were given",
            hint="give --samples PATH, or samples= in edgeproof.Model; --synthetic draws random ones, "
            "on which no int8 verdict stands",
        )
    checks += check_samples(representative, synthetic=source == "synthetic")
    held_out, held_source = _held_out(subject, representative, options)
    checks.append(_overlap(representative, held_out, held_source))
    labels = representative.labels
    document = SamplesDocument(
        signature=subject.signature,
        source=source,  # type: ignore[arg-type]
        origin=representative.origin,
        folder=REP_SAMPLES,
        count=representative.count,
        labelled=labels is not None,
        seed=seed,
        per_class={} if labels is None else {str(k): v for k, v in sorted(Counter(labels.tolist()).items())},
        synthetic=source == "synthetic",
        under_sampled=representative.count < MINIMUM_INT8_COUNT,
        checks=tuple(checks),
        held_out=HeldOut(
            count=held_out.count,
            labelled=held_out.labels is not None,
            source=held_source,  # type: ignore[arg-type]
            file=HELD_OUT,
        ),
    )
    return Prepared(representative, held_out, document)


def _held_out(subject: Subject, representative: Samples, options: RunOptions) -> tuple[Samples, str]:
    specs = subject.signature.inputs
    if options.held_out is not None:
        found, source = ready(subject.model, read_samples(Path(options.held_out)), specs)[0], "user"
    elif options.samples is None and (declared := resolve_pool(subject.model.held_out)) is not None:
        found, source = ready(subject.model, declared, specs)[0], "model"
    else:
        found, source = representative, "representative"
    if source != "representative":
        check_samples(found, synthetic=False)
    if found.count > HELD_OUT_LIMIT:
        found = class_balanced(found, HELD_OUT_LIMIT, options.seed)
        found = replace(found, origin=f"{found.origin}; {HELD_OUT_LIMIT} drawn with seed {options.seed}")
    return found, source


def _overlap(representative: Samples, held_out: Samples, source: str) -> Check:
    if source == "representative":
        detail = (
            "no held-out split was given: the differences and the task score are taken on the representative samples"
        )
        return Check(name="held-out", status="warning", detail=detail)

    def rows(samples: Samples) -> set[bytes]:
        names = sorted(samples.inputs)
        return {b"".join(samples.inputs[name][i].tobytes() for name in names) for i in range(samples.count)}

    shared = len(rows(representative) & rows(held_out))
    if shared:
        return Check(
            name="held-out", status="warning", detail=f"{shared} held-out samples stand among the representative ones"
        )
    return Check(name="held-out", status="ok", detail="no held-out sample stands among the representative ones")
