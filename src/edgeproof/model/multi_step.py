"""Modules that take a whole sequence, ``[T, batch, …]``, in one call, as in SpikingJelly's multi-step mode.

Whether such a module may be taken step by step is measured: called for one step after the other, its state carried on
by itself, it has to give what the whole call gives, and to leave the same state.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any

import msgspec
import numpy as np
import torch
from torch.utils import _pytree as pytree

from edgeproof.documents.signature import Readout
from edgeproof.errors import SignatureError
from edgeproof.model.agreement import gap
from edgeproof.model.coding import ready
from edgeproof.model.forms import OneOfMany, caller, read_out
from edgeproof.model.model import Samples
from edgeproof.model.outputs import flatten_output
from edgeproof.model.samples import synthetic_samples
from edgeproof.model.state import frozen
from edgeproof.model.subject import Subject, make_subject

__all__ = ["step_by_step"]

Tensors = list[torch.Tensor]
TOLERANCE = 1e-4
TRIALS = 16
"""Samples on which both ways are compared."""
SEED = 0
READOUTS: tuple[Readout, ...] = ("last", "sum", "mean")
LOOKS_AHEAD = (
    "the module uses several time steps at once, as attention over time and norms of a whole sequence do, or begins "
    "each call anew"
)


class _WholeError(Exception):
    """Why a module is taken whole."""


@dataclass(frozen=True)
class _Course:
    """What one sample gave.

    Attributes:
        whole: outputs of the whole call.
        steps: outputs of each step's call.
        left: the state that the whole call left: the one that the caller carries, then the module's, slot by slot.
        carried: the state that the last step left.
    """

    whole: Tensors
    steps: list[Tensors]
    left: list[Any]
    carried: list[Any]


def step_by_step(subject: Subject, samples: Samples | None) -> Subject:
    """The subject with its step, if its module takes a whole sequence and computes the same step by step.

    A module without state, and one whose inputs have a first axis of 1, is no question of that. The call itself, and so
    the eager reference, stays the module's own.

    Args:
        subject: without time steps of ours, else it is given back.
        samples: what it is measured on; None: random ones.

    Returns:
        the same subject, one with time steps and a note, or one whose signature says why it is taken whole.

    Raises:
        SamplesError: the samples are not the signature's.
    """
    model, signature = subject.model, subject.signature
    lengths = {spec.shape[0] if len(spec.shape) > 1 else 1 for spec in signature.inputs}
    if model.timesteps is not None or not signature.stateful or lengths <= {1}:
        return subject
    try:
        if len(lengths) > 1:
            raise _WholeError("the inputs have first axes of different lengths")
        few = _few(subject, samples)
        with torch.no_grad():
            found, worst = _stepped(subject, lengths.pop(), few)
    except _WholeError as error:
        return replace(subject, signature=msgspec.structs.replace(signature, whole_because=str(error)))
    timesteps, kind = found.model.timesteps, "random" if samples is None else "real"
    note = (
        f"the module takes all {timesteps} time steps in one call, and is taken step by step too: that gives the same "
        f"on {len(few)} {kind} samples (largest difference {worst:.2g})"
    )
    changed = msgspec.structs.replace(signature, timesteps=timesteps, notes=(*signature.notes, note))
    return replace(subject, signature=changed, one_step=found)


def _few(subject: Subject, samples: Samples | None) -> list[Tensors]:
    """Inputs of some whole calls."""
    specs = subject.signature.inputs
    if samples is None:
        few = synthetic_samples(specs, TRIALS, SEED)
    else:
        few, _ = ready(subject.model, samples.take(np.arange(min(TRIALS, samples.count))), specs)
    return [[torch.from_numpy(np.array(few.inputs[spec.name][index])) for spec in specs] for index in range(few.count)]


def _stepped(subject: Subject, timesteps: int, few: Sequence[Tensors]) -> tuple[Subject, float]:
    """The subject of one step, and the largest difference to the whole calls.

    Raises:
        _WholeError: it is another computation, or none that can be written as a step.
    """
    model, names = subject.model, [spec.name for spec in subject.signature.inputs]
    try:
        courses = [_course(subject, inputs, timesteps) for inputs in few]
    except Exception as error:
        said = (str(error).strip().splitlines() or [""])[0]
        raise _WholeError(f"the module does not run on one time step: {type(error).__name__}: {said}") from error
    readouts, differences = zip(
        *(_readout(courses, index, spec.name) for index, spec in enumerate(subject.signature.outputs)), strict=True
    )
    stacked = [how == "stack" for how in readouts]
    one = replace(
        model,
        module=OneOfMany(model.module, names, stacked=stacked, explicit=model.explicit_state),
        timesteps=timesteps,
        encoding="sequence",
        readout=readouts,
    )
    try:
        found = make_subject(one, subject.signature.inputs)
        _, _, states = found.step()
    except SignatureError as error:
        raise _WholeError(error.message) from error
    if not states:
        raise _WholeError("no call reads what the call before left")
    read = {(id(state.slot.owner), state.slot.name) for state in states if state.slot}
    kept = [model.explicit_state, *((id(slot.owner), slot.name) in read for slot in subject.state.slots)]
    return found, max(*differences, *(_of_states(course, kept) for course in courses))


def _course(subject: Subject, inputs: Tensors, timesteps: int) -> _Course:
    """One sample both ways."""
    model, names = subject.model, [spec.name for spec in subject.signature.inputs]

    def call(given: Tensors, state: Any) -> tuple[Tensors, Any]:
        given = [tensor.clone() for tensor in given]
        if model.explicit_state:
            output, state = model.module(*given, state)
        else:
            output = caller(model.module, names)(given)
        return frozen([tensor for _, tensor in flatten_output(output)]), state

    def left(state: Any) -> list[Any]:
        return [frozen(state), *(frozen(slot.get()) for slot in subject.state.slots)]

    with subject.state.fresh():
        whole, state = call(inputs, frozen(model.initial_state))
        after = left(state)
    with subject.state.fresh():
        state, steps = frozen(model.initial_state), []
        for step in range(timesteps):
            outputs, state = call([tensor[step : step + 1] for tensor in inputs], state)
            steps.append(outputs)
        return _Course(whole, steps, after, left(state))


def _readout(courses: Sequence[_Course], index: int, name: str) -> tuple[Readout, float]:
    """How an output of the whole call follows from those of the steps, and the largest difference.

    Raises:
        _WholeError: not at all, or in more than one way.
    """
    whole, step, timesteps = courses[0].whole[index], courses[0].steps[0][index], len(courses[0].steps)
    if step.shape[:1] == (1,) and whole.shape == (timesteps, *step.shape[1:]):
        worst = _apart(
            (torch.cat([outputs[index] for outputs in course.steps]), course.whole[index]) for course in courses
        )
        if worst is None:
            raise _WholeError(f"{name} is not at every time step what the step by itself gives: {LOOKS_AHEAD}")
        return "stack", worst
    if whole.shape != step.shape:
        raise _WholeError(f"{name} is {list(whole.shape)} for {timesteps} time steps and {list(step.shape)} for one")
    fitting: dict[Readout, float] = {}
    for how in READOUTS:
        worst = _apart(
            (read_out([outputs[index] for outputs in course.steps], how), course.whole[index]) for course in courses
        )
        if worst is not None:
            fitting[how] = worst
    if not fitting:
        raise _WholeError(f"{name} is neither the last, the sum nor the mean of what single steps give: {LOOKS_AHEAD}")
    if len(fitting) > 1:
        raise _WholeError(f"{name} may be the {' or the '.join(fitting)} of its time steps: all are the same here")
    return next(iter(fitting.items()))


def _of_states(course: _Course, kept: Sequence[bool]) -> float:
    """The largest difference of the states that are left, of those that the next call reads.

    Raises:
        _WholeError: they are not the same.
    """
    whole, steps = (
        [leaf for leaf in pytree.tree_leaves(list(compress(states, kept))) if isinstance(leaf, torch.Tensor)]
        for states in (course.left, course.carried)
    )
    same_shapes = [tensor.shape for tensor in whole] == [tensor.shape for tensor in steps]
    worst = _apart(zip(steps, whole, strict=True)) if same_shapes else None
    if worst is None:
        raise _WholeError(f"a whole call leaves another state than its steps do: {LOOKS_AHEAD}")
    return worst


def _apart(pairs: Iterable[tuple[torch.Tensor, torch.Tensor]]) -> float | None:
    """The largest difference of these pairs of what is and what is expected; None where one is beyond the tolerance."""
    gaps = [gap(mine, expected) for mine, expected in pairs]
    return max((found.max_abs for found in gaps), default=0.0) if all(g.within(TOLERANCE) for g in gaps) else None
