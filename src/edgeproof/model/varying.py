"""Outputs whose shape depends on the inputs' values: no format has them, since all have fixed shapes."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from edgeproof.errors import ConversionError
from edgeproof.model.lines import own_line

__all__ = ["varying_shape"]


def varying_shape(
    call: Callable[..., Any],
    inputs: Sequence[torch.Tensor],
    *,
    output: str,
    shapes: tuple[tuple[int, ...], tuple[int, ...]],
) -> ConversionError:
    """What to raise for an output of another shape than on the first sample: the line that made it so, found by running
    the call once more.

    Args:
        call: the module on flat tensors.
        inputs: with which the shape was another.
        output: its name.
        shapes: as it was on the first sample, and now.
    """
    watch = _Watch()  # type: ignore[no-untyped-call]
    with torch.no_grad(), watch:
        call(*[tensor.clone() for tensor in inputs])
    where = f": {watch.found}" if watch.found else ""
    before, now = (list(shape) for shape in shapes)
    return ConversionError(
        f"the shape of the output {output} depends on the inputs' values, {before} on one sample and {now} on another"
        f"{where}",
        hint="give a result of fixed shape, such as a mask and values that torch.where(mask, x, 0.0) keeps",
    )


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The first operator whose result's shape depends on values, with its line."""

    found: str | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if self.found is None and torch.Tag.dynamic_output_shape in func.tags:
            location, source = own_line(traceback.extract_stack())
            self.found = f"{func._schema.name.partition('::')[2]} at {location}: `{source}`"
        return func(*args, **(kwargs or {}))
