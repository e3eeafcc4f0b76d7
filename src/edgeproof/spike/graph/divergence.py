"""Where two runs that should give the same spikes part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.graph.primitives import Array

__all__ = ["Divergence", "explain_divergence"]

_SHOWN = 8


@dataclass(frozen=True)
class Divergence:
    """The first time step in which two recordings differ.

    Attributes:
        step: counted from 0.
        neurons: indices of the neurons that differ in that step, one tuple each.
        text: for a reader.
    """

    step: int
    neurons: tuple[tuple[int, ...], ...]
    text: str


def explain_divergence(a_spikes: Array, b_spikes: Array) -> Divergence | None:
    """The first step and the neurons at which two recordings [time, ...] differ; None where they are equal.

    What differs later follows from that step, so it is counted and not listed.

    Raises:
        SpikeGraphError: the recordings are not of one shape.
    """
    a, b = np.asarray(a_spikes), np.asarray(b_spikes)
    if a.shape != b.shape or a.ndim < 1:
        raise SpikeGraphError(f"recordings of {a.shape} and {b.shape} are compared; expected [time, ...] of one shape")
    differs = ~((a == b) | ((a != a) & (b != b)))
    steps = np.flatnonzero(differs.reshape(len(a), -1).any(axis=1)) if a.size else np.zeros(0, int)
    if not steps.size:
        return None
    step = int(steps[0])
    places = tuple(tuple(int(axis) for axis in place) for place in np.argwhere(differs[step]))
    shown = ", ".join(_named(a[step][place], b[step][place], place) for place in places[:_SHOWN])
    more = f" and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    text = (
        f"the same until step {step} of {len(a)} (counted from 0); there {len(places)} of {a[step].size} neurons "
        f"differ: {shown}{more}. In all {int(differs.sum())} of {differs.size} values differ, in {steps.size} steps"
    )
    return Divergence(step, places, text)


def _named(a: object, b: object, place: tuple[int, ...]) -> str:
    index = str(place[0]) if len(place) == 1 else str(place)
    return f"neuron {index} gives {a:.9g} and {b:.9g}"
