"""Hidden state: what a module keeps between calls, found by watching it, so that every call starts from the same state
and one time step can be written with its state in the open.

Works on any module: snnTorch ``init_hidden`` neurons (buffers), SpikingJelly nodes (memories), a user's own attributes.
What a TorchScript module keeps inside is not seen; its export is held against it all the same.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch.utils import _pytree as pytree

__all__ = ["HiddenState", "Slot", "StateTensor", "find_hidden_state", "frozen", "reset_known_libraries", "same"]

Place = Literal["attribute", "buffer", "memory"]


class _Missing:
    def __repr__(self) -> str:
        return "missing"


MISSING = _Missing()
_TORCH_INTERNALS = frozenset(vars(torch.nn.Module()))


@dataclass(frozen=True)
class Slot:
    """A place in a module that changes when it is called."""

    path: str
    owner: torch.nn.Module
    name: str
    place: Place

    def _store(self) -> dict[str, Any]:
        """Where the owner keeps it."""
        parts: dict[str, Any] = vars(self.owner)
        names = {"buffer": "_buffers", "memory": "_memories"}
        return cast("dict[str, Any]", parts[names[self.place]]) if self.place in names else parts

    def get(self) -> Any:
        """The value now, or MISSING."""
        return self._store().get(self.name, MISSING)

    def set(self, value: Any) -> None:
        """Put ``value`` there, past the module's own setters."""
        store = self._store()
        if value is MISSING:
            store.pop(self.name, None)
        else:
            store[self.name] = value


@dataclass(frozen=True)
class StateTensor:
    """One tensor of the state that a call reads before it writes: the ``index``-th leaf of its slot, or of the state
    that the caller carries when ``slot`` is None."""

    name: str
    slot: Slot | None
    index: int
    initial: torch.Tensor


def reset_known_libraries(module: torch.nn.Module) -> None:
    """Bring the neurons of snnTorch and SpikingJelly to their reset state, as their libraries' own functions do."""
    for part in module.modules():
        origin = type(part).__module__.partition(".")[0]
        if origin == "spikingjelly" and hasattr(part, "_memories") and hasattr(part, "reset"):
            cast("Any", part).reset()
        elif origin == "snntorch":
            for name in ("reset_mem", "reset_hidden_state"):
                if hasattr(part, name):
                    getattr(part, name)()
                    break


def _slots(module: torch.nn.Module) -> dict[str, tuple[Slot, Any]]:
    found: dict[str, tuple[Slot, Any]] = {}

    def note(path: str, owner: torch.nn.Module, name: str, place: Place) -> None:
        slot = Slot(path, owner, name, place)
        found[f"{place}:{path}"] = (slot, slot.get())

    for prefix, part in module.named_modules():
        if isinstance(part, torch.jit.ScriptModule):
            continue
        dot = f"{prefix}." if prefix else ""
        for name in part._buffers:
            note(dot + name, part, name, "buffer")
        for name in part.__dict__.get("_memories", {}):
            note(dot + name, part, name, "memory")
        for name, value in part.__dict__.items():
            if name not in _TORCH_INTERNALS and name != "_memories" and _may_be_state(value):
                note(dot + name, part, name, "attribute")
    return found


def _may_be_state(value: Any) -> bool:
    return value is None or isinstance(value, (torch.Tensor, bool, int, float, list, tuple, dict))


def frozen(value: Any) -> Any:
    """A copy that later changes in place do not reach."""
    return pytree.tree_map(lambda leaf: leaf.detach().clone() if isinstance(leaf, torch.Tensor) else leaf, value)


def same(before: Any, after: Any) -> bool:
    """Whether two pytrees are of one structure and hold the same values; NaN is the same as NaN."""
    a, a_spec = pytree.tree_flatten(before)
    b, b_spec = pytree.tree_flatten(after)
    if a_spec != b_spec:
        return False
    for x, y in zip(a, b, strict=True):
        if isinstance(x, torch.Tensor) and isinstance(y, torch.Tensor):
            if x.shape != y.shape or x.dtype != y.dtype or not _equal(x, y):
                return False
        elif type(x) is not type(y):
            return False
        else:
            with contextlib.suppress(Exception):
                if bool(x != y):
                    return False
    return True


def _writes(value: Any) -> tuple[int, ...]:
    """How often the tensors in it were written to in place: what is written may be what was there."""
    return tuple(
        leaf._version
        for leaf in pytree.tree_leaves(value)
        if isinstance(leaf, torch.Tensor) and not leaf.is_inference()
    )


def _equal(x: torch.Tensor, y: torch.Tensor) -> bool:
    """Equal values; NaN is equal to NaN."""
    return torch.equal(x, y) or bool(((x == y) | ((x != x) & (y != y))).all())


