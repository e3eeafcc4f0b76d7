"""What NIR's continuous equations leave open, and what has therefore to be said with every result.

One NIR graph gives different spikes for different answers, so a network carries its answers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.neurons.firing import Operator, ResetRule

__all__ = ["MAX_TIMESTEPS", "CodingKind", "InputCoding", "Integration", "Semantics"]

MAX_TIMESTEPS = 1_000_000

CodingKind: TypeAlias = Literal["constant", "rate", "latency", "delta", "events"]
Integration: TypeAlias = Literal["euler", "exponential"]


@dataclass(frozen=True)
class InputCoding:
    """How a sample becomes a value per time step (``coding.encode``).

    Attributes:
        kind: ``constant`` repeats the sample; ``rate`` draws spikes with its values as probabilities; ``latency`` lets
            a larger value spike earlier; ``delta`` spikes where a sequence changes; ``events`` takes a sequence as is.
        seed: of the draws of ``rate``.
        threshold: by how much a sequence must change for ``delta``; below which value ``latency`` gives no spike.

    Raises:
        SpikeGraphError: a kind that is not known, or a seed or threshold below zero.
    """

    kind: CodingKind = "events"
    seed: int = 0
    threshold: float = 0.0

    def __post_init__(self) -> None:
        _one_of("input coding", self.kind, get_args(CodingKind))
        if self.seed < 0 or not math.isfinite(self.threshold) or self.threshold < 0:
            raise SpikeGraphError(
                f"the input coding has seed {self.seed} and threshold {self.threshold}; expected neither below zero"
            )

    def __str__(self) -> str:
        if self.kind == "rate":
            return f"rate, seed {self.seed}"
        return f"{self.kind}, threshold {self.threshold:g}" if self.kind in ("delta", "latency") else self.kind


@dataclass(frozen=True)
class Semantics:
    """The answers. The defaults are the ones of NIR's own equations, at the time step that most libraries write with.

    Attributes:
        reset: ``zero`` sets the membrane to ``v_reset``, ``subtract`` takes ``v_threshold`` off, ``none`` leaves it.
        reset_delay: 0: reset in the step that fires; 1: in the next.
        threshold_operator: whether a membrane that equals its threshold fires.
        dt_s: seconds in a time step; turns time constants and delays into steps.
        integration: ``euler`` (forward) or ``exponential`` (each equation solved exactly, its input held in a step).
        time_axis: where the caller's input has its time steps.
        input_coding: how a sample became input.
        timesteps: of a call; None: not said.

    Raises:
        SpikeGraphError: a choice that is not known, or a time axis, time step or count of steps that none can be.
    """

    reset: ResetRule = "zero"
    reset_delay: int = 0
    threshold_operator: Operator = ">"
    dt_s: float = 1e-4
    integration: Integration = "euler"
    time_axis: int = 0
    input_coding: InputCoding = field(default_factory=InputCoding)
    timesteps: int | None = None

    def __post_init__(self) -> None:
        _one_of("reset rule", self.reset, get_args(ResetRule))
        _one_of("reset delay", self.reset_delay, (0, 1))
        _one_of("threshold operator", self.threshold_operator, get_args(Operator))
        _one_of("integration scheme", self.integration, get_args(Integration))
        if not isinstance(self.time_axis, int):
            raise SpikeGraphError(f"the time axis is {self.time_axis!r}; expected a whole number")
        if not (math.isfinite(self.dt_s) and self.dt_s > 0):
            raise SpikeGraphError(f"the time step is {self.dt_s} s; expected a number above zero")
        if self.timesteps is not None and not (
            isinstance(self.timesteps, int) and 1 <= self.timesteps <= MAX_TIMESTEPS
        ):
            raise SpikeGraphError(
                f"a call has {self.timesteps!r} time steps; expected a whole number from 1 to {MAX_TIMESTEPS:,}"
            )

    def statement(self) -> str:
        """One line that names every answer."""
        late = "one step later" if self.reset_delay else "in the same step"
        steps = "" if self.timesteps is None else f"; {self.timesteps} time steps"
        return (
            f"reset {self.reset} {late}; fires at v {self.threshold_operator} threshold; dt {self.dt_s:g} s, "
            f"{self.integration}; input {self.input_coding}, time axis {self.time_axis}{steps}"
        )


def _one_of(what: str, given: object, known: tuple[object, ...]) -> None:
    if given not in known:
        listed = ", ".join(map(str, known))
        raise SpikeGraphError(f"the {what} is {given!r}; expected one of {listed}")
