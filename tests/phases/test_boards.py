"""A run measured on boards: over a real SSH server on loopback, and on an emulated Raspberry Pi where there is one."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.devices.loopback import Board, board, missing
from tests.phases.conftest import make_new_run
from tests.spike.installed import need

from edgeproof.api import gate, import_files, resume, write_bundle
from edgeproof.devices import patience
from edgeproof.devices.base import Effort, Place
from edgeproof.devices.emulated.boards import BOARDS
from edgeproof.devices.emulated.lodging import lacking
from edgeproof.devices.emulated.root import ready
from edgeproof.documents.device import DeviceDocument, DeviceMeasurement, Provenance
from edgeproof.documents.samples import SamplesDocument
from edgeproof.errors import DeviceError, DocumentError, UsageError
from edgeproof.phases.away.importing import Given
from edgeproof.phases.convert import convert
from edgeproof.phases.device import measure_devices
from edgeproof.phases.evaluate import conclude, read_evidence
from edgeproof.phases.measurement.choosing import choose
from edgeproof.phases.measurement.record import chosen_candidates, targets_of
from edgeproof.phases.prepare import prepare
from edgeproof.phases.validate import validate
from edgeproof.process import Limits
from edgeproof.rundir import RunDir
from edgeproof.verdict.cases import cases_of

pytestmark = pytest.mark.xdist_group("boards")  # they share a run that takes seconds to make
EFFORT = Effort(rounds=2, count=40, warmup=5, seconds=4.0, limits=Limits(seconds=60))
PI = Place("linux", "aarch64", "glibc 2.36", "3.11")


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    reason = missing()
    if reason is not None:
        pytest.skip(reason)
    with board(tmp_path / "board", monkeypatch) as found:
        yield found


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """A run as its first three phases leave it."""
    need("gcc")
    made = make_new_run(tmp_path_factory.mktemp("made"), "sdk-native", "onnx-fp32", "torchscript-fp32", timesteps=3)
    for phase in (prepare, convert, validate):
        phase(made)
    return made


@pytest.fixture
def run(made: RunDir, tmp_path: Path) -> RunDir:
    shutil.copytree(made.root, tmp_path / "run")
    return RunDir.open(tmp_path / "run")


def by_name(document: DeviceDocument) -> dict[str, DeviceMeasurement]:
    return {measured.candidate: measured for measured in document.measurements}


def test_a_run_on_a_board(run: RunDir, there: Board) -> None:
    lines: list[str] = []
    address = f"{there.address}&class=raspberry-pi"
    (document,) = measure_devices(run, devices=[address], effort=EFFORT, report=lines.append)
    name = address.partition("?")[0]
    assert (document.device, document.device_class, document.emulated) == (name, "raspberry-pi", False)
    assert document.board is not None
    assert document.board.clock_within_ms is not None
    found = by_name(document)
    for candidate, promised in (("sdk-native", True), ("onnx-fp32", False)):
        measured = found[candidate]
        assert measured.outputs is not None
        told = measured.outputs
        assert (told.status, told.same_bits, told.promised) == ("passed", True, promised)
        assert told.task is not None
        assert measured.steady is not None
        assert measured.steady.count == 80
        assert measured.cold_start is not None
        assert measured.told is None
    assert found["torchscript-fp32"].status == "skipped"
    assert "PyTorch is not brought to boards" in (found["torchscript-fp32"].reason or "")
    assert run.device(name) == document
    assert not run.path("work/devices").exists() or not list(run.path("work/devices").iterdir())
    assert list((there.home / ".cache/edgeproof/visits").iterdir()) == []
    conclude(run)
    case = cases_of(read_evidence(run))["sdk-native"]
    assert [device.device for device, _ in case.on("raspberry-pi")] == [name]


def test_one_that_does_not_say_what_it_is_gives_no_times(run: RunDir, there: Board) -> None:
    lines: list[str] = []
    address = there.address.partition("?")[0]
    (document,) = measure_devices(run, devices=[address], effort=EFFORT, report=lines.append)
    assert document.emulated
    assert "perhaps no real board" in " ".join(lines)
    measured = by_name(document)["sdk-native"]
    assert measured.steady is None
    assert measured.outputs is not None
    assert measured.outputs.status == "passed"


def test_a_board_that_is_lost_is_gone_on_with_where_it_stopped(
    run: RunDir, there: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "WAITS_S", ())
    lines: list[str] = []

    def cut() -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end and not any("process 2 of 2" in line for line in lines):
            time.sleep(0.02)
        there.cut()
        there.process.kill()

    cutter = threading.Thread(target=cut)
    cutter.start()
    slow = Effort(rounds=2, count=10**7, warmup=5, seconds=4.0, limits=Limits(seconds=60))
    with pytest.raises(DeviceError) as error:
        measure_devices(run, devices=[there.address], effort=slow, again=False, report=lines.append)
    cutter.join()
    assert "edgeproof run --resume" in (error.value.hint or "")
    kept = list(run.path("work/devices").rglob("reports/*.json"))
    assert len(kept) >= 2
    monkeypatch.undo()


def test_a_link_that_breaks_for_a_moment_costs_one_process(
    run: RunDir, there: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "WAITS_S", (0.2, 0.5))
    lines: list[str] = []

    def cut() -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end and not any("process 2 of 2" in line for line in lines):
            time.sleep(0.02)
        time.sleep(0.3)
        there.cut()

    cutter = threading.Thread(target=cut)
    cutter.start()
    slow = Effort(rounds=2, count=10**6, warmup=5, seconds=4.0, limits=Limits(seconds=60))
    (document,) = measure_devices(
        run, devices=[there.address], candidates=["sdk-native"], effort=slow, report=lines.append
    )
    cutter.join()
    assert any("trying again" in line for line in lines)
    measured = by_name(document)["sdk-native"]
    assert (measured.status, measured.cold_start is not None) == ("ok", True)


def test_what_does_not_exist_for_a_board_is_skipped_and_has_not_failed(run: RunDir, tmp_path: Path) -> None:
    results, skipped = chosen_candidates(run, ())
    targets = targets_of(run, results, skipped)
    for place, reason in (
        (replace_place(architecture="sparc64"), "not built for sparc64"),
        (replace_place(disk_bytes=1000), "are free on the device's disk"),
        (replace_place(memory_bytes=1000), "of memory free"),
        (replace_place(libc="musl", system="linux"), None),
    ):
        chosen, unfit = choose(targets, place, "raspberry-pi", tmp_path / str(place.architecture), trust=run.trust)
        if reason is None:
            assert "sdk-native" in {one.target.candidate for one in chosen} | set(unfit)
        else:
            assert reason in unfit["sdk-native"]


def replace_place(**changed: object) -> Place:
    return Place(**{**PI.__dict__, **changed})  # type: ignore[arg-type]


def test_outputs_that_miss_the_policy_there_are_not_timed(run: RunDir, there: Board) -> None:
    """The samples' reference is another model's: what was right here is wrong there, and everywhere."""
    import numpy as np

    reference = run.path("work/reference.npz")
    with np.load(reference) as held:
        spoilt = {name: held[name] + 5.0 for name in held.files}
    np.savez(reference, **spoilt)
    samples = run.read(SamplesDocument)  # where the task score decides, a distance warns alone
    run.write(replace(samples, held_out=replace(samples.held_out, source="representative")))
    lines: list[str] = []
    (document,) = measure_devices(
        run, devices=[there.address], candidates=["onnx-fp32"], effort=EFFORT, report=lines.append
    )
    measured = by_name(document)["onnx-fp32"]
    assert (measured.status, measured.steady) == ("failed", None)
    assert "its outputs there miss the policy" in (measured.reason or "")
    assert not any("process 1 of 2" in line for line in lines)


def test_a_run_that_is_done_takes_another_device(run: RunDir, there: Board) -> None:
    with pytest.raises(DeviceError, match="Connection refused"):
        resume(run.root, devices=["ssh:pi@127.0.0.1:1"])
    with pytest.raises(UsageError, match="is no device"):
        resume(run.root, devices=["toaster"])
    assert run.options().devices == ()


def test_a_folder_for_a_board_is_measured_there_and_imported(run: RunDir, tmp_path: Path) -> None:
    import platform

    here = Place("linux", platform.machine(), "glibc 2.36", "{}.{}".format(*sys.version_info[:2]))
    left_out = write_bundle(run.root, tmp_path / "bundle", place=here)
    assert left_out.keys() == {"torchscript-fp32"}
    with pytest.raises(UsageError, match="is there"):
        write_bundle(run.root, tmp_path / "bundle", place=here)
    moved = tmp_path / "elsewhere"
    shutil.move(tmp_path / "bundle", moved)
    done = subprocess.run(
        ["sh", str(moved / "measure.sh")],
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(Path(sys.executable).resolve())},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    files = sorted((moved / "results").glob("*.json"))
    assert [file.stem for file in files] == ["onnx-fp32", "sdk-native"]
    given = Given(device_class="raspberry-pi", provenance=Provenance(by="a test", how="sh measure.sh"))
    imported = import_files(run.root, files, given=given)
    assert all(
        "does not say that it is a Raspberry Pi" in (one.told or "") or "virtual" in (one.told or "")
        for one in imported
    )
    document = run.device("raspberry-pi by hand")
    assert document is not None
    assert document.provenance == given.provenance
    for measured in document.measurements:
        assert measured.outputs is not None
        assert (measured.outputs.status, measured.outputs.same_bits) == ("passed", True)
        assert measured.told is not None


def test_what_is_told_pushes_aside_nothing_that_was_seen(run: RunDir, there: Board, tmp_path: Path) -> None:
    measure_devices(run, devices=[f"{there.address}&class=raspberry-pi"], effort=EFFORT)
    conclude(run)
    before = read_evidence(run)
    told = tmp_path / "fast.json"
    told.write_text(json.dumps([0.001] * 700))
    given = Given(candidate="torchscript-fp32", device_class="raspberry-pi")
    (imported,) = import_files(run.root, [told], given=given)
    assert imported.told is not None
    cases = cases_of(read_evidence(run))
    assert [found.told for _, found in cases["torchscript-fp32"].on("raspberry-pi")] == [None]
    assert len(before.devices) + 1 == len(read_evidence(run).devices)
    held = gate(run.root, device_classes=("raspberry-pi",))
    (verdict,) = (found for found in held.evaluation.verdicts if found.device_class == "raspberry-pi")
    assert verdict.candidate != "torchscript-fp32"


def test_power_that_is_told_joins_what_the_device_measured(run: RunDir, there: Board, tmp_path: Path) -> None:
    (document,) = measure_devices(
        run, devices=[f"{there.address}&class=raspberry-pi"], candidates=["sdk-native"], effort=EFFORT
    )
    told = tmp_path / "sdk-native.json"
    told.write_text(json.dumps({"latency_us": [10.0, 11.0, 12.0], "mean_power_mw": 3000.0}))
    import_files(run.root, [told], given=Given(device_class="raspberry-pi"))
    seen, by_hand = run.device(document.device), run.device("raspberry-pi by hand")
    assert seen is not None
    assert by_hand is not None
    native = by_name(seen)["sdk-native"]
    assert native.energy is not None
    assert native.steady is not None
    assert native.energy_mj == pytest.approx(3000.0 * native.steady.mean_us / 1e6)
    assert native.energy.estimate is not None, "it is told, and an estimate meets no budget"
    assert by_name(by_hand)["sdk-native"].energy_mj is None


def test_an_import_with_a_field_that_is_not_known_is_refused(run: RunDir, tmp_path: Path) -> None:
    before = (
        sorted(path.name for path in run.path("phase4_devices").glob("*"))
        if run.path("phase4_devices").exists()
        else []
    )
    strange = tmp_path / "onnx-fp32.json"
    strange.write_text(json.dumps({"latency_us": [1.0, 2.0], "latncy": 3}))
    with pytest.raises(DocumentError, match="latncy"):
        import_files(run.root, [strange], given=Given(device_class="android"))
    after = (
        sorted(path.name for path in run.path("phase4_devices").glob("*"))
        if run.path("phase4_devices").exists()
        else []
    )
    assert before == after


def test_a_board_records_its_own_meter(run: RunDir, there: Board) -> None:
    """Raspberry Pi's own program, written here, tells what a Pi 5's would; an estimate, which the document says."""
    program = there.home / "bin" / "vcgencmd"
    program.parent.mkdir()
    rails = "\\n".join(f"     RAIL_{n}_A current({n})=0.5${{now}}A\\n     RAIL_{n}_V volt({n})=2.0V" for n in range(3))
    program.write_text(
        f"""#!/bin/sh
