"""Shapes that a description leaves to the program: converters write none for scalars and for open sizes."""

from __future__ import annotations

from dataclasses import replace

from edgeproof.mil.program.features import Description, Feature, Signature
from edgeproof.mil.program.program import Function, Program
from edgeproof.mil.program.types import TensorType, Type

__all__ = ["with_shapes"]


def with_shapes(description: Description, program: Program) -> Description:
    """The description, every output array of which has a shape where the program declares its rank.

    A size that is known at run time only is -1. Core ML has no array without an axis: a scalar is of the shape (1,).
    """
    functions = {
        name: _shaped(signature, program.functions[name]) if name in program.functions else signature
        for name, signature in description.functions.items()
    }
    return replace(description, functions=functions)


def _shaped(signature: Signature, function: Function) -> Signature:
    if all(feature.shape for feature in signature.outputs):
        return signature
    types = {value.name: value.type for value in function.inputs}
    types |= {output.name: output.type for operation in function.block.operations for output in operation.outputs}
    return replace(
        signature, outputs=tuple(_feature(feature, types.get(feature.name)) for feature in signature.outputs)
    )


def _feature(feature: Feature, kind: Type | None) -> Feature:
    if feature.kind != "array" or feature.shape or not isinstance(kind, TensorType) or kind.variadic:
        return feature
    return replace(feature, shape=tuple(-1 if size is None else size for size in kind.shape) or (1,))
