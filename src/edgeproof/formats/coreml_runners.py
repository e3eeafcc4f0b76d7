"""What runs a converted Core ML package: Core ML itself on a Mac, the MIL reference check anywhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.errors import ArtifactError, MissingDependency
from edgeproof.formats.base import Array

if TYPE_CHECKING:
    from edgeproof.mil.plan import Precision

__all__ = ["AppleRunner", "ReferenceRunner"]


class ReferenceRunner:
    """The package's program, interpreted.

    Args:
        path: the package.
        precision: how fp16 is computed, as ``edgeproof.mil.plan.Precision`` has it.
        threads: of the kernels.

    Raises:
        ArtifactError: the package is damaged, or holds what the interpreter does not know.
    """

    def __init__(self, artifact: ArtifactDocument, path: Path, *, precision: str, threads: int) -> None:
        import torch

        from edgeproof.mil.model import open_model

        torch.set_num_threads(threads)
        self._model = open_model(path, precision=cast("Precision", precision))
        self._model.prepare()
        self._inputs = [binding.graph_name for binding in artifact.inputs]
        self._outputs = [binding.graph_name for binding in artifact.outputs]
        _check_names(path, self._inputs, self._outputs, self._model.signature())

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        results = self._model.predict(dict(zip(self._inputs, arrays, strict=True)))
        return [np.asarray(results[name]) for name in self._outputs]

    def close(self) -> None:
        """Nothing is held outside this process's memory."""


class AppleRunner:
    """Core ML's own runtime, on a Mac.

    Raises:
        MissingDependency: coremltools is not installed.
        ArtifactError: Core ML does not load the package.
    """

    def __init__(self, artifact: ArtifactDocument, path: Path) -> None:
        try:
            import coremltools as ct
        except ImportError:
            raise MissingDependency(
                "Core ML is called through coremltools, which is not installed", hint="pip install 'edgeproof[coreml]'"
            ) from None
        try:
            self._model: Any = ct.models.MLModel(str(path))
        except Exception as error:
            raise ArtifactError(f"Core ML does not load {path}: {error}") from error
        self._inputs = [binding.graph_name for binding in artifact.inputs]
        self._outputs = [binding.graph_name for binding in artifact.outputs]

    def __call__(self, arrays: Sequence[Array]) -> list[Array]:
        results = self._model.predict(dict(zip(self._inputs, arrays, strict=True)))
        return [np.asarray(results[name]) for name in self._outputs]

    def close(self) -> None:
        """Core ML releases the model with its object."""
        self._model = None


def _check_names(path: Path, inputs: Sequence[str], outputs: Sequence[str], signature: Any) -> None:
    """``artifact.json`` and the package have to agree.

    Raises:
        ArtifactError: a tensor that the document names is not in the package.
    """
    for kind, names, features in (("input", inputs, signature.inputs), ("output", outputs, signature.outputs)):
        known = [feature.name for feature in features]
        lost = [name for name in names if name not in known]
        if lost:
            raise ArtifactError(f"{path} has no {kind} {', '.join(lost)}; it has {', '.join(known)}")
