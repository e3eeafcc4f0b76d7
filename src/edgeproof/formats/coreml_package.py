"""A Core ML package that comes alone, as any tool may have made it: functions, open shapes, images, labels, states."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, cast

import numpy as np

from edgeproof.documents.artifact import Binding
from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import SignatureError
from edgeproof.formats.base import Array
from edgeproof.formats.bindings import plain
from edgeproof.mil.model import Model, State, open_model
from edgeproof.mil.plan import Precision
from edgeproof.mil.program.features import Feature
from edgeproof.mil.program.types import TensorType

__all__ = ["PackageSession", "package_ports", "package_precision"]


class PackageSession:
    """A package's function as a session: arrays in, arrays out, computed by the MIL reference check.

    A call may give any shape that the package admits; ``inputs`` has the default ones. An image is uint8 of
    (height, width, 3) in RGB order, or (height, width) where it is grey. A classifier gives its label as a scalar array
    and its probabilities as one array in the order of ``classes``. The states of a stateful model begin anew with each
    call; ``stream`` carries them on.

    Args:
        path: the package.
        precision: how fp16 is computed, as ``edgeproof.mil.plan.Precision`` has it.
        threads: of the kernels.

    Attributes:
        inputs: of the default shapes.
        outputs: of the default shapes; a dimension that depends on the input is -1.
        classes: a classifier's labels; empty where it is none.
        functions: all of the package, the default one first.
    """

    def __init__(
        self,
        path: Path,
        *,
        precision: str = "reference",
        threads: int = 1,
        model: Model | None = None,
        function: str = "",
    ) -> None:
        import torch

        torch.set_num_threads(threads)
        self._path, self._threads = path, threads
        self._model = model or open_model(path, precision=cast(Precision, precision))
        self.functions = self._model.functions
        self.name = function or self.functions[0]
        self._model.prepare(self.name)
        signature = self._model.signature(self.name)
        self.classes = self._model.classes(self.name)
        self.inputs = tuple(_spec(feature) for feature in signature.inputs)
        self.outputs = tuple(_spec(feature, len(self.classes)) for feature in signature.outputs)

    def function(self, name: str) -> PackageSession:
        """A session of another function of the same package.

        Raises:
            SignatureError: there is no such function.
        """
        return PackageSession(self._path, threads=self._threads, model=self._model, function=name)

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call; see ``Session.run``."""
        return self._results(self._model.predict(inputs, function=self.name))

    def stream(self) -> PackageStream:
        """Calls that go on from each other's states.

        Raises:
            SignatureError: the model has no state.
        """
        if not self._model.signature(self.name).states:
            raise SignatureError(f"{self.name} of {self._path} keeps no state between calls")
        return PackageStream(self, self._model.make_state(self.name))

    def _results(self, results: Mapping[str, Any]) -> dict[str, Array]:
        return {
            name: np.array([value[label] for label in self.classes]) if isinstance(value, dict) else np.asarray(value)
            for name, value in results.items()
        }

    def close(self) -> None:
        """Nothing is held outside this process's memory."""

    def __enter__(self) -> PackageSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class PackageStream:
    """A stateful function called again and again; each stream has states of its own, and one call is whole before
    another thread's begins.

    Attributes:
        state: to be read and written between calls.
    """

    def __init__(self, session: PackageSession, state: State) -> None:
        self._session = session
        self._lock = threading.Lock()
        self.state = state

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """One call, from the states that the one before left."""
        session = self._session
        with self._lock:
            return session._results(session._model.predict(inputs, self.state, function=session.name))

    def reset(self) -> None:
        """Begin anew: all states are zeros."""
        self.state = self._session._model.make_state(self._session.name)


def package_ports(path: Path) -> tuple[tuple[Binding, ...], tuple[Binding, ...]]:
    """Inputs and outputs of a package's default function.

    Raises:
        ArtifactError: no package, or damaged.
    """
    model = open_model(path)
    signature, classes = model.signature(), len(model.classes())
    inputs, outputs = (
        tuple(plain(spec.name, spec.dtype, spec.shape) for spec in (_spec(feature, classes) for feature in features))
        for features in (signature.inputs, signature.outputs)
    )
    return inputs, outputs


def package_precision(path: Path) -> str:
    """What a package's numbers can be held to: whether weights are compressed, or values computed in half precision.

    Raises:
        ArtifactError: no package, or damaged.
    """
    model = open_model(path)
    operations = list(model.program.functions[model.functions[0]].block.walk())
    if any(operation.kind.startswith("constexpr_") or operation.kind == "dequantize" for operation in operations):
        return "int8"
    types = [output.type for operation in operations for output in operation.outputs if operation.kind != "const"]
    return "fp16" if any(isinstance(kind, TensorType) and kind.dtype == "fp16" for kind in types) else "fp32"


def _spec(feature: Feature, classes: int = 0) -> TensorSpec:
    shape = (classes,) if feature.kind == "dictionary" else feature.shape
    if feature.image is not None and not feature.image.colors.startswith("gray"):
        shape = (*shape, 3)
    dtype = feature.dtype or {"string": "str", "int64": "int64", "double": "float64"}.get(feature.kind, "float32")
    return TensorSpec(name=feature.name, dtype=dtype, shape=shape)
