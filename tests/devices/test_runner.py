"""The runner as the process that it is on a device."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from tests.doubles.artifact import write_onnx, write_whole

from edgeproof.documents.base import decode
from edgeproof.documents.runner import RunnerReport


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edgeproof.devices.runner", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def test_every_figure_of_a_run(artifact: Path, samples: Path, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs.npz"
    before = time.time_ns()
    done = run(
        artifact, "--inputs", samples, "--outputs", outputs, "--measure", 40, "--warmup", 3, "--exec-unix-ns", before
    )
    report = decode(done.stdout, RunnerReport)
    assert done.returncode == 0, done.stderr
    assert report.error is None
    assert report.samples == 16
    assert len(report.steady_us) == 40
    assert report.warmup == 3
    assert report.load_ms is not None
    assert report.load_ms > 1
    assert report.exec_to_first_ms is not None
    assert report.load_ms < report.exec_to_first_ms < 60_000
    assert report.peak_memory_bytes is not None
    assert report.baseline_memory_bytes is not None
    assert report.peak_memory_bytes > report.baseline_memory_bytes > 1 << 20
    assert report.threads == 1
    assert report.cpus
    summary = report.outputs[0]
    assert (summary.name, summary.shape, summary.nan, summary.inf) == ("scores", (1, 3), 0, 0)


def test_outputs_are_the_model_s_for_every_sample(artifact: Path, samples: Path, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs.npz"
    assert run(artifact, "--inputs", samples, "--outputs", outputs, "--limit", 5).returncode == 0
    with np.load(samples) as given, np.load(outputs) as found:
        expected = given["x"][:5] @ np.arange(12, dtype=np.float32).reshape(4, 3)
        assert found["scores"].shape == (5, 1, 3)
        np.testing.assert_allclose(found["scores"][:, 0], expected, rtol=1e-5)


def test_nan_and_inf_are_counted_over_all_samples(samples: Path, tmp_path: Path) -> None:
    poison = write_onnx(tmp_path / "poison.onnx", poison=True)
    report = decode(run(poison, "--inputs", samples, "--outputs", tmp_path / "o.npz").stdout, RunnerReport)
    assert report.error is None
    assert report.outputs[0].inf == 48


def test_a_cap_in_seconds_ends_the_timing(artifact: Path, samples: Path) -> None:
    report = decode(run(artifact, "--inputs", samples, "--measure", 10**8, "--seconds", 0.2).stdout, RunnerReport)
    assert 4 <= len(report.steady_us) < 10**6


def test_at_a_pace_the_timed_calls_rest_in_between(artifact: Path, samples: Path) -> None:
    report = decode(
        run(artifact, "--inputs", samples, "--measure", 10, "--warmup", 5, "--pace", 0.02).stdout, RunnerReport
    )
    assert report.error is None
    assert (len(report.steady_us), report.warmup) == (10, 8)
    assert report.steady_begin_unix_ns is not None
    assert report.steady_end_unix_ns is not None
    assert (report.steady_end_unix_ns - report.steady_begin_unix_ns) / 1e9 == pytest.approx(0.2, abs=0.1)
    assert report.cpu_percent is not None
    assert report.cpu_percent < 60


def test_a_load_is_held_after_the_timed_calls_and_its_values_are_not_kept(artifact: Path, samples: Path) -> None:
    done = run(artifact, "--inputs", samples, "--measure", 40, "--warmup", 30, "--hold", 0.4, "--window", 0.2)
    report = decode(done.stdout, RunnerReport)
    assert report.error is None
    assert report.stable is not None
    assert report.warmup >= 30
    assert len(report.steady_us) == 40
    assert report.held is not None
    assert report.steady_end_unix_ns is not None
    assert report.held.begin_unix_ns >= report.steady_end_unix_ns
    assert len(report.held.windows) == 2
    assert report.held.calls > 100
    alone = decode(run(artifact, "--inputs", samples, "--hold", 0.2).stdout, RunnerReport)
    assert (alone.steady_us, alone.stable) == ((), None)
    assert alone.held is not None


@pytest.mark.parametrize(
    ("artifact_name", "samples_name", "message"),
    [
        ("nosuch.onnx", "samples.npz", "no artifact"),
        ("broken.onnx", "samples.npz", "broken.onnx"),
        ("tiny.onnx", "nosuch.npz", "nosuch.npz is not there"),
        ("tiny.onnx", "broken.onnx", "neither a folder nor a .npz file"),
        ("unknown.xyz", "samples.npz", "no artifact of a known format"),
    ],
)
def test_failures_are_one_json_with_an_error(
    tmp_path: Path, samples: Path, artifact_name: str, samples_name: str, message: str
) -> None:
    write_onnx(tmp_path / "tiny.onnx")
    (tmp_path / "samples.npz").write_bytes(samples.read_bytes())
    for name in ("broken.onnx", "unknown.xyz"):
        (tmp_path / name).write_bytes(b"not a model")
    done = run(tmp_path / artifact_name, "--inputs", tmp_path / samples_name)
    assert done.returncode == 1
    assert message in json.loads(done.stdout)["error"]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (
            {"x": np.ones((3, 4), np.float32), "extra": np.ones((3, 1))},
            "the samples hold x, extra; the model's inputs are x",
        ),
        ({"x": np.full((3, 4), 1e300)}, "hold values that float32 cannot"),
        ({"x": np.full((3, 4), "a")}, "samples of x are <U1"),
    ],
    ids=["an extra key", "1e300", "text"],
)
def test_samples_that_a_cast_would_change_are_refused(
    artifact: Path, tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    np.savez(tmp_path / "s.npz", **arrays)
    done = run(artifact, "--inputs", tmp_path / "s.npz")
    assert done.returncode == 1
    assert message in json.loads(done.stdout)["error"]


def test_a_whole_number_that_int32_cannot_hold_never_becomes_another(tmp_path: Path) -> None:
    """2**40 + 5 cast to int32 is 5: the runner must not answer for a sample that nobody gave."""
    taken, refused = tmp_path / "taken.npz", tmp_path / "refused.npz"
    np.savez(taken, x=np.full((3, 1), 7))
    np.savez(refused, x=np.full((3, 1), 2**40 + 5))
    whole = write_whole(tmp_path / "whole.onnx")
    assert run(whole, "--inputs", taken).returncode == 0
    done = run(whole, "--inputs", refused)
    assert done.returncode == 1
    assert "samples of x hold values that int32 cannot: they are int64" in json.loads(done.stdout)["error"]


def test_a_memory_limit_costs_the_run_and_says_so(artifact: Path, tmp_path: Path) -> None:
    big = tmp_path / "big.npz"
    np.savez_compressed(big, x=np.zeros((30_000_000, 4), np.float32))  # which is read as a whole
    done = run(artifact, "--inputs", big, "--memory-limit", 300 << 20)
    assert done.returncode == 1
    error = json.loads(done.stdout)["error"]
    assert "memory" in error.lower() or "allocate" in error.lower()


def test_wrong_use_exits_2(artifact: Path) -> None:
    assert run(artifact).returncode == 2
    assert run("--help").returncode == 0


def test_the_runner_itself_imports_nothing_heavy() -> None:
    heavy = ("torch", "numpy", "msgspec", "click")
    code = f"import sys, edgeproof.devices.runner; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
