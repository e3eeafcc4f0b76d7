"""A NIR graph as MODEL: options, semantics that are stated, codings; PyTorch and the engine compute the reference."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nir
import numpy as np
import pytest
import torch
from tests.spike.random_networks import DT, STEPS, random_network

import edgeproof
from edgeproof.documents.evaluation import Evidence
from edgeproof.errors import EdgeProofError, ModelReferenceError, SamplesError, SignatureError, SpikeGraphError
from edgeproof.model.coding import ready
from edgeproof.model.drawing import Draw, draw
from edgeproof.model.eager import EagerSession, run_all
from edgeproof.model.nir_model import nir_model, parse_options
from edgeproof.model.nir_module import NetworkModule
from edgeproof.model.resolve import resolve_model
from edgeproof.model.spine import export_spine, load_spine
from edgeproof.model.state import find_hidden_state
from edgeproof.model.step_program import program_of
from edgeproof.report.provenance import summary
from edgeproof.spike.graph.coding import encode
from edgeproof.spike.graph.network import Network, chain
from edgeproof.spike.graph.primitives import IF, LI, LIF, Affine, Delay, I, Input, Linear, Output, Threshold
from edgeproof.spike.graph.reference import run
from edgeproof.spike.graph.semantics import InputCoding, Semantics
from edgeproof.spike.interpreter import interpret
from edgeproof.spike.nir.nir_file import write

F = np.float32


def net(semantics: Semantics | None = None) -> Network:
    """3 inputs, 4 neurons, 2 neurons; weights are multiples of 1/8, so sums are exact in any order."""
    weights = (
        np.random.default_rng(2).integers(-2, 20, (4, 3)) / 8,
        np.random.default_rng(3).integers(-2, 12, (2, 4)) / 8,
    )

    def lif(count: int) -> LIF:
        one = np.ones(count)
        return LIF(2 * DT * one, one, 0 * one, 0.5 * one, 0 * one)

    nodes = (Input((3,)), Affine(weights[0], np.full(4, 0.25)), lif(4), Linear(weights[1]), lif(2), Output((2,)))
    return chain(*nodes, semantics=semantics or Semantics())


def damaged(tmp_path: Path) -> Path:
    """Two bytes of it are others: the HDF5 library that the lock pins ends in SIGSEGV when it reads that."""
    path = tmp_path / "damaged.nir"
    write(path, net())
    raw = bytearray(path.read_bytes())
    raw[14681], raw[46349] = 54, 143
    path.write_bytes(raw)
    return path


def test_a_damaged_file_costs_another_process(tmp_path: Path) -> None:
    path = damaged(tmp_path)
    code = f"from edgeproof.spike.nir.nir_file import read; read({str(path)!r})"
    alone = subprocess.run([sys.executable, "-c", code], capture_output=True, check=False)
    assert alone.returncode < 0, "read in one's own process it still crashes; else take other bytes"
    began = time.monotonic()
    with pytest.raises(SpikeGraphError, match=r"is damaged: the process of reading the graph .*SIGSEGV") as caught:
        nir_model(path, "timesteps=3")
    assert caught.value.exit_code == 2
    assert time.monotonic() - began < 30
    with pytest.raises(SpikeGraphError, match="is damaged"):
        edgeproof.load(f"{path}?timesteps=3")


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "graph.nir"
    write(path, net())
    return path


def images(count: int = 12) -> np.ndarray[Any, Any]:
    return (np.random.default_rng(1).integers(0, 9, (count, 3)) / 8).astype(F)


# --- what stands after the question mark -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("timesteps", r"expected name=value"),
        ("timesteps=ten", r"timesteps is `ten`; expected steps of a call"),
        ("timesteps=-5", r"timesteps is `-5`"),
        ("timesteps=5&timesteps=6", r"`timesteps` is there twice"),
        ("steps=5", r"`steps` is no option"),
        ("dt=fast", r"dt is `fast`; expected seconds in a step"),
        ("readout=all", r"readout is `all`; expected sum, mean, last, stack"),
        ("input_seed=x", r"input_seed is `x`; expected of rate's draws"),
    ],
)
def test_options_that_cannot_be_read_are_named(query: str, message: str, graph: Path) -> None:
    with pytest.raises(ModelReferenceError, match=message) as caught:
        edgeproof.load(f"{graph}?{query}")
    assert str(graph) in str(caught.value)


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("timesteps=0", "a call has 0 time steps; expected a whole number from 1"),
        ("timesteps=5&reset=twice", "the reset rule is 'twice'; expected one of subtract, zero, none"),
        ("timesteps=5&reset_delay=2", "the reset delay is 2; expected one of 0, 1"),
        ("timesteps=5&operator=<", "the threshold operator is '<'; expected one of >, >="),
        ("timesteps=5&dt=0", "the time step is 0.0 s; expected a number above zero"),
        ("timesteps=5&dt=nan", "the time step is nan s"),
        ("timesteps=5&integration=rk4", "the integration scheme is 'rk4'; expected one of euler, exponential"),
        (
            "timesteps=5&input=morse",
            "the input coding is 'morse'; expected one of constant, rate, latency, delta, events",
        ),
        ("timesteps=5&input=delta&input_threshold=-1", "expected neither below zero"),
    ],
)
def test_answers_that_are_none_are_refused(query: str, message: str, graph: Path) -> None:
    with pytest.raises(SpikeGraphError) as caught:
        edgeproof.load(f"{graph}?{query}")
    assert message in str(caught.value)


def test_a_call_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "a.nir", chain(Input((1000,)), Threshold(np.ones(1000)), Output((1000,))))
    with pytest.raises(SpikeGraphError, match="'input' has 200,000,000 numbers over 200,000 time steps; at most 134,"):
        nir_model(tmp_path / "a.nir", "timesteps=200000")


def test_every_option_is_read() -> None:
    query = (
        "timesteps=7&reset=subtract&reset_delay=1&operator=>=&dt=1e-3&integration=exponential&input=rate&input_seed=3"
        "&input_threshold=0.5&readout=stack"
    )
    assert parse_options("g.nir", query) == {
        "timesteps": 7, "reset": "subtract", "reset_delay": 1, "operator": ">=", "dt": 1e-3,
        "integration": "exponential", "input": "rate", "input_seed": 3, "input_threshold": 0.5, "readout": "stack",
    }  # fmt: skip
    assert parse_options("g.nir", "") == {}


def test_time_steps_have_to_be_said(graph: Path) -> None:
    with pytest.raises(ModelReferenceError, match=r"how many time steps .*graph\.nir\?timesteps=25"):
        edgeproof.load(graph)


@pytest.mark.parametrize("kind", [I, IF])
def test_a_time_step_that_scales_the_input_has_to_be_said(kind: type[I | IF], tmp_path: Path) -> None:
    """Guessed, it is off by any factor: what was trained step by step would need 10,000 times its input."""
    neuron = I(np.ones(3)) if kind is I else IF(np.ones(3), np.ones(3), np.zeros(3))
    write(tmp_path / "a.nir", chain(Input((3,)), neuron, Output((3,))))
    with pytest.raises(ModelReferenceError, match=r"does not say how long a time step is, and .* integrates") as caught:
        nir_model(tmp_path / "a.nir", "timesteps=4")
    assert "a.nir?timesteps=25&dt=1" in (caught.value.hint or "")
    assert nir_model(tmp_path / "a.nir", "timesteps=4&dt=1").timesteps == 4
    network = chain(Input((3,)), neuron, Output((3,)))
    write(tmp_path / "a.nir", Network(network.nodes, network.edges, Semantics(timesteps=4)))
    assert nir_model(tmp_path / "a.nir").timesteps == 4


# --- what is stated --------------------------------------------------------------------------------------------------


def test_the_file_speaks_and_the_reference_has_the_last_word(tmp_path: Path) -> None:
    said = Semantics("subtract", 1, ">=", 2e-4, "exponential", input_coding=InputCoding("rate", seed=5), timesteps=9)
    write(tmp_path / "a.nir", net(said))
    stated = nir_model(tmp_path / "a.nir").notes
    assert stated[0] == f"NIR leaves open how its equations become time steps; used: {said.statement()}"
    assert stated[0].endswith(
        "reset subtract one step later; fires at v >= threshold; dt 0.0002 s, exponential; "
        "input rate, seed 5, time axis 0; 9 time steps"
    )
    changed = nir_model(tmp_path / "a.nir", "reset=zero&reset_delay=0&operator=>&input=constant&timesteps=4&dt=0.001")
    assert changed.notes[0].endswith(
        "reset zero in the same step; fires at v > threshold; dt 0.001 s, exponential; "
        "input constant, time axis 0; 4 time steps"
    )
    assert (changed.timesteps, changed.encoding) == (4, "repeat")


def test_a_time_axis_that_stood_elsewhere_is_said_to_come_first(tmp_path: Path) -> None:
    write(tmp_path / "a.nir", net(Semantics(time_axis=1)))
    model = nir_model(tmp_path / "a.nir", "timesteps=6")
    assert "the file has the time axis at 1; samples here have it first" in model.notes
    assert model.specs()[0].shape == (6, 1, 3)


def test_a_step_longer_than_a_time_constant_is_noted(graph: Path) -> None:
    """Its shortest is two steps of 0.0001 s."""
    assert len(nir_model(graph, "timesteps=6&dt=0.0002").notes) == 2
    assert len(nir_model(graph, "timesteps=6&dt=0.001&integration=exponential").notes) == 2
    assert nir_model(graph, "timesteps=6&dt=0.001").notes[2] == (
        "a step of 0.001 s is longer than a time constant of lif_2, lif_4 (0.0002 s), so forward Euler overshoots: say "
        "the dt that the network was trained with, or integration=exponential"
    )


def test_the_answers_stand_in_the_document_of_the_samples_and_in_the_report(graph: Path) -> None:
    samples = edgeproof.Samples({"input": images()}, np.arange(12) % 2)
    resolved = resolve_model(nir_model(graph, "timesteps=6&input=rate&input_seed=8&reset=subtract"), (), samples)
    document = draw(resolved.subject, samples, Draw()).document
    facts = [(fact.label, fact.value) for fact in summary(Evidence(model="graph", folder="run", samples=document))]
    told = " · ".join(text for label, text in facts if label == "Note")
    for words in (
        "reset subtract in the same step",
        "fires at v > threshold",
        "dt 0.0001 s, euler",
        "input rate, seed 8, time axis 0",
        "the output 'output' is the sum over the time steps",
        "samples are coded before they are used: rate, seed 8, over 6 time steps",
    ):
        assert words in told
    assert document.origin == "given by the model; coded: rate, seed 8"
    assert document.signature.notes == resolved.subject.signature.notes


def test_spikes_are_counted_and_other_outputs_are_read_at_the_end(tmp_path: Path) -> None:
    one = np.ones(2)
    nodes = {
        "x": Input((2,)), "fire": Threshold(one), "leak": LI(DT * 2 * one, one, 0 * one),
        "late": Delay(DT * one), "1 spike": Output((2,)), "1.spike": Output((2,)), "v": Output((2,)),
    }  # fmt: skip
    edges = (("x", "fire"), ("x", "leak"), ("fire", "late"), ("fire", "1 spike"), ("late", "1.spike"), ("leak", "v"))
    write(tmp_path / "a.nir", Network(nodes, edges, Semantics(timesteps=5)))
    model = nir_model(tmp_path / "a.nir")
    assert (model.output_names, model.readout) == (["n_1_spike", "n_1_spike_2", "v"], ["sum", "last", "last"])
    assert model.spike_outputs == ["n_1_spike"]
    with edgeproof.load(f"{tmp_path / 'a.nir'}?readout=stack") as session:
        assert [tensor.shape for tensor in session.outputs] == [(5, 1, 2)] * 3


# --- codings ---------------------------------------------------------------------------------------------------------


CODED = {
    "constant": ("input=constant", InputCoding("constant")),
    "rate": ("input=rate&input_seed=7", InputCoding("rate", seed=7)),
    "latency": ("input=latency&input_threshold=0.125", InputCoding("latency", threshold=0.125)),
    "delta": ("input=delta&input_threshold=0.25", InputCoding("delta", threshold=0.25)),
    "events": ("input=events", InputCoding("events")),
}


@pytest.mark.parametrize("kind", CODED)
def test_every_coding_through_the_reference_and_the_same_through_a_model(kind: str, graph: Path) -> None:
    """From samples as a user has them to spike counts: what the reference computes on what ``encode`` gives."""
    query, coding = CODED[kind]
    given = images()
    if kind in ("delta", "events"):
        given = np.stack([images(10) for _ in range(12)]) * np.arange(1, 13, dtype=F)[:, None, None] / 8
    expected = np.stack([run(net(), encode(values, coding, 10)).outputs["output"].sum(axis=0) for values in given])
    assert len(np.unique(expected, axis=0)) > 3
    by_reference = nir_model(graph, f"timesteps=10&{query}")

    module = NetworkModule(net())
    by_factory = edgeproof.Model(
        module,
        inputs=["input:float32[1,3]" if kind == "constant" else "input:float32[10,1,3]"],
        timesteps=10,
        encoding="repeat" if kind == "constant" else "sequence",
        coding=coding,
        explicit_state=True,
        initial_state=module.initial,
        output_names=["output"],
        spike_outputs=["output"],
    )
    for model in (by_reference, by_factory):
        samples = edgeproof.Samples({"input": given})
        subject = resolve_model(model, (), samples).subject
        coded, checks = ready(subject.model, samples, subject.signature.inputs)
        found = run_all(EagerSession(subject), coded.inputs)["output"]
        np.testing.assert_array_equal(found[:, 0], expected)
        told = [check.detail for check in checks if check.name == "coding"]
        plain = kind in ("constant", "events")
        assert told == ([] if plain else [f"samples were coded: {coding}"])
        assert [note for note in subject.signature.notes if "coded" in note] == (
            [] if plain else [f"samples are coded before they are used: {coding}, over 10 time steps"]
        )


def test_samples_that_are_coded_already_stay_as_they_are(graph: Path) -> None:
    """What ``edgeproof samples`` wrote can be given again."""
    subject = resolve_model(nir_model(graph, "timesteps=10&input=rate")).subject
    once, _ = ready(subject.model, edgeproof.Samples({"input": images()}), subject.signature.inputs)
    assert once.inputs["input"].shape == (12, 10, 1, 3)
    twice, checks = ready(subject.model, once, subject.signature.inputs)
    np.testing.assert_array_equal(twice.inputs["input"], once.inputs["input"])
    assert [check.detail for check in checks] == ["samples have a time axis: taken as coded (rate, seed 0)"]


def test_rates_are_near_the_values_and_the_seed_decides(graph: Path) -> None:
    def coded(seed: int) -> np.ndarray[Any, Any]:
        subject = resolve_model(nir_model(graph, f"timesteps=4000&input=rate&input_seed={seed}")).subject
        return ready(subject.model, edgeproof.Samples({"input": images()}), subject.signature.inputs)[0].inputs["input"]

    one = coded(1)
    np.testing.assert_allclose(one.mean(axis=(1, 2)), images(), atol=0.04)
    np.testing.assert_array_equal(one, coded(1))
    assert not np.array_equal(one, coded(2))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (images() + 0.5, r"sample 0 of input cannot be coded: .* expected 0 to 1"),
        (images()[:, :2], r"has the shape \[2\]; the model takes \[1, 3\]"),
        (np.full((12, 3), np.nan, F), "cannot be coded"),
    ],
)
def test_samples_that_cannot_be_coded(given: np.ndarray[Any, Any], message: str, graph: Path) -> None:
    subject = resolve_model(nir_model(graph, "timesteps=10&input=rate")).subject
    with pytest.raises(SamplesError, match=message):
        ready(subject.model, edgeproof.Samples({"input": given}), subject.signature.inputs)


def test_a_coding_that_does_not_fit_the_model() -> None:
    linear = torch.nn.Linear(3, 2)
    for model, message in (
        (edgeproof.Model(linear, inputs=["x:float32[1,3]"], coding="rate"), "no time steps"),
        (edgeproof.Model(linear, inputs=["x:float32[1,3]"], timesteps=4, coding="rate"), "encoding='sequence'"),
        (
            edgeproof.Model(linear, inputs=["x:float32[4,1,3]"], timesteps=4, encoding="sequence", coding="constant"),
            "encoding='repeat'",
        ),
        (edgeproof.Model(linear, timesteps=4, encoding="sequence", coding="rate"), "inputs are unknown"),
    ):
        with pytest.raises(SignatureError, match=message):
            resolve_model(model, (), edgeproof.Samples({"x": images()}))
    with pytest.raises(SpikeGraphError, match="the input coding is 'morse'"):
        resolve_model(edgeproof.Model(linear, inputs=["x:float32[1,3]"], timesteps=4, coding="morse"))  # type: ignore[arg-type]


# --- the same numbers everywhere -------------------------------------------------------------------------------------


@pytest.mark.parametrize("first", range(0, 120, 30))
def test_random_networks_in_pytorch_are_the_reference(first: int) -> None:
    """Sums of PyTorch's layers may round otherwise, so values are close; most networks are equal to the bit."""
    equal = 0
    for seed in range(first, first + 30):
        network, inputs = random_network(seed)
        expected = run(network, inputs).outputs
        found = _stepped(NetworkModule(network), inputs)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, rtol=1e-4, atol=1e-4, err_msg=f"seed {seed}")
        equal += all(np.array_equal(found[name], values) for name, values in expected.items())
    assert equal > 15, "how many depends on the kernels that the processor gets"


