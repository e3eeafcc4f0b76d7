"""Whole numbers give the integer interpreter's bits on other processors, with their instructions and without."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tests.spike.calling import call
from tests.spike.installed import need
from tests.spike.random_programs import random_program

from edgeproof.errors import ConversionError
from edgeproof.spike.engine.emit import Source
from edgeproof.spike.fixed.emit import emit_fixed
from edgeproof.spike.fixed.interpreter import interpret_fixed
from edgeproof.spike.fixed.program import Fixed
from edgeproof.spike.fixed.quantise import quantise
from edgeproof.spike.program import Array, Convolution, Elementwise, Input, Linear, Node, Output, Pool, Program, State
from edgeproof.spike.runtime.native import Engine
from edgeproof.spike.simplify import reshape
from edgeproof.spike.toolchain.build import build
from edgeproof.spike.toolchain.targets import TARGETS, Target

F = np.float32
DOT_PRODUCTS = replace(TARGETS["aarch64-linux"], name="aarch64-dotprod", flags=("-march=armv8.2-a+dotprod",), cpu="max")
EMULATED = (TARGETS["aarch64-linux"], DOT_PRODUCTS, TARGETS["armv7-linux"], TARGETS["riscv64-linux"])
SEEDS = range(5000, 5008)


def neurons(current: Node, name: str, threshold: float) -> tuple[Node, tuple[State, Node]]:
    """Leaky ones: their spikes, and how they go on."""
    v = State(name, np.zeros(current.shape, F))
    full = Elementwise("add", (Elementwise("mul", (v, 0.9)), current))
    spikes = Elementwise("cast", (Elementwise("gt", (full, threshold)),))
    return spikes, (v, Elementwise("sub", (full, Elementwise("mul", (spikes, threshold)))))


def camera() -> tuple[Program, list[dict[str, Array]]]:
    """Events of two polarities, two convolutions with maxima, and a linear layer; spikes, and then any numbers."""
    rng = np.random.default_rng(5)

    def weights(*shape: int) -> Array:
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(F)

    x = Input("x", (2, 14, 13))
    early, first = neurons(Pool(Convolution(x, weights(12, 2, 5, 5), weights(12)), "max", (2, 2), (2, 2)), "first", 0.2)
    late, second = neurons(Convolution(early, weights(20, 12, 3, 3), weights(20) / 9, padding=(1, 1)), "second", 0.3)
    out, third = neurons(Linear(reshape(late, (400,)), weights(10, 400), weights(10)), "third", 0.2)
    program = Program((x,), (first, second, third), (Output("y", out, "sum"), Output("v", third[1], "last")), 11, True)
    events = [(rng.random((11, 2, 14, 13)) < 0.04).astype(F) for _ in range(3)]
    return program, [{"x": given} for given in (*events, events[0] * rng.standard_normal((11, 2, 14, 13)).astype(F))]


def images() -> tuple[Program, list[dict[str, Array]]]:
    """A dense network: convolutions with strides, sums over windows, a linear layer."""
    rng = np.random.default_rng(6)

    def weights(*shape: int) -> Array:
        return (rng.standard_normal(shape) / np.sqrt(np.prod(shape[1:]))).astype(F)

    x = Input("x", (3, 9, 10))
    a = Elementwise("relu", (Convolution(x, weights(40, 3, 3, 3), weights(40), padding=(1, 1)),))
    b = Elementwise("relu", (Convolution(a, weights(21, 40, 3, 3), weights(21), (2, 2), (0, 1)),))
    y = Linear(reshape(Pool(b, "sum", (2, 2), (2, 2), (0, 0), 0.25), (84,)), weights(130, 84), weights(130))
    program = Program((x,), (), (Output("y", y, "last"),), 1, False)
    return program, [{"x": rng.standard_normal((3, 9, 10)).astype(F)} for _ in range(3)]


def cases() -> list[tuple[Fixed, Source, list[dict[str, Array]]]]:
    found = []
    for name, (program, samples) in (("camera", camera()), ("images", images())):
        fixed = quantise(program, samples)
        found.append((fixed, emit_fixed(fixed, name), samples))
    for seed in SEEDS:
        program, inputs = random_program(seed)
        try:
            fixed = quantise(program, [inputs])
        except ConversionError:
            continue
        found.append((fixed, emit_fixed(fixed, f"net{seed}"), [inputs]))
    return found


def write(source: Source, folder: Path) -> Path:
    (folder / f"{source.name}.h").write_text(source.h)
    (folder / f"{source.name}.c").write_text(source.c)
    return folder / f"{source.name}.c"


def wanted(fixed: Fixed, samples: list[dict[str, Array]]) -> bytes:
    results = [interpret_fixed(fixed, sample) for sample in samples]
    return b"".join(result[output.name].tobytes() for result in results for output in fixed.program.outputs)


@pytest.mark.parametrize("target", EMULATED, ids=lambda target: target.name)
def test_every_processor_gives_the_interpreter_s_bits(target: Target, tmp_path: Path) -> None:
    need(target.gcc, target.emulator)
    made = cases()
    assert len(made) > len(SEEDS) / 2
    for fixed, source, samples in made:
        program = build(write(source, tmp_path), tmp_path, "program", target, compiler="system").file
        given = b"".join(
            np.ascontiguousarray(sample[node.name], F).tobytes() for sample in samples for node in fixed.program.inputs
        )
        environment = {**os.environ, "QEMU_CPU": target.cpu or "max"}
        done = subprocess.run(
            [str(target.emulator), str(program)], input=given, capture_output=True, env=environment, check=True,
            timeout=120,
        )  # fmt: skip
        assert done.stdout == wanted(fixed, samples), source.name


@pytest.mark.parametrize("flags", [(), ("-DHAS_VNNI=0",), ("-DEDGEPROOF_WIDEST=1",)], ids=str)
def test_every_width_of_this_machine(flags: tuple[str, ...], compiler, tmp_path: Path) -> None:
    """With and without the instructions that multiply and add bytes, in all widths and in chunks of any length."""
    for chunk in (None, 1, 3):
        for fixed, source, samples in cases():
            chosen = () if chunk is None else (f"-D{source.name.upper()}_CHUNK={chunk}",)
            library = compiler.library(source, tmp_path, ("-O1", *flags, *chosen))
            for widest in (16, 8, 1):
                engine = Engine(library, widest=widest)
                found = b"".join(result.tobytes() for sample in samples for result in call(engine, sample))
                assert found == wanted(fixed, samples), (source.name, chunk, widest)
