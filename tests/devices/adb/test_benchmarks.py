"""ONNX Runtime's own program on a phone: a double of it, which writes times in that program's form."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.devices.adb.here import phone_at
from tests.doubles.adb.daemon import Daemon
from tests.doubles.adb.phone import write_phone
from tests.doubles.artifact import write_onnx, write_samples

from edgeproof.devices.adb.benchmarks import ONNX_RUNTIME, Benchmark, benchmarks_here
from edgeproof.devices.adb.device import AdbDevice
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import encode
from edgeproof.documents.runner import RunnerJob
from edgeproof.errors import DeviceError
from edgeproof.process import Limits

LIMITS = Limits(seconds=60, wall_seconds=60)
DOUBLE = """#!/bin/sh
# onnxruntime_perf_test -e cpu -x THREADS -m times -r CALLS -I MODEL RESULTS
[ "$1 $2 $3 $4 $5 $6 $7 $9 ${11##*.}" = "-e cpu -x 2 -m times -r -I onnx" ] || [ "$9" = "-I" ] || exit 9
model=${10}; results=${11}
[ -f "$model" ] || { echo "no $model" >&2; exit 1; }
echo 'Session creation time cost: 0.0125 s'
echo 'First inference time cost: 3 ms'
call=0
while [ $call -lt "$8" ]; do echo "tiny,$((call + 1))e-05,41000960,97,$call" >> "$results"; call=$((call + 1)); done
"""


@pytest.fixture
def phone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    program = tmp_path / "onnxruntime_perf_test"
    program.write_text(DOUBLE)
    monkeypatch.setenv(ONNX_RUNTIME, str(program))
    with phone_at(write_phone(tmp_path / "phone"), tmp_path, monkeypatch) as daemon:
        yield daemon


@pytest.fixture
def device(phone: Daemon) -> Iterator[AdbDevice]:
    opened = AdbDevice(f"localhost:{phone.port}")
    yield opened
    opened.close()


def job_of(device: AdbDevice, folder: Path) -> RunnerJob:
    artifact = folder / "artifact"
    artifact.mkdir()
    write_onnx(artifact / "tiny.onnx")
    document = ArtifactDocument(
        candidate="onnx-fp32", format="onnx", precision="fp32", form="whole", file="tiny.onnx", sha256="", bytes=1,
        inputs=(), outputs=(),
    )  # fmt: skip
    (artifact / ArtifactDocument.FILE).write_bytes(encode(document))
    samples = write_samples(folder / "samples.npz")
    return RunnerJob(artifact=device.put(artifact), inputs=device.put(samples), measure=20, warmup=5, threads=2)


def test_single_times_of_a_phone(device: AdbDevice, tmp_path: Path) -> None:
    assert device.place().timed_only == (".onnx",)
    report = device.run(job_of(device, tmp_path), LIMITS)
    assert report.error is None
    assert report.steady_us == tuple(10.0 * call for call in range(6, 26))
    assert (report.load_ms, report.first_inference_us, report.peak_memory_bytes) == (12.5, 3000.0, 41000960)
    assert (report.warmup, report.threads, report.samples, report.outputs) == (5, 2, 0, ())
    assert len(report.conditions) == 2
    again = device.run(job_of_again(device, tmp_path), LIMITS)
    assert len(again.steady_us) == 20, "the file of an earlier process is none of this one's"


def job_of_again(device: AdbDevice, folder: Path) -> RunnerJob:
    artifact, samples = device.put(folder / "artifact"), device.put(folder / "samples.npz")
    return RunnerJob(artifact=artifact, inputs=samples, measure=20, warmup=5, threads=2)


def test_outputs_and_paces_are_none_of_its(device: AdbDevice, tmp_path: Path) -> None:
    import msgspec

    job = job_of(device, tmp_path)
    for more in ({"outputs": "o.npz"}, {"pace": 0.1}, {"hold": 1.0}):
        error = device.run(msgspec.structs.replace(job, **more), LIMITS).error
        assert error == "onnxruntime_perf_test gives times of calls back to back alone"


@pytest.mark.parametrize("results", ["", "garbage\n", "a,b,c,d,e\n", "tiny,0.0,1,2,0\n", "tiny,nan,1,2,0\n"])
def test_times_that_are_none(results: str) -> None:
    job = RunnerJob(artifact="a", inputs="b", measure=1, warmup=0)
    assert "onnxruntime_perf_test wrote" in (Benchmark(Path("p")).read("", results, job).error or "")


def test_a_program_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ONNX_RUNTIME, "/nowhere/perf_test")
    with pytest.raises(DeviceError, match="EDGEPROOF_ONNXRUNTIME_PERF_TEST names /nowhere/perf_test"):
        benchmarks_here()
    monkeypatch.delenv(ONNX_RUNTIME)
    assert benchmarks_here() == {}
