"""The state that a module makes for itself where a call gives it none, found by watching it make it.

Whatever comes into being in such a call without the inputs' doing may be it: zeros, an adaptive threshold of ones, a
learned parameter. It is the one from which all goes on as it does from none.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from edgeproof.model.state import frozen, same

__all__ = ["find_first_state"]

Leaves = list[torch.Tensor]
Step = Callable[..., tuple[Any, Any]]
"""A time step: inputs, and state or None, in; output and state out."""
STEPS = 4
"""Time steps that have to agree."""
TRIALS = 256
OF_A_SHAPE = frozenset({"zeros_like", "ones_like", "full_like", "new_zeros", "new_ones", "new_full"})
"""Operators that take a tensor for its shape alone."""


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes what operators make of anything but the inputs."""

    def __init__(self, inputs: Sequence[torch.Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._of_inputs = {id(tensor) for tensor in inputs}
        self._kept: list[Any] = list(inputs)
        self.made: Leaves = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = pytree.tree_leaves((args, kwargs))
        made = [leaf for leaf in pytree.tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self._kept += [given, made]  # so that nobody else gets their ids
        by_shape = isinstance(func, torch._ops.OpOverload) and func._opname in OF_A_SHAPE
        if not by_shape and any(id(leaf) in self._of_inputs for leaf in given):
            self._of_inputs.update(map(id, made))
        else:
            self.made += [leaf.detach().clone() for leaf in made]
        return result


def find_first_state(
    step: Step, inputs: Sequence[torch.Tensor], leaves: Leaves, fill: Callable[[Leaves], Any], own: Leaves
) -> Leaves | None:
    """The tensors of the first state, in the order of ``leaves``; None where none of them does.

    Args:
        step: a time step.
        inputs: what it is given, at every step.
        leaves: the state's tensors after a step: shapes and dtypes.
        fill: the state with these tensors in it.
        own: the module's parameters and buffers.
    """
    given = frozen(tuple(inputs))
    watch = _Watch(given)
    with watch:
        step(*given, None)
    expected = list(_course(step, inputs, None))
    possible = [[torch.zeros_like(leaf), *_like(leaf, [*watch.made, *own])] for leaf in leaves]
    for chosen in itertools.islice(itertools.product(*possible), TRIALS):
        if all(map(same, _course(step, inputs, fill(frozen(list(chosen)))), expected)):
            return list(chosen)
    return None


def _like(leaf: torch.Tensor, made: Leaves) -> Leaves:
    """Those of its shape and dtype that are not zeros, each once."""
    found: Leaves = []
    for tensor in made:
        if tensor.shape == leaf.shape and tensor.dtype == leaf.dtype and bool(tensor.any()):
            tensor = tensor.detach().clone()
            if not any(torch.equal(tensor, other) for other in found):
                found.append(tensor)
    return found


def _course(step: Step, inputs: Sequence[torch.Tensor], state: Any) -> Iterator[Any]:
    """What some steps give, states included."""
    for _ in range(STEPS):
        output, state = step(*frozen(tuple(inputs)), state)
        yield frozen(pytree.tree_leaves((output, state)))
