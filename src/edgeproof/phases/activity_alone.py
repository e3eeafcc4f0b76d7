"""A MODEL's activity without a run: exported and counted here, on samples of its own or given ones."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

from edgeproof.documents.activity import ActivityDocument
from edgeproof.documents.signature import Form
from edgeproof.model.coding import ready
from edgeproof.model.resolve import resolve
from edgeproof.model.samples import resolve_pool, synthetic_samples
from edgeproof.model.spine import export_spine
from edgeproof.phases.activity import activity_document, count_spine

__all__ = ["activity_of"]

SEED = 0


def activity_of(
    model: str,
    *,
    inputs: tuple[str, ...] = (),
    samples: str | None = None,
    trust: bool = False,
    count: int = 32,
    report: Callable[[str], None] = lambda _: None,
) -> ActivityDocument:
    """Count MODEL's operations. A model without time steps counts as one step.

    Args:
        model: MODEL.
        inputs, samples, trust: as everywhere. Where there are no samples random input serves, and the document says so.
        count: samples, at most.
        report: told what is being done.

    Raises:
        UsageError: MODEL, its signature or samples.
        ConversionError: the engine does not take it, so there is nothing to count on.
    """
    report(f"loading {model}")
    resolved = resolve(model, inputs=inputs, samples=samples, trust=trust)
    subject = resolved.subject
    specs = subject.signature.inputs
    source = resolved.user_samples or resolve_pool(subject.model.held_out) or resolve_pool(subject.model.samples)
    if source is None:
        chosen = synthetic_samples(specs, count, SEED)
        origin = "random input: there are no samples"
    else:
        chosen, _ = ready(subject.model, source, specs)
        origin = source.origin
    report("exporting the model")
    with tempfile.TemporaryDirectory(prefix="edgeproof-") as scratch:
        folder = Path(scratch)
        form: Form = "whole" if subject.signature.timesteps is None else "step"
        export_spine(subject, form, chosen.inputs, folder, reference=model)
        report("counting")
        counted, _ = count_spine(folder, chosen.inputs, count)
    return activity_document(subject.name, counted, source=origin, raster=None)
