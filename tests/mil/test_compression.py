"""Compressed weights beside those they were made of: rounding is no fault, a wrong scale is one, however small."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import coremltools.optimize.coreml as cto
import numpy as np
import pytest
from tests.mil import networks

from edgeproof.mil.compression import compare_weights
from edgeproof.mil.model import Model, open_model
from edgeproof.mil.program.program import Block, Function, Literal, Operation, Program, ValueName

Array = np.ndarray[Any, np.dtype[Any]]
HOW: dict[str, Callable[[Any], Any]] = {
    "int8 per tensor": lambda model: cto.linear_quantize_weights(
        model, cto.OptimizationConfig(cto.OpLinearQuantizerConfig(granularity="per_tensor", weight_threshold=64))
    ),
    "int8 per channel": lambda model: cto.linear_quantize_weights(
        model, cto.OptimizationConfig(cto.OpLinearQuantizerConfig(weight_threshold=64))
    ),
    "4-bit blocks": lambda model: cto.linear_quantize_weights(
        model,
        cto.OptimizationConfig(
            cto.OpLinearQuantizerConfig(dtype="int4", granularity="per_block", block_size=16, weight_threshold=64)
        ),
    ),
    "6-bit palette": lambda model: cto.palettize_weights(
        model, cto.OptimizationConfig(cto.OpPalettizerConfig(mode="uniform", nbits=6, weight_threshold=64))
    ),
}
SCALES = ("scale", "lut")
FEW_BLOCKS = 60
"""In fewer blocks of 16 weights of 4 bits, two per cent drown in the noise."""

pytestmark = pytest.mark.xdist_group("compression")


@pytest.fixture(scope="module", params=["encoder", "residual"])
def base(request: pytest.FixtureRequest) -> Any:
    return networks.converted(networks.build(request.param))


Place = tuple[str, str]
"""An operation that decompresses a weight, and one of its parameters."""


def changed(model: Model, place: Place, change: Callable[[Array], Array]) -> Model:
    """The model with one constant changed."""

    def altered(operation: Operation) -> Operation:
        if operation.name != place[0]:
            return operation
        (value,) = operation.inputs[place[1]]
        assert isinstance(value, Literal)
        new = Literal(change(value.value).astype(value.value.dtype), value.type)
        return replace(operation, inputs={**operation.inputs, place[1]: (new,)})

    function = model.program.functions["main"]
    block = Block(function.block.inputs, tuple(map(altered, function.block.operations)), function.block.outputs)
    program = Program({"main": Function("main", function.opset, function.inputs, block)})
    return Model(program, model.description, name="changed")


def constants(model: Model, *parameters: str) -> list[tuple[Place, Array]]:
    """What compressed weights are made of."""
    found = [
        ((operation.name, name), given[0].value)
        for operation in model.program.functions["main"].block.operations
        if operation.kind.startswith("constexpr_")
        for name, given in operation.inputs.items()
        if name in parameters and isinstance(given[0], Literal)
    ]
    assert found
    return found


@pytest.mark.parametrize("how", list(HOW))
def test_a_scale_that_is_two_per_cent_off(base: Any, how: str, tmp_path: Path) -> None:
    before = open_model(networks.saved(base, tmp_path, "base"))
    model = open_model(networks.saved(HOW[how](base), tmp_path, "small"))
    assert [difference.fault for difference in compare_weights(before, model).differences if difference.fault] == []
    for where, value in constants(model, *SCALES):
        if how == "4-bit blocks" and value.size < FEW_BLOCKS:
            continue
        for factor in (1.02, 0.98):
            faults = compare_weights(
                before, changed(model, where, lambda value, factor=factor: value * factor)
            ).differences
            assert any(fault.fault for fault in faults), (where, factor)


def test_one_channels_scale_that_is_two_per_cent_off(base: Any, tmp_path: Path) -> None:
    before = open_model(networks.saved(base, tmp_path, "base"))
    model = open_model(networks.saved(HOW["int8 per channel"](base), tmp_path, "small"))
    for where, value in constants(model, *SCALES):

        def wrong(scale: Array) -> Array:
            scale = scale.copy()
            scale[len(scale) // 2] *= 1.02
            return scale

        faults = [
            difference.fault
            for difference in compare_weights(before, changed(model, where, wrong)).differences
            if difference.fault
        ]
        assert len(faults) == 1, (where, faults)
        assert f"output {len(value) // 2} is multiplied by 1.0" in faults[0]


def test_values_in_another_order(base: Any, tmp_path: Path) -> None:
    before = open_model(networks.saved(base, tmp_path, "base"))
    model = open_model(networks.saved(HOW["int8 per channel"](base), tmp_path, "small"))
    for where, _ in constants(model, "data"):
        faults = compare_weights(before, changed(model, where, lambda value: np.roll(value, 1, axis=0))).differences
        assert any("these are other weights" in (fault.fault or "") for fault in faults), where


@pytest.mark.parametrize("by", [1, -1])
def test_a_zero_point_that_is_off_by_one(by: int, base: Any, tmp_path: Path) -> None:
    config = cto.OpLinearQuantizerConfig(mode="linear", granularity="per_tensor", weight_threshold=64)
    small = cto.linear_quantize_weights(base, cto.OptimizationConfig(config))
    before = open_model(networks.saved(base, tmp_path, "base"))
    model = open_model(networks.saved(small, tmp_path, "small"))
    assert [difference.fault for difference in compare_weights(before, model).differences if difference.fault] == []
    for where, _ in constants(model, "zero_point", "offset"):
        faults = compare_weights(
            before, changed(model, where, lambda value: value + np.asarray(by, value.dtype))
        ).differences
        assert any(fault.fault for fault in faults), where


def uncompressed(model: Model) -> list[tuple[Place, Array]]:
    """Constants of floating point that stand in operations as they are: biases, epsilons, slopes."""
    operations = list(model.program.functions["main"].block.operations)
    held = {
        operation.outputs[0].name: (operation.name, operation.inputs["val"][0].value)
        for operation in operations
        if operation.kind == "const" and isinstance(operation.inputs["val"][0], Literal)
    }
    found: list[tuple[Place, Array]] = []
    for operation in operations:
        for name, given in operation.inputs.items():
            if operation.kind.startswith("constexpr_") or operation.kind == "const" or len(given) != 1:
                continue
            value = given[0].value if isinstance(given[0], Literal) else None
            place = (operation.name, name)
            if value is None and not isinstance(given[0], Literal) and given[0].name in held:
                const, value = held[given[0].name]
                place = (const, "val")
            if value is not None and value.dtype.kind == "f" and value.size and value.any():
                found.append((place, value))
    assert found
    return found


def test_what_is_not_compressed_is_what_it_was(base: Any, tmp_path: Path) -> None:
    before = open_model(networks.saved(base, tmp_path, "base"))
    model = open_model(networks.saved(HOW["int8 per channel"](base), tmp_path, "small"))
    small = large = 0
    for where, value in uncompressed(model):
        for change in (np.negative, lambda value: value * 1.01, lambda value: np.roll(value, 1)):
            new = np.asarray(change(value))
            if np.array_equal(new, value):
                continue
            faults = compare_weights(
                before, changed(model, where, lambda value, new=new: new.reshape(value.shape))
            ).differences
            assert any("it is not compressed, and" in (fault.fault or "") for fault in faults), where
            small, large = small + (value.size < 16), large + (value.size >= 16)
    assert small
    assert large


def test_what_is_rounded_to_half_once_is_no_fault(base: Any, tmp_path: Path) -> None:
    before = open_model(networks.saved(base, tmp_path, "base"))
    for where, _ in uncompressed(before):
        half = changed(before, where, lambda value: value.astype(np.float16).astype(value.dtype))
        assert [found.fault for found in compare_weights(before, half).differences if found.fault] == []


@pytest.mark.parametrize(("stored", "fault"), [(2.0**-24, False), (0.0, False), (-(2.0**-24), True), (1e-6, True)])
def test_an_epsilon_too_small_for_half_precision_may_be_its_smallest_number(
    stored: float, fault: bool, base: Any, tmp_path: Path
) -> None:
    """As the epsilon of 1e-12 that BERT's normalisations have becomes one that is not lost."""
    model = open_model(networks.saved(base, tmp_path, "base"))
    where, _ = uncompressed(model)[0]
    before = changed(model, where, lambda value: np.full_like(value, 1e-12))
    after = changed(model, where, lambda value: np.full_like(value, stored))
    assert any(found.fault for found in compare_weights(before, after).differences) is fault


