"""One operation called as a program calls it, and the same one as coremltools itself computes it from constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeproof.mil.arguments import Kind, converter
from edgeproof.mil.registry import OPSETS, find_op
from edgeproof.mil.values import Budget, Limits

SYSTEMS = {system: opset for opset, system in OPSETS.items()}


def call(name: str, system: str = "iOS18", **arguments: Any) -> Any:
    """Call an operation; arrays become what its parameters take, as a program's constants do.

    Args:
        system: the opset, ``iOS15`` to ``iOS18``.
        arguments: arrays, numbers, texts, tuples of arrays, blocks.
    """
    op = find_op(name, SYSTEMS[system])
    assert op is not None, f"{name} is not known in {system}"
    unknown = set(arguments) - {parameter.name for parameter in op.parameters}
    assert not unknown, f"{name} has no parameter {unknown}"
    values = []
    for parameter in op.parameters:
        value = arguments.get(parameter.name, parameter.default)
        convert = converter(parameter.kind)
        if parameter.kind is Kind.BUDGET:
            value = Budget(Limits())
        elif parameter.name in arguments and convert is not None and value is not None:
            value = convert(np.asarray(value))
        values.append(value)
    with np.errstate(all="ignore"):
        return op.function(*values)


def inferred(name: str, system: str = "iOS18", **arguments: Any) -> Any:
    """What coremltools' ``value_inference`` gives for constants: an array, several, or None where it has none."""
    import coremltools as ct
    from coremltools.converters.mil.mil import Builder as mb
    from coremltools.converters.mil.mil import Function, Program

    with Function({}, opset_version=getattr(ct.target, system)) as function:
        result = getattr(mb, name)(**arguments)
        several = isinstance(result, (list, tuple))
        function.set_outputs(list(result) if several else [result])
    Program().add_function("main", function)
    return tuple(variable.val for variable in result) if several else result.val
