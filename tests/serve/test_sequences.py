"""States of clients that ask step by step: each has its own, and together they are what one whole call is."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.doubles.session import DoubleSession
from tests.serve.test_front import call

import edgeproof
from edgeproof.errors import UsageError
from edgeproof.formats.stated import StatedStream
from edgeproof.serve.protocol import Asked, ProtocolError
from edgeproof.serve.sequences import Sequences, TooMany
from edgeproof.serve.spawned import SpawnedServer

EXAMPLE = Path(__file__).parents[2] / "examples" / "digits_snn.py"
TIMESTEPS = 25


class Counting:
    def __init__(self) -> None:
        self.steps = 0

    def step(self, inputs: Any) -> list[Any]:
        self.steps += 1
        return [self.steps]


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sequences(clock: Clock) -> Sequences:
    return Sequences(Counting, most=2, seconds=10.0, clock=clock)


def take(sequences: Sequences, name: str | int, *, start: bool = False) -> int:
    (steps,) = sequences.states(Asked(name, start, False)).step([])
    return int(steps)


def test_each_goes_on_from_its_own(sequences: Sequences) -> None:
    assert [take(sequences, "a", start=True), take(sequences, 7, start=True)] == [1, 1]
    assert [take(sequences, "a"), take(sequences, "a"), take(sequences, 7)] == [2, 3, 2]
    assert take(sequences, "a", start=True) == 1
    sequences.end(Asked("a", False, True))
    with pytest.raises(ProtocolError, match="there is no sequence 'a'"):
        take(sequences, "a")


def test_one_that_nobody_asks_for_is_forgotten(sequences: Sequences, clock: Clock) -> None:
    take(sequences, "a", start=True)
    clock.now = 9.0
    take(sequences, "b", start=True)
    clock.now = 15.0
    with pytest.raises(ProtocolError, match="was not asked for in 10 s"):
        take(sequences, "a")
    assert take(sequences, "b") == 2
    assert len(sequences) == 1


def test_they_are_bounded_and_those_that_are_over_make_room(sequences: Sequences, clock: Clock) -> None:
    take(sequences, "a", start=True)
    take(sequences, "b", start=True)
    with pytest.raises(TooMany, match="all 2 sequences are in use"):
        take(sequences, "c", start=True)
    assert take(sequences, "a", start=True) == 1  # begun anew in its own place
    clock.now = 11.0
    assert take(sequences, "c", start=True) == 1


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example of spiking neurons, as artifacts that take a step at a time."""
    out = tmp_path_factory.mktemp("made")
    found = edgeproof.convert(f"{EXAMPLE}:model", out, to=["sdk-native", "onnx-step"], precision=["fp32"])
    assert {result.status for result in found.candidates} == {"ok"}, found
    return out


def step_of(server: SpawnedServer, name: str, values: Any, **parameters: Any) -> dict[str, list[float]]:
    model = server.ready.model
    _, told, _ = call(server, "GET", f"/v2/models/{model}")
    (tensor,) = told["sequence"]["inputs"]
    given = {**tensor, "data": np.asarray(values).ravel().tolist()}
    asked = {"inputs": [given], "parameters": {"sequence_id": name, **parameters}}
    status, answer, _ = call(server, "POST", f"/v2/models/{model}/infer", json.dumps(asked).encode())
    assert status == 200, answer
    return {output["name"]: output["data"] for output in answer["outputs"]}


@pytest.mark.parametrize("candidate", ["sdk-native", "onnx-fp32-step"])
def test_interleaved_clients_get_what_whole_calls_give(made: Path, candidate: str) -> None:
    """Three clients ask in turn, 25 steps each; the sum of spikes and the last membrane are those of the whole call."""
    source = np.random.default_rng(0)
    inputs = [source.random((1, 64), dtype=np.float32) for _ in range(3)]
    with SpawnedServer(made / candidate, timeout_s=60) as server:
        spikes, membranes = np.zeros((3, 10), np.float32), np.zeros((3, 10), np.float32)
        for step in range(TIMESTEPS):
            for client, values in enumerate(inputs):
                ends = {"sequence_start": step == 0, "sequence_end": step == TIMESTEPS - 1}
                found = step_of(server, f"client-{client}", values, **ends)
                spikes[client] += found["spikes"]
                membranes[client] = found["membrane"]
        path = f"/v2/models/{server.ready.model}/infer"
        for client, values in enumerate(inputs):
            given = {"name": "pixels", "shape": [1, 64], "datatype": "FP32", "data": values.ravel().tolist()}
            _, answer, _ = call(server, "POST", path, json.dumps({"inputs": [given]}).encode())
            whole = {output["name"]: output["data"] for output in answer["outputs"]}
            assert spikes[client].tolist() == whole["spikes"]
            assert np.allclose(membranes[client], whole["membrane"], atol=1e-6)
        assert spikes.any()


def test_states_of_a_model_that_has_them_as_inputs(tmp_path: Path) -> None:
    """A recurrent cell as others export it: its state is an input and an output."""
    pytest.importorskip("onnx")
    from onnx import TensorProto, helper, save

    parts = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("x", "h", "y", "h_next")]
    nodes = [helper.make_node("Add", ["x", "h"], ["h_next"]), helper.make_node("Mul", ["h_next", "h_next"], ["y"])]
    graph = helper.make_graph(nodes, "cell", parts[:2], parts[2:])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "cell.onnx")
    (tmp_path / "models.toml").write_text('[[model]]\nartifact = "cell.onnx"\nstates = { h = "h_next" }\n')
    words = [sys.executable, "-c", "from edgeproof.cli import main; main()", "serve"]
    command = [*words, str(tmp_path / "models.toml"), "--port", "0"]
    with SpawnedServer(tmp_path / "cell.onnx", command=command, timeout_s=60) as server:
        assert step_of(server, "a", [1.0, 2.0], sequence_start=True) == {"y": [1.0, 4.0]}
        assert step_of(server, "b", [5.0, 0.0], sequence_start=True) == {"y": [25.0, 0.0]}
        assert step_of(server, "a", [1.0, 2.0]) == {"y": [4.0, 16.0]}
        assert step_of(server, "b", [1.0, 1.0], sequence_end=True) == {"y": [36.0, 1.0]}
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[[model]]\nartifact = "cell.onnx"\nstates = { h = "nope" }\n')
    done = subprocess.run([*words, str(wrong), "--port", "0"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "the state h = nope is none of the model's" in done.stderr


def test_wrong_states_are_told() -> None:
    with pytest.raises(UsageError, match="which is to be the next one"):
        StatedStream(DoubleSession(), {"x": "scores"})