def renamed(model: Model, *, reverse: bool = False) -> Model:
    """The model as another converter may write it: no operation and no value is called as before.

    With ``reverse``, of two operations that do not need each other the later stands first.
    """
    names: dict[str, str] = {}
    function = model.program.functions["main"]

    def value(argument: Any) -> Any:
        return ValueName(names.get(argument.name, argument.name)) if isinstance(argument, ValueName) else argument

    operations = list(function.block.operations)
    if reverse:
        operations = _last_first(operations)
    made = []
    for number, operation in enumerate(operations):
        outputs = tuple(
            given
            if given.name in function.block.outputs
            else replace(given, name=names.setdefault(given.name, f"v{number}_{at}"))
            for at, given in enumerate(operation.outputs)
        )
        inputs = {name: tuple(map(value, given)) for name, given in operation.inputs.items()}
        made.append(replace(operation, name=f"op_{len(operations) - number}", inputs=inputs, outputs=outputs))
    block = Block(function.block.inputs, tuple(made), function.block.outputs)
    program = Program({"main": Function("main", function.opset, function.inputs, block)})
    return Model(program, model.description, name="renamed")


def _last_first(operations: list[Operation]) -> list[Operation]:
    ordered: list[Operation] = []
    made: set[str] = set()
    waiting = operations[::-1]
    every = {output.name for operation in operations for output in operation.outputs}
    while waiting:
        ready = next(
            operation
            for operation in waiting
            if all(
                argument.name in made or argument.name not in every
                for given in operation.inputs.values()
                for argument in given
                if isinstance(argument, ValueName)
            )
        )
        waiting.remove(ready)
        ordered.append(ready)
        made.update(output.name for output in ready.outputs)
    return ordered


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("how", ["int8 per channel", "6-bit palette"])
def test_operations_of_other_names_are_held_against_those_at_their_place(
    base: Any, how: str, reverse: bool, tmp_path: Path
) -> None:
    before = open_model(networks.saved(base, tmp_path, "base"))
    model = open_model(networks.saved(HOW[how](base), tmp_path, "small"))
    usual, other = compare_weights(before, model), compare_weights(before, renamed(model, reverse=reverse))
    assert usual.constants == other.constants > 1
    assert (usual.unheld, other.unheld) == ((), ())
    assert [difference.fault for difference in other.differences if difference.fault] == []
    assert sorted(difference.relative_l2 for difference in other.differences) == pytest.approx(
        sorted(difference.relative_l2 for difference in usual.differences)
    )
    for where, _ in constants(model, *SCALES):
        wrong = renamed(changed(model, where, lambda value: value * np.asarray(1.02, value.dtype)), reverse=reverse)
        assert any(difference.fault for difference in compare_weights(before, wrong).differences), where


def test_what_has_no_counterpart_is_counted(base: Any, tmp_path: Path) -> None:
    """Another program: its sums are differences."""
    before = open_model(networks.saved(base, tmp_path, "base"))
    model = renamed(open_model(networks.saved(HOW["int8 per channel"](base), tmp_path, "small")))
    function = model.program.functions["main"]

    def other(operation: Operation) -> Operation:
        return replace(operation, kind="sub") if operation.kind == "add" else operation

    block = Block(function.block.inputs, tuple(map(other, function.block.operations)), function.block.outputs)
    for kinds in (model, Model(Program({"main": replace(function, block=block)}), model.description, name="other")):
        found = compare_weights(before, kinds)
        assert (found.unheld == ()) == (kinds is model)
    assert 0 < len(found.unheld) < found.constants
