"""Samples of a model whose input is coded: from what a user gives to a value per time step (``spike.coding``).

What comes after the coding is the model's input, so artifacts, servers and sample files hold coded values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import numpy as np

from edgeproof.documents.samples import Check
from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import SamplesError, SignatureError, SpikeGraphError
from edgeproof.model.model import Model, Samples
from edgeproof.model.samples import conform
from edgeproof.spike.graph.coding import encode
from edgeproof.spike.graph.semantics import InputCoding

__all__ = ["coding_of", "ready", "stated"]


def coding_of(model: Model) -> InputCoding:
    """How a sample becomes input: the model's word, or what its ``encoding`` means.

    Raises:
        SignatureError: it has no time steps to code for, or its ``encoding`` says otherwise.
        SpikeGraphError: there is no such coding.
    """
    if model.coding is None:
        return InputCoding("constant" if model.encoding == "repeat" else "events")
    coding = InputCoding(model.coding) if isinstance(model.coding, str) else model.coding
    if model.timesteps is None:
        raise SignatureError(
            f"the model has the input coding {coding} and no time steps",
            hint="give edgeproof.Model timesteps= with a module that computes one time step",
        )
    wanted = "repeat" if coding.kind == "constant" else "sequence"
    if model.encoding != wanted:
        raise SignatureError(
            f"the model has the input coding {coding} and the encoding {model.encoding!r}",
            hint=f"give edgeproof.Model encoding={wanted!r}",
        )
    return coding


def stated(model: Model) -> Model:
    """The model with a note that says how its samples are coded, where they are."""
    coding = coding_of(model)
    if coding.kind in ("constant", "events"):
        return model
    note = f"samples are coded before they are used: {coding}, over {model.timesteps} time steps"
    return model if note in model.notes else replace(model, notes=(*model.notes, note))


def ready(model: Model, samples: Samples, specs: Sequence[TensorSpec]) -> tuple[Samples, list[Check]]:
    """Samples coded as the model says, then as the signature wants them (``conform``).

    ``rate`` and ``latency`` take a sample without time axis; one that has it is coded already and stays as it is.
    ``delta`` takes a sequence. The draws of ``rate`` are the same for every sample.

    Raises:
        SamplesError: names, shapes, dtypes or values that cannot be the model's.
    """
    coding = coding_of(model)
    if coding.kind in ("constant", "events"):
        return conform(samples, specs)
    if coding.kind == "delta":
        given, checks = conform(samples, specs)
    else:
        one_step = [msgspec.structs.replace(spec, shape=spec.shape[1:]) for spec in specs]
        try:
            given, checks = conform(samples, one_step)
        except SamplesError as error:
            return _coded_already(samples, specs, coding, error)
    inputs = {
        spec.name: np.stack([_encoded(given, spec, index, coding) for index in range(given.count)]) for spec in specs
    }
    checks.append(Check(name="coding", status="ok", detail=f"samples were coded: {coding}"))
    return replace(given, inputs=inputs, origin=f"{samples.origin}; coded: {coding}"), checks


def _encoded(samples: Samples, spec: TensorSpec, index: int, coding: InputCoding) -> np.ndarray:
    try:
        return encode(samples.inputs[spec.name][index], coding, spec.shape[0]).astype(spec.dtype)
    except SpikeGraphError as error:
        raise SamplesError(
            f"sample {index} of {spec.name} cannot be coded: {error.message}",
            hint="scale the samples, or say another coding",
        ) from error


def _coded_already(
    samples: Samples, specs: Sequence[TensorSpec], coding: InputCoding, why: SamplesError
) -> tuple[Samples, list[Check]]:
    try:
        given, checks = conform(samples, specs)
    except SamplesError:
        raise why from None
    checks.append(Check(name="coding", status="ok", detail=f"samples have a time axis: taken as coded ({coding})"))
    return given, checks
