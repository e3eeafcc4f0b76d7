"""The inputs of a call held against what the call takes: the one check, for the eager model and for artifacts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import SignatureError

__all__ = ["InputCheck"]

Array = npt.NDArray[Any]


class InputCheck:
    """Gives the arrays of a call in the order of their specs, or refuses them."""

    def __init__(self, specs: Sequence[TensorSpec]) -> None:
        self._specs = [(spec.name, tuple(spec.shape), np.dtype(spec.dtype)) for spec in specs]

    def __call__(self, inputs: Mapping[str, Array]) -> list[Array]:
        """The arrays in spec order.

        Raises:
            SignatureError: a name is missing or unknown, or a shape or dtype is not the spec's.
        """
        arrays = []
        for name, shape, dtype in self._specs:
            array = inputs.get(name)
            if array is None:
                raise SignatureError(f"the input {name} is missing")
            if array.shape != shape or array.dtype != dtype:
                raise SignatureError(
                    f"the input {name} is {array.dtype}{list(array.shape)}; expected {dtype}{list(shape)}"
                )
            arrays.append(array)
        if len(inputs) != len(arrays):
            known = [name for name, _, _ in self._specs]
            unknown = ", ".join(sorted(set(inputs) - set(known)))
            raise SignatureError(f"unknown input {unknown}; the inputs are {', '.join(known)}")
        return arrays
