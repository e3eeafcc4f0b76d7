"""The forms a model is exported in, as modules from flat tensors to flat tensors:

- ``WholeCall``: the module's own forward, hidden state reset around it;
- ``OneOfMany``: one time step of a module that takes a whole sequence;
- ``UnrolledCall``: all time steps of a one-step module in one forward;
- ``StepCall``: one time step, its state as inputs and outputs.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as pytree

from edgeproof.documents.signature import Encoding, Readout
from edgeproof.model.outputs import flatten_output
from edgeproof.model.state import HiddenState, Slot, StateTensor, frozen

__all__ = ["ExplicitState", "OneOfMany", "StepCall", "UnrolledCall", "WholeCall", "caller", "read_out"]

Tensors = tuple[torch.Tensor, ...]


def caller(module: torch.nn.Module, names: Sequence[str]) -> Callable[[Sequence[torch.Tensor]], Any]:
    """How ``module`` is called: by keyword where every name is a parameter of its forward, else by position."""
    parameters: Mapping[str, inspect.Parameter] = {}
    with contextlib.suppress(TypeError, ValueError):
        parameters = inspect.signature(module.forward).parameters
    if names and all(
        name in parameters and parameters[name].kind is not parameters[name].POSITIONAL_ONLY for name in names
    ):
        return lambda tensors: module(**dict(zip(names, tensors, strict=True)))
    return lambda tensors: module(*tensors)


class WholeCall(torch.nn.Module):
    """One call of the module, from its initial state. A state that the caller carries is no output of it."""

    def __init__(
        self, module: torch.nn.Module, names: Sequence[str], state: HiddenState, *, explicit: bool, initial: Any
    ) -> None:
        super().__init__()
        self.module = module
        self._names = tuple(names)
        self._state = state
        self._explicit = explicit
        self._initial = initial

    def forward(self, *inputs: torch.Tensor) -> Tensors:
        with self._state.fresh():
            if self._explicit:
                output, _ = self.module(*inputs, frozen(self._initial))
            else:
                output = caller(self.module, self._names)(inputs)
            return tuple(_own(tensor, inputs) for _, tensor in flatten_output(output))


def _own(tensor: torch.Tensor, inputs: Sequence[torch.Tensor]) -> torch.Tensor:
    """An output that is an input itself is copied: converters drop such a passage."""
    return tensor.clone() if any(tensor is given for given in inputs) else tensor


class OneOfMany(torch.nn.Module):
    """One time step of a module that takes a whole sequence, time axis first: it is given a sequence of one.

    Args:
        module: as the user gave it, with its state inside or carried by the caller.
        names: of its inputs.
        stacked: which of its outputs have a time axis, which is taken off.
        explicit: whether the caller carries the state.
    """

    def __init__(
        self, module: torch.nn.Module, names: Sequence[str], *, stacked: Sequence[bool], explicit: bool
    ) -> None:
        super().__init__()
        self.module = module
        self._names = tuple(names)
        self._stacked = tuple(stacked)
        self._explicit = explicit

    def forward(self, *now: Any) -> Any:
        if self._explicit:
            output, after = self.module(*self._sequences(now[:-1]), now[-1])
            return self._of_step(output), after
        return self._of_step(caller(self.module, self._names)(self._sequences(now)))

    def _sequences(self, now: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        return [tensor.unsqueeze(0) for tensor in now]

    def _of_step(self, output: Any) -> dict[str, torch.Tensor]:
        found = flatten_output(output)
        return {
            name: tensor[0] if stacked else tensor for (name, tensor), stacked in zip(found, self._stacked, strict=True)
        }


class UnrolledCall(torch.nn.Module):
    """All time steps of a one-step module."""

    def __init__(
        self,
        module: torch.nn.Module,
        names: Sequence[str],
        state: HiddenState,
        *,
        timesteps: int,
        encoding: Encoding,
        readouts: Sequence[Readout],
        explicit: bool,
        initial: Any,
    ) -> None:
        super().__init__()
        self.module = module
        self._names = tuple(names)
        self._state = state
        self._timesteps = timesteps
        self._encoding = encoding
        self._readouts = tuple(readouts)
        self._explicit = explicit
        self._initial = initial

    def forward(self, *inputs: torch.Tensor) -> Tensors:
        steps: list[list[torch.Tensor]] = []
        carried = frozen(self._initial)
        with self._state.fresh():
            for time in range(self._timesteps):
                now = tuple(sequence[time] for sequence in inputs) if self._encoding == "sequence" else inputs
                if self._explicit:
                    output, carried = self.module(*now, carried)
                else:
                    output = caller(self.module, self._names)(now)
                steps.append([tensor for _, tensor in flatten_output(output)])
        return tuple(read_out([step[i] for step in steps], how) for i, how in enumerate(self._readouts))


def read_out(steps: Sequence[torch.Tensor], how: Readout) -> torch.Tensor:
    """One output over its time steps: sum, mean, last or stack (time axis first)."""
    if how == "last":
        return steps[-1]
    if how == "stack":
        return torch.stack(list(steps))
    total = steps[0]
    for step in steps[1:]:
        total = total + step
    return total / len(steps) if how == "mean" else total


@dataclass(frozen=True)
class ExplicitState:
    """How a state that the caller carries is put together from its tensors.

    Attributes:
        spec: the pytree's structure.
        rest: its leaves that are no tensors, None where a tensor goes.
    """

    spec: pytree.TreeSpec
    rest: tuple[Any, ...]
    positions: tuple[int, ...]

    def filled(self, tensors: Sequence[torch.Tensor]) -> Any:
        """The state with ``tensors`` in their places."""
        leaves = list(self.rest)
        for position, tensor in zip(self.positions, tensors, strict=True):
            leaves[position] = tensor
        return pytree.tree_unflatten(leaves, self.spec)


class StepCall(torch.nn.Module):
    """One time step: ``(*inputs, *state) -> (*outputs, *state)``."""

    def __init__(
        self,
        module: torch.nn.Module,
        names: Sequence[str],
        state: HiddenState,
        states: Sequence[StateTensor],
        *,
        structure: ExplicitState | None,
    ) -> None:
        super().__init__()
        self.module = module
        self._names = tuple(names)
        self._count = len(names)
        self._state = state
        self._states = tuple(states)
        self._structure = structure

    def forward(self, *tensors: torch.Tensor) -> Tensors:
        inputs, carried = tensors[: self._count], tensors[self._count :]
        if self._structure is not None:
            with self._state.fresh():
                output, after = self.module(*inputs, self._structure.filled(carried))
            left = [leaf for leaf in pytree.tree_leaves(after) if isinstance(leaf, torch.Tensor)]
        else:
            with self._state.fresh():
                for slot, value in self._filled(carried):
                    slot.set(value)
                output = caller(self.module, self._names)(inputs)
                left = [pytree.tree_leaves(state.slot.get())[state.index] for state in self._states if state.slot]
        outputs = [tensor for _, tensor in flatten_output(output)]
        results: list[torch.Tensor] = []
        for tensor in [*outputs, *left]:
            repeated = any(tensor is other for other in (*tensors, *results))
            results.append(tensor.clone() if repeated else tensor)
        return tuple(results)

    def _filled(self, carried: Sequence[torch.Tensor]) -> list[tuple[Slot, Any]]:
        filled: list[tuple[Slot, Any]] = []
        for slot in dict.fromkeys(state.slot for state in self._states if state.slot):
            mine = [(state, value) for state, value in zip(self._states, carried, strict=True) if state.slot is slot]
            if len(mine) == 1 and mine[0][0].name == slot.path:
                filled.append((slot, mine[0][1]))
            else:
                ordered = sorted(mine, key=lambda pair: pair[0].index)
                template = slot.get()
                kind = type(template) if isinstance(template, (tuple, list)) else tuple
                values = [value for _, value in ordered]
                filled.append((slot, kind(*values) if hasattr(kind, "_fields") else kind(values)))
        return filled
