"""Where Core ML would run a program's operations: on the Neural Engine, or on the processor and the graphics processor.

On a Mac Core ML's own compute plan tells. Anywhere else it is predicted by what is published: Apple says that the
Neural Engine computes in half precision (coremltools guide, "Typed Execution"); the rest of ``NEVER`` people have found
out by trying (hollance/neural-engine, ``docs/unsupported-layers.md``, which says of itself that it may be wrong).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgeproof.documents.delegation import Delegation
from edgeproof.formats.delegation.nodes import Node, delegation_of, runs_inside
from edgeproof.mil.model import open_model
from edgeproof.mil.program.program import Literal, Operation, ValueName
from edgeproof.mil.program.types import TensorType, Type

__all__ = ["NEVER", "planned", "predicted"]

ENGINE = "Core ML, Neural Engine"
PREDICTION = "predicted from the program by published rules, which are not complete; Core ML's own plan tells on a Mac"
DOORS = ("cast",)
"""Operations that bring values into half precision or out of it: Core ML runs them where their neighbours are."""
NO_WORK = ("const", "identity")
"""Operations that compute nothing when the program runs."""

_CONTROL = "a loop or a branch that depends on data runs on the processor"
_RECURRENT = "recurrent layers run on the processor"
NEVER = MappingProxyType(
    {
        "while_loop": _CONTROL,
        "cond": _CONTROL,
        "lstm": _RECURRENT,
        "gru": _RECURRENT,
        "rnn": _RECURRENT,
        **dict.fromkeys(
            ("gather", "gather_nd", "gather_along_axis", "scatter", "scatter_nd", "scatter_along_axis"),
            "the Neural Engine does not take what reads or writes at an index",
        ),
    }
)
"""Operations that the Neural Engine is not known to take, with the reason."""
_REMEDIES = MappingProxyType(
    {
        "while_loop": "ship one time step, `coreml-fp16-step`, and let the application loop",
        "gather": "a fixed selection is a slice, or a product with a matrix of ones and zeros",
        "gather_nd": "a fixed selection is a slice, or a product with a matrix of ones and zeros",
        "gather_along_axis": "a fixed selection is a slice, or a product with a matrix of ones and zeros",
    }
)
_HALF = "ship coreml-fp16"


def predicted(path: Path) -> Delegation:
    """What follows from a package's program.

    Args:
        path: the ``.mlpackage``.

    Raises:
        ArtifactError: it is damaged.
    """
    model = open_model(path)
    function = model.program.functions[model.description.default]
    constant = {
        output.name
        for operation in function.block.walk()
        if operation.kind in NO_WORK or operation.kind.startswith("constexpr_")
        for output in operation.outputs
    }
    operations = list(function.block.walk())
    types = {named.name: named.type for named in function.inputs}
    types |= {output.name: output.type for operation in operations for output in operation.outputs}
    nodes = list(_nodes(operations, {name: kind for name, kind in types.items() if name not in constant}, constant))
    partitions = runs_inside(node.inside for node in nodes)
    return delegation_of(ENGINE, nodes, how="predicted", partitions=partitions, notes=[PREDICTION])


def _nodes(operations: list[Operation], types: dict[str, Type], constant: set[str]) -> Iterator[Node]:
    constants = {
        operation.outputs[0].name: operation.inputs["val"][0]
        for operation in operations
        if operation.kind == "const" and operation.outputs
    }
    for operation in operations:
        if operation.outputs and all(output.name in constant for output in operation.outputs):
            continue
        if operation.kind in DOORS:
            continue
        cause = _refusal(operation, types, constants)
        remedy = _REMEDIES.get(operation.kind)
        if cause is not None and remedy is None and operation.kind not in NEVER and "fp32" in cause:
            remedy = _HALF
        yield Node(operation.kind, cause is None, cause=cause, remedy=None if cause is None else remedy)


def _refusal(operation: Operation, types: dict[str, Type], constants: dict[str, Any]) -> str | None:
    """Why the Neural Engine would not take an operation; None where nothing published speaks against it.

    Args:
        types: of the values that are no constants.
        constants: values of constants, by name.
    """
    if operation.kind in NEVER:
        return NEVER[operation.kind]
    given = [
        argument.name for values in operation.inputs.values() for argument in values if isinstance(argument, ValueName)
    ]
    kinds = [output.type for output in operation.outputs] + [types[name] for name in given if name in types]
    dtypes = {kind.dtype for kind in kinds if isinstance(kind, TensorType)}
    other = sorted(dtypes - {"fp16", "bool"})
    if other:
        return f"the Neural Engine computes in half precision, and this {operation.kind} in {' and '.join(other)}"
    if operation.kind == "conv" and max(_given(operation, "dilations", constants), default=1) > 1:
        return "a convolution with dilations runs elsewhere"
    return None


def _given(operation: Operation, name: str, constants: dict[str, Any]) -> list[int]:
    """A parameter's whole numbers, where they are constant."""
    (argument,) = operation.inputs.get(name, (None,))
    if argument is not None and not isinstance(argument, Literal):
        argument = constants.get(argument.name)
    return [int(value) for value in argument.value.ravel()] if isinstance(argument, Literal) else []


def planned(path: Path) -> Delegation:
    """What Core ML itself plans on this Mac. Its costs are estimates, so there are no times.

    Args:
        path: the ``.mlpackage``.
    """
    import coremltools as ct
    from coremltools.models.compute_plan import MLComputePlan

    compiled = ct.models.MLModel(str(path)).get_compiled_model_path()
    plan = MLComputePlan.load_from_path(compiled)
    nodes = []
    for operation in _walk(plan.model_structure.program.functions["main"].block):
        usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
        if usage is None:  # a constant
            continue
        kind = str(operation.operator_name).rpartition(".")[2]
        supported = [type(device).__name__ for device in usage.supported_compute_devices]
        preferred = type(usage.preferred_compute_device).__name__
        inside = "NeuralEngine" in preferred
        able = any("NeuralEngine" in name for name in supported)
        cause = "Core ML prefers another device for it" if able else "Core ML does not run it on the Neural Engine"
        nodes.append(Node(kind, inside, cause=None if inside else cause))
    return delegation_of(
        ENGINE,
        nodes,
        partitions=runs_inside(node.inside for node in nodes),
        no_time="Core ML's compute plan has estimated costs, and no times",
        notes=["from Core ML's compute plan on this machine"],
    )


def _walk(block: Any) -> Iterator[Any]:
    for operation in block.operations:
        yield operation
        for inner in operation.blocks:
            yield from _walk(inner)
