"""Makes a plan: names resolved to slots, constants bound, weights decompressed, once for all calls."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, NamedTuple

import numpy as np

from edgeproof.errors import ArtifactError
from edgeproof.mil.arguments import Kind, converter
from edgeproof.mil.kernels.half import widen
from edgeproof.mil.plan import BUDGET, BlockPlan, Convert, Output, Plan, Precision, Reads, Step, Take
from edgeproof.mil.program.program import Argument, Block, Function, Named, Operation
from edgeproof.mil.program.program import Literal as Written
from edgeproof.mil.program.types import TensorType, Type
from edgeproof.mil.registry import OPSETS, Op, Parameter, find_op
from edgeproof.mil.values import Array, Budget, Limits

__all__ = ["held_dtype", "make_plan", "unknown_operations"]


class Constant(NamedTuple):
    """An argument that is known now."""

    value: Any


class Fill(NamedTuple):
    """An argument that is computed: its slot, and how the value there is made what the function takes."""

    slot: int
    convert: Convert | None


Source = Constant | Fill
ROOM = Fill(BUDGET, None)
NOTHING = Constant(None)
SINGLE = np.dtype(np.float32)


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
    for number, operation in enumerate(function.block.walk(), 1):
        if operation.kind != "const" and find_op(operation.kind, function.opset) is None:
            found.setdefault(operation.kind, f"{operation.name!r}, operation {number} of {function.name}")
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
        self.frame: list[Any] = [None]
        self.constants: dict[int, int] = {}
        self.number = 0
        self.wide: dict[int, tuple[Array, Array]] = {}

    def plan(self) -> Plan:
        function = self.function
        scope: dict[str, Held] = {}
        block = self.block(function.block, scope, function.inputs)
        _set_releases(block, set(self.constants.values()) | {BUDGET})
        names, types = tuple(value.name for value in function.inputs), tuple(value.type for value in function.inputs)
        return Plan(block, names, types, function.block.outputs, self.frame)

    def slot(self, value: Named, scope: dict[str, Held]) -> int:
        if isinstance(value.type, TensorType) and value.type.elements is not None:
            try:
                self.budget.room(tuple(size or 0 for size in value.type.shape), value.type.numpy.itemsize)
            except ArtifactError as error:
                raise ArtifactError(f"{value.name} in {self.function.name}: {error}") from None
        self.frame.append(None)
        scope[value.name] = Held(value.type, len(self.frame) - 1)
        return len(self.frame) - 1

    def constant_slot(self, value: Any) -> int:
        """The slot of a constant, one for all that read it."""
        slot = self.constants.get(id(value))
        if slot is None:
            self.frame.append(value)
            slot = self.constants[id(value)] = len(self.frame) - 1
        return slot

    def block(self, block: Block, outer: dict[str, Held], inputs: Sequence[Named] | None = None) -> BlockPlan:
        scope = dict(outer)
        slots = tuple(self.slot(value, scope) for value in (block.inputs if inputs is None else inputs))
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
            outputs.append(held.slot if held.value is None else self.constant_slot(held.value))
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
        where = f"{operation.kind} {operation.name!r} (operation {self.number})"
        number = self.number
        sources = self.sources(op, operation, where, scope)
        if op.foldable and all(isinstance(source, Constant) or source == ROOM for source in sources):
            self.fold(op, operation, sources, where, scope)
            return
        bodies = self.bodies(op, operation, where, scope)
        reads = self.reads([source if isinstance(source, Constant | Fill) else NOTHING for source in sources])
        groups = tuple((place, self.reads(source)) for place, source in enumerate(sources) if isinstance(source, list))
        plain = not (reads.converts or groups or bodies)
        outputs = tuple(self.output(value, scope) for value in operation.outputs)
        steps.append(Step(op, operation, number, op.function, reads.take, reads, groups, bodies, plain, outputs))

    def reads(self, sources: Sequence[Source]) -> Reads:
        slots = tuple(
            source.slot if isinstance(source, Fill) else self.constant_slot(source.value) for source in sources
        )
        converts = tuple(
            (place, source.convert)
            for place, source in enumerate(sources)
            if isinstance(source, Fill) and source.convert
        )
        return Reads(slots, _taker(slots), converts)

    def bodies(
        self, op: Op, operation: Operation, where: str, scope: dict[str, Held]
    ) -> tuple[tuple[int, BlockPlan], ...]:
        places = [place for place, parameter in enumerate(op.parameters) if parameter.kind is Kind.BODY]
        if len(places) > len(operation.blocks):
            raise ArtifactError(f"{where} has no block {op.parameters[places[len(operation.blocks)]].name}")
        return tuple((place, self.block(block, scope)) for place, block in zip(places, operation.blocks, strict=False))

    def output(self, value: Named, scope: dict[str, Held]) -> Output:
        slot = self.slot(value, scope)
        if not isinstance(value.type, TensorType):
            return Output(value.name, slot, value.type, None, None, True)
        shape = None if value.type.variadic else value.type.shape
        return Output(value.name, slot, value.type, self.held(value.type), shape, None not in value.type.shape)

    def held(self, kind: TensorType) -> np.dtype[Any]:
        return held_dtype(kind.numpy, self.precision)

    def fold(
        self,
        op: Op,
        operation: Operation,
        sources: Sequence[Source | list[Source]],
        where: str,
        scope: dict[str, Held],
    ) -> None:
        """Compute a compressed weight here and now: from here on it is a constant."""
        for output in operation.outputs:
            self.slot(output, {})
        arguments = [source.value if isinstance(source, Constant) else self.budget for source in sources]
        try:
            with np.errstate(all="ignore"):
                given = op.function(*arguments)
        except ArtifactError as error:
            raise ArtifactError(f"{where}: {error}") from None
        except Exception as error:
            raise ArtifactError(f"{where} cannot be decompressed: {type(error).__name__}: {error}") from error
        values = given if isinstance(given, tuple) else (given,)
        for output, value in zip(operation.outputs, values, strict=True):
            if isinstance(output.type, TensorType) and (
                value.dtype != self.held(output.type) or value.shape != output.type.shape
            ):
                raise ArtifactError(
                    f"{where} gives {value.dtype}{list(value.shape)}; the program declares {output.type}"
                )
            scope[output.name] = Held(output.type, value=self.kept(value, output.type))

    def sources(self, op: Op, operation: Operation, where: str, scope: dict[str, Held]) -> list[Source | list[Source]]:
        """For each parameter where its argument comes from; blocks apart."""
        given = operation.inputs
        known = {parameter.name for parameter in op.parameters}
        strange = [name for name in given if name not in known]
        if strange:
            raise ArtifactError(f"{where} has no parameter {', '.join(strange)} in {op.since}")
        sources: list[Source | list[Source]] = []
        for parameter in op.parameters:
            arguments = given.get(parameter.name)
            if parameter.kind is Kind.BUDGET:
                sources.append(ROOM)
            elif parameter.kind is Kind.BODY:
                sources.append(NOTHING)
            elif arguments is None:
                if parameter.required:
                    raise ArtifactError(f"{where} lacks its {parameter.name}")
                sources.append(Constant(parameter.default))
            elif parameter.kind is Kind.ARRAYS:
                sources.append([self.source(argument, parameter, op, where, scope) for argument in arguments])
            elif len(arguments) != 1:
                raise ArtifactError(f"{where} takes one {parameter.name}, and is given {len(arguments)}")
            else:
                sources.append(self.source(arguments[0], parameter, op, where, scope))
        return sources

    def source(self, argument: Argument, parameter: Parameter, op: Op, where: str, scope: dict[str, Held]) -> Source:
        """A constant as the function takes it, or where to fetch it and how to make it so."""
        if isinstance(argument, Written):
            held = Held(argument.type, value=self.kept(argument.value, argument.type))
        else:
            held = self.find(argument.name, scope, where)
        convert = converter(parameter.kind)
        if convert is None and self.precision == "reference" and not op.moves and _is_half(held.type):
            convert = self.widened if held.value is not None else widen
        if held.value is None:
            return Fill(held.slot, convert)
        try:
            return Constant(held.value if convert is None else convert(held.value))
        except (ValueError, TypeError) as error:
            raise ArtifactError(
                f"{where}: its {parameter.name} is {held.type}; expected {parameter.kind.value}"
            ) from error

    def widened(self, value: Array) -> Array:
        """A constant in fp32, made once however many operations read it."""
        held = self.wide.get(id(value))
        if held is None:
            held = self.wide[id(value)] = value, widen(value)
        return held[1]


def _is_half(kind: Type) -> bool:
    return isinstance(kind, TensorType) and kind.dtype == "fp16"


def _taker(slots: tuple[int, ...]) -> Take:
    if len(slots) > 1:
        return itemgetter(*slots)
    return lambda frame: tuple(frame[slot] for slot in slots)


def _set_releases(block: BlockPlan, kept: set[int]) -> None:
    """Note after which step of the function each slot is read no more."""
    last: dict[int, int] = {}
    for number, step in enumerate(block.steps):
        for slot in _read(step):
            last[slot] = number
        for output in step.outputs:
            last.setdefault(output.slot, number)
    kept = kept | set(block.outputs)
    held: dict[int, list[int]] = {}
    for slot, number in last.items():
        if slot not in kept:
            held.setdefault(number, []).append(slot)
    for number, slots in held.items():
        block.steps[number].release = tuple(slots)


def _read(step: Step) -> Iterable[int]:
    """Slots that a step reads, its blocks included."""
    yield from step.reads.slots
    for _, group in step.groups:
        yield from group.slots
    for _, body in step.bodies:
        yield from body.outputs
        for inner in body.steps:
            yield from _read(inner)