def _stepped(module: NetworkModule, inputs: dict[str, np.ndarray[Any, Any]]) -> dict[str, np.ndarray[Any, Any]]:
    state, outputs = module.initial, []
    with torch.no_grad():
        for time in range(STEPS):
            given = [torch.from_numpy(np.asarray(inputs[name][time], F))[None] for name in module.inputs]
            result = module(*given, state) if module.initial else module(*given)
            found, state = result if module.initial else (result, ())
            outputs.append(found)
    return {name: np.stack([values[name][0].numpy() for values in outputs]) for name in module.outputs}


COVERING = (2, 4, 7, 18, 28)
"""Networks of NIR's primitives that hold all of them among them."""


@pytest.mark.parametrize("seed", COVERING)
def test_a_file_goes_through_the_whole_way_to_the_engines_program(seed: int, tmp_path: Path) -> None:
    """File, module, ``torch.export``, program: the numbers of the reference, bit for bit."""
    network, inputs = random_network(seed, nir=True)
    write(tmp_path / "g.nir", network)
    model = nir_model(tmp_path / "g.nir", f"timesteps={STEPS}&readout=stack")
    assert isinstance(model.module, NetworkModule)
    subject = resolve_model(model).subject
    specs = subject.signature.inputs
    given = {
        spec.name: np.asarray(inputs[name], F).reshape(1, *spec.shape)
        for spec, name in zip(specs, model.module.inputs, strict=True)
    }
    export_spine(subject, "step", given, tmp_path / "spine", address="g.nir")
    program = program_of(load_spine(tmp_path / "spine", given))
    found = interpret(program, {name: array[0][:, 0] for name, array in given.items()})
    for spec, name in zip(subject.signature.outputs, model.module.outputs, strict=True):
        expected = run(network, inputs).outputs[name]
        np.testing.assert_array_equal(found[spec.name].reshape(expected.shape), expected)


