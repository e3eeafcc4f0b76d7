"""A function made ready to run: names resolved to slots, constants bound, weights decompressed, once for all calls."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.arguments import Kind, converter
from edgeproof.mil.kernels.half import widen
from edgeproof.mil.program.program import Argument, Block, Function, Named, Operation
from edgeproof.mil.program.program import Literal as Written
from edgeproof.mil.program.types import TensorType, Type
from edgeproof.mil.registry import OPSETS, Op, Parameter, find_op
from edgeproof.mil.values import Array, Budget, Limits, Value

__all__ = ["BlockPlan", "Output", "Plan", "Precision", "Step", "held_dtype", "make_plan", "unknown_operations"]

Precision = Literal["reference", "strict", "unrounded"]
"""How fp16 is computed. ``reference``: each operation in fp32, its result rounded once; ``strict``: every sum in fp16
too; ``unrounded``: fp32 throughout, so that what is left of a difference is no rounding of values."""


class Fill(NamedTuple):
    """Argument number, slot, and how the value there is made what the function takes."""

    position: int
    slot: int
    convert: Callable[[Any], Any] | None


SINGLE = np.dtype(np.float32)


@dataclass(frozen=True)
class Output:
    """``dtype`` and ``shape`` are None where the type does not tell; ``fixed``: no dimension is open."""

    name: str
    slot: int
    type: Type
    dtype: np.dtype[Any] | None
    shape: tuple[int | None, ...] | None
    fixed: bool


@dataclass(eq=False)
class Step:
    """One operation with all that is known of its arguments."""

    op: Op
    operation: Operation
    number: int
    arguments: list[Any]
    fills: list[Fill] = field(default_factory=list)
    groups: list[tuple[int, tuple[Fill | Value, ...]]] = field(default_factory=list)
    bodies: list[tuple[int, BlockPlan]] = field(default_factory=list)
    budget: int | None = None
    outputs: tuple[Output, ...] = ()
    release: tuple[int, ...] = ()
    """Slots that nothing after it reads."""


@dataclass(eq=False)
class BlockPlan:
    """``inputs`` and ``outputs`` are slots; an output may be a constant."""

    inputs: tuple[int, ...]
    steps: list[Step]
    outputs: tuple[int | Value, ...]


@dataclass(eq=False)
class Plan:
    """A function ready to run. ``names`` are its inputs in order; ``results`` its outputs."""

    block: BlockPlan
    names: tuple[str, ...]
    types: tuple[Type, ...]
    results: tuple[str, ...]
    slots: int


@dataclass(frozen=True)
class Held:
    """What a name stands for: a slot, or a constant."""

    type: Type
    slot: int = -1
    value: Array | None = None


def held_dtype(dtype: np.dtype[Any], precision: Precision) -> np.dtype[Any]:
    """The dtype in which values are held: never fp16 where nothing is rounded."""
    return SINGLE if precision == "unrounded" and dtype == np.float16 else dtype


def unknown_operations(function: Function) -> dict[str, str]:
    """Operations that have no version here, with where the first of each stands."""
    found: dict[str, str] = {}
    for number, one in enumerate(function.block.walk(), 1):
        if one.kind != "const" and find_op(one.kind, function.opset) is None:
            found.setdefault(one.kind, f"{one.name!r}, operation {number} of {function.name}")
    return found


def make_plan(function: Function, precision: Precision, limits: Limits) -> Plan:
    """Resolve, bind and decompress.

    Raises:
        ArtifactError: operations that are not known (all of them are named), arguments that do not fit, names that
            stand for nothing, or declared sizes beyond the limits.
    """
    if function.opset not in OPSETS:
        raise ArtifactError(f"the opset {function.opset!r} is not known; expected one of {', '.join(OPSETS)}")
    unknown = unknown_operations(function)
    if unknown:
        told = "; ".join(f"{kind} ({where})" for kind, where in unknown.items())
        raise ArtifactError(
            f"the program has {len(unknown)} operation{'s' if len(unknown) > 1 else ''} unknown in "
            f"{OPSETS[function.opset]}: {told}"
        )
    return _Planner(function, precision, limits).plan()


class _Planner:
    def __init__(self, function: Function, precision: Precision, limits: Limits) -> None:
        self.function = function
        self.precision = precision
        self.budget = Budget(limits)
        self.slots = 0
        self.number = 0
        self.wide: dict[int, tuple[Array, Array]] = {}

    def plan(self) -> Plan:
        function = self.function
        scope: dict[str, Held] = {}
        block = self.block(function.block, scope, function.inputs)
        _set_releases(block)
        names, types = tuple(one.name for one in function.inputs), tuple(one.type for one in function.inputs)
        return Plan(block, names, types, function.block.outputs, self.slots)

    def slot(self, one: Named, scope: dict[str, Held]) -> int:
        if isinstance(one.type, TensorType) and one.type.elements is not None:
            try:
                self.budget.room(tuple(size or 0 for size in one.type.shape), one.type.numpy.itemsize)
            except ArtifactError as error:
                raise ArtifactError(f"{one.name} in {self.function.name}: {error}") from None
        scope[one.name] = Held(one.type, self.slots)
        self.slots += 1
        return self.slots - 1

    def block(self, block: Block, outer: dict[str, Held], inputs: Sequence[Named] | None = None) -> BlockPlan:
        scope = dict(outer)
        slots = tuple(self.slot(one, scope) for one in (block.inputs if inputs is None else inputs))
        steps: list[Step] = []
        for operation in block.operations:
            self.number += 1
            if operation.kind == "const":
                self.constant(operation, scope)
            else:
                self.step(operation, scope, steps)
        outputs = []
        for name in block.outputs:
            held = self.find(name, scope, "the block's outputs")
            outputs.append(held.slot if held.value is None else held.value)
        return BlockPlan(slots, steps, tuple(outputs))

    def constant(self, operation: Operation, scope: dict[str, Held]) -> None:
        (value,) = operation.inputs.get("val", (None,))
        if not isinstance(value, Written) or len(operation.outputs) != 1:
            raise ArtifactError(f"the constant {operation.name!r} has no value")
        scope[operation.outputs[0].name] = Held(value.type, value=self.kept(value.value, value.type))

    def kept(self, value: Array, kind: Type) -> Array:
        """A constant as it is held: wide, where nothing is rounded."""
        return self.widened(value) if self.precision == "unrounded" and _is_half(kind) else value

    def find(self, name: str, scope: dict[str, Held], where: str) -> Held:
        held = scope.get(name)
        if held is None:
            raise ArtifactError(f"{where} of {self.function.name} read {name!r}, which no operation before gives")
        return held

    def step(self, operation: Operation, scope: dict[str, Held], steps: list[Step]) -> None:
        op = find_op(operation.kind, self.function.opset)
        assert op is not None
        step = Step(op, operation, self.number, [one.default for one in op.parameters])
        self.arguments(step, scope)
        blocks = list(operation.blocks)
        for position, parameter in enumerate(op.parameters):
            if parameter.kind is Kind.BODY:
                if not blocks:
                    raise ArtifactError(f"{_where(step)} has no block {parameter.name}")
                step.bodies.append((position, self.block(blocks.pop(0), scope)))
            elif parameter.kind is Kind.BUDGET:
                step.budget = position
        if op.foldable and not step.fills and not step.groups:
            self.fold(step, scope)
            return
        step.outputs = tuple(self.output(one, scope) for one in operation.outputs)
        steps.append(step)

    def output(self, one: Named, scope: dict[str, Held]) -> Output:
        slot = self.slot(one, scope)
        if not isinstance(one.type, TensorType):
            return Output(one.name, slot, one.type, None, None, True)
        shape = None if one.type.variadic else one.type.shape
        return Output(one.name, slot, one.type, self.held(one.type), shape, None not in one.type.shape)

    def held(self, kind: TensorType) -> np.dtype[Any]:
        return held_dtype(kind.numpy, self.precision)

    def fold(self, step: Step, scope: dict[str, Held]) -> None:
        """Compute a compressed weight here and now: from here on it is a constant."""
        if step.budget is not None:
            step.arguments[step.budget] = self.budget
        for one in step.operation.outputs:
            self.slot(one, {})
        try:
            with np.errstate(all="ignore"):
                given = step.op.function(*step.arguments)
        except ArtifactError as error:
            raise ArtifactError(f"{_where(step)}: {error}") from None
        except Exception as error:
            raise ArtifactError(f"{_where(step)} cannot be decompressed: {type(error).__name__}: {error}") from error
        values = given if isinstance(given, tuple) else (given,)
        for one, value in zip(step.operation.outputs, values, strict=True):
            if isinstance(one.type, TensorType) and (
                value.dtype != self.held(one.type) or value.shape != one.type.shape
            ):
                raise ArtifactError(
                    f"{_where(step)} gives {value.dtype}{list(value.shape)}; the program declares {one.type}"
                )
            scope[one.name] = Held(one.type, value=self.kept(value, one.type))

    def arguments(self, step: Step, scope: dict[str, Held]) -> None:
        """Bind what is constant, note where the rest comes from."""
        op, given = step.op, step.operation.inputs
        known = {one.name for one in op.parameters}
        strange = [name for name in given if name not in known]
        if strange:
            raise ArtifactError(f"{_where(step)} has no parameter {', '.join(strange)} in {op.since}")
        for position, parameter in enumerate(op.parameters):
            arguments = given.get(parameter.name)
            if arguments is None:
                if parameter.required and parameter.kind not in (Kind.BODY, Kind.BUDGET):
                    raise ArtifactError(f"{_where(step)} lacks its {parameter.name}")
            elif parameter.kind is Kind.ARRAYS:
                step.groups.append(
                    (position, tuple(self.bound(one, position, parameter, step, scope) for one in arguments))
                )
            else:
                self.single(step, position, parameter, arguments, scope)
        step.groups = [one for one in step.groups if not self.all_constant(step, *one)]

    def all_constant(self, step: Step, position: int, group: tuple[Fill | Value, ...]) -> bool:
        if any(isinstance(one, Fill) for one in group):
            return False
        step.arguments[position] = group
        return True

    def single(
        self, step: Step, position: int, parameter: Parameter, arguments: Sequence[Argument], scope: dict[str, Held]
    ) -> None:
        if len(arguments) != 1:
            raise ArtifactError(f"{_where(step)} takes one {parameter.name}, and is given {len(arguments)}")
        bound = self.bound(arguments[0], position, parameter, step, scope)
        if isinstance(bound, Fill):
            step.fills.append(bound)
        else:
            step.arguments[position] = bound

    def bound(self, argument: Argument, position: int, parameter: Parameter, step: Step, scope: dict[str, Held]) -> Any:
        """A constant as the function takes it, or where to fetch it and how to make it so."""
        if isinstance(argument, Written):
            held = Held(argument.type, value=self.kept(argument.value, argument.type))
        else:
            held = self.find(argument.name, scope, _where(step))
        convert = converter(parameter.kind)
        if convert is None and self.precision == "reference" and not step.op.moves and _is_half(held.type):
            convert = self.widened if held.value is not None else widen
        if held.value is None:
            return Fill(position, held.slot, convert)
        try:
            return held.value if convert is None else convert(held.value)
        except (ValueError, TypeError) as error:
            raise ArtifactError(
                f"{_where(step)}: its {parameter.name} is {held.type}; expected {parameter.kind.value}"
            ) from error

    def widened(self, value: Array) -> Array:
        """A constant in fp32, made once however many operations read it."""
        held = self.wide.get(id(value))
        if held is None:
            held = self.wide[id(value)] = value, widen(value)
        return held[1]


def _is_half(kind: Type) -> bool:
    return isinstance(kind, TensorType) and kind.dtype == "fp16"


def _where(step: Step) -> str:
    return f"{step.operation.kind} {step.operation.name!r} (operation {step.number})"


def _set_releases(block: BlockPlan) -> None:
    """Note after which step of the function each slot is read no more."""
    last: dict[int, int] = {}
    for number, step in enumerate(block.steps):
        for slot in _read(step):
            last[slot] = number
        for output in step.outputs:
            last.setdefault(output.slot, number)
    kept = {one for one in block.outputs if isinstance(one, int)}
    held: dict[int, list[int]] = {}
    for slot, number in last.items():
        if slot not in kept:
            held.setdefault(number, []).append(slot)
    for number, slots in held.items():
        block.steps[number].release = tuple(slots)


def _read(step: Step) -> Iterable[int]:
    """Slots that a step reads, its blocks included."""
    yield from (one.slot for one in step.fills)
    for _, group in step.groups:
        yield from (one.slot for one in group if isinstance(one, Fill))
    for _, body in step.bodies:
        yield from (one for one in body.outputs if isinstance(one, int))
        for inner in body.steps:
            yield from _read(inner)
