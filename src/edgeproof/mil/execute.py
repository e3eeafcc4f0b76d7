"""Runs a plan: one step after the other over a frame of slots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgeproof.errors import ArtifactError, EdgeProofError
from edgeproof.mil.kernels.half import narrow, widen
from edgeproof.mil.plan import BUDGET, BlockPlan, Output, Plan, Reads, Step
from edgeproof.mil.program.types import TensorType
from edgeproof.mil.values import Array, Budget, Limits, Value

__all__ = ["execute"]

HALF, SINGLE = np.dtype(np.float16), np.dtype(np.float32)
ndarray = np.ndarray


def execute(plan: Plan, inputs: Sequence[Value], limits: Limits) -> list[Value]:
    """One call.

    Args:
        inputs: one value per input of the plan, of its type.

    Raises:
        ArtifactError: an operation failed, gave what the program does not declare, or ran into the limits.
    """
    run = _Run(plan.frame.copy())
    run.frame[BUDGET] = Budget(limits)
    with np.errstate(all="ignore"):
        return list(run.block(plan.block, inputs))


class _Run:
    """The values of one call."""

    def __init__(self, frame: list[Any]) -> None:
        self.frame = frame

    def block(self, plan: BlockPlan, inputs: Sequence[Value]) -> tuple[Value, ...]:
        frame = self.frame
        for slot, value in zip(plan.inputs, inputs, strict=True):
            frame[slot] = value
        for step in plan.steps:
            try:
                given = step.function(*(step.take(frame) if step.plain else self.arguments(step)))
            except EdgeProofError as error:
                raise ArtifactError(_told(step, str(error))) from error
            except MemoryError as error:
                raise ArtifactError(_told(step, "there is not enough memory for it")) from error
            except Exception as error:
                raise ArtifactError(_told(step, f"{type(error).__name__}: {error}")) from error
            outputs = step.outputs
            if len(outputs) == 1:
                (output,) = outputs
                exact = type(given) is ndarray and given.dtype is output.dtype and given.shape == output.shape
                frame[output.slot] = given if exact else _declared(step, output, given)
            else:
                for output, value in zip(outputs, _several(step, given), strict=True):
                    frame[output.slot] = _declared(step, output, value)
            for slot in step.release:
                frame[slot] = None
        return tuple([frame[slot] for slot in plan.outputs])

    def arguments(self, step: Step) -> list[Any]:
        """Where some of them are not as they stand in the frame."""
        arguments = self.converted(step.reads)
        for position, group in step.groups:
            arguments[position] = tuple(self.converted(group))
        for position, body in step.bodies:
            arguments[position] = lambda *values, body=body: self.block(body, values)
        return arguments

    def converted(self, reads: Reads) -> list[Any]:
        values = list(reads.take(self.frame))
        for position, convert in reads.converts:
            values[position] = convert(values[position])
        return values


def _several(step: Step, given: Any) -> Sequence[Any]:
    if given is None and not step.outputs:
        return ()
    if not isinstance(given, tuple) or len(given) != len(step.outputs):
        count = len(given) if isinstance(given, tuple) else 1
        raise ArtifactError(_told(step, f"it gives {count} values; the program declares {len(step.outputs)}"))
    return given


def _declared(step: Step, output: Output, value: Any) -> Value:
    """The value in the dtype that the program declares, its shape checked; a half is rounded here, once."""
    if not isinstance(output.type, TensorType):
        given: Value = value
        return given
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    array: Array = value if type(value) is np.ndarray else np.asarray(value)
    if array.dtype != output.dtype:
        if {output.dtype, array.dtype} != {HALF, SINGLE} or output.type.numpy != HALF:
            raise ArtifactError(_told(step, f"it gives {array.dtype}; the program declares {output.type}"))
        array = narrow(array) if output.dtype == HALF else widen(array)
    if array.shape != output.shape and not (output.shape is None or _fits(array.shape, output)):
        raise ArtifactError(_told(step, f"it gives the shape {list(array.shape)}; the program declares {output.type}"))
    return array


def _fits(shape: tuple[int, ...], output: Output) -> bool:
    if output.fixed or output.shape is None or len(shape) != len(output.shape):
        return False
    return all(want is None or want == size for size, want in zip(shape, output.shape, strict=True))


def _told(step: Step, what: str) -> str:
    return f"{step.operation.kind} {step.operation.name!r} (operation {step.number}): {what}"
