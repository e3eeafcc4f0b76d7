"""An iPhone from a Mac that is a script: which commands are given, and what is made of what they leave."""

from __future__ import annotations

import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.devices.engines import SHAPES, write_artifact, write_digits

import edgeproof.devices.iphone.device as module
from edgeproof.devices.iphone.device import TEAM, IphoneDevice
from edgeproof.documents.runner import RunnerJob
from edgeproof.errors import DeviceError
from edgeproof.process import Limits

DOUBLE = Path(__file__).parents[2] / "doubles" / "xcrun.py"
LIMITS = Limits(seconds=60)


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The phone's folder, on a Mac."""
    folder, tools = tmp_path / "phone", tmp_path / "tools"
    folder.mkdir()
    tools.mkdir()
    (tools / "xcrun").write_text(f'#!/bin/sh\nexec {sys.executable} {DOUBLE} "$@"\n')
    (tools / "xcrun").chmod(0o755)
    monkeypatch.setattr(module, "MAC", True)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("XCRUN_PHONE", str(folder))
    monkeypatch.setenv(TEAM, "TEAM")
    return folder


def job_of(device: IphoneDevice, folder: Path) -> RunnerJob:
    write_artifact(folder / "artifact")
    samples = write_digits(folder / "heldout.npz")
    return RunnerJob(artifact=device.put(folder / "artifact"), inputs=device.put(samples), measure=30, warmup=5)


def test_jobs_are_launches_of_one_app(phone: Path, tmp_path: Path) -> None:
    device = IphoneDevice()
    assert device.available() is None
    assert (device.name, device.device_class, device.emulated) == ("iphone:00008120-000A", "iphone", False)
    assert ".mlpackage" in device.place().taken
    lines: list[str] = []
    assert device.equip([], lines.append) == {}
    job = job_of(device, tmp_path)
    report = device.run(msgspec.structs.replace(job, outputs="o.npz"), LIMITS)
    assert (report.error, report.samples, report.warmup) == (None, 40, 5)
    assert report.steady_us == tuple(100.0 + call for call in range(30))
    device.get("o.npz", tmp_path / "o.npz")
    with np.load(tmp_path / "o.npz") as outputs:
        assert {name: outputs[name].shape for name in outputs} == {name: (40, *shape) for name, shape in SHAPES.items()}
    paced = device.run(msgspec.structs.replace(job, pace=0.1), LIMITS)
    assert paced.steady_us == (900.0,) * 30
    asked = (phone / "asked").read_text().splitlines()
    assert [line.split()[0] for line in asked].count("xcodebuild") == 1
    assert sum("process" in line for line in asked) == 2
    assert (device.machine().cpu_model, device.machine().logical_cores) == ("iPhone15,2", 6)
    assert lines == ["iphone:00008120-000A: building the app for sdk-native"]
    device.close()
    device.close()
    assert not (phone / "app").exists()


def test_what_xcode_refuses_is_said(phone: Path, tmp_path: Path) -> None:
    device = IphoneDevice()
    job = job_of(device, tmp_path)
    (phone / "unsigned").touch()
    with pytest.raises(DeviceError, match=r"xcodebuild .* failed: error: No profiles for 'dev\.edgeproof\.bench'"):
        device.run(job, LIMITS)
    device.close()


def test_an_app_that_ends_without_a_report(phone: Path, tmp_path: Path) -> None:
    device = IphoneDevice()
    job = job_of(device, tmp_path)
    (phone / "broken").touch()
    (phone / "documents").mkdir()
    assert device.run(job, LIMITS).error == "the app wrote no report"
    device.close()


@pytest.mark.parametrize(
    ("address", "variables", "said"),
    [
        ("other", {}, "this Mac knows no iPhone other"),
        ("", {"XCRUN_PAIRING": "unpaired"}, "is unpaired"),
        ("", {TEAM: ""}, "has to be signed"),
        ("", {"PATH": "/nowhere"}, "from a Mac with Xcode"),
    ],
)
def test_where_there_is_none(
    address: str, variables: dict[str, str], said: str, phone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    device = IphoneDevice(address)
    assert said in str(device.available())
    device.close()


def test_this_is_no_mac() -> None:
    if sys.platform != "darwin":
        assert "edgeproof runbook RUN --iphone DIR writes the app" in str(IphoneDevice().available())
