"""``env`` and ``samples`` through the real command line."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from edgeproof.documents.base import decode
from edgeproof.documents.environment import EnvironmentDocument
from edgeproof.documents.samples import SamplesDocument
from edgeproof.model.samples import read_samples

FACTORY = """
import numpy as np
import torch
import edgeproof

def _net():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 3))

def _samples(count, seed):
    x = np.random.default_rng(seed).standard_normal((count, 4)).astype(np.float32)
    return edgeproof.Samples({"x": x}, np.arange(count) % 3, "drawn for a test")

def full():
    return edgeproof.Model(_net(), inputs=["x:float32[1,4]"], samples=_samples(300, 1), held_out=_samples(40, 2))

def bare():
    return _net()
"""


@pytest.fixture
def net(tmp_path: Path) -> str:
    path = tmp_path / "net.py"
    path.write_text(FACTORY)
    return str(path)


class TestEnv:
    def test_the_table_names_every_format_and_tool(self, edgeproof) -> None:
        code, out, err = edgeproof("env")
        assert (code, err) == (0, "")
        for word in ("onnx", "litert", "coreml", "openvino", "executorch", "torchscript", "sdk-eager", "adb", "ssh"):
            assert word in out

    def test_json_is_the_document(self, edgeproof) -> None:
        code, out, err = edgeproof("env", "--json")
        assert (code, err) == (0, "")
        document = decode(out, EnvironmentDocument)
        assert document.machine.logical_cores >= document.machine.usable_cores >= 1
        assert {candidate.candidate for candidate in document.candidates} >= {"sdk-eager", "onnx-int8", "litert-fp16"}

    def test_what_is_missing_comes_with_its_remedy(self, edgeproof, monkeypatch) -> None:
        from edgeproof.phases.preparation import environment

        monkeypatch.setattr(environment, "missing_requirements", lambda needed: needed)
        monkeypatch.setenv("PATH", "")
        _, out, _ = edgeproof("env")
        assert "apt-get install adb" in " ".join(out.split())
        assert "edgeproof[onnx]" in out
        _, out, _ = edgeproof("env", "--json")
        onnx = next(candidate for candidate in json.loads(out)["candidates"] if candidate["candidate"] == "onnx-fp32")
        assert (onnx["possible"], onnx["remedy"]) == (False, "pip install 'edgeproof[onnx]'")


class TestSamples:
    def test_drawn_balanced_seeded_and_readable_again(self, edgeproof, net, tmp_path) -> None:
        code, out, err = edgeproof("samples", f"{net}:full", "--count", 210, "--out", tmp_path / "rep", "--quiet")
        assert (code, err) == (0, "")
        assert "210 samples (model: drawn for a test, seed 0)" in out
        assert "0: 70, 1: 70, 2: 70" in out
        again = read_samples(tmp_path / "rep")
        assert (again.count, again.inputs["input0"].shape) == (210, (210, 1, 4))
        assert again.labels is not None
        with np.load(tmp_path / "rep/held_out/held_out.npz") as held_out:
            assert (held_out["x"].shape, held_out["labels"].shape) == ((40, 1, 4), (40,))
        document = decode((tmp_path / "rep/phase1_samples.json").read_bytes(), SamplesDocument)
        assert (document.folder, document.count, document.under_sampled, document.seed) == (".", 210, False, 0)
        assert document.held_out.file == "held_out/held_out.npz"

    def test_the_same_seed_draws_the_same_and_another_does_not(self, edgeproof, net, tmp_path) -> None:
        found = []
        for folder, seed in (("a", 3), ("b", 3), ("c", 4)):
            assert (
                edgeproof("samples", f"{net}:full", "--seed", seed, "--count", 60, "--out", tmp_path / folder)[0] == 0
            )
            found.append(read_samples(tmp_path / folder).inputs["input0"])
        assert np.array_equal(found[0], found[1])
        assert not np.array_equal(found[0], found[2])

    def test_json_is_one_object_with_the_folder_as_given(self, edgeproof, net, tmp_path) -> None:
        code, out, err = edgeproof("samples", f"{net}:full", "--count", 8, "--out", tmp_path / "rep", "--json")
        assert code == 0
        assert re.fullmatch(r"samples: done in \d+\.\d s\n", err)
        told = json.loads(out)
        assert (told["folder"], told["under_sampled"]) == (str(tmp_path / "rep"), True)

    def test_a_user_s_samples_are_taken_whole(self, edgeproof, net, tmp_path) -> None:
        np.savez(tmp_path / "mine.npz", x=np.random.default_rng(0).standard_normal((20, 4)))
        words = ("samples", f"{net}:full", "--samples", tmp_path / "mine.npz", "--out", tmp_path / "rep")
        code, out, _ = edgeproof(*words)
        assert code == 0
        assert "fewer than 200" in out
        again = read_samples(tmp_path / "rep").inputs["input0"]
        assert (again.shape, again.dtype) == ((20, 1, 4), np.float32)
        assert not (tmp_path / "rep/held_out").exists()

    def test_without_samples_random_ones_only_on_request(self, edgeproof, net, tmp_path) -> None:
        words = ("samples", f"{net}:bare", "--input", "x:float32[1,4]", "--count", 16, "--out", tmp_path / "rep")
        code, _, err = edgeproof(*words)
        assert (code, (tmp_path / "rep").exists()) == (2, False)
        assert "--synthetic" in err
        code, out, _ = edgeproof(*words, "--synthetic")
        assert code == 0
        assert "synthetic: random, seed 0" in out

    def test_a_folder_in_use_is_left_alone(self, edgeproof, net, tmp_path) -> None:
        (tmp_path / "rep").mkdir()
        (tmp_path / "rep/mine.txt").write_text("kept")
        code, _, err = edgeproof("samples", f"{net}:full", "--out", tmp_path / "rep")
        assert code == 2
        assert "not an empty folder" in err
        assert [path.name for path in (tmp_path / "rep").iterdir()] == ["mine.txt"]
