"""A job done by a static program, on this processor and on others: the library's bits, the runner's figures."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest
from tests.devices.engines import SHAPES, write_artifact, write_digits
from tests.spike.installed import need

from edgeproof.devices.host import run_job
from edgeproof.devices.native_program import (
    Program,
    open_program,
    program_words,
    read_outputs,
    report_of,
    write_inputs,
)
from edgeproof.devices.runner import MOST_WARMUP
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import encode
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import ArtifactError, ConversionError, SignatureError, TrustError, UnsupportedError
from edgeproof.formats.bindings import bind
from edgeproof.formats.litert import FORMAT as LITERT
from edgeproof.formats.sdk_native import FORMAT

EMULATORS = {"x86_64": (), "aarch64": ("qemu-aarch64-static",), "armv7l": ("qemu-arm-static",)}
COMPILERS = {"x86_64": "gcc", "aarch64": "aarch64-linux-gnu-gcc", "armv7l": "arm-linux-gnueabihf-gcc"}


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("artifact")
    write_artifact(folder)
    return folder


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_digits(tmp_path_factory.mktemp("samples") / "heldout.npz")


def program_of(artifact: Path, architecture: str, out: Path) -> Program:
    need(COMPILERS[architecture], *EMULATORS[architecture])
    document = msgspec.json.decode((artifact / ArtifactDocument.FILE).read_bytes(), type=ArtifactDocument)
    return open_program(FORMAT.program_for(architecture, artifact, document, out))


def ran(program: Program, job: RunnerJob, folder: Path, *starter: str) -> tuple[RunnerReport, Path]:
    """The report of a job done by a program here, and its raw outputs."""
    write_inputs(program.document, Path(job.inputs), folder / "in.bin")
    raw = folder / "out.bin"
    words = program_words(job, str(folder / "in.bin"), str(raw) if job.outputs else None)
    environment = {**os.environ, "QEMU_CPU": "cortex-a7"} if "arm" in "".join(starter) else None
    done = subprocess.run([*starter, str(program.file), *words], capture_output=True, check=True, env=environment)
    return report_of(done.stdout, job), raw


@pytest.mark.parametrize("architecture", EMULATORS)
def test_it_gives_the_library_s_bits(architecture: str, artifact: Path, inputs: Path, tmp_path: Path) -> None:
    program = program_of(artifact, architecture, tmp_path / "program")
    asked = RunnerJob(artifact=str(artifact), inputs=str(inputs), outputs=str(tmp_path / "here.npz"))
    assert run_job(asked).error is None
    report, raw = ran(program, asked, tmp_path, *EMULATORS[architecture])
    outputs = read_outputs(program.document, raw, tmp_path / "there.npz")
    here, there = np.load(tmp_path / "here.npz"), np.load(tmp_path / "there.npz")
    assert list(here) == list(there) == list(SHAPES)
    assert all(here[name].tobytes() == there[name].tobytes() and here[name].shape == (40, 1, 10) for name in SHAPES)
    assert (report.samples, report.error, [told.nan for told in outputs]) == (40, None, [0, 0])
    assert [(told.name, told.dtype, told.shape) for told in outputs] == [
        ("spikes", "float32", (1, 10)),
        ("membrane", "float32", (1, 10)),
    ]


def test_it_measures_what_the_runner_measures(artifact: Path, inputs: Path, tmp_path: Path) -> None:
    program = program_of(artifact, "x86_64", tmp_path / "program")
    job = RunnerJob(artifact="there/program", inputs=str(inputs), measure=200, warmup=7, seconds=5.0)
    before = time.time_ns()
    report, _ = ran(program, job, tmp_path)
    after = time.time_ns()
    assert (report.artifact, report.threads, report.samples) == ("there/program", 1, 40)
    assert (len(report.steady_us), report.warmup) == (200, 7)
    assert all(0 < value < 1e6 for value in report.steady_us)
    assert before <= (report.started_unix_ns or 0) <= (report.first_result_unix_ns or 0) <= after
    assert (report.started_monotonic_ns or 0) < (report.first_result_monotonic_ns or 0)
    assert report.load_ms is not None
    assert 0 < (report.first_inference_us or 0) < 1e6
    assert 0 < (report.baseline_memory_bytes or 0) <= (report.peak_memory_bytes or 0) < 64 << 20
    assert report.cpus == tuple(sorted(os.sched_getaffinity(0)))
    assert set(report.ran_on) <= set(report.cpus)
    assert report.exec_to_first_ms is None
    quick, _ = ran(program, msgspec.structs.replace(job, measure=10**7, warmup=10**7, seconds=0.2), tmp_path)
    assert 4 <= len(quick.steady_us) < 10**7
    assert 0 < quick.warmup < 10**7


def test_a_pace_and_a_hold(artifact: Path, inputs: Path, tmp_path: Path) -> None:
    program = program_of(artifact, "x86_64", tmp_path / "program")
    job = RunnerJob(artifact="a", inputs=str(inputs), measure=11, pace=0.02, warmup=1, hold=0.4, window=0.1)
    report, _ = ran(program, job, tmp_path)
    assert (report.steady_begin_unix_ns, report.steady_end_unix_ns) != (None, None)
    lasted = (report.steady_end_unix_ns or 0) - (report.steady_begin_unix_ns or 0)
    assert 11 * 0.02 <= lasted / 1e9 < 2
    assert report.warmup == 1 + 3, "three calls at the pace find the processor still awake"
    assert (report.cpu_percent or 100) < 60
    held = report.held
    assert held is not None
    assert held.begin_unix_ns >= (report.steady_end_unix_ns or 0)
    assert 0.4 <= held.seconds < 2
    assert abs((held.end_unix_ns - held.begin_unix_ns) / 1e9 - held.seconds) < 0.2
    assert len(held.windows) == 4
    assert held.calls == sum(window.count for window in held.windows) > 400
    assert 0.05 < held.busy_share <= 1
    assert [round(window.start_s, 1) for window in held.windows] == [0.0, 0.1, 0.2, 0.3]
    for window in held.windows:
        assert 0 < window.median_us <= (window.p90_us or 0) <= (window.p99_us or 0) <= window.max_us
        assert (window.resident_bytes or 0) > 0
    longest = RunnerJob(artifact="a", inputs=str(inputs), hold=60.0)
    assert program_words(longest, "in")[-4:] == ["--hold", "60", "--window", "3"]


def test_a_warm_up_goes_on_until_its_times_agree(artifact: Path, inputs: Path, tmp_path: Path) -> None:
    program = program_of(artifact, "x86_64", tmp_path / "program")
    report, _ = ran(program, RunnerJob(artifact="a", inputs=str(inputs), measure=20, warmup=30), tmp_path)
    assert 30 <= report.warmup <= 30 * MOST_WARMUP
    assert report.stable is not None
    assert report.stable or report.warmup == 30 * MOST_WARMUP


def test_many_samples_are_read_call_by_call(artifact: Path, tmp_path: Path) -> None:
    program = program_of(artifact, "x86_64", tmp_path / "program")
    write_digits(tmp_path / "few.npz")
    repeated = np.tile(np.load(tmp_path / "few.npz")["pixels"], (500, 1, 1))
    np.savez(tmp_path / "large.npz", pixels=repeated)
    job = RunnerJob(artifact="a", inputs=str(tmp_path / "large.npz"), outputs="yes", measure=50)
    report, raw = ran(program, job, tmp_path)
    assert repeated.nbytes > 4 << 20
    assert report.samples == 20_000
    assert (report.peak_memory_bytes or 0) < 4 << 20
    rows = np.fromfile(raw, "<f4").reshape(500, -1)
    assert np.all(rows == rows[0])


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--inputs", "nowhere"], 1, "nowhere cannot be read: No such file"),
        (["--inputs", "short"], 1, "short has 3 bytes; expected samples of 256"),
        (["--inputs", "empty"], 1, "empty has 0 bytes"),
        (["--inputs", "one", "--outputs", "no/where"], 1, "no/where cannot be written: No such file"),
        (["--inputs", "one", "--outputs", "/dev/full"], 1, "/dev/full cannot be written: No space left"),
        (["--inputs", "one", "--measure", "-3"], 2, "usage: "),
        (["--inputs", "one", "--measure"], 2, "usage: "),
        (["--measure", "3"], 2, "usage: "),
        (["--inputs", "one", "--twice", "3"], 2, "usage: "),
    ],
)
def test_what_is_wrong_is_said(words: list[str], code: int, said: str, artifact: Path, tmp_path: Path) -> None:
    program = program_of(artifact, "x86_64", tmp_path / "program")
    for name, size in (("short", 3), ("empty", 0), ("one", 256)):
        (tmp_path / name).write_bytes(bytes(size))
    done = subprocess.run([str(program.file), *words], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_answers_that_are_none(artifact: Path, inputs: Path, tmp_path: Path) -> None:
    job = RunnerJob(artifact="a", inputs="b")
    for said in (b"", b"{", b'{"schema":"edgeproof.runner/9","artifact":"a"}', b'{"schema":"edgeproof.runner/1"}'):
        assert "cannot be read" in (report_of(said, job).error or "")
    program = program_of(artifact, "x86_64", tmp_path / "program")
    (tmp_path / "torn").write_bytes(bytes(79))
    with pytest.raises(ArtifactError, match="torn has 79 bytes of outputs; expected a whole number of 80"):
        read_outputs(program.document, tmp_path / "torn")
    whole = msgspec.structs.replace(
        program.document, inputs=bind([TensorSpec(name="n", dtype="int64", shape=(1,))], ["n"])
    )
    with pytest.raises(SignatureError, match="n is int64; the program takes float32"):
        write_inputs(whole, inputs, tmp_path / "in.bin")


def test_nan_and_infinity_are_counted(artifact: Path, tmp_path: Path) -> None:
    program = program_of(artifact, "x86_64", tmp_path / "program")
    rows = np.zeros((2, 20), "<f4")
    rows[0, 3], rows[1, 15:17] = np.nan, (np.inf, -np.inf)
    rows.tofile(tmp_path / "raw")
    spikes, membrane = read_outputs(program.document, tmp_path / "raw")
    assert (spikes.nan, spikes.inf, membrane.nan, membrane.inf) == (1, 0, 0, 2)


def test_a_program_of_unknown_origin_asks_for_trust(artifact: Path, tmp_path: Path) -> None:
    program = program_of(artifact, "x86_64", tmp_path / "program")
    foreign = msgspec.structs.replace(program.document, mark=None)
    (tmp_path / "program" / ArtifactDocument.FILE).write_bytes(encode(foreign))
    with pytest.raises(TrustError, match="not made by this user"):
        open_program(tmp_path / "program")
    assert open_program(tmp_path / "program", trust=True).file == program.file
    program.file.write_bytes(b"another")
    with pytest.raises(ArtifactError, match="sha256 differs"):
        open_program(tmp_path / "program", trust=True)


def test_what_cannot_be_a_program(artifact: Path, tmp_path: Path) -> None:
    document = msgspec.json.decode((artifact / ArtifactDocument.FILE).read_bytes(), type=ArtifactDocument)
    with pytest.raises(UnsupportedError, match="has no program that runs an artifact"):
        LITERT.program_for("aarch64", artifact, document, tmp_path)
    with pytest.raises(ConversionError, match="not built for s390x"):
        FORMAT.program_for("s390x", artifact, document, tmp_path)
    with pytest.raises(ArtifactError, match="its C source is not beside it"):
        FORMAT.program_for("aarch64", tmp_path, document, tmp_path)
