"""The scripts as they are called, with the real programs; only SSH has a double."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from tests.doubles.artifact import write_onnx
from tests.phases.run_folder import add_conversion, make_run

from edgeproof.documents.device import DeviceDocument
from edgeproof.rundir import RunDir

SCRIPTS = Path(__file__).parents[2] / "scripts" / "device"
DOUBLES = Path(__file__).parents[1] / "doubles"
RPI = "rpi_setup_and_bench.sh"


def call(script: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = ["bash" if script.endswith(".sh") else sys.executable, str(SCRIPTS / script), *map(str, arguments)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=180, check=False, env={**os.environ, **environment}
    )


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
def pi(tmp_path: Path) -> dict[str, str]:
    """The environment in which ``ssh`` is the double, and the Pi's home is a folder."""
    home, programs = tmp_path / "pi home", tmp_path / "bin"
    home.mkdir()
    programs.mkdir()
    shutil.copy(DOUBLES / "ssh", programs / "ssh")
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "SSH_DOUBLE_HOME": str(home),
        "PYTHON": sys.executable,
    }


def rpi(run: RunDir, *arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    quick = ("--rounds", 2, "--measure", 20, "--warmup", 2, "--remote-python", sys.executable)
    return call(RPI, "pi@pi.local", run.root, *quick, *arguments, **environment)


def measured_by_the_pi(run: RunDir) -> DeviceDocument | None:
    return run.device("ssh:pi@pi.local")


def test_a_pi_is_measured_and_its_document_is_in_the_run(tmp_path: Path, pi: dict[str, str]) -> None:
    run = make_run(tmp_path)
    add_conversion(run, ["onnx-fp32", "onnx-int8"], failed=["litert-fp32"])
    run.path("artifacts/onnx-int8/tiny.onnx").write_bytes(b"damaged")
    (Path(pi["PATH"].split(":")[0]) / "vcgencmd").write_text(
        '#!/bin/sh\n[ $1 = get_throttled ] && echo throttled=0x50000 || echo "temp=48.3\'C"\n'
    )
    (Path(pi["PATH"].split(":")[0]) / "vcgencmd").chmod(0o755)
    done = rpi(run, "--other-board", **pi)
    assert done.returncode == 0, done.stderr
    assert "onnx-fp32: ok: median" in done.stdout
    document = measured_by_the_pi(run)
    assert document is not None
    assert run.path("phase4_devices/ssh-pi@pi.local.json").is_file()
    assert (document.device, document.device_class) == ("ssh:pi@pi.local", "raspberry-pi")
    good, bad, failed = document.measurements
    assert good.steady is not None
    assert good.steady.count == 40
    assert good.cold_start is not None
    assert good.cold_start.processes == 2
    assert good.throttled is False
    assert bad.status == "failed"
    assert "tiny.onnx" in (bad.reason or "")
    assert failed.status == "skipped"
    assert len(json.loads(run.path(good.steady.raw).read_bytes())) == 40


def test_a_pi_that_throttles_does_not_count(tmp_path: Path, pi: dict[str, str]) -> None:
    run = make_run(tmp_path)
    add_conversion(run, ["onnx-fp32"])
    program = Path(pi["PATH"].split(":")[0]) / "vcgencmd"
    program.write_text(
        "#!/bin/sh\necho x >> count; echo throttled=0x$([ $(wc -l < count) -gt 2 ] && echo 40004 || echo 0)\n"
    )
    program.chmod(0o755)
    done = rpi(run, "--other-board", **pi)
    assert done.returncode == 1
    assert "throttled while it was measured" in done.stderr
    document = measured_by_the_pi(run)
    assert document is not None
    assert document.measurements[0].throttled is True


def test_another_board_is_no_pi_unless_it_is_said(tmp_path: Path, pi: dict[str, str]) -> None:
    run = make_run(tmp_path)
    add_conversion(run, ["onnx-fp32"])
    done = rpi(run, **pi)
    assert done.returncode == 1
    assert "not a Raspberry Pi" in done.stderr
    assert measured_by_the_pi(run) is None
    assert run.devices() == ()


def test_a_pi_that_refuses_is_said_with_what_to_do(tmp_path: Path, pi: dict[str, str]) -> None:
    run = make_run(tmp_path)
    add_conversion(run, ["onnx-fp32"])
    done = rpi(run, SSH_DOUBLE_REFUSE="1", **pi)
    assert done.returncode == 1
    assert "ssh-copy-id pi@pi.local" in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["pi@x"],
        ["x", "."],
        ["-oProxyCommand=x@y", "."],
        ["pi@x", "/nosuch"],
        ["pi@x", ".", "--port", "ssh"],
        ["pi@x", ".", "--folder", "../.."],
        ["pi@x", ".", "--folder", "$(reboot)"],
        ["pi@x", ".", "--remote-python", "a;b"],
        ["pi@x", ".", "--rounds"],
    ],
)
def test_wrong_use_of_the_pi_script_reaches_no_network(arguments: list[str], pi: dict[str, str]) -> None:
    done = call(RPI, *arguments, **pi)
    assert done.returncode == 2
    assert "error:" in done.stderr


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, pi: dict[str, str]) -> None:
    done = call(RPI, "pi@x", tmp_path, **pi)
    assert done.returncode == 2
    assert "not a run folder" in done.stderr
