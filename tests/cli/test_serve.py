"""``serve``, ``bench``, ``devices`` and ``soak`` as a user types them."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.doubles.artifact import write_onnx, write_samples, write_whole

from edgeproof.documents.base import decode
from edgeproof.documents.latency import LatencySummary
from edgeproof.serve.spawned import SpawnedServer

DOUBLE = Path(__file__).parents[1] / "doubles" / "session.py"
EDGEPROOF = [sys.executable, "-c", "from edgeproof.cli import main; main()"]


def edgeproof(*arguments: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [*EDGEPROOF, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=cwd)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_onnx(tmp_path_factory.mktemp("artifact") / "tiny.onnx")


@pytest.fixture(scope="module")
def served(artifact: Path) -> Iterator[SpawnedServer]:
    command = [*EDGEPROOF, "serve", str(artifact), "--port", "0", "--name", "digits"]
    with SpawnedServer(artifact, command=command, timeout_s=60) as server:
        yield server


@pytest.mark.parametrize("command", ["serve", "bench", "devices", "soak"])
def test_help_has_an_example(command: str) -> None:
    done = edgeproof(command, "--help")
    assert done.returncode == 0
    assert f"edgeproof {command}" in done.stdout


def test_what_a_model_prints_is_no_line_of_the_server_s(tmp_path: Path) -> None:
    (tmp_path / "loud.py").write_text(
        "import torch, edgeproof\n"
        "class Loud(torch.nn.Linear):\n"
        "    def forward(self, input):\n"
        "        print('called')\n"
        "        return super().forward(input)\n"
        "def make():\n"
        "    print('made')\n"
        "    return edgeproof.Model(Loud(4, 2), inputs=['input:float32[1,4]'])\n"
    )
    words = [*EDGEPROOF, "serve", "loud.py:make", "--port", "0"]
    with subprocess.Popen(
        words, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as server:
        assert server.stdout is not None
        ready = json.loads(server.stdout.readline())
        done = edgeproof("bench", ready["url"], "--requests", 2, "--warmup", 0)
        server.terminate()
        out, err = server.communicate(timeout=30)
    assert done.returncode == 0, done.stderr
    assert out == ""
    assert "made" in err
    assert "called" in err


def test_bench_prints_phase_2_s_document_and_nothing_else(served: SpawnedServer, tmp_path: Path) -> None:
    raw, samples = tmp_path / "raw.json", write_samples(tmp_path / "s.npz")
    done = edgeproof("bench", served.ready.url, "--requests", 64, "--samples", samples, "--raw", raw, "--json")
    assert done.returncode == 0, done.stderr
    summary = decode(done.stdout, LatencySummary)
    assert summary.model == "digits"
    assert summary.served[0].steady.p90.value_us is not None
    assert summary.served[0].steady.raw == str(raw)
    assert len(json.loads(raw.read_text())["latency_us"]) == 64
    assert done.stderr == ""


def test_bench_for_people_says_what_is_not_known(served: SpawnedServer) -> None:
    done = edgeproof("bench", served.ready.url, "--rate", 200)
    assert done.returncode == 0
    assert "needs 30 more requests" in done.stdout
    assert "not measured: cold_start" in done.stdout
    assert "from the intended send time" in done.stdout


def test_bench_takes_a_folder_of_samples(served: SpawnedServer, tmp_path: Path) -> None:
    for index in range(8):
        np.save(tmp_path / f"{index}.npy", np.ones(4, np.float32))
    assert edgeproof("bench", served.ready.url, "--samples", tmp_path, "--requests", 11).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["http://127.0.0.1:9"], 1, "cannot reach a server"),
        (["https://127.0.0.1"], 2, "not an http URL"),
        ([], 2, "Missing argument 'URL'"),
        (["http://127.0.0.1:9", "--requests", "0"], 2, "--requests"),
        (["http://127.0.0.1:9", "--rate", "0"], 2, "--rate"),
        (["http://127.0.0.1:9", "--samples", "nosuch.npz"], 2, "nosuch.npz"),
    ],
)
def test_bench_fails_with_its_code_and_no_traceback(arguments: list[str], code: int, message: str) -> None:
    done = edgeproof("bench", *arguments)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_bench_names_the_models_when_the_model_is_unknown(served: SpawnedServer) -> None:
    done = edgeproof("bench", served.ready.url, "--name", "nope")
    assert done.returncode == 1
    assert "it serves digits" in done.stderr


def test_bench_of_a_service_that_is_no_inference_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            client, _ = listener.accept()
            client.recv(1000)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")
            client.close()

        threading.Thread(target=answer, daemon=True).start()
        done = edgeproof("bench", f"http://127.0.0.1:{listener.getsockname()[1]}")
    assert done.returncode == 1
    assert "does not speak the Open Inference Protocol" in done.stderr


def test_bench_of_a_server_that_is_killed_ends_with_1() -> None:
    command = [sys.executable, str(DOUBLE), "0", "4", "0.005"]
    with SpawnedServer(Path("double"), command=command, timeout_s=30) as server:
        threading.Timer(2.0, lambda: os.kill(server.ready.pid, signal.SIGKILL)).start()
        done = edgeproof("bench", server.ready.url, "--requests", 100_000)
    assert done.returncode == 1
    assert "cannot reach a server" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["nosuch.py:model"], 2), (["nosuch.onnx"], 2), (["x", "--port", "70000"], 2), (["x", "--threads", "0"], 2)],
)
def test_serve_with_nothing_to_serve(arguments: list[str], code: int, tmp_path: Path) -> None:
    done = edgeproof("serve", *arguments, cwd=tmp_path)
    assert done.returncode == code
    assert "Traceback" not in done.stderr
    assert done.stderr


def test_serve_of_a_damaged_artifact(tmp_path: Path) -> None:
    (tmp_path / "broken.onnx").write_bytes(b"not a model")
    done = edgeproof("serve", tmp_path / "broken.onnx")
    assert done.returncode == 1
    assert "broken.onnx" in done.stderr


def test_serve_of_a_model_runs_it_in_its_own_engine(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "import torch\n\ndef model():\n    torch.manual_seed(0)\n    return torch.nn.Linear(4, 3)\n"
    )
    reference = f"{tmp_path / 'net.py'}:model"
    command = [*EDGEPROOF, "serve", reference, "--input", "x:float32[1,4]", "--port", "0"]
    with SpawnedServer(tmp_path, command=command, timeout_s=120) as server:
        assert server.ready.model == "model"
        summary = json.loads(edgeproof("bench", server.ready.url, "--json").stdout)
    assert summary["served"][0]["candidate"] == "eager"
    assert summary["served"][0]["errors"] == 0


def test_serve_on_a_port_in_use(served: SpawnedServer, artifact: Path) -> None:
    done = edgeproof("serve", artifact, "--port", served.ready.url.rpartition(":")[2])
    assert done.returncode == 1
    assert "hint: use another --port" in done.stderr


def test_serve_ends_on_ctrl_c_without_noise(artifact: Path) -> None:
    command = [*EDGEPROOF, "serve", str(artifact), "--port", "0"]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert json.loads(child.stdout.readline())["model"] == "tiny"
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=20)
    assert (child.returncode, errors) == (0, "")


def test_devices_lists_the_host() -> None:
    done = edgeproof("devices", "--json")
    assert json.loads(done.stdout)["devices"][0]["address"] == "host"
    assert "host" in edgeproof("devices").stdout
    assert edgeproof("devices", "toaster").returncode == 2


def test_soak_reports_windows(artifact: Path, tmp_path: Path) -> None:
    samples = write_samples(tmp_path / "s.npz")
    done = edgeproof("soak", artifact, "--seconds", 0.6, "--window", 0.2, "--samples", samples, "--json")
    report = json.loads(done.stdout)
    assert len(report["windows"]) == 3
    assert report["count"] > 100
    assert edgeproof("soak", artifact, "--seconds", 0.4).returncode == 0
    assert edgeproof("soak", artifact, "--seconds", 1, "--window", 0.9).returncode == 2
    assert edgeproof("soak", "nosuch.onnx").returncode == 2


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.full((3, 4), 1e300)}, "samples of x hold values that float32 cannot: they are float64"),
        (
            {"x": np.ones((3, 4), np.float32), "extra": np.ones(3)},
            "the samples hold x, extra; the model's inputs are x",
        ),
        ({"x": np.ones((3, 5), np.float32)}, "has the shape [5]; the model takes [1, 4]"),
    ],
    ids=["1e300", "an extra key", "another shape"],
)
def test_bench_and_soak_refuse_samples_that_a_cast_would_change(
    served: SpawnedServer, artifact: Path, tmp_path: Path, arrays: dict[str, np.ndarray], message: str
) -> None:
    np.savez(tmp_path / "s.npz", **arrays)
    for words in (("bench", served.ready.url), ("soak", artifact, "--seconds", 0.4, "--quiet")):
        done = edgeproof(*words, "--samples", tmp_path / "s.npz")
        assert (done.returncode, done.stdout) == (2, "")
        assert message in done.stderr
        assert "Traceback" not in done.stderr


def test_bench_and_soak_never_run_another_number_than_the_sample_s(tmp_path: Path) -> None:
    """2**40 + 5 cast to int32 is 5."""
    whole = write_whole(tmp_path / "whole.onnx")
    np.savez(tmp_path / "s.npz", x=np.full((3, 1), 2**40 + 5))
    with SpawnedServer(whole, timeout_s=60) as server:
        for words in (("bench", server.ready.url), ("soak", whole, "--seconds", 0.4, "--quiet")):
            done = edgeproof(*words, "--samples", tmp_path / "s.npz")
            assert (done.returncode, done.stdout) == (2, "")
            assert "samples of x hold values that int32 cannot: they are int64" in done.stderr


def test_soak_says_its_windows_no_more_than_it_is_asked(artifact: Path) -> None:
    loud = edgeproof("soak", artifact, "--seconds", 0.4)
    quiet = edgeproof("soak", artifact, "--seconds", 0.4, "--quiet")
    assert (loud.returncode, quiet.returncode, quiet.stderr) == (0, 0, "")
    assert re.fullmatch(r"soak: done in \d+\.\d s\n", loud.stderr)
    assert "median" in quiet.stdout


def test_a_server_and_its_client_share_a_token(artifact: Path, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-token-of-the-tests-0\n")
    command = [*EDGEPROOF, "serve", str(artifact), "--port", "0", "--host", "0.0.0.0", "--token-file", str(token)]
    with SpawnedServer(artifact, command=command, timeout_s=60) as server:
        url = f"http://127.0.0.1:{server.ready.url.rpartition(':')[2]}"
        asked = edgeproof("bench", url, "--requests", 5, "--token-file", token)
        assert asked.returncode == 0, asked.stderr
        refused = edgeproof("bench", url, "--requests", 5)
    assert refused.returncode == 1
    assert "HTTP 401: this server asks for its token" in refused.stderr


def test_what_others_reach_is_refused_without_protection(artifact: Path, tmp_path: Path) -> None:
    refused = edgeproof("serve", artifact, "--host", "0.0.0.0", "--port", 0)
    assert refused.returncode == 2
    assert "nothing protects it" in refused.stderr
    assert "--client-ca" in refused.stderr
    no_token = edgeproof("serve", artifact, "--token-file", tmp_path / "gone")
    assert no_token.returncode == 2
    assert "cannot be read" in no_token.stderr
