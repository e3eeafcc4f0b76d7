"""What an app told, as a device of the run: verified, measured and recorded; or refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.doubles.registered import _misbehaving
from tests.phases.away.app_file import told
from tests.phases.conftest import new_run

from edgeproof.devices.host import run_job
from edgeproof.documents.runner import RunnerJob
from edgeproof.documents.samples import SamplesDocument
from edgeproof.errors import DeviceError, DocumentError
from edgeproof.phases.away.app import bring_app_back
from edgeproof.phases.convert import convert
from edgeproof.phases.prepare import prepare
from edgeproof.phases.validate import validate
from edgeproof.rundir import RunDir

__all__ = ["_misbehaving", "new_run"]


@pytest.fixture
def run(new_run: Callable[..., RunDir]) -> RunDir:
    made = new_run("sdk-native", "torchscript-fp32", timesteps=3)
    for phase in (prepare, convert, validate):
        phase(made)
    return made


@pytest.fixture
def outputs(run: RunDir, tmp_path: Path) -> dict[str, Any]:
    """What the engine gives here, which is what it gives everywhere."""
    held_out = run.path(run.read(SamplesDocument).held_out.file)
    job = RunnerJob(
        artifact=str(run.path("artifacts/sdk-native")), inputs=str(held_out), outputs=str(tmp_path / "o.npz")
    )
    assert run_job(job).error is None
    with np.load(tmp_path / "o.npz") as found:
        return {name: found[name] for name in found}


def test_it_is_a_device_of_the_run(run: RunDir, outputs: dict[str, Any], tmp_path: Path) -> None:
    document = bring_app_back(run, [told(tmp_path, outputs, number) for number in (1, 2)])
    assert (document.device, document.device_class, document.emulated) == ("iphone:iPhone15,2", "iphone", False)
    (native,) = document.measurements
    assert native.status == "ok", native.reason
    assert native.outputs is not None
    assert (native.outputs.status, native.outputs.same_bits) == ("passed", True)
    assert native.steady is not None
    assert (native.steady.count, native.steady.min_us) == (200, 10.0)
    assert native.cold_start is not None
    assert sorted(native.cold_start.exec_to_first_ms) == [301.0, 302.0]
    assert {found.thermal_state for found in native.conditions} == {"nominal"}
    assert run.device("iphone:iPhone15,2") == document


def test_outputs_that_miss_the_policy_are_not_timed(run: RunDir, outputs: dict[str, Any], tmp_path: Path) -> None:
    wrong = {name: values * np.float32(np.nan) for name, values in outputs.items()}
    (native,) = bring_app_back(run, [told(tmp_path, wrong)]).measurements
    assert (native.status, native.steady) == ("failed", None)
    assert "its outputs there miss the policy" in (native.reason or "")


def test_the_simulator_has_no_times(run: RunDir, outputs: dict[str, Any], tmp_path: Path) -> None:
    document = bring_app_back(run, [told(tmp_path, outputs, simulator=True)])
    assert document.emulated
    assert (document.measurements[0].status, document.measurements[0].steady) == ("skipped", None)
    phones = [told(tmp_path, outputs, 1), told(tmp_path, outputs, 2, model="iPhone16,1")]
    with pytest.raises(DeviceError, match=r"reports of one phone, found iPhone15,2 \(iOS 17\.4\), iPhone16,1"):
        bring_app_back(run, phones)
    alien = told(tmp_path, outputs)
    alien.write_text(alien.read_text().replace('"candidate": "sdk-native"', '"candidate": "coreml-fp32"'))
    with pytest.raises(DocumentError, match="measured coreml-fp32, and the run has no such candidate"):
        bring_app_back(run, [alien])
