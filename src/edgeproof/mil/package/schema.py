"""The fields of Core ML's model format that are read here, given to protobuf as a table.

Parsing is protobuf's own; only the names and numbers of the fields stand here, so no converter has to be imported
(that takes seconds) and none has to be installed. Fields that are not listed are skipped.
"""

from __future__ import annotations

from functools import cache
from typing import Any

__all__ = ["ARRAY_DTYPES", "COLORS", "DTYPES", "parse_model"]

DTYPES = {
    1: "bool",
    2: "string",
    10: "fp16",
    11: "fp32",
    12: "fp64",
    13: "bf16",
    21: "int8",
    22: "int16",
    23: "int32",
    24: "int64",
    25: "int4",
    31: "uint8",
    32: "uint16",
    33: "uint32",
    34: "uint64",
    35: "uint4",
    36: "uint2",
    37: "uint1",
    38: "uint6",
    39: "uint3",
    40: "fp8e4m3fn",
    41: "fp8e5m2",
}
"""``MILSpec.DataType``."""
ARRAY_DTYPES = {65568: "float32", 65600: "float64", 131104: "int32", 131080: "int8", 65552: "float16"}
"""``ArrayFeatureType.ArrayDataType``."""
COLORS = {10: "grayscale", 20: "rgb", 30: "bgr", 40: "grayscale_float16"}
"""``ImageFeatureType.ColorSpace``."""

SCALARS = {
    "double": 1,
    "float": 2,
    "int64": 3,
    "uint64": 4,
    "int32": 5,
    "bool": 8,
    "string": 9,
    "bytes": 12,
    "enum": 5,
}
"""protobuf's numbers of field types; an enumeration reads as the integer that it is stored as."""

TABLE = """
Model: specificationVersion=1 int32, description=2 Description, mlProgram=502 Program,
    pipelineClassifier=200 Empty, pipelineRegressor=201 Empty, pipeline=202 Empty, neuralNetworkRegressor=303 Empty,
    neuralNetworkClassifier=403 Empty, neuralNetwork=500 Empty
Empty:
Description: input=1 *Feature, output=10 *Feature, predictedFeatureName=11 string,
    predictedProbabilitiesName=12 string, state=13 *Feature, functions=20 *FunctionDescription,
    defaultFunctionName=21 string, metadata=100 Metadata
FunctionDescription: name=1 string, input=2 *Feature, output=3 *Feature, predictedFeatureName=4 string,
    predictedProbabilitiesName=5 string, state=6 *Feature
Metadata: shortDescription=1 string, versionString=2 string, author=3 string, license=4 string, userDefined=100 {string}
Feature: name=1 string, shortDescription=2 string, type=3 FeatureType
FeatureType: int64Type=1 Empty, doubleType=2 Empty, stringType=3 Empty, imageType=4 ImageType,
    multiArrayType=5 ArrayType, dictionaryType=6 Empty, sequenceType=7 Empty, stateType=8 StateFeature,
    isOptional=1000 bool
StateFeature: arrayType=1 ArrayType
ArrayType: shape=1 *int64, dataType=2 enum, enumeratedShapes=21 Shapes, shapeRange=31 ShapeRange,
    intDefaultValue=41 ?int32, floatDefaultValue=51 ?float, doubleDefaultValue=61 ?double
Shapes: shapes=1 *Shape
Shape: shape=1 *int64
ShapeRange: sizeRanges=1 *SizeRange
SizeRange: lowerBound=1 uint64, upperBound=2 int64
ImageType: width=1 int64, height=2 int64, colorSpace=3 enum, enumeratedSizes=21 ImageSizes, imageSizeRange=31 ImageRange
ImageSizes: sizes=1 *ImageSize
ImageSize: width=1 uint64, height=2 uint64
ImageRange: widthRange=1 SizeRange, heightRange=2 SizeRange
Program: version=1 int64, functions=2 {Function}, docString=3 string, attributes=4 {Value}
Function: inputs=1 *NamedType, opset=2 string, block_specializations=3 {Block}, attributes=4 {Value}
Block: inputs=1 *NamedType, outputs=2 *string, operations=3 *Operation, attributes=4 {Value}
Argument: arguments=1 *Binding
Binding: name=1 string, value=2 Value
Operation: type=1 string, inputs=2 {Argument}, outputs=3 *NamedType, blocks=4 *Block, attributes=5 {Value}
NamedType: name=1 string, type=2 Type
Type: tensorType=1 TensorType, listType=2 ListType, tupleType=3 TupleType, dictionaryType=4 DictType,
    stateType=5 StateType
TensorType: dataType=1 enum, rank=2 int64, dimensions=3 *Dimension, attributes=4 {Value}
TupleType: types=1 *Type
ListType: type=1 Type, length=2 Dimension
DictType: keyType=1 Type, valueType=2 Type
StateType: wrappedType=1 Type
Dimension: constant=1 Constant, unknown=2 Unknown
Constant: size=1 uint64
Unknown: variadic=1 bool
Value: docString=1 string, type=2 Type, immediateValue=3 Immediate, blobFileValue=5 BlobFile
Immediate: tensor=1 TensorValue, tuple=2 Values, list=3 Values, dictionary=4 Pairs
BlobFile: fileName=1 string, offset=2 uint64
TensorValue: floats=1 Floats, ints=2 Ints, bools=3 Bools, strings=4 Strings, longInts=5 Longs, doubles=6 Doubles,
    bytes=7 Bytes
Floats: values=1 *float
Doubles: values=1 *double
Ints: values=1 *int32
Longs: values=1 *int64
Bools: values=1 *bool
Strings: values=1 *string
Bytes: values=1 bytes
Values: values=1 *Value
Pairs: values=1 *Pair
Pair: key=1 Value, value=2 Value
"""
"""A message a line; ``*`` repeats, ``{T}`` maps strings to T, ``?`` tells whether a number was set."""


def parse_model(data: bytes) -> Any:
    """The model message; fields that are messages tell by ``HasField`` whether they were set.

    Raises:
        google.protobuf.message.DecodeError: no such message, or cut short.
    """
    return _model_class().FromString(data)


@cache
def _model_class() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(name="edgeproof/mil.proto", package="edgeproof.mil", syntax="proto3")
    for line in TABLE.replace(",\n", ",").strip().splitlines():
        title, _, fields = line.partition(":")
        message = file.message_type.add(name=title)
        for field in filter(None, fields.split(",")):
            label, kind = field.split()
            name, number = label.split("=")
            _add_field(message, name, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("edgeproof.mil.Model"))


def _add_field(message: Any, name: str, number: str, kind: str) -> None:
    optional, repeated, of_message = 1, 3, 11
    field = message.field.add(name=name, number=int(number), label=optional)
    base = kind.strip("*{}?")
    if kind.startswith("?"):
        field.proto3_optional, field.oneof_index = True, len(message.oneof_decl)
        message.oneof_decl.add(name=f"_{name}")
    elif kind != base:
        field.label = repeated
    if kind.startswith("{"):
        entry = message.nested_type.add(name=f"{name[0].upper()}{name[1:].replace('_s', 'S')}Entry")
        entry.options.map_entry = True
        _add_field(entry, "key", "1", "string")
        _add_field(entry, "value", "2", base)
        field.type, field.type_name = of_message, f".edgeproof.mil.{message.name}.{entry.name}"
    elif base in SCALARS:
        field.type = SCALARS[base]
    else:
        field.type, field.type_name = of_message, f".edgeproof.mil.{base}"
