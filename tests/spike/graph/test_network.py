"""What a network may be, and how it is refused when it may not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.spike.graphs import DT, lif, recurrent

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.graph.coding import encode
from edgeproof.spike.graph.network import Network, chain, flattened
from edgeproof.spike.graph.primitives import (
    Affine,
    Conv1d,
    Conv2d,
    Delay,
    Flatten,
    I,
    Identity,
    Input,
    Linear,
    MaxPool2d,
    Neuron,
    Output,
    Primitive,
    Scale,
    SumPool2d,
    Threshold,
)
from edgeproof.spike.graph.semantics import InputCoding, Semantics
from edgeproof.spike.graph.structure import analyse
from edgeproof.spike.neurons.discrete import LeakyParams


def between(node: Primitive, shape: tuple[int, ...], given: tuple[int, ...]) -> Network:
    return Network({"a": Input(shape), "node": node, "z": Output(given)}, (("a", "node"), ("node", "z")))


def test_shapes_go_from_node_to_node() -> None:
    found = analyse(
        chain(
            Input((2, 9, 8)),
            Conv2d(np.zeros((6, 1, 3, 2)), np.zeros(6), (2, 1), (1, 0), (1, 2), 2),
            MaxPool2d((2, 2), (2, 3), (1, 1)),
            Flatten(0, -1),
            Linear(np.zeros((3, 54))),
            Neuron("snntorch.Leaky", LeakyParams(0.5)),
            Output((3,)),
        )
    )
    assert list(found.shapes.values()) == [(2, 9, 8), (6, 5, 6), (6, 3, 3), (54,), (3,), (3,), (3,)]
    assert found.taken["flatten_3"] == (6, 3, 3)
    assert found.feedback == found.late == frozenset()


def test_same_padding_keeps_the_size() -> None:
    assert analyse(between(Conv1d(np.zeros((4, 3, 4)), np.zeros(4), 1, "same", 2), (3, 11), (4, 11))).shapes[
        "node"
    ] == (
        4,
        11,
    )


def test_a_loop_is_closed_where_the_walk_comes_back() -> None:
    found = analyse(recurrent())
    assert found.feedback == {("w", "lif")}
    assert [name for name in found.order if name in ("lif", "w")] == ["lif", "w"]


def test_a_skip_within_a_loop_is_no_feedback() -> None:
    nodes: dict[str, Any] = {name: lif(1) for name in "abcd"}
    edges = (("x", "a"), ("a", "b"), ("b", "c"), ("c", "d"), ("a", "d"), ("d", "a"), ("d", "y"))
    assert analyse(Network({"x": Input((1,)), **nodes, "y": Output((1,))}, edges)).feedback == {("d", "a")}


def test_a_delay_closes_a_loop_by_itself() -> None:
    net = Network(
        {"x": Input((2,)), "s": Scale(np.ones(2)), "wait": Delay(np.full(2, 3 * DT)), "y": Output((2,))},
        (("x", "s"), ("s", "wait"), ("wait", "s"), ("s", "y")),
    )
    found = analyse(net)
    assert (found.feedback, found.late) == (frozenset(), {("s", "wait")})


def test_a_subgraph_is_flattened_with_identities_at_its_border() -> None:
    outer = Network({"x": Input((2,)), "r": recurrent(), "y": Output((2,))}, (("x", "r"), ("r", "y")))
    flat = flattened(outer)
    assert set(flat.nodes) == {"x", "y", "r/in", "r/lif", "r/w", "r/out"}
    assert flat.nodes["r/in"] == Identity((2,))
    assert ("x", "r/in") in flat.edges
    assert ("r/out", "y") in flat.edges
    assert analyse(outer).feedback == {("r/w", "r/lif")}


def nested(depth: int) -> Network:
    net = recurrent()
    for _ in range(depth):
        net = Network({"x": Input((2,)), "r": net, "y": Output((2,))}, (("x", "r"), ("r", "y")))
    return net


def doubled(depth: int) -> Network:
    """The same sub-graph twice at every level: small to write down, 2^depth nodes."""
    net = recurrent()
    for _ in range(depth):
        net = Network({"x": Input((2,)), "a": net, "b": net, "y": Output((2,))}, (("x", "a"), ("a", "b"), ("b", "y")))
    return net


REFUSED: dict[str, tuple[Any, str]] = {
    "missing node": (lambda: Network({"x": Input((1,))}, (("x", "ghost"),)), "'ghost', which is not in the graph"),
    "edge twice": (lambda: Network({"x": Input((1,)), "y": Output((1,))}, (("x", "y"), ("x", "y"))), "stands twice"),
    "no input": (lambda: analyse(Network({"y": Output((1,))}, ())), "no Input"),
    "no output": (lambda: analyse(Network({"x": Input((1,))}, ())), "no Output"),
    "unreached": (
        lambda: analyse(Network({"x": Input((1,)), "y": Output((1,)), "l": lif(1)}, (("x", "y"),))),
        "nothing leads from an Input to the node 'l'",
    ),
    "into an input": (
        lambda: analyse(Network({"x": Input((1,)), "y": Output((1,)), "z": Input((1,))}, (("x", "y"), ("x", "z")))),
        "goes into an Input",
    ),
    "loop without state": (
        lambda: analyse(
            Network(
                {"x": Input((1,)), "a": Linear(np.eye(1)), "b": Scale(np.ones(1)), "y": Output((1,))},
                (("x", "a"), ("a", "b"), ("b", "a"), ("b", "y")),
            )
        ),
        "neither a neuron nor a delay",
    ),
    "delay of nothing": (
        lambda: analyse(
            Network(
                {"x": Input((1,)), "a": Delay(np.zeros(1)), "y": Output((1,))}, (("x", "a"), ("a", "a"), ("a", "y"))
            )
        ),
        "neither a neuron nor a delay",
    ),
    "weights": (lambda: analyse(between(Linear(np.zeros((2, 3))), (4,), (2,))), "weights of (2, 3)"),
    "bias": (
        lambda: analyse(between(Affine(np.zeros((2, 3)), np.zeros(3)), (3,), (2,))),
        "a bias of (3); expected (2)",
    ),
    "output": (lambda: analyse(between(lif(3), (3,), (4,))), "declared (4) and gets (3)"),
    "parameters": (lambda: analyse(between(lif(3), (2,), (2,))), "tau of the node 'node' has the shape (3)"),
    "sum of shapes": (
        lambda: analyse(
            Network(
                {"x": Input((1,)), "w": Linear(np.ones((2, 1))), "y": Output((1,))},
                (("x", "y"), ("x", "w"), ("w", "y")),
            )
        ),
        "must be of one shape",
    ),
    "nan": (lambda: analyse(between(Linear(np.full((1, 1), np.nan)), (1,), (1,))), "NaN, infinite"),
    "beyond float32": (lambda: analyse(between(Linear(np.full((1, 1), 1e300)), (1,), (1,))), "beyond float32"),
    "nan in a neuron": (
        lambda: analyse(between(Neuron("snntorch.Leaky", LeakyParams(float("nan"))), (1,), (1,))),
        "beta of the node 'node' has 1 of 1",
    ),
    "complex": (lambda: analyse(between(Scale(np.ones(1, complex)), (1,), (1,))), "expected real numbers"),
    "unknown neuron": (
        lambda: analyse(between(Neuron("brian.HH", LeakyParams(0.5)), (1,), (1,))),
        "no such model",
    ),
    "gigantic input": (lambda: analyse(between(lif(1), (2**40,), (2**40,))), "at most 67,108,864"),
    "gigantic padding": (
        lambda: analyse(between(Conv1d(np.zeros((1, 1, 1)), np.zeros(1), padding=2**40), (1, 4), (1, 4))),
        "padding",
    ),
    "gigantic output": (
        lambda: analyse(between(Conv1d(np.zeros((1, 1, 1)), np.zeros(1), padding=2**26), (1, 4), (1, 4))),
        "numbers; at most",
    ),
    "window larger than image": (lambda: analyse(between(SumPool2d((5, 5), (1, 1)), (1, 4, 4), (1, 1, 1))), "spans"),
    "padding of a pooling": (
        lambda: analyse(between(SumPool2d((2, 2), (1, 1), (2, 2)), (1, 4, 4), (1, 7, 7))),
        "more than half",
    ),
    "stride of nothing": (
        lambda: analyse(between(Conv1d(np.zeros((1, 1, 1)), np.zeros(1), stride=0), (1, 4), (1, 4))),
        "stride (0)",
    ),
    "groups": (
        lambda: analyse(between(Conv1d(np.zeros((3, 1, 1)), np.zeros(3), groups=2), (2, 4), (3, 4))),
        "2 groups",
    ),
    "same with stride": (
        lambda: analyse(between(Conv1d(np.zeros((1, 1, 3)), np.zeros(1), 2, "same"), (1, 4), (1, 2))),
        "a stride of 1",
    ),
    "axes": (lambda: analyse(between(Flatten(2, 5), (2, 2), (4,))), "joins the axes 2 to 5"),
    "negative delay": (lambda: analyse(between(Delay(np.full(1, -DT)), (1,), (1,))), "between -1"),
    "endless delay": (lambda: analyse(between(Delay(np.full(1, 1e9)), (1,), (1,))), "expected 0 to 100000"),
    "gigantic delay": (
        lambda: analyse(between(Delay(np.full(1000, 1e5 * DT)), (1000,), (1000,))),
        "the memory of the delay",
    ),
    "delay between steps": (lambda: analyse(between(Delay(np.full(1, 1.5 * DT)), (1,), (1,))), "1.5 steps"),
    "no time constant": (lambda: analyse(between(lif(1, tau=0.0), (1,), (1,))), "expected more than zero"),
    "time constant too short": (
        lambda: analyse(between(lif(1, tau=1e-45), (1,), (1,))),
        "rate of the node 'node' is beyond float32",
    ),
    "nested too deep": (lambda: analyse(nested(17)), "deeper than 16"),
    "too many": (lambda: analyse(doubled(14)), "at most 4096"),
    "subgraph without output": (
        lambda: analyse(
            Network(
                {"x": Input((1,)), "s": Network({"i": Input((1,))}, ()), "y": Output((1,))}, (("x", "s"), ("s", "y"))
            )
        ),
        "0 Output nodes",
    ),
    "too many edges": (lambda: Network({"x": Input((1,))}, (("x", "x"),) * 16_385), "16385 edges"),
    "many values together": (
        lambda: analyse(chain(Input((2**25,)), *(Threshold(np.ones(1)) for _ in range(3)), Output((2**25,)))),
        "give and the delays hold 167,772,160 numbers in a time step; at most 134,217,728",
    ),
    "reset rule": (lambda: Semantics(reset="half"), "the reset rule is 'half'"),  # type: ignore[arg-type]
    "time step": (lambda: Semantics(dt_s=0.0), "the time step is 0.0 s"),
    "coding": (lambda: InputCoding("phase"), "the input coding is 'phase'"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_run_is_refused(name: str) -> None:
    make, text = REFUSED[name]
    with pytest.raises(SpikeGraphError) as caught:
        make()
    assert text in str(caught.value)
    assert caught.value.exit_code == 2


def test_networks_are_compared_by_value() -> None:
    assert recurrent() == recurrent()
    assert recurrent() != recurrent(3)
    assert between(I(np.ones(1)), (1,), (1,)) != between(I(np.ones(1, np.float32)), (1,), (1,))
    assert between(Threshold(np.ones(1)), (1,), (1,)) != between(Threshold(np.zeros(1)), (1,), (1,))
    assert Network(recurrent().nodes, recurrent().edges, Semantics(dt_s=1e-3)) != recurrent()


def test_semantics_say_every_answer() -> None:
    said = Semantics("subtract", 1, ">=", 1e-3, "exponential", 1, InputCoding("rate", seed=7)).statement()
    assert said == (
        "reset subtract one step later; fires at v >= threshold; dt 0.001 s, exponential; "
        "input rate, seed 7, time axis 1"
    )


def test_codings() -> None:
    sample = np.array([0.0, 0.25, 1.0])
    assert encode(sample, InputCoding("constant"), 2).tolist() == [[0, 0.25, 1]] * 2
    assert encode(sample, InputCoding("latency"), 5).argmax(axis=0).tolist() == [0, 3, 0]
    assert encode(sample, InputCoding("latency"), 5).sum(axis=0).tolist() == [0, 1, 1]
    rate = encode(sample, InputCoding("rate", seed=1), 4000)
    assert rate.mean(axis=0) == pytest.approx([0, 0.25, 1], abs=0.03)
    assert np.array_equal(rate, encode(sample, InputCoding("rate", seed=1), 4000))
    ramp = np.array([[0.0], [0.5], [0.6], [1.5]])
    assert encode(ramp, InputCoding("delta", threshold=0.5), 4).ravel().tolist() == [0, 1, 0, 1]
    assert encode(ramp, InputCoding("events"), 4).tolist() == ramp.astype(np.float32).tolist()
    with pytest.raises(SpikeGraphError, match="expected 0 to 1"):
        encode(ramp, InputCoding("rate"), 4)
    with pytest.raises(SpikeGraphError, match="expected 3 time steps"):
        encode(ramp, InputCoding("events"), 3)
