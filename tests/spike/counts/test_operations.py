"""Counted operations: against NeuroBench's own counts, and against networks small enough to count by hand."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.spike.random_programs import random_program

import edgeproof
from edgeproof.errors import SamplesError
from edgeproof.model.spine import export_spine, load_spine
from edgeproof.model.step_program import program_of
from edgeproof.model.subject import make_subject
from edgeproof.spike.counts.operations import OperationCount, count_operations, fan_out
from edgeproof.spike.graph.network import chain
from edgeproof.spike.graph.primitives import LIF, CubaLIF
from edgeproof.spike.graph.primitives import Input as GraphInput
from edgeproof.spike.graph.primitives import Linear as GraphLinear
from edgeproof.spike.graph.primitives import Output as GraphOutput
from edgeproof.spike.interpreter import interpret
from edgeproof.spike.lower import lower
from edgeproof.spike.program import Convolution, Input, Linear, Output, Pool, Program, State
from edgeproof.spike.simplify import elementwise

HERE = Path(__file__).parent
SCRIPT = HERE.parents[2] / "scripts" / "neurobench_reference.py"
RECORD = HERE / "data" / "neurobench.json"
F = np.float32


@pytest.fixture(scope="module")
def script() -> ModuleType:
    found = importlib.util.spec_from_file_location("neurobench_reference", SCRIPT)
    assert found is not None
    assert found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    return json.loads(RECORD.read_text())


def counted(script: ModuleType, name: str, folder: Path) -> OperationCount:
    """Our counts of a network of the script, on the script's inputs."""
    inputs = script.inputs(name)[:, :, None]
    shape = ",".join(map(str, inputs.shape[1:]))
    model = edgeproof.Model(
        script.NETWORKS[name](),
        inputs=[f"x:float32[{shape}]"],
        timesteps=script.TIMESTEPS[name],
        encoding="sequence",
        readout=["sum", "last"],
        output_names=["spikes", "membrane"],
        spike_outputs=["spikes"],
    )
    subject = make_subject(model, model.specs())
    export_spine(subject, "step", {"x": inputs}, folder, address=name)
    program = program_of(load_spine(folder, {"x": inputs}))
    return count_operations(program, [{"x": x} for x in inputs])


@pytest.mark.parametrize("name", ["digits_snn", "convolutions"])
def test_counts_are_neurobenchs(script: ModuleType, record: dict[str, Any], name: str, tmp_path: Path) -> None:
    theirs = record["networks"][name]["metrics"]
    ours = counted(script, name, tmp_path)
    assert (ours.samples, ours.timesteps) == (record["samples"], record["networks"][name]["timesteps"])
    operations = theirs["SynapticOperations"]
    assert sum(layer.acs for layer in ours.layers) / ours.samples == operations["Effective_ACs"]
    assert sum(layer.macs for layer in ours.layers) / ours.samples == operations["Effective_MACs"]
    assert sum(layer.dense for layer in ours.layers) / ours.samples == operations["Dense"]
    assert sum(neuron.membrane_updates for neuron in ours.neurons) / ours.samples == theirs["MembraneUpdates"]
    assert ours.activation_sparsity == pytest.approx(theirs["ActivationSparsity"], abs=1e-12)
    assert ours.connection_sparsity == pytest.approx(theirs["ConnectionSparsity"], abs=5e-5)
    by_layer = {neuron.name: 1 - neuron.firing_rate for neuron in ours.neurons if neuron.firing_rate is not None}
    assert by_layer == pytest.approx(theirs["ActivationSparsityByLayer"], abs=1e-12)


@pytest.mark.slow
def test_the_record_is_what_neurobench_counts(record: dict[str, Any], tmp_path: Path) -> None:
    python = os.environ.get("EDGEPROOF_NEUROBENCH_PYTHON")
    if not python:
        pytest.skip("EDGEPROOF_NEUROBENCH_PYTHON names no Python that has neurobench and snntorch")
    subprocess.run([python, str(SCRIPT), str(tmp_path / "again.json")], check=True, timeout=300)
    again = json.loads((tmp_path / "again.json").read_text())
    assert again["networks"] == record["networks"]


