"""The engine of a small network for other processors: the same bits everywhere, and clear words where it cannot."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from edgeproof.errors import ConversionError, UsageError
from edgeproof.spike.build import build, build_library, main_program
from edgeproof.spike.emit import emit
from edgeproof.spike.interpreter import interpret
from edgeproof.spike.program import Input, Linear, Output, Program, State
from edgeproof.spike.simplify import elementwise
from edgeproof.spike.targets import TARGETS, compiler_for, target_named

EMULATED = [one for one in TARGETS.values() if one.emulator is not None]


@pytest.fixture(scope="module")
def program() -> Program:
    """20-70-10 leaky neurons over 12 steps."""
    generator = np.random.default_rng(3)
    x = Input("x", (20,))
    states, node = [], x
    for name, inputs, outputs in (("hidden", 20, 70), ("last", 70, 10)):
        weight = generator.normal(0, 2 / np.sqrt(inputs), (outputs, inputs)).astype(np.float32)
        current = Linear(node, weight, generator.normal(0, 0.1, outputs).astype(np.float32))
        membrane = State(name, np.zeros(outputs, np.float32))
        fired = elementwise("cast", elementwise("gt", membrane, 1.0))
        after = elementwise("sub", elementwise("add", elementwise("mul", membrane, 0.9), current), fired)
        node = elementwise("cast", elementwise("gt", after, 1.0))
        states.append((membrane, after))
    outputs = (Output("spikes", node, "sum"), Output("membrane", states[1][1], "last"))
    return Program((x,), tuple(states), outputs, timesteps=12, sequence=False)


@pytest.fixture(scope="module")
def source(program: Program, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated C, and the library of this machine."""
    folder = tmp_path_factory.mktemp("engine")
    build_library(emit(program, "small"), folder)
    return folder / "small.c"


def samples() -> np.ndarray:
    return np.random.default_rng(4).random((40, 20), np.float32)


def expected(program: Program) -> bytes:
    rows = [interpret(program, {"x": x}) for x in samples()]
    assert sum(row["spikes"].sum() for row in rows) > 100
    return b"".join(row["spikes"].tobytes() + row["membrane"].tobytes() for row in rows)


@pytest.mark.parametrize("target", [None, *EMULATED], ids=lambda one: one.name if one else "host")
def test_every_processor_gives_the_interpreter_s_bits(target, source: Path, program: Program, tmp_path: Path) -> None:
    if target is not None and (shutil.which(target.gcc) is None or shutil.which(target.emulator) is None):
        pytest.skip(f"{target.gcc} and {target.emulator} are not both installed")
    main = main_program("small", [20], [10, 10])
    made = build(source, tmp_path, "program", target, main=main)
    command = [str(made)] if target is None else [target.emulator, str(made)]
    environment = os.environ if target is None else {**os.environ, "QEMU_CPU": target.cpu}
    done = subprocess.run(
        command, input=samples().tobytes(), capture_output=True, env=environment, check=True, timeout=120
    )
    assert done.stdout == expected(program)


def test_a_program_tells_the_time_of_each_call(source: Path, tmp_path: Path) -> None:
    made = build(source, tmp_path, "program", main=main_program("small", [20], [10, 10]))
    done = subprocess.run([str(made), "--time", "25"], input=samples().tobytes(), capture_output=True, check=True)
    times = [float(line) for line in done.stdout.split()]
    assert len(times) == 25
    assert all(0 <= one < 1e6 for one in times)


def test_the_generated_c_is_clean_c99(source: Path, tmp_path: Path) -> None:
    strict = ["-std=c99", "-Wall", "-Wextra", "-pedantic", "-Werror", "-O2", "-c"]
    subprocess.run(["cc", *strict, str(source), "-o", str(tmp_path / "small.o")], check=True)


def test_where_it_cannot_be_built(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no target z80") as caught:
        target_named("z80")
    assert "aarch64-linux" in (caught.value.hint or "")
    with pytest.raises(ConversionError, match="only objects are made"):
        build(source, tmp_path, "program", TARGETS["aarch64-ios"], main="")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    for target in (None, TARGETS["aarch64-linux"]):
        with pytest.raises(ConversionError, match=r"no .*compiler") as lost:
            compiler_for(target)
        assert "apt-get install gcc" in (lost.value.hint or "")


def test_what_the_compiler_says_is_said(source: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.c").write_text('#include "nowhere.h"\n')
    with pytest.raises(ConversionError, match=r"could not compile the engine: .*nowhere\.h"):
        build(tmp_path / "bad.c", tmp_path, "library")


def test_the_command(source: Path, tmp_path: Path) -> None:
    words = ["build", str(source), "--target", "host,aarch64-ios", "--out", str(tmp_path / "out"), "--json"]
    done = subprocess.run(
        [sys.executable, "-c", "from edgeproof.cli import main; main()", *words],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    host, ios = json.loads(done.stdout)["builds"]
    assert (host["status"], ios["status"]) == ("ok", "failed")
    assert Path(host["file"]).stat().st_size == host["bytes"]
    assert "only objects" in ios["reason"]