def test_a_network_whose_delays_hold_too_much_is_refused() -> None:
    network = chain(Input((1,)), Delay(np.array([5000 * DT])), Output((1,)))
    with pytest.raises(EdgeProofError, match="hold back 5000 values together; a module carries up to 4096"):
        NetworkModule(network)


# --- files that the libraries' own exporters write -------------------------------------------------------------------


def snntorch_file(path: Path, *, recurrent: bool) -> torch.nn.Module:
    import snntorch
    from snntorch.export_nir import export_to_nir

    each = {"beta": torch.full((3,), 0.5), "threshold": torch.ones(3), "init_hidden": True, "output": True}
    neuron = snntorch.RLeaky(linear_features=3, **each) if recurrent else snntorch.Leaky(**each)
    net = eighths(torch.nn.Sequential(torch.nn.Linear(4, 3), neuron))
    nir.write(path, export_to_nir(net, torch.zeros(1, 4), ignore_dims=[0]))
    return net


def spikingjelly_file(path: Path) -> torch.nn.Module:
    from spikingjelly.activation_based import layer, neuron, nir_exchange

    net = eighths(torch.nn.Sequential(layer.Linear(4, 3), neuron.LIFNode(tau=2.0)))
    nir.write(path, nir_exchange.export_to_nir(net, example_input=torch.zeros(1, 4), dt=1e-4))
    return net


