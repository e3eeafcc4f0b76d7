"""An emulated Raspberry Pi: what it says of itself, what it leaves alone here, and a runtime that falls back there."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.phases.conftest import new_run

from edgeproof.devices.emulated.boards import BOARDS, find_board
from edgeproof.devices.emulated.device import EmulatedDevice
from edgeproof.devices.emulated.lodging import lacking
from edgeproof.devices.emulated.root import ready
from edgeproof.documents.conversion import ConversionDocument
from edgeproof.documents.runner import RunnerJob
from edgeproof.documents.samples import SamplesDocument
from edgeproof.errors import UsageError
from edgeproof.phases.convert import convert
from edgeproof.phases.prepare import prepare
from edgeproof.process import Limits
from edgeproof.rundir import RunDir

__all__ = ["new_run"]

LIMITS = Limits(seconds=600)
NAME = "raspberrypi4"


@pytest.fixture
def board() -> Iterator[EmulatedDevice]:
    lack = lacking(BOARDS[NAME])
    if lack is not None:
        pytest.skip(str(lack))
    if not ready(BOARDS[NAME].architecture):
        pytest.skip(f"there is no system for it: edgeproof devices emulate {NAME}")
    device = EmulatedDevice(NAME)
    yield device
    device.close()


def test_a_board_that_is_not_known() -> None:
    with pytest.raises(UsageError, match="is no device") as error:
        find_board("raspberrypi44")
    assert "did you mean emulated:raspberrypi4?" in (error.value.hint or "")


def test_one_whose_system_is_not_there_says_how_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEPROOF_AARCH64", str(tmp_path))
    refused = EmulatedDevice(NAME).available()
    assert refused is not None
    assert refused.hint in (f"edgeproof devices emulate {NAME}", str(refused.hint))
    assert "no system for it" in refused.message or "there is no" in refused.message


def test_what_it_says_and_what_gives_it_away(board: EmulatedDevice) -> None:
    accounts, table = Path("/etc/passwd").read_bytes(), sorted(Path("/proc/sys/fs/binfmt_misc").glob("*"))
    mounts = Path("/proc/self/mounts").read_text()
    assert board.available() is None
    seen = board.board()
    assert seen.name == "Raspberry Pi 4 Model B Rev 1.4"
    assert (seen.emulated, board.emulated) == ("yes", True)
    assert any("QEMU in their memory" in sign for sign in seen.signs)
    assert any("run by qemu-aarch64" in sign for sign in seen.signs)
    machine = board.machine()
    assert (machine.architecture, machine.logical_cores, machine.memory_bytes) == ("aarch64", 4, 4 << 30)
    assert Path("/etc/passwd").read_bytes() == accounts
    assert sorted(Path("/proc/sys/fs/binfmt_misc").glob("*")) == table
    assert Path("/proc/self/mounts").read_text() == mounts
    board.close()
    left = subprocess.run(["pgrep", "-f", "edgeproof-board-"], capture_output=True, check=False).stdout
    assert left == b"", "its server is gone with it"


@pytest.mark.slow
def test_a_runtime_that_falls_back_in_silence_is_named(
    board: EmulatedDevice, new_run: Callable[..., RunDir], monkeypatch: pytest.MonkeyPatch
) -> None:
    """LiteRT leaves XNNPACK out where the system does not tell its processors, says nothing of it, and is slow."""
    run = new_run("litert-fp32")
    prepare(run)
    convert(run)
    (made,) = run.read(ConversionDocument).candidates
    assert made.artifact is not None
    assert board.equip(["ai-edge-litert"], lambda _line: None) == {}
    artifact = board.put(run.path(made.artifact).parent)
    job = RunnerJob(
        artifact=artifact, inputs=board.put(run.path(run.read(SamplesDocument).held_out.file)), limit=2, trust=True
    )
    whole = board.run(job, LIMITS)
    assert (whole.error, whole.degraded) == (None, None)
    assert board.shows is not None
    for name in ("possible", "present"):
        (board.shows / "sys/devices/system/cpu" / name).unlink()
    fallen = board.run(job, LIMITS)
    assert fallen.error is None
    assert fallen.degraded is not None
    assert "XNNPACK none" in fallen.degraded
    assert "/sys/devices/system/cpu/possible" in fallen.degraded