class HiddenState:
    """The slots of a module that calls change, with the values every call starts from."""

    def __init__(self, slots: tuple[Slot, ...], initial: tuple[Any, ...]) -> None:
        self.slots = slots
        self.initial = initial

    def __bool__(self) -> bool:
        return bool(self.slots)

    @contextlib.contextmanager
    def fresh(self) -> Iterator[None]:
        """Start from the initial state; afterwards the module is as it was before."""
        saved = [slot.get() for slot in self.slots]
        for slot, value in zip(self.slots, self.initial, strict=True):
            slot.set(frozen(value))
        try:
            yield
        finally:
            for slot, value in zip(self.slots, saved, strict=True):
                slot.set(value)

    def tensors(self, call: Callable[[], Any]) -> tuple[StateTensor, ...]:
        """The tensors a call reads before it writes them, each with a tensor to start from.

        A tensor is scratch, and left out, when poisoning it before a call changes nothing after it.

        Args:
            call: runs the module once on fixed inputs and gives its output tensors.

        Raises:
            ValueError: state that is no tensor, an initial value no tensor can stand for, or results of chance.
        """
        with self.fresh():
            first = _leaves(call())
            after = [frozen(slot.get()) for slot in self.slots]
            second = _leaves(call())
            settled = [frozen(slot.get()) for slot in self.slots]
        with self.fresh():
            if not same(_leaves(call()), first):
                raise ValueError("the same call gives other results each time, as random numbers do")
        found: list[StateTensor] = []
        for number, slot in enumerate(self.slots):
            leaves, spec = pytree.tree_flatten(after[number])
            start, start_spec = pytree.tree_flatten(self.initial[number])
            for index, leaf in enumerate(leaves):
                if not isinstance(leaf, torch.Tensor):
                    before = start[index] if start_spec == spec else MISSING
                    if type(before) is type(leaf) and before == leaf:
                        continue
                    raise ValueError(f"hidden state {slot.path} is a {type(leaf).__name__}, not a tensor")
                if not any(
                    self._reads(call, after, number, index, poison, (second, settled)) for poison in _poisons(leaf)
                ):
                    continue
                given = start[index] if start_spec == spec else (self.initial[number] if len(leaves) == 1 else None)
                name = slot.path if len(leaves) == 1 else f"{slot.path}.{index}"
                found.append(StateTensor(name, slot, index, _initial_like(leaf, given)))
        self._check_initial(found, after, first, call)
        return tuple(found)

    def _reads(
        self,
        call: Callable[[], Any],
        states: list[Any],
        number: int,
        index: int,
        poison: torch.Tensor,
        expected: tuple[list[Any], list[Any]],
    ) -> bool:
        """Whether a call from ``states`` gives another result when one leaf of one slot is poisoned."""
        leaves, spec = pytree.tree_flatten(states[number])
        leaves[index] = poison
        with self.fresh():
            for slot, value in zip(self.slots, states, strict=True):
                slot.set(frozen(value))
            self.slots[number].set(pytree.tree_unflatten(leaves, spec))
            try:
                outputs = _leaves(call())
            except Exception:
                return True
            after = [frozen(slot.get()) for slot in self.slots]
        return not (same(outputs, expected[0]) and same(after, expected[1]))

    def _check_initial(
        self, found: list[StateTensor], after: list[Any], first: list[Any], call: Callable[[], Any]
    ) -> None:
        with self.fresh():
            for number, slot in enumerate(self.slots):
                mine = [state for state in found if state.slot is slot]
                if mine:
                    leaves, spec = pytree.tree_flatten(after[number])
                    for state in mine:
                        leaves[state.index] = state.initial.clone()
                    slot.set(pytree.tree_unflatten(leaves, spec))
            outputs = _leaves(call())
            left = [pytree.tree_leaves(state.slot.get()) if state.slot else [] for state in found]
        expected = [pytree.tree_leaves(after[self.slots.index(state.slot)]) if state.slot else [] for state in found]
        if not same(outputs, first) or not same(left, expected):
            raise ValueError("the first call differs from a call on a state of zeros of the same shape")


def _leaves(value: Any) -> list[Any]:
    return [frozen(leaf) for leaf in pytree.tree_leaves(value)]


def _poisons(leaf: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Values that show in whatever reads them: NaN in arithmetic, the infinities in comparisons."""
    if leaf.dtype == torch.bool:
        return (~leaf,)
    if leaf.is_floating_point() or leaf.is_complex():
        return tuple(torch.full_like(leaf, value) for value in (float("nan"), float("inf"), float("-inf")))
    limits = torch.iinfo(leaf.dtype)
    return (torch.full_like(leaf, limits.max // 2), torch.full_like(leaf, limits.min // 2))


def _initial_like(leaf: torch.Tensor, given: Any) -> torch.Tensor:
    if isinstance(given, torch.Tensor) and given.shape == leaf.shape:
        return given.detach().clone()
    if isinstance(given, (bool, int, float)):
        return torch.full_like(leaf, given)
    return torch.zeros_like(leaf)


def find_hidden_state(module: torch.nn.Module, call: Callable[[], Any]) -> HiddenState:
    """Run ``call`` twice and see what it leaves changed. The module is as it was afterwards.

    Args:
        module: the module to watch; known spiking libraries' neurons are reset first.
        call: runs ``module`` once on fixed inputs.
    """
    reset_known_libraries(module)
    before = {key: (frozen(value), value, _writes(value)) for key, (_, value) in _slots(module).items()}
    call()
    middle = {key: frozen(value) for key, (_, value) in _slots(module).items()}
    call()
    changed: list[tuple[Slot, Any]] = []
    for key, (slot, value) in _slots(module).items():
        if key not in before:
            changed.append((slot, MISSING))
            continue
        first, held, writes = before[key]
        if not same(first, value) or not same(middle.get(key), value) or value is not held or _writes(value) != writes:
            if same(first, value) and not isinstance(value, (torch.Tensor, list, tuple, dict)):
                continue
            changed.append((slot, first))
    for slot, value in changed:
        slot.set(frozen(value))
    return HiddenState(tuple(slot for slot, _ in changed), tuple(value for _, value in changed))
