"""``soak`` as a user types it: stopped, killed, and gone on with."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cli.calling import Call
from tests.doubles.artifact import write_onnx

WORDS = [sys.executable, "-c", "from edgeproof.cli import main; main()", "soak"]


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    return write_onnx(tmp_path / "tiny.onnx")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_what_was_seen_outlives_the_process_and_is_gone_on_with(
    edgeproof: Call, artifact: Path, tmp_path: Path, how: signal.Signals
) -> None:
    file = tmp_path / "soak.json"
    words = [*WORDS, str(artifact), "--duration", "1min", "--window", "0.2", "--out", str(file), "--quiet"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        end = time.monotonic() + 60
        while not file.is_file() and time.monotonic() < end:
            time.sleep(0.1)
        time.sleep(1.5)
        child.send_signal(how)
        _, err = child.communicate(timeout=60)
    kept = json.loads(file.read_text())
    assert kept["partial"] is True
    assert len(kept["windows"]) >= 5
    if how == signal.SIGINT:
        assert child.returncode == 130
        assert f"edgeproof soak --resume {file}" in err

    kept["asked_seconds"] = kept["seconds"] + 0.6
    file.write_text(json.dumps(kept))
    code, out, _ = edgeproof("soak", "--resume", file, "--json")
    seen = json.loads(out)
    assert (code, seen["partial"], len(seen["segments"])) == (0, False, 2)
    assert len(seen["windows"]) == len(kept["windows"]) + 3
    code, _, err = edgeproof("soak", "--resume", file)
    assert (code, "that soak is over" in err) == (2, True)


def test_another_artifact_in_its_place_is_refused(edgeproof: Call, artifact: Path, tmp_path: Path) -> None:
    file = tmp_path / "soak.json"
    assert edgeproof("soak", artifact, "--seconds", 0.4, "--out", file, "--json")[0] == 0
    kept = json.loads(file.read_text())
    file.write_text(json.dumps({**kept, "partial": True, "sha256": "0" * 64}))
    code, _, err = edgeproof("soak", "--resume", file)
    assert code != 0
    assert "is another file than was soaked before" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give ARTIFACT, or --resume"),
        (("ARTIFACT", "--duration", "1h", "--seconds", "3"), "say the same"),
        (("ARTIFACT", "--duration", "long"), "is no time"),
        (("--resume", "."), "no soak that was stopped"),
    ],
)
def test_wrong_use_is_2(edgeproof: Call, artifact: Path, words: tuple[str, ...], said: str) -> None:
    code, _, err = edgeproof("soak", *(str(artifact) if word == "ARTIFACT" else word for word in words))
    assert (code, said in err) == (2, True), err


def test_a_soak_says_what_it_is(edgeproof: Call, artifact: Path, tmp_path: Path) -> None:
    code, out, _ = edgeproof("soak", artifact, "--duration", "500ms", "--out", tmp_path / "s.json")
    assert code == 0
    assert "\n  undecided\n" in out
    assert "no call failed" in out
    assert f"kept in {tmp_path / 's.json'}" in out
