"""From the model message to the program and its description."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.package.schema import ARRAY_DTYPES, COLORS, DTYPES
from edgeproof.mil.package.weights import Weights, unpack
from edgeproof.mil.program.features import Description, Feature, Image, Kind, Signature
from edgeproof.mil.program.program import Argument, Block, Function, Literal, Named, Operation, Program, ValueName
from edgeproof.mil.program.types import NUMPY, DictType, ListType, StateType, TensorType, TupleType, Type
from edgeproof.mil.values import Array

__all__ = ["decode_description", "decode_program"]

IMMEDIATE = ("floats", "ints", "bools", "strings", "longInts", "doubles", "bytes")
DEFAULTS = ("intDefaultValue", "floatDefaultValue", "doubleDefaultValue")
KINDS: dict[str, Kind] = {
    "multiArrayType": "array",
    "imageType": "image",
    "stateType": "state",
    "stringType": "string",
    "int64Type": "int64",
    "doubleType": "double",
    "dictionaryType": "dictionary",
    "sequenceType": "sequence",
}


def decode_program(message: Any, weights: Weights) -> Program:
    """The program of a model message.

    Raises:
        ArtifactError: it has none, or one that is damaged.
    """
    functions = {}
    for name, function in message.functions.items():
        block = function.block_specializations.get(function.opset)
        if block is None:
            raise ArtifactError(f"the function {name} has no block for its own opset, {function.opset!r}")
        decoder = _Decoder(weights)
        inputs = decoder.named(function.inputs)
        functions[name] = Function(name, function.opset, inputs, decoder.block(block))
    if not functions:
        raise ArtifactError("the program has no function")
    return Program(functions)


class _Decoder:
    """Types, constants and weights of one function."""

    def __init__(self, weights: Weights) -> None:
        self.weights = weights

    def named(self, messages: Iterable[Any]) -> tuple[Named, ...]:
        return tuple(Named(message.name, decode_type(message.type)) for message in messages)

    def block(self, message: Any) -> Block:
        operations = tuple(self.operation(operation) for operation in message.operations)
        return Block(self.named(message.inputs), operations, tuple(message.outputs))

    def operation(self, message: Any) -> Operation:
        outputs = self.named(message.outputs)
        inputs: dict[str, tuple[Argument, ...]] = {
            name: tuple(self.binding(binding) for binding in argument.arguments)
            for name, argument in message.inputs.items()
        }
        label = outputs[0].name if outputs else message.type
        for name, value in message.attributes.items():
            if name != "name":
                inputs[name] = (self.literal(value),)
        return Operation(message.type, label, inputs, outputs, tuple(self.block(block) for block in message.blocks))

    def binding(self, message: Any) -> Argument:
        return self.literal(message.value) if message.HasField("value") else ValueName(message.name)

    def literal(self, message: Any) -> Literal:
        kind = decode_type(message.type)
        if message.HasField("blobFileValue"):
            if not isinstance(kind, TensorType):
                raise ArtifactError(f"weights of type {kind} stand in a file; expected a tensor")
            blob = message.blobFileValue
            return Literal(self.weights.read(blob.fileName, blob.offset, kind), kind)
        immediate = message.immediateValue
        if immediate.HasField("tensor") and isinstance(kind, TensorType):
            return Literal(_tensor(immediate.tensor, kind), kind)
        for several in ("list", "tuple"):
            if immediate.HasField(several):
                values = [self.literal(element).value for element in getattr(immediate, several).values]
                return Literal(np.array([element.item() for element in values if element.size == 1], object), kind)
        raise ArtifactError(f"a constant of type {kind} has no value that can be read")


def decode_type(message: Any) -> Type:
    """A value's type.

    Raises:
        ArtifactError: an unknown dtype, or a shape that makes no sense.
    """
    if message.HasField("tensorType"):
        return _tensor_type(message.tensorType)
    if message.HasField("listType"):
        length = message.listType.length
        return ListType(
            decode_type(message.listType.type), length.constant.size if length.HasField("constant") else None
        )
    if message.HasField("dictionaryType"):
        return DictType(decode_type(message.dictionaryType.keyType), decode_type(message.dictionaryType.valueType))
    if message.HasField("tupleType"):
        return TupleType(tuple(decode_type(inner) for inner in message.tupleType.types))
    if message.HasField("stateType"):
        wrapped = decode_type(message.stateType.wrappedType)
        if isinstance(wrapped, TensorType):
            return StateType(wrapped)
    raise ArtifactError("a value of the program has no type that can be read")


def _tensor_type(message: Any) -> TensorType:
    dtype = DTYPES.get(message.dataType)
    if dtype not in NUMPY:
        raise ArtifactError(f"a value of the program is {dtype or f'of an unknown dtype ({message.dataType})'}")
    dimensions = message.dimensions
    if message.rank != len(dimensions) or len(dimensions) > 64:
        raise ArtifactError(f"a tensor of rank {message.rank} has {len(dimensions)} dimensions")
    shape = tuple(dimension.constant.size if dimension.HasField("constant") else None for dimension in dimensions)
    return TensorType(dtype, shape, variadic=any(dimension.unknown.variadic for dimension in dimensions))


def _tensor(message: Any, kind: TensorType) -> Array:
    """An immediate value; dtypes that protobuf lacks come as bytes."""
    elements = kind.elements
    if elements is None:
        raise ArtifactError(f"a constant has no fixed shape: {kind}")
    field = next((name for name in IMMEDIATE if message.HasField(name)), None)
    if field is None:
        raise ArtifactError(f"a constant of type {kind} has no value")
    values = getattr(message, field).values
    shape = tuple(size or 0 for size in kind.shape)
    try:
        if field == "bytes":
            return unpack(np.frombuffer(bytearray(values), np.uint8), kind)
        if len(values) != elements:
            raise ValueError(f"{len(values)} values")
        with np.errstate(all="ignore"):
            return np.array(values, NUMPY[kind.dtype]).reshape(shape)
    except (ValueError, TypeError, OverflowError) as error:
        raise ArtifactError(f"a constant declared {kind} holds something else: {error}") from error


def decode_description(message: Any) -> Description:
    """What the model says of its functions.

    Raises:
        ArtifactError: no ML program, or a description that cannot be read.
    """
    if not message.HasField("mlProgram"):
        kind = next((held.name for held, _ in message.ListFields() if held.number >= 200), "of another kind")
        raise ArtifactError(
            f"the package holds a model of the kind {kind}; only ML programs can be run here",
            hint='convert it with convert_to="mlprogram"',
        )
    description = message.description
    functions = {function.name: _signature(function) for function in description.functions}
    default = description.defaultFunctionName or "main"
    if not functions:
        default = default if default in message.mlProgram.functions else next(iter(message.mlProgram.functions), "main")
        functions = {default: _signature(description)}
    about = description.metadata
    told = {"description": about.shortDescription, "author": about.author, "version": about.versionString}
    metadata = {**{key: text for key, text in told.items() if text}, **dict(about.userDefined)}
    return Description(message.specificationVersion, functions, default, metadata)


def _signature(message: Any) -> Signature:
    return Signature(
        tuple(_feature(feature) for feature in message.input),
        tuple(_feature(feature) for feature in message.output),
        tuple(_feature(feature) for feature in message.state),
        message.predictedFeatureName,
        message.predictedProbabilitiesName,
    )


def _feature(message: Any) -> Feature:
    kind = next((name for name in KINDS if message.type.HasField(name)), None)
    if kind is None:
        raise ArtifactError(f"{message.name} is of a type that cannot be read")
    optional = message.type.isOptional
    if kind == "imageType":
        image = _image(message.type.imageType)
        return Feature(message.name, "image", "uint8", (image.height, image.width), image=image, optional=optional)
    if kind not in ("multiArrayType", "stateType"):
        return Feature(message.name, KINDS[kind], optional=optional)
    array = message.type.multiArrayType if kind == "multiArrayType" else message.type.stateType.arrayType
    dtype = ARRAY_DTYPES.get(array.dataType)
    if dtype is None:
        raise ArtifactError(f"{message.name} is an array of an unknown dtype ({array.dataType})")
    default = next((getattr(array, name) for name in DEFAULTS if array.HasField(name)), None)
    return Feature(
        message.name,
        KINDS[kind],
        dtype,
        tuple(array.shape),
        tuple(tuple(shape.shape) for shape in array.enumeratedShapes.shapes),
        tuple(_range(limits) for limits in array.shapeRange.sizeRanges),
        optional=optional,
        default=default if default is None or math.isfinite(default) else None,
    )


def _range(message: Any) -> tuple[int, int | None]:
    """Least and greatest; a bound below zero is none."""
    return message.lowerBound, message.upperBound if message.upperBound >= 0 else None


def _image(message: Any) -> Image:
    colors = COLORS.get(message.colorSpace)
    if colors is None:
        raise ArtifactError(f"an image has an unknown colour space ({message.colorSpace})")
    sizes = tuple((size.width, size.height) for size in message.enumeratedSizes.sizes)
    ranges = None
    if message.HasField("imageSizeRange"):
        ranges = _range(message.imageSizeRange.widthRange), _range(message.imageSizeRange.heightRange)
    return Image(message.width, message.height, colors, sizes, ranges)
