"""``edgeproof nir`` through the real command line: what it writes, what it proves, what it refuses and how."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from tests.cli.calling import Call
from tests.spike.graphs import recurrent
from tests.spike.nir.hostile import HOSTILE, loop_without_state

from edgeproof.documents.base import decode
from edgeproof.documents.nir import NirDocument
from edgeproof.spike.graph.primitives import LIF, Affine, CubaLIF
from edgeproof.spike.graph.semantics import InputCoding, Semantics
from edgeproof.spike.nir.nir_file import read, write

EXAMPLES = Path(__file__).parents[2] / "examples"

FACTORY = """
import snntorch
import torch
import edgeproof

class Net(torch.nn.Module):
    def __init__(self, between, **leaky):
        super().__init__()
        self.fc, self.between = torch.nn.Linear(4, 3), between
        self.lif = snntorch.Leaky(0.5, init_hidden=True, **leaky)

    def forward(self, x):
        return self.lif(self.between(self.fc(x)))

def _model(between=torch.nn.Identity(), timesteps=5, **leaky):
    torch.manual_seed(0)
    return edgeproof.Model(Net(between, **leaky), inputs=["x:float32[1,4]"], timesteps=timesteps,
                           output_names=["spikes"], spike_outputs=["spikes"])

def plain():
    return _model()

def gelu():
    return _model(torch.nn.GELU())

