"""Which samples a run stands on: representative ones for calibration, held-out ones for differences and task score."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from edgeproof.documents.samples import (
    HELD_OUT_FILE,
    REPRESENTATIVE_FOLDER,
    Check,
    HeldOut,
    HeldOutSource,
    SamplesDocument,
    SampleSource,
)
from edgeproof.errors import SamplesError
from edgeproof.metrics.labels import classes_of
from edgeproof.model.coding import ready
from edgeproof.model.model import Samples
from edgeproof.model.samples import (
    MINIMUM_INT8_COUNT,
    check_samples,
    class_balanced,
    pool,
    read_samples,
    synthetic_samples,
)
from edgeproof.model.task import metric_of, spec_of

if TYPE_CHECKING:
    from edgeproof.model.subject import Subject

__all__ = ["Draw", "Drawn", "draw"]

HELD_OUT_LIMIT = 1000


class Draw(msgspec.Struct, frozen=True, kw_only=True):
    """How samples are chosen.

    Attributes:
        count: representative ones, of a model's own pool.
        seed: of the draw.
        synthetic: whether random input may serve where there is none; None: where the model brings none at all, its
            held-out ones serve before that.
        held_out: folder or npz of held-out samples, in place of the model's.
    """

    count: int = 256
    seed: int = 0
    synthetic: bool | None = None
    held_out: str | None = None


@dataclass(frozen=True)
class Drawn:
    """Samples ready for use, and the document that tells of them."""

    representative: Samples
    held_out: Samples
    document: SamplesDocument


def draw(subject: Subject, user: Samples | None, how: Draw) -> Drawn:
    """Choose representative and held-out samples.

    A user's own are taken as they are; else they are drawn, class-balanced and seeded, from the model's pool; random
    input only where it is allowed.

    Raises:
        SamplesError: there are none, or they cannot be used.
    """
    model, specs = subject.model, subject.signature.inputs
    checks: list[Check] = []
    source: SampleSource = "user"
    seed: int | None = how.seed
    given = user
    if given is None and how.synthetic is None and model.samples is None:
        given = pool(model.held_out)
    if given is not None:
        representative, found = ready(model, given, specs)
        checks += found
        seed = None
    elif (declared := pool(model.samples)) is not None:
        whole, found = ready(model, declared, specs)
        checks += found
        if whole.count < how.count:
            detail = f"{how.count} samples asked for, the model's pool holds {whole.count}: all are taken"
            checks.append(Check(name="pool", status="warning", detail=detail))
        representative = class_balanced(whole, min(how.count, whole.count), how.seed)
        source = "model"
    elif how.synthetic is not False:
        representative = synthetic_samples(specs, how.count, how.seed)
        source = "synthetic"
    else:
        raise SamplesError(
            "the model brings no samples and none were given",
            hint="give --samples PATH, or samples= in edgeproof.Model; --synthetic draws random ones, "
            "on which no int8 verdict stands",
        )
    checks += check_samples(representative, synthetic=source == "synthetic")
    held_out, held_source = _held_out(subject, representative, how, given_by_user=user is not None)
    checks.append(_overlap(representative, held_out, held_source))
    metric, found = spec_of(model, subject.signature, held_out.labels)
    by_class = model.metric is None or metric_of(model).by_class
    classes = classes_of(representative.labels) if by_class else None
    checks += found
    document = SamplesDocument(
        signature=subject.signature,
        source=source,
        origin=representative.origin,
        folder=REPRESENTATIVE_FOLDER,
        count=representative.count,
        labelled=representative.labels is not None,
        seed=seed,
        per_class={} if classes is None else {str(k): v for k, v in sorted(Counter(classes.tolist()).items())},
        synthetic=source == "synthetic",
        under_sampled=representative.count < MINIMUM_INT8_COUNT,
        checks=tuple(checks),
        metric=metric,
        held_out=HeldOut(
            count=held_out.count,
            labelled=held_out.labels is not None,
            source=held_source,
            file=REPRESENTATIVE_FOLDER if held_out is representative else HELD_OUT_FILE,
        ),
    )
    return Drawn(representative, held_out, document)


def _held_out(
    subject: Subject, representative: Samples, how: Draw, *, given_by_user: bool
) -> tuple[Samples, HeldOutSource]:
    model, specs = subject.model, subject.signature.inputs
    source: HeldOutSource = "representative"
    found = representative
    if how.held_out is not None:
        found, source = ready(model, read_samples(Path(how.held_out)), specs)[0], "user"
    elif not given_by_user and (declared := pool(model.held_out)) is not None:
        found, source = ready(model, declared, specs)[0], "model"
    if source != "representative":
        check_samples(found, synthetic=False)
    if found.count > HELD_OUT_LIMIT:
        found = class_balanced(found, HELD_OUT_LIMIT, how.seed)
        found = replace(found, origin=f"{found.origin}; {HELD_OUT_LIMIT} drawn with seed {how.seed}")
    return found, source


def _overlap(representative: Samples, held_out: Samples, source: HeldOutSource) -> Check:
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
