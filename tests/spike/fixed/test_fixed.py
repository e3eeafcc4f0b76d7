"""Whole numbers: the C gives the integer interpreter's bits, and the integers what float32 gives within their units."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.spike.calling import call, in_parallel
from tests.spike.random_programs import random_program

from edgeproof.errors import ConversionError
from edgeproof.spike.engine.emit import Source, emit
from edgeproof.spike.fixed.emit import emit_fixed
from edgeproof.spike.fixed.interpreter import interpret_fixed
from edgeproof.spike.fixed.program import LIMIT, Fixed
from edgeproof.spike.fixed.quantise import quantise
from edgeproof.spike.interpreter import interpret
from edgeproof.spike.program import Array, Constant, Elementwise, Input, Linear, Node, Output, Pool, Program, State
from edgeproof.spike.runtime.native import Engine
from edgeproof.spike.toolchain.build import build_library

F = np.float32
QUICK = range(2000, 2060)
BATCH = 15
SANITIZED = range(3000, 3120)
AT_ONCE = 30
WIDTHS = (16, 8, 1)
MORE = SANITIZED[AT_ONCE::AT_ONCE]


def made(seed: int) -> tuple[Fixed, Source, dict[str, Array]] | None:
    """A random program in whole numbers; None where they do not take it."""
    program, inputs = random_program(seed)
    try:
        fixed = quantise(program, [inputs])
        return fixed, emit_fixed(fixed, f"net{seed}"), inputs
    except ConversionError:
        return None


def assert_bits(fixed: Fixed, inputs: dict[str, Array], results: list[Array], what: str) -> None:
    expected = interpret_fixed(fixed, inputs)
    for output, found in zip(fixed.program.outputs, results, strict=True):
        np.testing.assert_array_equal(found, expected[output.name], err_msg=f"{what}, output {output.name}")


@pytest.mark.parametrize("first", QUICK[::BATCH])
def test_random_programs(first: int, compiler, tmp_path: Path) -> None:
    cases = [case for seed in range(first, first + BATCH) if (case := made(seed))]
    assert len(cases) > BATCH / 2
    libraries = in_parallel(lambda case: compiler.library(case[1], tmp_path), cases)
    for (fixed, source, inputs), library in zip(cases, libraries, strict=True):
        for widest in WIDTHS:
            assert_bits(fixed, inputs, call(Engine(library, widest=widest), inputs), f"{source.name}, {widest}")


@pytest.mark.slow
@pytest.mark.parametrize("first", [SANITIZED[0], *(pytest.param(seed, marks=pytest.mark.long) for seed in MORE)])
def test_under_sanitizers(first: int, compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No overflow, no shift beyond the width, nothing read outside: AddressSanitizer and UBSan report nothing."""
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0")
    cases = [case for seed in range(first, first + AT_ONCE) if (case := made(seed))]
    assert len(cases) > AT_ONCE / 2
    results = compiler.results([(source, fixed.program, inputs) for fixed, source, inputs in cases], tmp_path)
    for (fixed, source, inputs), by_width in zip(cases, results, strict=True):
        assert_bits(fixed, inputs, by_width[0], source.name)


# --- networks that are known ------------------------------------------------------------------------------------------


def neurons(size: int, weight: Array, *, timesteps: int = 20, threshold: float = 1.0) -> Program:
    """One layer of leaky neurons: spikes summed up, membranes as they end."""
    x, v = Input("x", (weight.shape[1],)), State("v", np.zeros(size, F))
    current = Linear(x, weight.astype(F), np.linspace(-0.1, 0.1, size).astype(F))
    full = Elementwise("add", (Elementwise("mul", (v, 0.9)), current))
    spikes = Elementwise("cast", (Elementwise("gt", (full, threshold)),))
    after = Elementwise("sub", (full, Elementwise("mul", (spikes, threshold))))
    return Program(
        (x,), ((v, after),), (Output("spikes", spikes, "sum"), Output("membrane", after, "last")), timesteps, True
    )


def samples_of(program: Program, count: int = 8, share: float = 0.2) -> list[dict[str, Array]]:
    rng = np.random.default_rng(0)
    shape = (program.timesteps, *program.inputs[0].shape)
    return [{"x": (rng.random(shape) < share).astype(F)} for _ in range(count)]


def test_spikes_are_those_of_float32_but_for_the_weights_rounding() -> None:
    rng = np.random.default_rng(1)
    program = neurons(64, rng.standard_normal((64, 100)) * 0.2)
    samples = samples_of(program)
    fixed = quantise(program, samples)
    exact = [interpret(program, sample)["spikes"] for sample in samples]
    whole = [interpret_fixed(fixed, sample)["spikes"] for sample in samples]
    assert np.concatenate(exact).sum() > 500
    assert (np.concatenate(exact) == np.concatenate(whole)).mean() > 0.9
    assert np.abs(np.concatenate(exact) - np.concatenate(whole)).max() <= 2


