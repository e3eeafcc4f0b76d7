"""One server for every candidate that has a runtime on this machine, and each answer says what computed it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.serve.test_front import call

import edgeproof
from edgeproof.serve.spawned import SpawnedServer

MODEL = """
import torch
import edgeproof

def model():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))
    return edgeproof.Model(net, inputs=["x:float32[1,6]"])
"""


@pytest.mark.slow
def test_every_candidate_is_served_side_by_side(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(MODEL)
    made = edgeproof.convert(f"{tmp_path / 'net.py'}:model", tmp_path / "out", precision=["fp32"])
    here = [found.candidate for found in made.candidates if found.status == "ok" and found.format != "coreml"]
    assert len(here) >= 5, made
    entries = [f'[[model]]\nname = "{name}"\nartifact = "out/{name}"\n' for name in here]
    (tmp_path / "models.toml").write_text("\n".join([*entries, '[[model]]\nname = "eager"\nmodel = "net.py:model"\n']))
    words = [sys.executable, "-c", "from edgeproof.cli import main; main()", "serve", str(tmp_path / "models.toml")]
    x = np.random.default_rng(0).standard_normal(6).astype(np.float32).tolist()
    outputs: dict[str, list[float]] = {}
    runtimes = set()
    with SpawnedServer(tmp_path, command=[*words, "--port", "0"], timeout_s=120) as server:
        assert server.ready.models == [*here, "eager"]
        for name in server.ready.models:
            (tensor,) = call(server, "GET", f"/v2/models/{name}")[1]["inputs"]
            body = json.dumps({"inputs": [{**tensor, "shape": [1, 6], "data": x}]}).encode()
            status, answer, _ = call(server, "POST", f"/v2/models/{name}/infer", body)
            assert status == 200, answer
            outputs[name] = answer["outputs"][0]["data"]
            told = answer["parameters"]
            runtimes.add(told["runtime"])
            if name != "eager":
                document = json.loads((tmp_path / "out" / name / "artifact.json").read_text())
                assert told["artifact_sha256"] == document["sha256"]
    for name, found in outputs.items():
        assert np.allclose(found, outputs["eager"], atol=1e-4), name
    assert len(runtimes) >= 6
