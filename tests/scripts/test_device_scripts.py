"""The scripts as they are called, with the real programs; the Pi is a server on loopback."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.devices.loopback import Board, board, missing
from tests.doubles.artifact import write_onnx
from tests.phases.run_folder import add_conversion, make_run

SCRIPTS = Path(__file__).parents[2] / "scripts" / "device"
RPI = "rpi_setup_and_bench.sh"


def call(script: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["bash" if script.endswith(".sh") else sys.executable, str(SCRIPTS / script), *map(str, arguments)]
    # The shell's own $PYTHON may name one without the package: the tests' own is meant.
    env = {**os.environ, "PYTHON": sys.executable, **environment}
    return subprocess.run(command, capture_output=True, text=True, timeout=180, check=False, env=env)


@pytest.mark.parametrize(
    "script", ["edge_server.py", "mobile_client_sim.py", "collect_bench_and_log.py", "plot_bench.py", RPI]
)
def test_help_works_and_wrong_use_exits_2(script: str) -> None:
    done = call(script, "--help")
    assert done.returncode == 0
    assert "usage:" in done.stdout.lower()
    assert call(script, "--nonsense").returncode == 2


def test_server_client_collection_and_drawing(tmp_path: Path) -> None:
    artifact = write_onnx(tmp_path / "tiny.onnx")
    server = subprocess.Popen(
        [sys.executable, str(SCRIPTS / "edge_server.py"), str(artifact), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"]
        raw = tmp_path / "client.json"
        assert call("mobile_client_sim.py", url, "--requests", 20, "--out", raw).returncode == 0
        collected = call("collect_bench_and_log.py", url, "--out", tmp_path / "log", "--repeats", 2, "--requests", 12)
        assert collected.returncode == 0
        assert collected.stdout.strip().endswith("log.csv")
    finally:
        server.send_signal(signal.SIGTERM)
        assert server.wait(20) == 0
        assert server.stdout is not None
        server.stdout.close()
    plot = tmp_path / "plot.svg"
    assert call("plot_bench.py", raw, tmp_path / "log/raw/001.json", "--out", plot).returncode == 0
    assert b"<svg" in plot.read_bytes()
    failed = call("plot_bench.py", artifact, "--out", plot)
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr


@pytest.fixture
def there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Board]:
    lacking = missing()
    if lacking is not None:
        pytest.skip(lacking)
    with board(tmp_path / "board", monkeypatch) as found:
        yield found


def test_a_pi_is_measured_and_its_document_is_in_the_run(tmp_path: Path, there: Board) -> None:
    run = make_run(tmp_path)
    add_conversion(run, ["onnx-fp32", "onnx-int8"], failed=["litert-fp32"])
    run.path("artifacts/onnx-int8/tiny.onnx").write_bytes(b"damaged")
    done = call(
        RPI,
        "pi@127.0.0.1",
        run.root,
        "--port",
        there.port,
        "--measure",
        40,
        "--other-board",
        XDG_CACHE_HOME=str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert "On a Raspberry Pi" in done.stdout
    document = run.device(f"ssh:pi@127.0.0.1:{there.port}")
    assert document is not None
    assert document.device_class == "raspberry-pi"
    assert document.board is not None
    assert document.board.contradictions == ("as its user says",)
    good, bad, failed = document.measurements
    assert good.steady is not None
    assert good.steady.count == 40
    assert good.cold_start is not None
    assert good.cold_start.processes == 2
    assert bad.status in {"failed", "skipped"}
    assert "tiny.onnx" in (bad.reason or "")
    assert failed.status == "skipped"


def test_a_pi_that_refuses_is_said_with_what_to_do(tmp_path: Path, there: Board) -> None:
    run = make_run(tmp_path)
    add_conversion(run, ["onnx-fp32"])
    (there.folder / "user.pub").write_text("")
    done = call(RPI, "pi@127.0.0.1", run.root, "--port", there.port)
    assert done.returncode == 1
    assert f"ssh-copy-id -p {there.port} pi@127.0.0.1" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["pi@x"],
        ["-oProxyCommand=x@y", "."],
        ["pi@x", "/nosuch"],
        ["pi@x", ".", "--port"],
        ["pi@x", ".", "--rounds", "2"],
    ],
)
def test_wrong_use_of_the_pi_script_reaches_no_network(arguments: list[str]) -> None:
    done = call(RPI, *arguments)
    assert done.returncode == 2
    assert "error:" in done.stderr


@pytest.mark.parametrize("target", ["pi@x:ssh", "pi@$(reboot)", "a b@x"])
def test_what_is_no_board_is_refused(tmp_path: Path, target: str) -> None:
    run = make_run(tmp_path)
    add_conversion(run, ["onnx-fp32"])
    done = call(RPI, target, run.root, PYTHON=sys.executable)
    assert done.returncode == 2
    assert "is no device" in done.stderr


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    done = call(RPI, "pi@x", tmp_path, PYTHON=sys.executable)
    assert done.returncode == 2
    assert "not a run folder" in done.stderr


def test_a_python_without_the_package_is_told(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\nexit 1\n")
    python.chmod(0o755)
    done = call(RPI, "pi@x", tmp_path, PYTHON=str(python))
    assert done.returncode == 1
    assert f"error: {python} has no edgeproof" in done.stderr
    assert "hint: PYTHON=PATH" in done.stderr
