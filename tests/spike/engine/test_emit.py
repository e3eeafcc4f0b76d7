"""Random programs compiled and run give what the interpreter gives, bit for bit, whatever the width of vectors."""

from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.spike.calling import call, in_parallel
from tests.spike.random_programs import random_program

from edgeproof.spike.engine import schedule
from edgeproof.spike.engine.emit import Source, emit
from edgeproof.spike.program import Convolution, Linear, Node, Program, walk
from edgeproof.spike.runtime.native import Engine
from edgeproof.spike.toolchain.build import build_library

CHUNKS = (1 << 16, 700, 2500)
"""What the buffers of a chunk may hold: usually all time steps of these programs, else some of them."""
QUICK = range(0, 60)
OPTIMISED = range(0, 60, 6)
SMOOTH = range(0, 10)
BATCH = 15
SANITIZED = 500
AT_ONCE = 25


def some_activity(program: Program, seed: int) -> dict[Node, float]:
    """An activity, not the real one, that makes layers take their inputs this way or that; or none."""
    rng = np.random.default_rng(seed)
    layers = [node for node in walk(program.roots()) if isinstance(node, (Linear, Convolution))]
    return {layer: float(rng.choice((0.0, 0.5, 1.0))) for layer in layers} if seed % 3 else {}


def source_of(program: Program, seed: int, monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setattr(schedule, "CHUNK_FLOATS", CHUNKS[seed % len(CHUNKS)])
    return emit(program, f"net{seed}", some_activity(program, seed))


@pytest.mark.parametrize("first", QUICK[::BATCH])
def test_random_programs(first: int, compiler, assert_same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = range(first, first + BATCH)
    made = [random_program(seed) for seed in seeds]
    sources = [source_of(program, seed, monkeypatch) for seed, (program, _) in zip(seeds, made, strict=True)]
    libraries = in_parallel(lambda source: compiler.library(source, tmp_path), sources)
    for seed, (program, inputs), library in zip(seeds, made, libraries, strict=True):
        for widest in (16, 8, 4):
            assert_same(program, inputs, call(Engine(library, widest=widest), inputs), f"seed {seed}, {widest} wide")


@pytest.mark.parametrize("seed", SMOOTH)
def test_random_programs_with_functions_of_libm(
    seed: int, compiler, assert_same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, inputs = random_program(seed, smooth=True)
    library = compiler.library(source_of(program, seed, monkeypatch), tmp_path)
    assert_same(program, inputs, call(Engine(library), inputs), f"seed {seed}", smooth=True)


@pytest.mark.parametrize("seed", OPTIMISED)
def test_random_programs_as_they_ship(seed: int, assert_same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program, inputs = random_program(seed)
    library = build_library(source_of(program, seed, monkeypatch), tmp_path)
    for widest in (16, 8, 4):
        assert_same(program, inputs, call(Engine(library, widest=widest), inputs), f"seed {seed}, {widest} wide")


@pytest.mark.parametrize("seed", OPTIMISED)
@pytest.mark.parametrize("chunk", [1, 3])
def test_buffers_may_hold_fewer_steps(
    seed: int, chunk: int, compiler, assert_same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program, inputs = random_program(seed)
    source = source_of(program, seed, monkeypatch)
    narrow = ("-O1", "-DEDGEPROOF_WIDEST=4", f"-D{source.name.upper()}_CHUNK={chunk}")
    library = compiler.library(source, tmp_path, narrow)
    assert_same(program, inputs, call(Engine(library), inputs), f"seed {seed}, {chunk} at once")


@pytest.mark.parametrize("seed", OPTIMISED[:4])
def test_a_call_in_parts_is_the_same_call(seed: int, compiler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Step by step from the states as they are, outputs of every step are those of a whole call."""
    program, inputs = random_program(seed)
    outputs = tuple(type(output)(output.name, output.node, "stack") for output in program.outputs)
    program = Program(program.inputs, program.states, outputs, program.timesteps, program.sequence)
    engine = Engine(compiler.library(source_of(program, seed, monkeypatch), tmp_path))
    whole = call(engine, inputs)
    engine.reset()
    for step in range(program.timesteps):
        given = [inputs[port.name][step] if program.sequence else inputs[port.name] for port in engine.inputs]
        given = [np.ascontiguousarray(array) for array in given]
        results = [np.empty(port.shape[1:], np.float32) for port in engine.outputs]
        engine.advance(1, [array.ctypes.data for array in given], [array.ctypes.data for array in results])
        for result, all_steps in zip(results, whole, strict=True):
            np.testing.assert_array_equal(result, all_steps[step])


def test_the_random_programs_hold_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the generator can write is in the programs that are compiled."""
    forms = {
        "dense": r"VARIANT\(dense\d+\)\(m",
        "dense convolution": r"VARIANT\(dense\d+\)\(y",
        "dense groups": r"VARIANT\(dense\d+\)\(y \+ group",
        "depthwise": r"VARIANT\(weigh\)\(y",
        "framed": r"m->frame",
        "events": r"VARIANT\(sum\d+\)\(m",
        "events of a convolution": r"right - left \+ 1\) \*",
        "events in windows": r"VARIANT\((near|runs)\d+\)\((to|y)",
        "events with a stride": r"left_step %",
        "events in groups": r"channel / \d+ \*",
        "spikes": r" NULL\);",
        "spikes of several steps": r"VARIANT\(many\d+\)\(m",
        "neurons in vectors": r"VARIANT\(neurons\d+\)\(m",
        "another order": r"m->sorted",
        "a table of places": r"\[p\d+\[i\]\]",
        "pooling with padding": r"before < 0",
        "pooling written out": r"float v = x\[c\]",
        "step by step": r"Step by step",
        "passed on": r"passed on|pass a value on",
        "blocks": r"block < \d",
        "added up in its loop": r"m->o\d\[i\] \+= v",
        "stacked": r"out\[\d\] \+ \(size_t\)\(done \+ at\)",
    }
    seen: Counter[str] = Counter()
    for seed in QUICK:
        c = source_of(random_program(seed)[0], seed, monkeypatch).c
        seen.update(name for name, pattern in forms.items() if re.search(pattern, c))
    assert set(seen) == set(forms), set(forms) - set(seen)


@pytest.mark.slow
@pytest.mark.parametrize("part", [0, *(pytest.param(part, marks=pytest.mark.long) for part in range(1, 4))])
def test_under_sanitizers(part: int, compiler, assert_same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No report of AddressSanitizer or UBSan over hundreds of programs, and outputs equal to the interpreter's.

    Half of them is compiled without vectors or with narrow ones, which is quicker.
    """
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0")
    first = 1000 + part * SANITIZED // 4
    batches = []
    for at in range(first, first + SANITIZED // 4, AT_ONCE):
        made = []
        for seed in range(at, at + AT_ONCE):
            program, inputs = random_program(seed)
            made.append((source_of(program, seed, monkeypatch), program, inputs))
        folder = tmp_path / str(at)
        folder.mkdir()
        widest = (1, 4, 16, 8, 4)[len(batches)]
        batches.append((at, made, folder, widest))

    def run(batch: tuple[int, list[Any], Path, int]) -> list[Any]:
        _, made, folder, widest = batch
        from tests.spike.conftest import SANITIZED as flags

        return compiler.results(made, folder, (*flags, f"-DEDGEPROOF_WIDEST={widest}"))

    for (at, made, _, _), results in zip(batches, in_parallel(run, batches), strict=True):
        for seed, (_, program, inputs), by_width in zip(range(at, at + AT_ONCE), made, results, strict=True):
            for outputs in by_width:
                assert_same(program, inputs, outputs, f"seed {seed}")
    assert os.environ["ASAN_OPTIONS"]
