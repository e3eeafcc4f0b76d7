"""States: values that outlive the call."""

from __future__ import annotations

from edgeproof.mil.registry import op
from edgeproof.mil.values import Array, StateCell

__all__ = ["coreml_update_state", "read_state", "write_state"]


@op("read_state", "iOS18", moves=True)
def read_state(input: StateCell) -> Array:
    """What the state holds now: a later write does not change what was read."""
    return input.value


@op("write_state", "iOS18", moves=True)
def write_state(input: StateCell, data: Array) -> None:
    """Put ``data`` in the state's place; gives nothing."""
    input.value = data


@op("coreml_update_state", "iOS18", moves=True)
def coreml_update_state(state: StateCell, value: Array) -> Array:
    """``write_state`` and ``read_state`` in one: gives ``value``."""
    state.value = value
    return value
