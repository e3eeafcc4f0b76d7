"""A board's own power meter, recorded there beside a job: a sensor's tree stands for the chip."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.devices.loopback import Board
from tests.devices.ssh.test_device import QUIET, opened, there

from edgeproof.devices.base import RecordsPower
from edgeproof.documents.runner import RunnerJob
from edgeproof.errors import DeviceError
from edgeproof.meters.traces import read_trace

__all__ = ["there"]


def test_a_meter_that_is_not_there_is_said(there: Board, tmp_path: Path) -> None:
    device = opened(there)
    device.equip([], lambda _line: None)
    assert isinstance(device, RecordsPower)
    with pytest.raises(DeviceError, match="the meter pmic cannot be recorded there"), device.recorded("pmic", tmp_path):
        raise AssertionError("nothing is measured beside a meter that is not there")
    device.close()


def test_a_meter_is_recorded_beside_a_job(there: Board, artifact: Path, samples: Path, tmp_path: Path) -> None:
    """Raspberry Pi's own program, written here, tells what a Pi 5's would."""
    program = there.home / "bin" / "vcgencmd"
    program.parent.mkdir()
    rails = "\\n".join(f"     RAIL_{n}_A current({n})=0.5A\\n     RAIL_{n}_V volt({n})=2.0V" for n in range(3))
    program.write_text(f'#!/bin/sh\ncase "$1" in pmic_read_adc) printf "{rails}\\n" ;; *) echo throttled=0x0 ;; esac\n')
    program.chmod(0o755)
    there.path_first(program.parent)
    device = opened(there)
    device.equip(["onnxruntime"], lambda _line: None)
    job = RunnerJob(
        artifact=device.put(artifact), inputs=device.put(samples), measure=20, warmup=2, hold=3.0, trust=True
    )
    with device.recorded("pmic", tmp_path) as trace:
        told = device.run(job, QUIET)
    assert told.error is None
    assert told.held is not None
    found = read_trace(trace())
    assert found.document.begin_unix_ns < told.held.end_unix_ns
    assert found.document.end_unix_ns > told.held.begin_unix_ns
    assert found.watts.min() > 0
    device.close()
    assert list((there.home / ".cache/edgeproof/visits").iterdir()) == []