@settings(max_examples=60, deadline=None)
@given(
    channels=st.integers(1, 3),
    outputs=st.integers(1, 3),
    groups=st.integers(1, 2),
    image=st.tuples(st.integers(5, 8), st.integers(3, 7)),
    kernel=st.tuples(st.integers(1, 3), st.integers(1, 3)),
    stride=st.tuples(st.integers(1, 3), st.integers(1, 2)),
    padding=st.tuples(st.integers(0, 2), st.integers(0, 2)),
    dilation=st.tuples(st.integers(1, 2), st.integers(1, 1)),
    seed=st.integers(0, 1000),
)
def test_the_fan_out_of_a_convolution_is_what_its_binary_copy_sums_up(
    channels: int,
    outputs: int,
    groups: int,
    image: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
    seed: int,
) -> None:
    """NeuroBench's way: weights and inputs of 0 and 1, and the sum of what comes out."""
    generator = np.random.default_rng(seed)
    x = Input("x", (channels * groups, *image))
    connected = generator.random((outputs * groups, channels, *kernel)) < 0.6
    layer = Convolution(x, connected.astype(F), np.zeros(outputs * groups, F), stride, padding, dilation, groups)
    events = generator.random(x.shape) < 0.4
    given_out = interpret(Program((x,), (), (Output("y", layer, "last"),), 1, False), {"x": events.astype(F)})["y"]
    assert int(np.sum(events * fan_out(layer, connected))) == int(given_out.sum())


def neuron(current: Linear | Input, name: str) -> tuple[State, Any, Any]:
    """Integrates, fires above 1 and is reset: its state, what that becomes, and its spikes."""
    state = State(name, np.zeros(current.shape, F))
    charged = elementwise("add", state, current)
    spikes = elementwise("cast", elementwise("gt", charged, 1.0))
    return state, elementwise("sub", charged, spikes), spikes


def test_a_network_counted_by_hand() -> None:
    """Two inputs → three neurons, of which one is not connected to the second input, → one neuron."""
    x = Input("x", (2,))
    first = Linear(x, np.array([[1, 1], [2, 0], [0.5, 1]], F), np.zeros(3, F))
    hidden, hidden_after, spikes = neuron(first, "hidden.v")
    second = Linear(spikes, np.array([[1, 0, 1]], F), np.zeros(1, F))
    last, last_after, out = neuron(second, "last.v")
    program = Program(
        (x,), ((hidden, hidden_after), (last, last_after)), (Output("y", out, "sum"),), timesteps=3, sequence=True
    )
    # Steps: (1, 0), (0, 0), (0, 2). Membranes of the hidden ones before a spike is taken off:
    # 1, 2, 0.5 → neuron 1 fires; 1, 1, 0.5; 3, 1, 2.5 → neurons 0 and 2 fire.
    found = count_operations(program, [{"x": np.array([[1, 0], [0, 0], [0, 2]], F)}])
    before, after = found.layers
    assert (before.name, before.kind, before.spiking) == ("linear 1", "linear", False), "an input of 2 is no spike"
    assert (before.weights, before.zero_weights, before.inputs, before.nonzero_inputs) == (6, 1, 6, 2)
    assert (before.macs, before.acs, before.dense) == (3 + 2, 0, 6 * 3)
    assert (after.macs, after.acs, after.dense) == (0, 0 + 2, 3 * 3), "neuron 1 fires into a weight of zero"
    assert found.connection_sparsity == 2 / 9
    hidden_count, last_count = found.neurons
    assert (hidden_count.name, hidden_count.spikes, hidden_count.outputs) == ("hidden", 3, 9)
    assert hidden_count.membrane_updates == 3 + 0 + 2, "all in the first step, then those that have changed"
    assert (last_count.name, last_count.spikes, last_count.membrane_updates) == ("last", 1, 1 + 0 + 1)
    np.testing.assert_array_equal(found.raster["hidden"], [[0, 1, 0], [0, 0, 0], [1, 0, 1]])
    assert found.activation_sparsity == 1 - 4 / 12


def test_spikes_that_are_held_back_count_in_the_layer_that_takes_them() -> None:
    x = Input("x", (2,))
    held = State("held", np.zeros(2, F))
    back = Linear(held, np.full((2, 2), 0.5, F), np.zeros(2, F))
    state = State("cell.mem", np.zeros(2, F))
    charged = elementwise("add", elementwise("add", state, x), back)
    spikes = elementwise("cast", elementwise("gt", charged, 1.0))
    after = elementwise("sub", charged, spikes)
    program = Program((x,), ((held, spikes), (state, after)), (Output("y", spikes, "sum"),), 2, True)
    found = count_operations(program, [{"x": np.array([[3, 0], [0, 0]], F)}])
    assert [neuron.name for neuron in found.neurons] == ["cell"]
    assert found.neurons[0].states == ("cell.mem",), "what holds spikes back is no membrane"
    assert found.layers[0].acs == 2, "the spike of step 0 arrives in step 1"


