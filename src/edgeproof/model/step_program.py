"""An exported time step as the native engine has it: a program of layers and elementwise operations."""

from __future__ import annotations

import math

import numpy as np

from edgeproof.errors import UnsupportedError
from edgeproof.model.placing import places_by_number
from edgeproof.model.spine import Spine
from edgeproof.spike.from_torch.read import program_from_torch
from edgeproof.spike.program import Program

__all__ = ["program_of"]


def program_of(spine: Spine) -> Program:
    """A spine's step as the engine has it.

    Raises:
        UnsupportedError: an operation or dtype that the engine does not take.
    """
    document = spine.document
    loop = document.loop
    states = loop.states if loop else ()
    positions = {
        name
        for state in states
        if state.dtype in ("int64", "int32") and math.prod(state.shape) == 1
        for name in (state.name, f"next_{state.name}")
    }
    odd = [
        spec.name
        for spec in (*document.graph_inputs, *document.graph_outputs)
        if spec.dtype != "float32" and spec.name not in positions
    ]
    if odd:
        raise UnsupportedError(
            f"the engine computes in float32, and {', '.join(odd)} is of another dtype", hint="ship a conversion"
        )
    names = [spec.name for spec in document.signature.inputs]
    outputs = [spec.name for spec in document.signature.outputs]
    return program_from_torch(
        places_by_number(spine.program),
        inputs=names,
        states=[
            (
                state.name,
                np.zeros(state.shape, state.dtype)
                if state.initial is None
                else np.asarray(spine.initial[state.initial]),
            )
            for state in states
        ],
        outputs=list(zip(outputs, loop.readouts if loop else ["last"] * len(outputs), strict=True)),
        timesteps=loop.timesteps if loop else 1,
        sequence=loop is not None and loop.encoding == "sequence",
    )