def eighths(net: torch.nn.Sequential) -> torch.nn.Sequential:
    """Sums that are exact in any order, and large enough to fire."""
    torch.manual_seed(3)
    with torch.no_grad():
        for part in net.modules():
            if isinstance(part, torch.nn.Linear):
                part.weight.copy_(torch.randint(-3, 7, part.weight.shape) / 8)
                part.bias.copy_(torch.randint(0, 3, part.bias.shape) / 8)
    return net.eval()


THEIRS: dict[str, tuple[Callable[[Path], torch.nn.Module], str]] = {
    "snnTorch": (lambda path: snntorch_file(path, recurrent=False), "reset=subtract&reset_delay=1"),
    "snnTorch, recurrent": (lambda path: snntorch_file(path, recurrent=True), "reset=subtract&reset_delay=1"),
    "SpikingJelly": (spikingjelly_file, "operator=>="),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", THEIRS)
def test_a_librarys_own_file_gives_its_spikes_once_its_rules_are_said(name: str, tmp_path: Path) -> None:
    """And others with the defaults: a NIR file does not say them."""
    export, rules = THEIRS[name]
    net = export(tmp_path / "a.nir")
    x = (np.random.default_rng(0).integers(0, 9, (1, 60, 1, 4)) / 8).astype(F)
    hidden = find_hidden_state(net, lambda: net(torch.zeros(1, 4)))
    with torch.no_grad(), hidden.fresh():
        steps = [net(torch.from_numpy(values)) for values in x[0]]
    expected = np.stack([(candidate[0] if isinstance(candidate, tuple) else candidate).numpy() for candidate in steps])
    assert 20 < expected.sum() < 160
    found = {}
    for query in (f"&{rules}", ""):
        subject = resolve_model(nir_model(tmp_path / "a.nir", f"timesteps=60&readout=stack{query}")).subject
        found[query] = run_all(EagerSession(subject), {subject.signature.inputs[0].name: x})["output"][0]
    np.testing.assert_array_equal(found[f"&{rules}"], expected)
    assert not np.array_equal(found[""], expected)
