"""A board without Python over a real SSH server: the engine's own program runs there, with this machine's bits."""

from __future__ import annotations

import platform
from pathlib import Path

import numpy as np
from tests.devices.engines import SHAPES, write_artifact, write_digits
from tests.devices.loopback import Board
from tests.devices.ssh.test_device import there
from tests.spike.installed import need

from edgeproof.devices.host import run_job
from edgeproof.devices.ssh.device import SshDevice
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import encode, read_document
from edgeproof.documents.runner import RunnerJob
from edgeproof.formats.sdk_native import FORMAT
from edgeproof.process import Limits

__all__ = ["there"]

LIMITS = Limits(seconds=60)


def test_a_program_runs_where_there_is_no_python(there: Board, tmp_path: Path) -> None:
    need("gcc")
    document = write_artifact(tmp_path / "artifact")
    program = FORMAT.program_for(platform.machine(), tmp_path / "artifact", document, tmp_path / "program")
    samples = write_digits(tmp_path / "heldout.npz")
    device = SshDevice(f"{there.address.removeprefix('ssh:')}&python=/nowhere/python3")
    try:
        assert device.place().python is None
        assert device.equip(["onnxruntime"], print) == {}
        job = RunnerJob(
            artifact=device.put(program), inputs=device.put(samples), outputs="sdk-native.npz", measure=50, hold=0.2
        )
        report = device.run(job, LIMITS)
        assert (report.error, report.samples, len(report.steady_us)) == (None, 40, 50)
        assert report.held is not None
        assert 0 < (report.exec_to_first_ms or 0) < 10_000
        assert report.machine == device.machine()
        device.get("sdk-native.npz", tmp_path / "there.npz")
        here = RunnerJob(artifact=str(tmp_path / "artifact"), inputs=str(samples), outputs=str(tmp_path / "here.npz"))
        assert run_job(here).error is None
        ours, theirs = np.load(tmp_path / "here.npz"), np.load(tmp_path / "there.npz")
        assert all(ours[name].tobytes() == theirs[name].tobytes() for name in SHAPES)
        again = device.run(RunnerJob(artifact=job.artifact, inputs=job.inputs, measure=20), LIMITS)
        assert (again.error, len(again.steady_us)) == (None, 20)
    finally:
        device.close()


def test_what_is_wrong_with_a_program_is_said(there: Board, tmp_path: Path) -> None:
    need("gcc")
    document = write_artifact(tmp_path / "artifact")
    program = FORMAT.program_for(platform.machine(), tmp_path / "artifact", document, tmp_path / "program")
    samples = write_digits(tmp_path / "heldout.npz")
    device = SshDevice(f"{there.address.removeprefix('ssh:')}&python=/nowhere/python3")
    try:
        foreign = read_document(program / ArtifactDocument.FILE, ArtifactDocument)
        (program / ArtifactDocument.FILE).write_bytes(encode(foreign).replace(b'"mark": "hmac', b'"mark": "other'))
        job = RunnerJob(artifact=device.put(program), inputs=device.put(samples), measure=5)
        assert "was not made by this user" in (device.run(job, LIMITS).error or "")
        stopped = RunnerJob(artifact=job.artifact, inputs=job.inputs, hold=60.0, trust=True)
        told = device.run(stopped, Limits(seconds=1, wall_seconds=2)).error
        assert told == "the process was stopped after 2 s there"
    finally:
        device.close()


def test_the_same_bits_on_32_bit_arm(there: Board, tmp_path: Path) -> None:
    """A board that says so: its program is built for it, and run by its processor's emulator behind the door."""
    need("gcc", "arm-linux-gnueabihf-gcc", "qemu-arm-static")
    there.becomes_armv7()
    document = write_artifact(tmp_path / "artifact")
    samples = write_digits(tmp_path / "heldout.npz")
    device = SshDevice(there.address.removeprefix("ssh:"))
    try:
        place = device.place()
        assert (place.architecture, place.python) == ("armv7l", None), "no wheels are published for it"
        program = FORMAT.program_for(place.architecture, tmp_path / "artifact", document, tmp_path / "program")
        job = RunnerJob(artifact=device.put(program), inputs=device.put(samples), outputs="there.npz", trust=True)
        report = device.run(job, LIMITS)
        assert (report.error, report.samples) == (None, 40)
        device.get("there.npz", tmp_path / "there.npz")
        here = RunnerJob(artifact=str(tmp_path / "artifact"), inputs=str(samples), outputs=str(tmp_path / "here.npz"))
        assert run_job(here).error is None
        ours, theirs = np.load(tmp_path / "here.npz"), np.load(tmp_path / "there.npz")
        assert all(ours[name].tobytes() == theirs[name].tobytes() for name in SHAPES)
    finally:
        device.close()
