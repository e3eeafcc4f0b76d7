"""Operations whose documentation leaves an answer open where people have seen Core ML give another than the check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from edgeproof.mil.kernels.windows import Padding, window
from edgeproof.mil.model import Model
from edgeproof.mil.program.program import Argument, Literal, Operation
from edgeproof.mil.program.types import TensorType, Type

__all__ = ["cautions"]


def cautions(model: Model, function: str | None = None) -> tuple[str, ...]:
    """What a reader has to know before a package's answers here are taken for Core ML's, one sentence an operation."""
    found = model.program.functions[function or model.description.default]
    operations = list(found.block.walk())
    types = {named.name: named.type for named in found.inputs}
    types |= {named.name: named.type for operation in operations for named in operation.outputs}
    constants = {
        operation.outputs[0].name: operation.inputs["val"][0]
        for operation in operations
        if operation.kind == "const" and operation.outputs
    }
    return tuple(dict.fromkeys(_of(operations, types, constants)))


def _of(operations: list[Operation], types: Mapping[str, Type], constants: Mapping[str, Argument]) -> Iterator[str]:
    def given(operation: Operation, name: str) -> Any:
        """A parameter's value; None where it is not given or not constant."""
        (argument,) = operation.inputs.get(name, (None,))
        if argument is not None and not isinstance(argument, Literal):
            argument = constants.get(argument.name)
        return argument.value.tolist() if isinstance(argument, Literal) else None

    for operation in operations:
        if operation.kind == "avg_pool" and given(operation, "ceil_mode") and _sticks_out(operation, types, given):
            yield (
                f"avg_pool {operation.name}: by ceil_mode its last windows reach beyond the padding; the check divides "
                "by the elements inside, as PyTorch does; Core ML is reported to divide by the whole window "
                "(coremltools issue 2772)"
            )


def _sticks_out(operation: Operation, types: Mapping[str, Type], given: Any) -> bool:
    """Whether ``ceil_mode`` makes a difference; where the size is not known, it may."""
    (x,) = operation.inputs["x"]
    kind = x.type if isinstance(x, Literal) else types.get(x.name)
    sizes = tuple(kind.shape[2:]) if isinstance(kind, TensorType) else ()
    kernel, strides = given(operation, "kernel_sizes"), given(operation, "strides")
    if not sizes or None in sizes or kernel is None:
        return True
    pad_type, pad = (given(operation, name) for name in ("pad_type", "pad"))
    padding = Padding(str(pad_type or "valid").lower(), None if pad is None else tuple(pad))
    strides = None if strides is None else tuple(strides)
    whole, part = (window(sizes, tuple(kernel), strides, None, padding, ceil=ceil) for ceil in (False, True))
    return whole.out != part.out
