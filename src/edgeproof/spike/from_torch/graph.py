"""What every part of the reader asks of a node of PyTorch's graph, and how it says that it cannot go on."""

from __future__ import annotations

import operator
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeproof.errors import UnsupportedError
from edgeproof.spike.program import Array

if TYPE_CHECKING:
    import torch

__all__ = ["array_of", "name_of", "shape_of", "unknown", "without_batch"]


def shape_of(node: torch.fx.Node) -> tuple[int, ...]:
    """Of its value, without the batch of one."""
    return without_batch(tuple(node.meta["val"].shape))


def without_batch(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The shape of one sample."""
    return shape[1:] if shape and shape[0] == 1 else shape


def name_of(target: Any) -> str:
    """``aten.linear``, whatever the overload; "" where it is no operation."""
    import torch

    if isinstance(target, torch._ops.OpOverload):
        return f"{target.namespace}.{target._schema.name.partition('::')[2]}"
    return "getitem" if target is operator.getitem else ""


def array_of(value: Any) -> Array:
    """A weight in fp32.

    Raises:
        UnsupportedError: it depends on the input.
    """
    if not hasattr(value, "detach"):
        raise UnsupportedError("the engine does not know layers whose weights are computed from the input")
    found: Array = value.detach().numpy().astype(np.float32)
    return found


def unknown(node: torch.fx.Node, what: str) -> UnsupportedError:
    """The error that says what is not known, and where it comes from."""
    return UnsupportedError(
        f"the engine does not know {what}{_place(node)}",
        hint="it takes linear layers, convolutions, pooling, batch norm and elementwise neurons; ship a conversion",
    )


def _place(node: torch.fx.Node) -> str:
    """The module it stands in, and the last line of code outside of PyTorch that leads there."""
    path, kind = next(reversed((node.meta.get("nn_module_stack") or {"": ("", "")}).values()))
    found = str(kind).rsplit(".", 1)[-1]
    module = f" in {path.removeprefix('module.')} ({found})" if path else ""
    lines = [line.strip() for line in str(node.meta.get("stack_trace") or "").splitlines() if "File" in line]
    own = [line for line in lines if f"{os.sep}torch{os.sep}" not in line] or lines
    return module + (f", at {own[-1]}" if own else "")
