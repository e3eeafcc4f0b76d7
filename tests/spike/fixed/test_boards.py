"""Whole numbers on microcontrollers, with DSP instructions and without, and without floats: the interpreter's bits."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.spike.digits import program, samples
from tests.spike.installed import need
from tests.spike.toolchain.board import BOARDS, EMULATOR, SMALLEST, run_on_board

from edgeproof.spike.fixed.emit import emit_fixed
from edgeproof.spike.fixed.interpreter import interpret_fixed
from edgeproof.spike.fixed.quantise import quantise
from edgeproof.spike.toolchain.targets import TARGETS


@pytest.mark.parametrize("name", [*BOARDS, *SMALLEST])
def test_a_microcontroller_gives_the_interpreter_s_bits(name: str, tmp_path: Path) -> None:
    need(TARGETS[name].gcc, EMULATOR)
    rows = [{"pixels": sample} for sample in samples(8)]
    fixed = quantise(program(), rows)
    made = emit_fixed(fixed, "whole")
    (tmp_path / "whole.c").write_text(made.c)
    (tmp_path / "whole.h").write_text(made.h)
    _, outputs = run_on_board(tmp_path / "whole.c", name, samples(8), tmp_path)
    results = [interpret_fixed(fixed, row) for row in rows]
    assert outputs == b"".join(result["spikes"].tobytes() + result["membrane"].tobytes() for result in results)
