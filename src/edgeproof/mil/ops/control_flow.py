"""Branches and loops: operations with blocks inside. Blocks see the values around them; only what they give is seen."""

from __future__ import annotations

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, Body, Budget, Value

__all__ = ["cond", "select", "while_loop"]


@op("cond", moves=True)
def cond(pred: bool, _true_fn: Body, _false_fn: Body) -> tuple[Value, ...]:
    """What the first block gives where ``pred`` is true, else what the second gives."""
    return _true_fn() if pred else _false_fn()


@op("while_loop", moves=True)
def while_loop(loop_vars: tuple[Array, ...], _cond: Body, _body: Body, budget: Budget) -> tuple[Value, ...]:
    """The loop variables after as many turns of ``_body`` as ``_cond`` gives true for them."""
    values: tuple[Value, ...] = loop_vars
    while _holds(_cond(*values)):
        budget.turn()
        values = _body(*values)
        if len(values) != len(loop_vars):
            raise ArtifactError(f"the body gives {len(values)} values; the loop has {len(loop_vars)}")
    return values


def _holds(given: tuple[Value, ...]) -> bool:
    if len(given) != 1 or not isinstance(given[0], np.ndarray) or given[0].size != 1:
        raise ArtifactError("the condition does not give one truth value")
    return bool(given[0].item())


@op("select", moves=True)
def select(cond: Array, a: Array, b: Array, budget: Budget) -> Array:
    """``a`` where ``cond`` is true, ``b`` elsewhere; the three are broadcast."""
    if not cond.shape == a.shape == b.shape:
        budget.room(np.broadcast_shapes(cond.shape, a.shape, b.shape), a.itemsize)
    return np.where(cond, a, b)