now=$(date +%N | cut -c1-2)
case "$1" in pmic_read_adc) printf "{rails}\\n" ;; *) echo throttled=0x0 ;; esac
"""
    )
    program.chmod(0o755)
    there.path_first(program.parent)
    lines: list[str] = []
    effort = Effort(rounds=1, count=40, warmup=5, seconds=4.0, hold=10.0, meter="pmic", limits=Limits(seconds=60))
    (document,) = measure_devices(
        run, devices=[there.address], candidates=["sdk-native"], effort=effort, report=lines.append
    )
    native = by_name(document)["sdk-native"]
    assert native.energy is not None, lines
    assert native.energy.reason is None
    assert native.energy.estimate is not None
    assert native.energy.clock is not None
    assert native.energy.clock.within_ms == 0
    assert native.energy_mj == native.energy.gross_mj
    assert run.device(document.device) == document
    assert native.throttled is False


def edgeproof(*words: str, folder: Path) -> None:
    """The command line, in a process of its own."""
    script = "from edgeproof.cli import main; main()"
    ended = subprocess.run(
        [sys.executable, "-c", script, *words], cwd=folder, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


@pytest.mark.slow
def test_emulated_pis_from_the_verdict_s_own_sentence(tmp_path: Path) -> None:
    """The command that the verdict of an example prints for a Raspberry Pi, with emulated ones filled in."""
    names = [name for name in ("raspberrypi4", "raspberrypi5") if lacking(BOARDS[name]) is None]
    if not names or not ready(BOARDS[names[0]].architecture):
        lack = lacking(BOARDS["raspberrypi4"])
        pytest.skip(
            str(lack) if lack is not None else "there is no system for it: edgeproof devices emulate raspberrypi4"
        )
    need("aarch64-linux-gnu-gcc")
    example = Path(__file__).parents[2] / "examples" / "digits_snn.py"
    candidates = "sdk-native,sdk-native-int8,onnx-fp32"
    options = ["--candidates", candidates, "--processors", "none", "--cold-starts", "1", "--requests", "20"]
    edgeproof("run", f"{example}:model", *options, "--out", "run", folder=tmp_path)
    run = RunDir.open(tmp_path / "run")
    (verdict,) = (found for found in conclude(run).verdicts if found.device_class == "raspberry-pi")
    assert verdict.candidate == "sdk-native"
    command = next(change.command for change in verdict.would_change if "ssh:USER@HOST" in (change.command or ""))
    for name in names:
        words = shlex.split((command or "").replace("ssh:USER@HOST", f"emulated:{name}"))
        assert words[:2] == ["edgeproof", "measure"]
        edgeproof(*words[1:], folder=tmp_path)
        document = run.device(f"emulated:{name}")
        assert document is not None
        assert (document.device_class, document.emulated) == ("raspberry-pi", True)
        assert document.board is not None
        assert document.board.emulated == "yes"
        assert document.board.signs
        assert (document.board.name or "").startswith(f"Raspberry Pi {name[-1]}")
        for candidate, measured in by_name(document).items():
            assert measured.outputs is not None
            assert measured.outputs.status == "passed"
            assert measured.outputs.samples == 360
            if candidate.startswith("sdk-native"):
                assert (measured.outputs.same_bits, measured.outputs.built is not None) == (True, True)
            assert (measured.steady, measured.cold_start, measured.temperature_c) == (None, None, ())
    (again,) = (found for found in conclude(run).verdicts if found.device_class == "raspberry-pi")
    (standing,) = (found for found in again.standings if found.candidate == "sdk-native")
    (outputs,) = (point for point in standing.points if point.name == "difference")
    assert f"the same bits on emulated:{names[0]}" in outputs.text
    assert all(point.state != "met" for point in standing.points if point.name == "latency")
