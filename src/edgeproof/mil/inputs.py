"""What a caller gives, checked against the description and made what the program's function takes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from edgeproof.errors import SignatureError
from edgeproof.mil.images import image_values
from edgeproof.mil.program.features import Feature, Signature, within
from edgeproof.mil.program.types import StateType, TensorType, Type
from edgeproof.mil.values import Array, Value

__all__ = ["admit"]


def admit(
    signature: Signature, names: Sequence[str], types: Sequence[Type], inputs: Mapping[str, Any]
) -> dict[str, Value]:
    """Values by name for every input of the function that is no state.

    Args:
        names: the function's inputs, in order.
        types: their types.

    Raises:
        SignatureError: an input is missing, unknown, or of another shape or dtype.
    """
    declared = {feature.name: feature for feature in signature.inputs}
    unknown = [name for name in inputs if name not in declared]
    if unknown:
        raise SignatureError(f"unknown input {', '.join(unknown)}; the model takes {', '.join(declared) or 'none'}")
    admitted: dict[str, Value] = {}
    for name, kind in zip(names, types, strict=True):
        if isinstance(kind, StateType):
            continue
        if not isinstance(kind, TensorType):
            raise SignatureError(f"the input {name} is a {kind}, which no caller can give")
        feature = declared.get(name)
        if feature is None:
            raise SignatureError(f"the program's input {name} is missing in the package's description")
        if feature.image is not None:
            admitted[name] = image_values(feature, feature.image, _given(feature, inputs), kind)
        else:
            admitted[name] = _array(feature, inputs, kind)
    return admitted


def _given(feature: Feature, inputs: Mapping[str, Any]) -> Any:
    if feature.name not in inputs:
        raise SignatureError(f"the input {feature.name} is missing: {_expected(feature)}")
    return inputs[feature.name]


def _array(feature: Feature, inputs: Mapping[str, Any], kind: TensorType) -> Array:
    if feature.name not in inputs and feature.optional and feature.default is not None:
        array = np.full(feature.shape, feature.default, feature.dtype)
    else:
        array = np.asarray(_given(feature, inputs))
    if array.dtype.name != feature.dtype or not _shape_fits(feature, array.shape):
        raise SignatureError(
            f"the input {feature.name} is {array.dtype}{list(array.shape)}; expected {_expected(feature)}"
        )
    if array.dtype != kind.numpy:
        array = array.astype(kind.numpy)
    return array.reshape(()) if not kind.shape and array.size == 1 else array


def _shape_fits(feature: Feature, shape: tuple[int, ...]) -> bool:
    if shape == feature.shape or shape in feature.shapes:
        return True
    return bool(feature.ranges) and within(shape, feature.ranges)


def _expected(feature: Feature) -> str:
    if feature.shapes:
        return f"{feature.dtype} of one of the shapes {', '.join(str(list(shape)) for shape in feature.shapes)}"
    if feature.ranges:
        sizes = [
            str(least) if least == most else f"{least}..{'' if most is None else most}"
            for least, most in feature.ranges
        ]
        return f"{feature.dtype}[{', '.join(sizes)}]"
    return f"{feature.dtype}{list(feature.shape)}"