def test_spikes_that_are_delayed_by_two_steps_are_those_of_their_neurons() -> None:
    x = Input("x", (2,))
    state, after, spikes = neuron(x, "cell.v")
    late, later = State("line.1", np.zeros(2, F)), State("line.2", np.zeros(2, F))
    layer = Linear(later, np.ones((3, 2), F), np.zeros(3, F))
    program = Program(
        (x,), ((state, after), (late, spikes), (later, late)), (Output("y", layer, "sum"),), timesteps=4, sequence=True
    )
    found = count_operations(program, [{"x": np.array([[2, 0], [0, 0], [0, 0], [0, 2]], F)}])
    assert [(neuron.name, neuron.spikes, neuron.states) for neuron in found.neurons] == [("cell", 2, ("cell.v",))]
    assert found.layers[0].acs == 3, "the spike of step 0 arrives in step 2; that of step 3 does not"


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_any_program_can_be_counted(seed: int) -> None:
    program, inputs = random_program(seed)
    found = count_operations(program, [inputs, inputs])
    for layer in found.layers:
        assert 0 <= layer.nonzero_inputs <= layer.inputs
        assert 0 <= layer.effective <= layer.dense
        assert layer.acs + layer.macs == layer.effective
    names = [neuron.name for neuron in found.neurons]
    assert len(set(names)) == len(names)
    counted_states = [state for neuron in found.neurons for state in neuron.states]
    assert len(set(counted_states)) == len(counted_states), "no state is counted twice"
    assert set(counted_states) <= {state.name for state, _ in program.states}
    for neuron in found.neurons:
        assert neuron.spikes is None or 0 <= neuron.spikes <= neuron.outputs
    for train in found.raster.values():
        assert train.shape[0] == program.timesteps


def test_poolings_have_no_synaptic_operations_and_make_means_graded() -> None:
    x = Input("x", (1, 2, 2))
    mean = Pool(x, "sum", (2, 2), (2, 2), scale=0.25)
    layer = Convolution(mean, np.ones((1, 1, 1, 1), F), np.zeros(1, F))
    program = Program((x,), (), (Output("y", layer, "last"),), 1, False)
    pooling, convolution = count_operations(program, [{"x": np.array([[[1, 0], [0, 0]]], F)}]).layers
    assert (pooling.kind, pooling.effective, pooling.dense, pooling.weights) == ("sum pooling", 0, 0, 0)
    assert (convolution.macs, convolution.acs) == (1, 0)


def test_of_current_based_neurons_the_membrane_alone_is_counted() -> None:
    two = np.ones(2)
    neurons = CubaLIF(
        tau_syn=2e-4 * two, tau_mem=2e-4 * two, r=two, v_leak=0 * two, v_threshold=two, v_reset=0 * two, w_in=two
    )
    network = chain(GraphInput((2,)), GraphLinear(np.eye(2)), neurons, GraphOutput((2,)))
    found = count_operations(lower(network, 4), [{"input": np.ones((4, 2), F)}])
    assert len(found.neurons) == 1
    assert len(found.neurons[0].states) == 2
    assert [membrane.rpartition(".")[2] for membrane in found.neurons[0].membranes] == ["v"]
    assert found.neurons[0].membrane_updates <= 8


def test_a_networks_neurons_have_its_names() -> None:
    two = np.ones(2)
    neurons = LIF(tau=2e-4 * two, r=two, v_leak=0 * two, v_threshold=two, v_reset=0 * two)
    network = chain(GraphInput((2,)), GraphLinear(2 * np.eye(2)), neurons, GraphOutput((2,)))
    found = count_operations(lower(network, 4), [{"input": np.ones((4, 2), F)}])
    assert [neuron.name for neuron in found.neurons] == ["lif_2"]
    assert found.layers[0].acs == 8
    assert set(found.raster) == {"lif_2"}


def test_without_samples_nothing_is_counted() -> None:
    x = Input("x", (1,))
    with pytest.raises(SamplesError, match="there are none"):
        count_operations(Program((x,), (), (Output("y", x, "last"),), 1, False), [])
