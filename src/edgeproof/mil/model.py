"""An opened package: its functions, ready to be called with named arrays."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgeproof.errors import ArtifactError, SignatureError
from edgeproof.mil.execute import execute
from edgeproof.mil.inputs import admit
from edgeproof.mil.package.decode import decode_description, decode_program
from edgeproof.mil.package.folder import open_folder
from edgeproof.mil.package.schema import parse_model
from edgeproof.mil.package.weights import Weights
from edgeproof.mil.plan import Plan, Precision
from edgeproof.mil.planner import held_dtype, make_plan
from edgeproof.mil.program.features import Description, Signature
from edgeproof.mil.program.program import Literal, Program, ValueName
from edgeproof.mil.program.shapes import with_shapes
from edgeproof.mil.program.types import StateType
from edgeproof.mil.results import give
from edgeproof.mil.values import Array, Limits, StateCell, Value

__all__ = ["Model", "State", "open_model", "read_model"]


class State:
    """The values of a stateful model between its calls; each state has its own.

    Attributes:
        cells: values by the state's name; to be read and written between calls.
    """

    def __init__(self, cells: dict[str, StateCell]) -> None:
        self.cells = cells

    def read(self, name: str) -> Array:
        """A copy of a value.

        Raises:
            SignatureError: there is no such state.
        """
        return self._cell(name).value.copy()

    def write(self, name: str, value: Array) -> None:
        """Put another value in its place.

        Raises:
            SignatureError: there is no such state, or the value has another shape.
        """
        cell = self._cell(name)
        if value.shape != cell.value.shape:
            raise SignatureError(f"the state {name} has the shape {list(cell.value.shape)}; given {list(value.shape)}")
        cell.value = value.astype(cell.value.dtype)

    def _cell(self, name: str) -> StateCell:
        if name not in self.cells:
            raise SignatureError(f"there is no state {name}; there are {', '.join(sorted(self.cells)) or 'none'}")
        return self.cells[name]


class Model:
    """A model of one or several functions.

    Args:
        program: what it computes.
        description: what it says of its inputs and outputs.
        precision: how fp16 is computed, see ``Precision``.
        limits: what one call may take.
        name: for messages: the package's path.
    """

    def __init__(
        self,
        program: Program,
        description: Description,
        *,
        precision: Precision = "reference",
        limits: Limits | None = None,
        name: str = "the program",
    ) -> None:
        self.program = program
        self.description = description
        self.precision: Precision = precision
        self.limits = limits or Limits()
        self.name = name
        self._plans: dict[str, Plan] = {}

    @property
    def functions(self) -> tuple[str, ...]:
        """Names of the functions; the default first."""
        default = self.description.default
        return (default, *sorted(name for name in self.description.functions if name != default))

    def signature(self, function: str | None = None) -> Signature:
        """Inputs, outputs and states of a function; of the default one where none is named.

        Raises:
            SignatureError: there is no such function.
        """
        name = function or self.description.default
        if name not in self.description.functions or name not in self.program.functions:
            raise SignatureError(f"there is no function {name}; there are {', '.join(self.functions)}")
        return self.description.functions[name]

    def _widened(self, value: Value) -> Value:
        if not isinstance(value, np.ndarray):
            return value
        return value.astype(held_dtype(value.dtype, self.precision), copy=False)

    def classes(self, function: str | None = None) -> tuple[Any, ...]:
        """Labels of a classifier, in the order of its probabilities; empty where it is none."""
        self.signature(function)
        written: dict[str, Literal] = {}
        for operation in self.program.functions[function or self.description.default].block.operations:
            arguments = operation.inputs.get("classes" if operation.kind == "classify" else "val", ())
            value = arguments[0] if arguments else None
            if isinstance(value, ValueName):
                value = written.get(value.name)
            if operation.kind == "classify" and value is not None:
                return tuple(value.value.tolist())
            if operation.kind == "const" and value is not None:
                written[operation.outputs[0].name] = value
        return ()

    def prepare(self, function: str | None = None) -> Plan:
        """Make a function ready, if it is not yet.

        Raises:
            ArtifactError: it cannot be run: unknown operations are named here, before anything runs.
        """
        self.signature(function)
        name = function or self.description.default
        if name not in self._plans:
            try:
                self._plans[name] = make_plan(self.program.functions[name], self.precision, self.limits)
            except ArtifactError as error:
                raise ArtifactError(f"{self.name}: {error.message}", hint=error.hint) from error
        return self._plans[name]

    def make_state(self, function: str | None = None) -> State:
        """Fresh states, all zeros."""
        plan = self.prepare(function)
        cells = {}
        for name, kind in zip(plan.names, plan.types, strict=True):
            if isinstance(kind, StateType):
                shape = tuple(size or 0 for size in kind.tensor.shape)
                cells[name] = StateCell(np.zeros(shape, held_dtype(kind.tensor.numpy, self.precision)))
        return State(cells)

    def predict(
        self, inputs: Mapping[str, Any], state: State | None = None, *, function: str | None = None
    ) -> dict[str, Any]:
        """One call.

        Args:
            inputs: arrays by name, of the declared dtype and shape; images as uint8 arrays (height, width, colours).
            state: from ``make_state``; a stateful model begins anew without.

        Returns:
            Arrays by name; a classifier's label as text or int, its probabilities as a dict.

        Raises:
            SignatureError: a name, shape or dtype is not what is declared.
            ArtifactError: the program cannot be run, or failed.
        """
        signature = self.signature(function)
        plan = self.prepare(function)
        admitted = admit(signature, plan.names, plan.types, inputs)
        if any(isinstance(kind, StateType) for kind in plan.types):
            admitted.update((state or self.make_state(function)).cells)
        values: list[Value] = [self._widened(admitted[name]) for name in plan.names]
        try:
            results = execute(plan, values, self.limits)
        except ArtifactError as error:
            raise ArtifactError(f"{self.name}: {error.message}", hint=error.hint) from error
        return give(signature, dict(zip(plan.results, results, strict=True)))


def open_model(path: Path | str, *, precision: Precision = "reference", limits: Limits | None = None) -> Model:
    """Open an ``.mlpackage``.

    Raises:
        ArtifactError: no package, damaged, or not an ML program.
    """
    package = open_folder(Path(path))
    return read_model(package.model, package.weights, precision=precision, limits=limits, name=str(path))


def read_model(
    data: bytes,
    weights: Path | None,
    *,
    precision: Precision = "reference",
    limits: Limits | None = None,
    name: str = "the program",
) -> Model:
    """A model from its message.

    Args:
        data: the message as it stands in the package's model file.
        weights: the folder that files of weights stand in, or None.

    Raises:
        ArtifactError: damaged, or not an ML program.
    """
    from google.protobuf.message import DecodeError

    try:
        message = parse_model(data)
    except DecodeError as error:
        raise ArtifactError(f"{name}: the model file is damaged: {error}") from error
    try:
        described = decode_description(message)
        program = decode_program(message.mlProgram, Weights(weights))
    except ArtifactError as error:
        raise ArtifactError(f"{name}: {error.message}", hint=error.hint) from error
    return Model(program, with_shapes(described, program), precision=precision, limits=limits, name=name)
