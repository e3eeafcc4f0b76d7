"""Convolutions of spikes over many time steps, for other processors: the interpreter's bits, vectors or none."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import numpy as np
import pytest
from tests.spike.installed import need
from tests.spike.spiking_networks import spiking_network

from edgeproof.spike.engine.emit import emit
from edgeproof.spike.interpreter import interpret
from edgeproof.spike.toolchain.build import build
from edgeproof.spike.toolchain.targets import TARGETS

EMULATED = [target for target in TARGETS.values() if target.emulator is not None]
SEEDS = (1, 2, 11)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("target", EMULATED, ids=lambda target: target.name)
def test_every_processor_gives_the_interpreter_s_bits(target, seed: int, tmp_path: Path) -> None:
    need(target.gcc, target.emulator)
    program, inputs, activity = spiking_network(seed)
    source = emit(program, "spikes", activity)
    (tmp_path / "spikes.c").write_text(source.c)
    (tmp_path / "spikes.h").write_text(source.h)
    made = build(tmp_path / "spikes.c", tmp_path, "program", target, compiler="system")
    wanted = interpret(program, inputs)
    done = subprocess.run(
        [target.emulator, made.file],
        input=inputs["x"].tobytes(),
        capture_output=True,
        env={**os.environ, **({"QEMU_CPU": target.cpu} if target.cpu else {})},
        check=True,
        timeout=300,
    )
    assert wanted["spikes"].sum() > 0
    found = np.frombuffer(done.stdout, np.float32)
    expected = np.concatenate([wanted[output.name].reshape(-1) for output in program.outputs])
    np.testing.assert_array_equal(found.view(np.uint32), expected.view(np.uint32))
