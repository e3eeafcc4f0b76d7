"""A network lowered into the engine's program computes what the reference computes, bit for bit; and so does its C."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.spike.graphs import lif
from tests.spike.random_networks import DT, STEPS, random_network

from edgeproof.errors import ConversionError
from edgeproof.spike.engine.emit import emit
from edgeproof.spike.graph.network import Network, chain
from edgeproof.spike.graph.primitives import (
    LIF,
    NIR_PRIMITIVES,
    Affine,
    Delay,
    Input,
    Linear,
    Neuron,
    Output,
    Scale,
    Threshold,
)
from edgeproof.spike.graph.reference import run
from edgeproof.spike.graph.semantics import InputCoding, Semantics
from edgeproof.spike.interpreter import interpret
from edgeproof.spike.lower import lower
from edgeproof.spike.neurons.models import MODELS
from edgeproof.spike.program import MAX_HELD, Constant, Elementwise, walk
from edgeproof.spike.runtime.native import Engine
from edgeproof.spike.symbols import Symbol, SymbolicOps
from edgeproof.spike.toolchain.build import build_library

F = np.float32
CHUNK = 30
COMPILED = (2, 3, 8, 10, 12, 13, 31, 36, 56, 79)
"""Among them they hold every kind of node."""


@pytest.mark.parametrize("first", range(0, 240, CHUNK))
def test_random_networks_equal_the_reference(first: int) -> None:
    """Outputs are compared as numbers: no model uses exp, so only the sign of a zero may differ."""
    alive = 0
    for seed in range(first, first + CHUNK):
        network, inputs = random_network(seed)
        expected = run(network, inputs).outputs
        found = interpret(lower(network, STEPS), inputs)
        for name, values in expected.items():
            np.testing.assert_array_equal(found[name], values, err_msg=f"seed {seed}, output {name}")
            alive += len(np.unique(values)) > 1
    assert alive > CHUNK // 2


def test_the_random_networks_hold_every_primitive_and_model() -> None:
    seen = Counter(
        node.model if isinstance(node, Neuron) else type(node).__name__
        for seed in range(240)
        for node in random_network(seed)[0].nodes.values()
    )
    assert set(seen) == {*NIR_PRIMITIVES, *MODELS, "MaxPool2d"}
    assert min(seen.values()) >= 10, seen


@pytest.mark.parametrize("seed", COMPILED)
def test_compiled_random_networks_equal_the_reference(seed: int, tmp_path: Path) -> None:
    network, inputs = random_network(seed)
    engine = Engine(build_library(emit(lower(network, STEPS), "net"), tmp_path))
    given = [np.ascontiguousarray(inputs[port.name], F) for port in engine.inputs]
    results = [np.empty(port.shape, F) for port in engine.outputs]
    engine.call([array.ctypes.data for array in given], [array.ctypes.data for array in results])
    expected = run(network, inputs).outputs
    for port, found in zip(engine.outputs, results, strict=True):
        np.testing.assert_array_equal(found, expected[port.name])


def test_izhikevich_neurons_equal_the_reference() -> None:
    from edgeproof.spike.neurons.izhikevich import IzhikevichParams

    neuron = Neuron("Izhikevich", IzhikevichParams(0.5, 0.01, 0.2, -65.0, 8.0, -70.0, -14.0))
    network = chain(Input((5,)), neuron, Output((5,)))
    x = np.linspace(4, 20, 5) * np.ones((400, 5))
    expected = run(network, x).outputs["output"]
    assert expected.sum() > 10
    np.testing.assert_array_equal(interpret(lower(network, 400), {"input": x})["output"], expected)


def test_a_state_goes_on_where_it_is_given() -> None:
    network, inputs = random_network(17)
    whole = run(network, inputs).outputs
    half = (
        {name: array[: STEPS // 2] for name, array in inputs.items()},
        {name: array[STEPS // 2 :] for name, array in inputs.items()},
    )
    program, states = lower(network, STEPS // 2), {}
    first, second = (interpret(program, part, states=states) for part in half)
    for name, values in whole.items():
        np.testing.assert_array_equal(np.concatenate([first[name], second[name]]), values)


def test_a_loop_begins_with_what_silence_gives() -> None:
    nodes = {
        "x": Input((1,)),
        "n": LIF(*(np.array([value]) for value in (DT, 1.0, 0.0, 0.5, 0.0))),
        "w": Affine(np.array([[-2.0]]), np.array([1.0])),
        "y": Output((1,)),
    }
    network = Network(nodes, (("x", "n"), ("n", "w"), ("w", "n"), ("n", "y")))
    program = lower(network, 4)
    assert {state.name: state.initial.tolist() for state, _ in program.states} == {"n.v": [0], "w.previous": [1]}
    assert interpret(program, {"x": np.zeros((4, 1))})["y"].ravel().tolist() == [1, 0, 1, 0]


def test_a_recurrent_subgraph_is_compiled(tmp_path: Path) -> None:
    """As NIR writes a recurrent layer: a graph in a graph, whose own edge goes back through a layer."""
    random = np.random.default_rng(5)
    weights = [random.integers(-8, 12, shape) / 8 for shape in ((6, 3), (6, 6), (2, 6))]
    inner = Network(
        {"in": Input((6,)), "lif": lif(6), "back": Affine(weights[1], np.full(6, 0.125)), "out": Output((6,))},
        (("in", "lif"), ("lif", "back"), ("back", "lif"), ("lif", "out")),
    )
    nodes = {"x": Input((3,)), "fc": Linear(weights[0]), "rnn": inner, "head": Linear(weights[2]), "y": Output((2,))}
    network = Network(nodes, (("x", "fc"), ("fc", "rnn"), ("rnn", "head"), ("head", "y")))
    x = (random.random((STEPS, 3)) < 0.4).astype(F)
    expected = run(network, x).outputs["y"]
    assert len(np.unique(expected)) > 4
    engine = Engine(build_library(emit(lower(network, STEPS), "net"), tmp_path))
    found = np.empty(engine.outputs[0].shape, F)
    engine.call([x.ctypes.data], [found.ctypes.data])
    np.testing.assert_array_equal(found, expected)


def test_a_delay_becomes_as_many_states_as_it_has_steps() -> None:
    network = chain(Input((3,)), Delay(np.array([0, 1, 3]) * DT), Output((3,)))
    program = lower(network, 5)
    assert [state.name for state, _ in program.states] == ["delay_1.1", "delay_1.2", "delay_1.3"]
    x = np.arange(1, 6)[:, None] * np.ones(3)
    found = interpret(program, {"input": x})["output"].T.tolist()
    assert found == [[1, 2, 3, 4, 5], [0, 1, 2, 3, 4], [0, 0, 0, 1, 2]]
    long = chain(Input((1,)), Delay(np.array([(MAX_HELD + 1) * DT])), Output((1,)))
    with pytest.raises(ConversionError, match="longer time step"):
        lower(long, 1)


def test_how_outputs_are_read_out_and_inputs_come() -> None:
    coding = Semantics(input_coding=InputCoding("constant"))
    nodes = {"x": Input((2,)), "a": Scale(np.ones(2)), "n": lif(2), "y": Output((2,)), "z": Output((2,))}
    edges = (("x", "a"), ("a", "n"), ("n", "y"), ("a", "z"))
    network = Network(nodes, edges, coding)
    program = lower(network, 6, {"y": "sum", "z": "last"})
    assert not program.sequence
    x = np.array([3.0, 0.5], F)
    expected = run(network, np.repeat(x[None], 6, axis=0)).outputs
    found = interpret(program, {"x": x})
    assert found["y"].tolist() == expected["y"].sum(axis=0).tolist()
    assert found["z"].tolist() == expected["z"][-1].tolist()
    assert lower(network, 6, sequence=True).sequence
    with pytest.raises(ConversionError, match=r"readouts are given for \['y'\]; the outputs are \['y', 'z'\]"):
        lower(network, 6, {"y": "sum"})


def test_a_name_that_could_leave_a_comment_in_c_is_refused() -> None:
    nodes = {"x*/": Input((1,)), "y": Output((1,))}
    with pytest.raises(ConversionError, match="rename that node"):
        lower(Network(nodes, (("x*/", "y"),)), 1)


def test_numbers_that_are_the_same_for_all_are_written_once() -> None:
    """A LIF with one set of parameters is arithmetic with numbers; a factor of one is left out."""
    network = chain(Input((4,)), Linear(np.eye(4)), lif(4), Threshold(np.full(4, 0.5)), Output((4,)))
    program = lower(network, 2)
    assert not any(isinstance(node, Constant) for node in walk(program.roots()))
    assert not any(
        isinstance(node, Elementwise) and 1.0 in node.args and node.op == "mul" for node in walk(program.roots())
    )


def test_symbols_compute_what_is_known_and_do_not_choose() -> None:
    ops, two = SymbolicOps(), Symbol(2.0)
    known: list[tuple[Any, float]] = [
        (ops.exp(Symbol(0.0)), 1.0),
        (ops.maximum(two, 3.0), 3.0),
        (ops.minimum(two, 3.0), 2.0),
        (ops.where(two > 1.0, 5.0, 7.0), 5.0),
        (ops.cast(two <= 1.0), 0.0),
        (ops.cast(two > 1.0), 1.0),
        (ops.cast(two < 3.0), 1.0),
        (1.0 - two / 4.0, 0.5),
        (8.0 / two, 4.0),
        (np.float32(3) * -two, -6.0),
        (1.0 + two, 3.0),
    ]
    assert [constant.value for constant, _ in known] == [value for _, value in known]
    with pytest.raises(TypeError, match=r"ops\.where"):
        bool(two > 1.0)
