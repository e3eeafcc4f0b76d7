"""From MODEL, ``--input`` and ``--samples`` to a subject: whose word counts for the signature; how it is guessed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeproof.documents.signature import TensorSpec
from edgeproof.documents.source import ModelSource
from edgeproof.errors import SignatureError
from edgeproof.model.address import load_model
from edgeproof.model.coding import ready, stated
from edgeproof.model.eager import EagerSession, run_all
from edgeproof.model.model import Model, Samples, parse_spec
from edgeproof.model.multi_step import step_by_step
from edgeproof.model.samples import pool, read_samples
from edgeproof.model.subject import Subject, make_subject

__all__ = ["Resolved", "resolve", "resolve_model"]


@dataclass(frozen=True)
class Resolved:
    """A subject with the samples that came with the request.

    Attributes:
        subject: the model with its settled call.
        user_samples: what ``--samples`` gave, as read, or None.
    """

    subject: Subject
    user_samples: Samples | None


def resolve(source: ModelSource) -> Resolved:
    """Load MODEL and settle its call.

    Raises:
        ModelReferenceError: MODEL cannot be loaded.
        SignatureError: no source tells the inputs, or the model does not run on them.
        SamplesError: ``--samples`` cannot be read.
    """
    given = tuple(parse_spec(text) for text in source.inputs)
    user = read_samples(Path(source.samples)) if source.samples is not None else None
    model = load_model(source.model, trust=source.trust)
    told = replace(model, name=source.name or model.name, metric=source.metric or model.metric)
    return resolve_model(told, given, user)


def resolve_model(model: Model, given: Sequence[TensorSpec] = (), user: Samples | None = None) -> Resolved:
    """The same for a model that is loaded. Specs given win over the model's own, and those over the samples.

    Raises:
        SignatureError, SamplesError: as ``resolve``.
    """
    model = stated(model)
    specs = tuple(given) or model.specs()
    source = user or pool(model.samples) or pool(model.held_out)
    if specs:
        subject = make_subject(model, specs)
    elif source is not None and model.coding is None:
        subject = _guess(model, source)
    else:
        raise SignatureError(
            "the model's inputs are unknown",
            hint="say them with --input NAME:dtype[shape] (batch axis included), give --samples, "
            "or return edgeproof.Model(module, inputs=[…]) from the factory",
        )
    return Resolved(_with_kinds(step_by_step(subject, source), source), user)


def _guess(model: Model, samples: Samples) -> Subject:
    """Try a sample with and without a batch axis of 1: a leading axis of 1 is first taken for the batch axis."""
    attempts = []
    lone = all(array.ndim > 1 and array.shape[1] == 1 for array in samples.inputs.values())
    for added in (False, True) if lone else (True, False):
        specs = tuple(
            TensorSpec(
                name=_parameter_name(model, name, len(samples.inputs)),
                dtype=_natural_dtype(model, array),
                shape=((1, *array.shape[1:]) if added else array.shape[1:]),
            )
            for name, array in samples.inputs.items()
        )
        try:
            return make_subject(model, specs)
        except SignatureError as error:
            attempts.append(error.message)
    raise SignatureError(
        "the model runs on a sample neither with nor without a batch axis: " + " · ".join(attempts),
        hint="say the inputs with --input NAME:dtype[shape]",
    )


def _parameter_name(model: Model, name: str, count: int) -> str:
    import inspect

    if name != "input0" or count != 1:
        return name
    try:
        parameters = list(inspect.signature(model.module.forward).parameters.values())
    except (TypeError, ValueError):
        return name
    ordinary = [parameter for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
    return ordinary[0].name if ordinary else name


def _natural_dtype(model: Model, array: npt.NDArray[Any]) -> str:
    if np.issubdtype(array.dtype, np.floating):
        for parameter in model.module.parameters():
            if parameter.is_floating_point():
                return str(parameter.dtype).removeprefix("torch.")
        return "float32"
    return str(array.dtype)


def _with_kinds(subject: Subject, samples: Samples | None) -> Subject:
    """In a spiking model, outputs that hold small whole numbers on real samples are spikes or spike counts."""
    signature = subject.signature
    if not signature.spiking or subject.model.spike_outputs or samples is None:
        return subject
    few, _ = ready(subject.model, samples.take(np.arange(min(16, samples.count))), signature.inputs)
    results = run_all(EagerSession(subject), few.inputs)
    outputs = tuple(
        msgspec.structs.replace(spec, kind="spikes") if _are_spikes(results[spec.name]) else spec
        for spec in signature.outputs
    )
    changed = msgspec.structs.replace(signature, outputs=outputs)
    return replace(subject, signature=changed)


def _are_spikes(values: npt.NDArray[Any]) -> bool:
    return bool(np.issubdtype(values.dtype, np.floating) and (values >= 0).all() and (values == values.round()).all())