def test_weights_that_int8_holds_give_the_same_spikes() -> None:
    """Weights on a grid of 2^-6 up to 127 of them lose nothing, and neither does a leak of a half."""
    rng = np.random.default_rng(2)
    weight = rng.integers(-127, 128, (32, 50)) / 64
    weight[:, 0] = 127 / 64
    x, v = Input("x", (50,)), State("v", np.zeros(32, F))
    current = Linear(x, weight.astype(F), np.zeros(32, F))
    full = Elementwise("add", (Elementwise("mul", (v, 0.5)), current))
    spikes = Elementwise("cast", (Elementwise("ge", (full, 1.0)),))
    after = Elementwise("where", (spikes, 0.0, full))
    program = Program((x,), ((v, after),), (Output("s", spikes, "stack"), Output("v", after, "stack")), 12, True)
    samples = samples_of(program)
    fixed = quantise(program, samples)
    for sample in samples:
        exact, whole = interpret(program, sample), interpret_fixed(fixed, sample)
        np.testing.assert_array_equal(exact["s"], whole["s"])
        np.testing.assert_allclose(exact["v"], whole["v"], atol=12 * 2.0 ** -fixed.bits_of(v))


def test_a_membrane_beyond_what_samples_reach_is_held_and_does_not_wrap(compiler, tmp_path: Path) -> None:
    program = neurons(4, np.full((4, 3), 0.5), threshold=1e9)
    samples = samples_of(program)
    fixed = quantise(program, samples)
    huge = {"x": np.full((program.timesteps, 3), 1e30, F)}
    expected = interpret_fixed(fixed, huge)
    membrane = program.states[0][0]
    assert np.all(expected["membrane"] > 0)
    assert np.all(expected["membrane"] <= LIMIT * 2.0 ** -fixed.bits_of(membrane))
    library = compiler.library(emit_fixed(fixed, "held"), tmp_path)
    assert_bits(fixed, huge, call(Engine(library), huge), "held")
    nothing = {"x": np.full((program.timesteps, 3), np.nan, F)}
    assert_bits(fixed, nothing, call(Engine(library), nothing), "NaN from outside counts as zero")


def test_the_source_is_small_and_has_the_interface_of_the_other(tmp_path: Path) -> None:
    program = neurons(64, np.random.default_rng(3).standard_normal((64, 100)))
    source = emit_fixed(quantise(program, samples_of(program)), "net")
    assert "static const int8_t w" in source.c
    assert len(source.c) < len(emit(program, "net").c)
    for function in ("size", "init", "reset", "call", "run", "step", "describe"):
        assert f"net_{function}(" in source.h
    engine = Engine(build_library(source, tmp_path))
    assert [port.name for port in engine.outputs] == ["spikes", "membrane"]


def inverse(x: Node) -> Node:
    return Elementwise("div", (1.0, x))


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (lambda x: Elementwise("tanh", (x,)), "no tanh"),
        (lambda x: Elementwise("sqrt", (x,)), "no sqrt"),
        (inverse, "divides by constants only"),
        (lambda x: Elementwise("div", (x, 0.0)), "not finite|by zero"),
        (lambda x: Linear(x, np.full((2, 4), np.nan, F), np.zeros(2, F)), "NaN or infinity"),
        (lambda x: Elementwise("mul", (x, float("inf"))), "not finite"),
        (lambda x: Elementwise("add", (x, Constant(np.array([1, 2, 3, np.nan], F)))), "NaN among"),
    ],
)
def test_what_whole_numbers_do_not_have(node: Callable[[Node], Node], words: str) -> None:
    x = Input("x", (4,))
    program = Program((x,), (), (Output("y", node(x), "sum"),), 2, True)
    with pytest.raises(ConversionError, match=words) as told:
        quantise(program, [{"x": np.ones((2, 4), F)}])
    assert told.value.hint


def test_samples_are_needed() -> None:
    with pytest.raises(ConversionError, match="there are none"):
        quantise(neurons(3, np.ones((3, 2))), [])


def test_pooling_keeps_spikes_in_bytes() -> None:
    x = Input("x", (2, 4, 4))
    spikes = Elementwise("cast", (Elementwise("gt", (x, 0.5)),))
    program = Program((x,), (), (Output("y", Pool(spikes, "max", (2, 2), (2, 2)), "sum"),), 3, True)
    sample: dict[str, Any] = {"x": np.random.default_rng(4).random((3, 2, 4, 4)).astype(F)}
    source = emit_fixed(quantise(program, [sample]), "net")
    assert "int8_t b" in source.h
