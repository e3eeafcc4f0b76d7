"""The model run as it is, in PyTorch: the reference that everything else is held against."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edgeproof.errors import ArtifactError
from edgeproof.model.inputs import InputCheck
from edgeproof.model.subject import Subject
from edgeproof.model.varying import varying_shape

__all__ = ["EagerSession", "run_all"]

Array = npt.NDArray[Any]


class EagerSession:
    """A subject behind the interface of a session. Threads that share one take turns: a module may keep states."""

    def __init__(self, subject: Subject, *, threads: int = 1) -> None:
        torch.set_num_threads(threads)
        torch.backends.mha.set_fastpath_enabled(False)
        self.subject = subject
        self.inputs = subject.signature.inputs
        self.outputs = subject.signature.outputs
        self._check = InputCheck(self.inputs)
        self._lock = threading.Lock()

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call. Shapes and dtypes as in ``inputs``/``outputs``.

        Raises:
            SignatureError: the inputs are not the signature's.
            ArtifactError: the module raised.
            ConversionError: an output has another shape than on the first sample.
        """
        arrays = self._check(inputs)
        try:
            with self._lock, torch.inference_mode():
                results = self.subject.call(*[torch.tensor(array) for array in arrays])
        except Exception as error:
            raise ArtifactError(f"the model raised {type(error).__name__}: {error}") from error
        for spec, result in zip(self.outputs, results, strict=True):
            if tuple(result.shape) != spec.shape:
                given = [torch.tensor(array) for array in arrays]
                shapes = (spec.shape, tuple(result.shape))
                raise varying_shape(self.subject.call, given, output=spec.name, shapes=shapes)
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
