"""A soak on a board over the real OpenSSH, whose link is cut on the way; and minutes under load there, shortened."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.devices.loopback import Board, board, missing
from tests.devices.ssh.test_device import runners, until
from tests.phases.run_folder import add_conversion, add_validation, make_run

from edgeproof.devices import soaking as room
from edgeproof.devices.base import Effort
from edgeproof.documents.soak import SoakReport
from edgeproof.errors import DeviceError
from edgeproof.measure.soak import SoakLength
from edgeproof.phases.device import measure_devices
from edgeproof.phases.measurement.soaking import soak_candidate
from edgeproof.rundir import RunDir

LACKING = missing()
pytestmark = pytest.mark.skipif(LACKING is not None, reason=LACKING or "")


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    with board(tmp_path / "board", monkeypatch) as found:
        yield found


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    made = make_run(tmp_path)
    add_conversion(made, ["onnx-fp32"])
    add_validation(made, {"onnx-fp32": "passed"})
    return made


def test_a_link_that_is_cut_costs_a_process_and_is_told(
    there: Board, run: RunDir, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "WAITS_S", (0.5,))

    def cut() -> None:
        assert until(lambda: runners(there), 120)
        there.cut()

    cutter = threading.Thread(target=cut)
    cutter.start()
    artifact = run.path("artifacts/onnx-fp32/tiny.onnx")
    seen = soak_candidate(run.root, artifact, SoakLength(2.0, 0.5), device=there.address)
    cutter.join()
    assert not seen.partial
    assert len(seen.windows) == 4
    assert seen.seconds == pytest.approx(2.0, abs=0.3)
    (outage,) = seen.outages
    assert outage.seconds is not None
    assert outage.seconds < 30
    assert (seen.device, seen.errors) == (there.address, 0)
    assert run.path(seen.path_in_run()).is_file()
    assert until(lambda: not runners(there))


def test_one_that_says_nothing_of_being_real_is_not_soaked(there: Board, run: RunDir) -> None:
    artifact = run.path("artifacts/onnx-fp32/tiny.onnx")
    with pytest.raises(DeviceError, match="is emulated"):
        soak_candidate(run.root, artifact, SoakLength(2.0, 0.5), device=there.address.replace("=0", "=1"))
    assert not run.path(SoakReport.FILE).exists()


def test_paces_a_held_load_and_time_under_load_are_measured_there(there: Board, run: RunDir) -> None:
    effort = Effort(rounds=1, count=20, warmup=2, seconds=1.0, paces=(0.005,), hold=0.2, sustained=1.0)
    (document,) = measure_devices(run, devices=[there.address], effort=effort)
    (found,) = [measured for measured in document.measurements if measured.status == "ok"]
    (paced,) = found.paced
    assert paced.steady is not None
    assert paced.steady.count == 20
    assert run.path(paced.steady.raw).is_file()
    assert len(found.held) == 1
    assert found.sustained is not None
    assert len(found.sustained.windows) == 5
