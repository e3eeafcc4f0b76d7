"""A meter that is recorded while candidates are measured, by one call."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.doubles.meters.serial_meters import Terminal, fnb58_report
from tests.phases.run_folder import add_conversion, add_validation, make_run

from edgeproof import api
from edgeproof.errors import MeterError, UsageError
from edgeproof.rundir import RunDir


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    run = make_run(tmp_path)
    add_conversion(run, ["onnx-fp32", "onnx-fp16"])
    add_validation(run, {"onnx-fp32": "passed", "onnx-fp16": "passed"})
    return run


def test_a_measurement_with_a_meter_has_energies(run: RunDir) -> None:
    rng = np.random.default_rng(0)

    def answer(come: bytes) -> tuple[bytes, int]:
        return fnb58_report(5.0, 0.5 + 0.002 * rng.standard_normal()), len(come)

    lines: list[str] = []
    for _ in range(3):  # a busy machine leaves gaps in what this one records
        with Terminal(answer, every_s=0.035) as terminal:
            api.measure(run.root, count=20, hold=1.0, meter=f"fnb58:{terminal.path}", idle=0.5, progress=lines.append)
        document = run.device("host")
        assert document is not None
        if not any(measurement.energy.reason for measurement in document.measurements):
            break
    for measurement in document.measurements:
        energy = measurement.energy
        assert energy is not None
        assert energy.reason is None, lines
        assert energy.stretches == 2
        assert energy.mean_mw == pytest.approx(2500, rel=0.01)
        assert energy.idle is not None
        assert (energy.net_mj is None) == (energy.no_net is not None)
    assert "energy" not in document.not_measured
    assert len(list(run.path("phase4_power").iterdir())) == 2
    assert "### Energy" in run.path("edge_phase1_5_report.md").read_text()


def test_a_meter_without_a_held_load_sees_nothing(run: RunDir) -> None:
    with pytest.raises(UsageError, match="held for it"):
        api.measure(run.root, meter="rapl")


def test_a_meter_that_cannot_be_read_is_said_before_anything_runs(run: RunDir) -> None:
    with pytest.raises(MeterError, match="cannot be opened"):
        api.measure(run.root, meter="fnb58:/dev/no-such-node", hold=1.0)
    assert run.device("host") is None
