"""What runtimes would report to their makers: nothing is written for it, no connection made, in our processes or in
those of a user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.doubles.artifact import write_onnx

from edgeproof.formats.telemetry import silent_import
from edgeproof.process import environment

SOCKETS = """
import os, sys
asked = []
reaching = ("socket.connect", "socket.getaddrinfo")
sys.addaudithook(lambda event, words: asked.append(event) if event in reaching else None)
"""
"""Before what is looked at: whether Python's own code asks for a host. What is written shows the native ones."""
SWITCHES = ("CI", "TF_BUILD", "JENKINS_URL", "ORT_DISABLE_TELEMETRY", "NNCF_CI", "DO_NOT_TRACK")


def left_behind(code: str, folder: Path, **given: str) -> tuple[str, list[str]]:
    """What a fresh process of a user says, and the files that it leaves in his home and temporary folder."""
    home, scratch = folder / "home", folder / "scratch"
    for made in (home, scratch):
        made.mkdir()
    variables = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    variables |= {"HOME": str(home), "TMPDIR": str(scratch), "PYTHONDONTWRITEBYTECODE": "1"} | given
    done = subprocess.run(
        [sys.executable, "-c", SOCKETS + code], env=variables, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip(), sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_user_s_own_process_that_opens_an_onnx_file_leaves_nothing(tmp_path: Path) -> None:
    artifact = write_onnx(tmp_path / "tiny.onnx")
    code = f"""
import edgeproof, numpy
with edgeproof.open({str(artifact)!r}) as session:
    session.run({{"x": numpy.zeros((1, 4), "float32")}})
print(asked, "ORT_DISABLE_TELEMETRY" in os.environ)
"""
    assert left_behind(code, tmp_path) == ("[] False", ["tiny.onnx"])


def test_a_user_s_own_process_that_opens_an_openvino_file_leaves_nothing(tmp_path: Path) -> None:
    model = f"""
import sys
sys.modules["openvino_telemetry"] = None
import numpy as np, openvino
from openvino import opset13 as ops
x = ops.parameter([1, 4], np.float32, name="x")
x.output(0).set_names({{"x"}})
y = ops.relu(x)
y.output(0).set_names({{"y"}})
openvino.save_model(openvino.Model([y], [x]), {str(tmp_path / "tiny.xml")!r})
"""
    subprocess.run([sys.executable, "-c", model], check=True, timeout=120)
    opened = f"""
import edgeproof, numpy
with edgeproof.open({str(tmp_path / "tiny.xml")!r}) as session:
    print(session.run({{"x": numpy.full((1, 4), -1, "float32")}})["y"].sum())
print(asked, "openvino_telemetry" in sys.modules)
"""
    assert left_behind(opened, tmp_path) == ("0.0\n[] False", ["tiny.bin", "tiny.xml"])


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "nncf"])
def test_a_process_of_ours_leaves_nothing(runtime: str, tmp_path: Path) -> None:
    """As the workers that convert, which import what they need one after the other."""
    ours = {name: value for name, value in environment().items() if name not in os.environ}
    code = f"""
from edgeproof.formats.telemetry import silent_import
silent_import({runtime!r})
print(asked)
"""
    assert left_behind(code, tmp_path, **ours) == ("[]", [])


def test_what_is_imported_silently_is_imported_once() -> None:
    assert silent_import("json") is sys.modules["json"]


def test_what_a_user_has_said_stands_again_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORT_DISABLE_TELEMETRY", "0")
    monkeypatch.delenv("NNCF_CI", raising=False)
    monkeypatch.setitem(sys.modules, "openvino_telemetry", sys)
    monkeypatch.delitem(sys.modules, "colorsys", raising=False)
    silent_import("colorsys")
    assert os.environ["ORT_DISABLE_TELEMETRY"] == "0"
    assert "NNCF_CI" not in os.environ
    assert sys.modules["openvino_telemetry"] is sys
    with pytest.raises(ImportError):
        silent_import("no_such_runtime")
    assert sys.modules["openvino_telemetry"] is sys