def doubled():
    class Doubled(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.net = Net(torch.nn.Identity())
        def forward(self, x):
            return self.net(x * 2)
    return edgeproof.Model(Doubled(), inputs=["x:float32[1,4]"], timesteps=5)

def at_once():
    return _model(reset_delay=False)

def whole():
    return _model(timesteps=None)

class Loops(Net):
    def forward(self, x):
        return torch.stack([super(Loops, self).forward(x) for _ in range(6)])

def loops():
    torch.manual_seed(0)
    return edgeproof.Model(Loops(torch.nn.Identity()), inputs=["x:float32[1,4]"])

def wrong():
    from edgeproof.spike.nir import as_nir
    as_nir._Neuron.tau = lambda neuron, rate, what: 1e-4 / rate * 3
    return _model()

def dense():
    return edgeproof.Model(torch.nn.Linear(4, 3).double(), inputs=["x:float64[1,4]"], timesteps=2)
"""


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / f"net_{os.urandom(4).hex()}.py"
    path.write_text(FACTORY)
    return path


LATE = Semantics("subtract", 1, ">", 1e-4, "euler", input_coding=InputCoding("constant"), timesteps=25)
EXAMPLE_FILES = {
    "digits_snn": (LATE, LIF),
    "digits_snn_spikingjelly": (
        Semantics("subtract", 0, ">=", 1e-4, input_coding=InputCoding("constant"), timesteps=25),
        LIF,
    ),
    "digits_snn_norse": (Semantics("zero", 0, ">", 1e-3, input_coding=InputCoding("constant"), timesteps=25), CubaLIF),
    "digits_rsnn": (Semantics("subtract", 1, ">", 1e-4, timesteps=24), LIF),
}


@pytest.mark.parametrize("name", EXAMPLE_FILES)
def test_the_examples_come_back_from_their_file_with_the_same_spikes(
    name: str, edgeproof: Call, tmp_path: Path
) -> None:
    """24 held-out samples; ``tests/model/test_nir_model.py`` takes all of them."""
    out = tmp_path / "graph.nir"
    code, stdout, _ = edgeproof("nir", EXAMPLES / f"{name}.py:model", "--out", out, "--check", 24, "--json")
    assert code == 0
    document = decode(stdout, NirDocument)
    (spikes,) = document.check.outputs
    assert (document.check.samples, spikes.spikes, spikes.values) == (24, True, 240)
    assert spikes.equal >= 239, "PyTorch's sums, and so a value at the threshold, depend on the processor"
    assert (document.check.difference is None) == (spikes.equal == 240)
    assert document.bytes == out.stat().st_size
    semantics, neuron = EXAMPLE_FILES[name]
    network = read(out)
    assert network.semantics == semantics
    assert document.statement == semantics.statement()
    neurons = [node for node in network.nodes.values() if isinstance(node, neuron)]
    layers = [node for node in network.nodes.values() if isinstance(node, Affine)]
    assert (len(neurons), len(layers)) == (2, 3 if name == "digits_rsnn" else 2)
    assert len(document.choices) == 2
    assert {node.name: node.shape for node in document.nodes}["spikes"] == (10,)
    if name == "digits_rsnn":
        assert ("rlif", "rlif.recurrent") in network.edges
        assert ("rlif.recurrent", "rlif") in network.edges


def test_what_is_printed_says_nodes_choices_and_the_check(edgeproof: Call, net: Path, tmp_path: Path) -> None:
    words = ("--out", tmp_path / "a.nir", "--dt", "0.002", "--check", 7, "--quiet")
    code, out, err = edgeproof("nir", f"{net}:plain", *words)
    assert (code, err) == (0, "")
    words = " ".join(out.split())
    for text in (
        "lif LIF 3",
        "fires v > threshold",
        "time step 0.002 s",
        "when one step later",
        "lif: snntorch.Leaky as LIF, tau = dt / (1 - beta)",
        "read back and run on 7 samples (random, seed 0), 5 steps each: spikes: 21 of 21 spike counts equal",
    ):
        assert text in words
    np.testing.assert_allclose(read(tmp_path / "a.nir").nodes["lif"].tau, 0.004)  # type: ignore[union-attr]


def test_a_graph_is_a_model_too_and_gets_the_answers_it_lacks(edgeproof: Call, net: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "a.nir", tmp_path / "b.nir"
    assert edgeproof("nir", f"{net}:plain", "--out", first)[0] == 0
    query = "timesteps=9&operator=>=&reset=zero&reset_delay=0&dt=0.0001"
    code, out, _ = edgeproof("nir", f"{first}?{query}", "--out", second, "--json")
    assert code == 0
    coding = InputCoding("constant")
    assert read(second).semantics == Semantics("zero", 0, ">=", 1e-4, input_coding=coding, timesteps=9)
    assert read(second).nodes == read(first).nodes
    assert json.loads(out)["check"]["outputs"][0]["agreement"] == 1


def test_a_module_that_loops_by_itself_becomes_its_step(edgeproof: Call, net: Path, tmp_path: Path) -> None:
    code, out, _ = edgeproof("nir", f"{net}:loops", "--out", tmp_path / "a.nir", "--json")
    assert code == 0
    document = decode(out, NirDocument)
    assert document.choices[:2] == (
        "the module loops by itself: its layers are called in turns, 6 times",
        "output: its values of all time steps",
    )
    assert (document.check.timesteps, document.check.outputs[0].values, document.check.outputs[0].agreement) == (
        6,
        192,
        1,
    )
    network = read(tmp_path / "a.nir")
    assert network.semantics == Semantics("subtract", 1, input_coding=InputCoding("constant"), timesteps=6)


def test_help_says_what_is_taken_and_the_exit_codes(edgeproof: Call) -> None:
    code, out, err = edgeproof("nir", "--help")
    assert (code, err) == (0, "")
    words = " ".join(out.split())
    for text in ("--out PATH", "--json", "snnTorch, SpikingJelly or Norse", "Exit code 1 when", "2 when a layer"):
        assert text in words


REFUSED = {
    "gelu": ("'between', a GELU, has no counterpart", "known of torch are Linear, Conv1d, Conv2d"),
    "doubled": ("takes the result of mul at net_", "put what is computed there into a layer"),
    "at_once": ("the neuron 'lif' (snntorch.Leaky) has no counterpart in NIR", "use reset_delay=True"),
    "whole": (
        "does not call the same layers in the same order time step after time step by itself",
        "Model(module, timesteps=…)",
    ),
    "dense": ("x, output is not float32", "real numbers"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_counterpart_is_2_named_and_writes_nothing(
    name: str, edgeproof: Call, net: Path, tmp_path: Path
) -> None:
    code, out, err = edgeproof("nir", f"{net}:{name}", "--out", tmp_path / "a.nir")
    assert (code, out) == (2, "")
    for text in REFUSED[name]:
        assert text in " ".join(err.split())
    assert "Traceback" not in err
    assert not list(tmp_path.glob("*.nir"))


def test_a_file_that_exists_stays_as_it_is(edgeproof: Call, net: Path, tmp_path: Path) -> None:
    (tmp_path / "a.nir").write_text("mine")
    code, out, err = edgeproof("nir", f"{net}:plain", "--out", tmp_path / "a.nir")
    assert (code, out) == (2, "")
    assert "exists already" in err
    assert (tmp_path / "a.nir").read_text() == "mine"


def test_a_folder_that_is_not_there_is_made(edgeproof: Call, net: Path, tmp_path: Path) -> None:
    code, _, err = edgeproof("nir", f"{net}:plain", "--out", tmp_path / "none" / "a.nir")
    assert code == 0
    assert re.fullmatch(r"nir: done in \d+\.\d s\n", err)
    assert [path.name for path in (tmp_path / "none").iterdir()] == ["a.nir"]


def test_a_file_that_computes_something_else_is_1_and_not_kept(edgeproof: Call, net: Path, tmp_path: Path) -> None:
    """The file is held against the model itself: a converter that writes a wrong time constant is caught.

    The fault is brought into the model's own process by its factory.
    """
    code, out, err = edgeproof("nir", f"{net}:wrong", "--out", tmp_path / "a.nir", "--quiet")
    assert (code, out) == (1, "")
    assert "the graph does not compute what the model does: spikes has" in err
    assert "NIR's form of lif rounds otherwise" in " ".join(err.split())
    assert not list(tmp_path.glob("*.nir"))


BAD = {
    name: HOSTILE[name]
    for name in ("a missing node", "wrong weights", "gigantic weights", "NaN", "infinite", "a graph in itself",
                 "unknown primitive", "text as weights", "wrong semantics", "no nodes")
}  # fmt: skip
BAD["a loop without delay"] = loop_without_state, "neither a neuron nor a delay"


@pytest.mark.parametrize("name", BAD)
@pytest.mark.parametrize("command", ["run", "nir"])
def test_a_bad_file_is_2_and_says_what_is_wrong_with_it(
    command: str, name: str, edgeproof: Call, tmp_path: Path
) -> None:
    change, text = BAD[name]
    path, out = tmp_path / "bad.nir", tmp_path / "out"
    write(path, recurrent())
    with h5py.File(path, "a") as file:
        change(file)
    code, stdout, err = edgeproof(command, f"{path}?timesteps=5", *(["--synthetic"] * (command == "run")), "--out", out)
    assert (code, stdout) == (2, "")
    assert text in " ".join(err.split())
    assert "bad.nir" in err
    assert "Traceback" not in err
    assert command == "run" or not out.exists()


@pytest.mark.parametrize("kept", [0, 1, 300, 0.5])
def test_a_file_that_was_cut_off_is_2(kept: float, edgeproof: Call, tmp_path: Path) -> None:
    path = tmp_path / "bad.nir"
    write(path, recurrent())
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    code, _, err = edgeproof("nir", f"{path}?timesteps=5", "--out", tmp_path / "out.nir")
    assert code == 2
    assert "is damaged" in err or "is no HDF5 file" in err
    assert "Traceback" not in err


@pytest.mark.slow
def test_a_run_of_a_graph_ends_with_its_own_engine_and_says_its_rules(
    edgeproof: Call, net: Path, tmp_path: Path
) -> None:
    graph, samples, out = tmp_path / "a.nir", tmp_path / "x.npz", tmp_path / "run"
    assert edgeproof("nir", f"{net}:plain", "--out", graph)[0] == 0
    np.savez(samples, x=np.random.default_rng(0).random((40, 4), np.float32), labels=np.arange(40) % 3)
    model = f"{graph}?timesteps=20&operator=>=&input=rate&input_seed=4"
    few = ("--requests", 5, "--cold-starts", 1)
    words = ("run", model, "--samples", samples, "--candidates", "sdk-native", *few, "--out", out, "--json")
    code, _, err = edgeproof(*words)
    assert code == 0, err
    (result,) = json.loads((out / "phase3_validation.json").read_text())["results"]
    assert (result["candidate"], result["status"]) == ("sdk-native", "passed")
    rules = (
        "NIR leaves open how its equations become time steps; used: reset subtract one step later; fires at v >= "
        "threshold; dt 0.0001 s, euler; input rate, seed 4, time axis 0; 20 time steps"
    )
    assert rules in json.loads((out / "phase1_samples.json").read_text())["signature"]["notes"]
    assert rules in json.loads((out / "artifacts" / "sdk-native" / "artifact.json").read_text())["notes"]
    report = (out / "edge_phase1_5_report.md").read_text().replace("\\", "")
    assert report.count(rules) == 1
    assert report.index(rules) < report.index("samples are coded before they are used: rate, seed 4")
    assert "input rate, seed 4" in (out / "edge_phase1_5_report.html").read_text()
