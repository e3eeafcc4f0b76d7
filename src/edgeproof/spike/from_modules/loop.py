"""A module that loops over time by itself: the same layers called again and again are time steps, found by watching.

The loop must be the whole of the module, but for layers without state before it. What its outputs are of the steps is
told by trying: on every sample they must be a layer's values stacked, summed, averaged, or the last of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

import torch

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.from_modules.watch import Foreign, Part, Use, Value, Watching, Wiring, leaves, tensors

__all__ = ["HINT", "Loop", "Tensors", "watch_loop"]

Tensors: TypeAlias = Mapping[str, torch.Tensor]
Readout = Literal["stack", "sum", "mean", "last"]
HINT = (
    "let the module compute one time step, without the loop, and return edgeproof.Model(module, timesteps=…) with the "
    "number of steps"
)


@dataclass(frozen=True)
class Loop:
    """What was seen.

    Attributes:
        wiring: of one time step.
        timesteps: how often the layers were called.
        readouts: how each output of the model is made of its layer's values over the steps; those that are not in the
            wiring are missing.
        time_axes: of each input, where its time steps are; None: every step takes all of it.
    """

    wiring: Wiring
    timesteps: int
    readouts: Mapping[str, Readout]
    time_axes: Mapping[str, int | None]


def watch_loop(
    module: torch.nn.Module,
    samples: Sequence[Tensors],
    call: Callable[[Tensors], Tensors],
    known: Callable[[torch.nn.Module], bool],
) -> Loop:
    """Find the time steps in calls of a module.

    Args:
        module: what is watched.
        samples: inputs by name, with a batch axis of 1; several, so that outputs can be told apart.
        call: runs the module from its first state on those very tensors, and gives its outputs by name.
        known: whether a module is a layer or neuron that is looked at from outside.

    Raises:
        SpikeGraphError: its layers are not called in turns, or it takes its input in a way that is not understood.
    """
    watched = [(name or "module", part) for name, part in leaves(module, "", known)]
    seen = [_recorded(watched, call, sample) for sample in samples]
    names = [name for name, _ in seen[0][0]]
    if any([name for name, _ in calls] != names for calls, _ in seen):
        raise SpikeGraphError("the module calls its layers in another order for another sample", hint=HINT)
    before, period = _turns(names)
    steps = (len(names) - before) // period if period else 0
    if steps < 2:
        raise SpikeGraphError(
            "no time steps were said, and the module does not call the same layers in the same order time step after "
            "time step by itself; seen were "
            + (", ".join(names[:12]) + (" …" if len(names) > 12 else "") if names else "no layers that are known"),
            hint=HINT,
        )
    watching = _TwoSteps(samples[0], before=before, period=period)
    _hooked(watched, watching.enter, watching.leaving, watching, lambda: call(samples[0]))
    outputs: dict[str, Value] = {}
    readouts: dict[str, Readout] = {}
    for name in seen[0][1]:
        found = _readout(name, seen, before, period)
        if found is None:
            outputs[name] = Foreign("not a layer's values over the time steps, stacked, summed, averaged, or the last")
        else:
            place, readouts[name] = found
            outputs[name] = (Part(watching.order[place], 1),)
    shapes = {name: watching.shape(name) for name in samples[0]}
    axes = {name: watching.axes.get(name) for name in samples[0]}
    return Loop(Wiring(watching.uses, shapes, outputs), steps, readouts, axes)


Calls: TypeAlias = "list[tuple[str, torch.Tensor]]"


def _recorded(
    watched: list[tuple[str, torch.nn.Module]], call: Callable[[Tensors], Tensors], sample: Tensors
) -> tuple[Calls, Tensors]:
    """Every call of a layer with the first tensor it gave, and the outputs."""
    calls: Calls = []
    depth = 0

    def enter(_module: Any, _args: Any) -> None:
        nonlocal depth
        depth += 1

    def leaving(name: str) -> Callable[..., None]:
        def leave(_module: Any, _args: Any, _kwargs: Any, output: Any) -> None:
            nonlocal depth
            depth -= 1
            made = tensors(output)
            if not depth and made:
                calls.append((name, made[0].clone()))

        return leave

    return calls, _hooked(watched, enter, leaving, torch.no_grad(), lambda: call(sample))


def _hooked(
    watched: list[tuple[str, torch.nn.Module]],
    enter: Callable[..., None],
    leaving: Callable[[str], Callable[..., None]],
    within: Any,
    run: Callable[[], Tensors],
) -> Tensors:
    handles: list[Any] = []
    for name, part in watched:
        handles.append(part.register_forward_pre_hook(enter))
        handles.append(part.register_forward_hook(leaving(name), with_kwargs=True))
    try:
        with torch.no_grad(), within:
            return run()
    finally:
        for handle in handles:
            handle.remove()


def _turns(names: list[str]) -> tuple[int, int]:
    """How many calls stand before the loop, and how many are one step of it; ``(0, 0)`` if there is no loop."""
    if len(set(names)) == len(names):
        return 0, 0
    for before in range(len(names)):
        rest = names[before:]
        if set(rest) & set(names[:before]):
            break
        for period in range(1, len(rest) // 2 + 1):
            if len(rest) % period == 0 and rest == rest[:period] * (len(rest) // period):
                return before, period
    return 0, 0


def _readout(name: str, seen: list[tuple[Calls, Tensors]], before: int, period: int) -> tuple[int, Readout] | None:
    """Which call of a step gives an output, and how; later calls are tried first."""
    ways: dict[Readout, Callable[[torch.Tensor], torch.Tensor]] = {
        "stack": lambda steps: steps,
        "sum": lambda steps: steps.sum(0),
        "mean": lambda steps: steps.mean(0),
        "last": lambda steps: steps[-1],
    }
    for place in reversed(range(period)):
        for readout, way in ways.items():
            if all(
                _equal(outputs[name], way(torch.stack([made for _, made in calls[before + place :: period]])))
                for calls, outputs in seen
            ):
                return place, readout
    return None


def _equal(a: torch.Tensor, b: torch.Tensor) -> bool:
    """In number and order; with a batch of 1 it does not matter on which side of time its axis stands."""
    return a.numel() == b.numel() and torch.allclose(a.flatten(), b.flatten(), rtol=1e-5, atol=1e-6)


def _now(value: Value) -> Value:
    """The same value in the second step."""
    return value if isinstance(value, Foreign) else tuple(Part(part.source, 1) for part in value)


@dataclass
class _TwoSteps(Watching):
    """Watches the first two time steps of a call; the second is read."""

    before: int = 0
    period: int = 0
    calls: int = 0
    order: list[str] = field(default_factory=list)
    axes: dict[str, int] = field(default_factory=dict)
    sliced: dict[str, tuple[int, ...]] = field(default_factory=dict)
    first: dict[str, Use] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.begin()

    def shape(self, name: str) -> tuple[int, ...]:
        """Of an input in one step, without the batch axis."""
        return self.sliced.get(name, tuple(self.inputs[name].shape[1:]))

    @property
    def over(self) -> bool:
        return self.calls >= self.before + 2 * self.period

    def called(self, name: str, module: Any, given: list[torch.Tensor], made: list[torch.Tensor]) -> None:
        if not self.over:
            if self.calls <= self.before:
                self.first = dict(self.uses)
            known = set(self.uses)
            super().called(name, module, given, made)
            if self.step == 1:
                self.order += [use for use in self.uses if use not in known]
        self.calls += 1
        if self.calls == self.before + self.period:
            self._again()

    def _again(self) -> None:
        """The second step begins. What stood before the loop is the same in it."""
        kept = [(tensor, self.value(tensor)) for tensor in self.kept]
        self.begin()
        self.uses.update({name: replace(use, value=_now(use.value)) for name, use in self.first.items()})
        for tensor, value in kept:
            if not isinstance(value, Foreign) and all(part.source in self.first for part in value):
                self.note(tensor, _now(value))

    def between(self, func: Any, given: list[torch.Tensor], result: torch.Tensor) -> None:
        if not self.over:
            super().between(func, given, result)

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if not self.inside and not kwargs and func in (torch.Tensor.__getitem__, torch.Tensor.unbind):
            iterated = func is torch.Tensor.unbind
            taken = self._steps_of(args[0], *args[1:]) if iterated else self._step_of(*args)
            if taken is not None:
                name, axis, first = taken
                result = func(*args)
                self.axes[name] = axis
                for time, step in enumerate(result if iterated else (result,), first):
                    self.sliced[name] = tuple(step.shape[1:])
                    self.note(step, (Part(name, time),))
                return result
        return super().__torch_function__(func, types, args, kwargs)

    def _steps_of(self, tensor: Any, axis: int = 0) -> tuple[str, int, int] | None:
        """``x.unbind(axis)`` of an input, and ``for now in x``: its name, the axis, and the first step."""
        name = self._input(tensor)
        fits = name is not None and tensor.dim() > 1 and axis in (0, 1) and tensor.shape[1 - axis] == 1
        return (name, axis, 0) if name is not None and fits else None

    def _input(self, tensor: Any) -> str | None:
        return next((name for name, given in self.inputs.items() if given is tensor), None)

    def _step_of(self, tensor: Any, index: Any) -> tuple[str, int, int] | None:
        """``x[t]`` and ``x[:, t]`` of an input: its name, the axis of time, and the step."""
        name = self._input(tensor)
        if name is None:
            return None
        if isinstance(index, int) and tensor.dim() > 1 and tensor.shape[1] == 1:
            return name, 0, index
        whole = isinstance(index, tuple) and len(index) == 2 and index[0] == slice(None) and isinstance(index[1], int)
        return (name, 1, index[1]) if whole and tensor.shape[0] == 1 else None
