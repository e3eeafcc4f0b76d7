"""The model run as it is, in PyTorch: the reference that everything else is held against."""

from __future__ import annotations

from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import ArtifactError, SignatureError
from edgeproof.model.subject import Subject

__all__ = ["EagerSession", "check_inputs", "run_all"]

Array = npt.NDArray[Any]


def check_inputs(specs: tuple[TensorSpec, ...], inputs: Mapping[str, Array]) -> list[Array]:
    """The arrays in spec order.

    Raises:
        SignatureError: a name is missing or unknown, or a shape or dtype is not the spec's.
    """
    unknown = set(inputs) - {spec.name for spec in specs}
    if unknown:
        known = ", ".join(spec.name for spec in specs)
        raise SignatureError(f"unknown input {', '.join(sorted(unknown))}; the inputs are {known}")
    arrays = []
    for spec in specs:
        array = inputs.get(spec.name)
        if array is None:
            raise SignatureError(f"the input {spec.name} is missing")
        if tuple(array.shape) != spec.shape or array.dtype != np.dtype(spec.dtype):
            raise SignatureError(
                f"the input {spec.name} is {array.dtype}{list(array.shape)}; expected {spec.dtype}{list(spec.shape)}"
            )
        arrays.append(array)
    return arrays


class EagerSession:
    """A subject behind the interface of a session."""

    def __init__(self, subject: Subject, *, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        torch.backends.mha.set_fastpath_enabled(False)
        self.subject = subject
        self.inputs = subject.signature.inputs
        self.outputs = subject.signature.outputs

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call. Shapes and dtypes as in ``inputs``/``outputs``.

        Raises:
            SignatureError: the inputs are not the signature's.
            ArtifactError: the module raised.
        """
        arrays = check_inputs(self.inputs, inputs)
        try:
            with torch.inference_mode():
                results = self.subject.call(*[torch.from_numpy(np.ascontiguousarray(array)) for array in arrays])
        except Exception as error:
            raise ArtifactError(f"the model raised {type(error).__name__}: {error}") from error
        return {spec.name: result.numpy() for spec, result in zip(self.outputs, results, strict=True)}

    def close(self) -> None:
        """Nothing to release."""

    def __enter__(self) -> EagerSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def run_all(session: EagerSession, inputs: Mapping[str, Array]) -> dict[str, Array]:
    """Every sample through the session; sample axis first in and out."""
    count = len(next(iter(inputs.values())))
    rows = [session.run({name: array[i] for name, array in inputs.items()}) for i in range(count)]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}
