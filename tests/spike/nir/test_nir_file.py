"""NIR files: the same as NIR's own package reads and writes; and none that harms who opens it."""

from __future__ import annotations

import resource
import time
from dataclasses import fields
from pathlib import Path
from typing import Any

import h5py
import nir
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests.spike.graphs import DT, recurrent
from tests.spike.nir.hostile import HOSTILE, loop_without_state

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.graph.network import Network
from edgeproof.spike.graph.primitives import (
    IF,
    LI,
    LIF,
    NIR_PRIMITIVES,
    Affine,
    AvgPool2d,
    Conv1d,
    Conv2d,
    CubaLI,
    CubaLIF,
    Delay,
    Flatten,
    I,
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
from edgeproof.spike.nir.nir_file import read, write

FLOATS = st.floats(-4, 4, width=16)


def numbers(*shape: int) -> st.SearchStrategy[Any]:
    return st.sampled_from([np.float32, np.float64]).flatmap(lambda dtype: arrays.arrays(dtype, shape, elements=FLOATS))


def neuron(kind: type[Primitive], count: int) -> st.SearchStrategy[Any]:
    """All parameters of one dtype: the package makes ``w_in`` that of the threshold."""

    def of(dtype: Any) -> st.SearchStrategy[Any]:
        positive = st.floats(0.125, 4, width=16)
        names = [field.name for field in fields(kind)]
        return st.builds(
            kind,
            **{
                name: arrays.arrays(dtype, count, elements=positive if name.startswith("tau") else FLOATS)
                for name in names
            },
        )

    return st.sampled_from([np.float32, np.float64]).flatmap(of)


def pool(kind: type[Primitive]) -> st.SearchStrategy[Any]:
    sizes = st.tuples(st.integers(2, 3), st.integers(2, 3))
    return st.builds(kind, sizes, st.tuples(st.integers(1, 2), st.integers(1, 2)), st.tuples(*[st.integers(0, 1)] * 2))


NODES: dict[str, tuple[tuple[int, ...], st.SearchStrategy[Any]]] = {
    "Affine": ((3,), st.builds(Affine, numbers(2, 3), numbers(2))),
    "AvgPool2d": ((2, 6, 7), pool(AvgPool2d)),
    "Conv1d": (
        (4, 9),
        st.builds(
            Conv1d,
            numbers(6, 2, 3),
            numbers(6),
            st.just(1),
            st.sampled_from([0, 2, "same", "valid"]),
            st.integers(1, 2),
            st.just(2),
            st.just(9),
        ),
    ),
    "Conv2d": (
        (2, 6, 7),
        st.builds(
            Conv2d,
            numbers(4, 1, 3, 2),
            numbers(4),
            st.just((1, 1)),
            st.sampled_from([(0, 1), (2, 0), "same", "valid"]),
            st.sampled_from([(1, 1), (1, 2)]),
            st.just(2),
            st.just((6, 7)),
        ),
    ),
    "CubaLI": ((3,), neuron(CubaLI, 3)),
    "CubaLIF": ((3,), neuron(CubaLIF, 3)),
    "Delay": ((3,), st.builds(Delay, arrays.arrays(np.float64, 3, elements=st.sampled_from([0, DT, 5 * DT])))),
    "Flatten": ((2, 3, 4), st.builds(Flatten, st.integers(0, 1), st.sampled_from([1, 2, -1]), st.just((2, 3, 4)))),
    "I": ((3,), neuron(I, 3)),
    "IF": ((3,), neuron(IF, 3)),
    "Input": ((5,), st.none()),
    "LI": ((3,), neuron(LI, 3)),
    "LIF": ((3,), neuron(LIF, 3)),
    "Linear": ((3,), st.builds(Linear, numbers(2, 3))),
    "Output": ((5,), st.none()),
    "Scale": ((3, 2), st.builds(Scale, numbers(3, 2))),
    "SumPool2d": ((2, 6, 7), pool(SumPool2d)),
    "Threshold": ((3,), st.builds(Threshold, numbers(3))),
}


def around(node: Any, shape: tuple[int, ...], semantics: Semantics | None = None) -> Network:
    """Input, node, Output; the Output is given the shape that comes."""
    nodes: dict[str, Any] = {"in": Input(shape)}
    if node is None:
        return Network({**nodes, "out": Output(shape)}, (("in", "out"),), semantics or Semantics())
    from edgeproof.spike.graph.shapes import output_shape

    given_shape = output_shape(node, shape, "node")
    return Network(
        {**nodes, "node": node, "out": Output(given_shape)}, (("in", "node"), ("node", "out")), semantics or Semantics()
    )


def outer(inner: Network) -> Network:
    return Network({"x": Input((2,)), "r": inner, "y": Output((2,))}, (("x", "r"), ("r", "y")))


def test_the_table_has_every_primitive_of_the_package() -> None:
    package = {name for name in nir.ir.__all__ if name[0].isupper()} - {"NIRNode", "NIRGraph"}
    assert set(NODES) == set(NIR_PRIMITIVES) == package


EXAMPLES = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("kind", NODES)
def test_a_network_comes_back_as_it_was(kind: str, tmp_path: Path) -> None:
    shape, strategy = NODES[kind]

    @EXAMPLES
    @given(strategy, st.sampled_from([Semantics(), Semantics("subtract", 1, ">=", DT, "exponential")]))
    def once(node: Any, semantics: Semantics) -> None:
        network = around(node, shape, semantics)
        write(tmp_path / "a.nir", network)
        assert read(tmp_path / "a.nir") == network

    once()


@pytest.mark.parametrize("kind", NODES)
def test_the_package_reads_what_is_written_and_the_other_way(kind: str, tmp_path: Path) -> None:
    shape, strategy = NODES[kind]

    @EXAMPLES
    @given(strategy)
    def once(node: Any) -> None:
        network = around(node, shape)
        write(tmp_path / "a.nir", network)
        theirs = nir.read(tmp_path / "a.nir", type_check=False)
        assert sorted(theirs.edges) == sorted(network.edges)
        nir.write(tmp_path / "b.nir", theirs)
        assert read(tmp_path / "b.nir") == network
        if node is None:
            return
        for field in fields(node):
            ours, other = getattr(node, field.name), getattr(theirs.nodes["node"], field.name)
            other = other["input"] if field.name == "input_type" else other
            assert ours == other if isinstance(ours, str) else np.array_equal(ours, other), field.name

    once()


def test_recurrent_subgraphs_and_the_packages_own_files(tmp_path: Path) -> None:
    network = outer(outer(recurrent()))
    write(tmp_path / "a.nir", network)
    assert read(tmp_path / "a.nir") == network
    theirs = nir.read(tmp_path / "a.nir", type_check=False)
    assert isinstance(theirs.nodes["r"].nodes["r"], nir.NIRGraph)
    nir.write(tmp_path / "b.nir", theirs)
    assert read(tmp_path / "b.nir") == network


@pytest.mark.filterwarnings("ignore:nirtorch:DeprecationWarning")
def test_a_file_of_snntorch_is_read(tmp_path: Path) -> None:
    import snntorch
    import torch
    from snntorch.export_nir import export_to_nir

    beta = torch.full((3,), 0.5)
    net = torch.nn.Sequential(
        torch.nn.Linear(4, 3),
        snntorch.RLeaky(beta, threshold=torch.ones(3), linear_features=3, init_hidden=True, output=False),
    )
    nir.write(tmp_path / "a.nir", export_to_nir(net, torch.randn(1, 4), ignore_dims=[0]))
    found = analyse(read(tmp_path / "a.nir"))
    assert {type(node).__name__ for node in found.nodes.values()} >= {"Affine", "LIF", "Input", "Output"}
    assert len(found.feedback) == 1


def test_semantics_are_kept_and_can_be_overruled(tmp_path: Path) -> None:
    said = Semantics("subtract", 1, ">=", 1e-3, "exponential", 1, InputCoding("rate", 3))
    path = tmp_path / "a.nir"
    write(path, Network(recurrent().nodes, recurrent().edges, said))
    assert read(path).semantics == said
    assert read(path, Semantics()).semantics == Semantics()
    nir.write(path, nir.read(path))
    assert read(path).semantics == said


def test_what_nir_has_no_word_for_is_not_written(tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    for node, shape in ((Neuron("snntorch.Leaky", LeakyParams(0.5)), (2,)), (MaxPool2d((2, 2), (2, 2)), (1, 4, 4))):
        with pytest.raises(SpikeGraphError, match="has no primitive"):
            write(path, around(node, shape))
    assert not list(tmp_path.iterdir())


def test_missing_optional_parameters_have_nirs_defaults(tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    node = CubaLIF(*(np.full(2, 2 * DT, np.float32) for _ in range(5)), np.zeros(2, np.float32), np.ones(2, np.float32))
    write(path, around(node, (2,)))
    with h5py.File(path, "a") as file:
        del file["node/nodes/node/v_reset"], file["node/nodes/node/w_in"]
    assert read(path) == around(node, (2,))


# --- files that are wrong, by accident or on purpose -----------------------------------------------------------------


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_refused_quickly_and_in_little_memory(name: str, tmp_path: Path) -> None:
    change, text = HOSTILE[name]
    path = tmp_path / "a.nir"
    write(path, recurrent())
    with h5py.File(path, "a") as file:
        change(file)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(SpikeGraphError) as caught:
        read(path)
    assert text in str(caught.value)
    assert str(path) in str(caught.value)
    assert time.process_time() - began < 20, "seconds of this process, however busy the machine is"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 2**21, "kilobytes"


def test_a_loop_without_delay_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    write(path, recurrent())
    with h5py.File(path, "a") as file:
        loop_without_state(file)
    with pytest.raises(SpikeGraphError, match="neither a neuron nor a delay"):
        read(path)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"\x89HDF\r\n\x1a\n", b"\x89HDF\r\n\x1a\n" + bytes(4000)])
def test_what_is_no_hdf5_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.nir"
    path.write_bytes(content)
    with pytest.raises(SpikeGraphError, match=r"no HDF5 file|is damaged"):
        read(path)


def test_no_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(SpikeGraphError, match="there is no file"):
        read(tmp_path / "none.nir")
    with pytest.raises(SpikeGraphError, match="there is no file"):
        read(tmp_path)


def test_damaged_bytes_give_an_error_or_a_checked_network(tmp_path: Path) -> None:
    """300 files with bytes overwritten or cut off: each is refused with our error, or is a network that can be run."""
    path = tmp_path / "a.nir"
    write(path, outer(recurrent()))
    whole = path.read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        for place in random.integers(0, len(whole), random.integers(1, 8)):
            damaged[place] = random.integers(0, 256)
        if random.random() < 0.2:
            del damaged[random.integers(1, len(whole)) :]
        path.write_bytes(damaged)
        try:
            analyse(read(path))
        except SpikeGraphError:
            refused += 1
    assert refused > 30
