"""Each library's neuron as NIR's primitive: the same numbers where no rounding is in the way, and what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.graph.network import Network, chain
from edgeproof.spike.graph.primitives import NIR_PRIMITIVES, Input, Linear, Neuron, Output, Scale
from edgeproof.spike.graph.reference import run
from edgeproof.spike.graph.semantics import Semantics
from edgeproof.spike.neurons.adaptive import ALIFParams, LSNNParams
from edgeproof.spike.neurons.discrete import AlphaParams, LeakyParams, SynapticParams
from edgeproof.spike.neurons.firing import Firing
from edgeproof.spike.neurons.integrate import IFParams
from edgeproof.spike.neurons.izhikevich import IzhikevichParams
from edgeproof.spike.neurons.leaky import LIFParams, LIParams
from edgeproof.spike.neurons.models import MODELS
from edgeproof.spike.neurons.norse import NorseLIFBoxParams, NorseLIFParams, NorseLIParams
from edgeproof.spike.neurons.spikingjelly import CubaNodeParams, LIFNodeParams, PLIFNodeParams
from edgeproof.spike.nir.as_nir import as_nir
from edgeproof.spike.nir.nir_file import read, write

DT = 2.0**-10
"""A power of two, as all numbers here are of few bits: then both forms are exact."""
STEPS = 60
WIDTH = 5


def around(model: str, params: Any) -> Network:
    weights = np.random.default_rng(9).integers(-4, 9, (WIDTH, 3)) / 4
    neuron = Neuron(model, params)
    return chain(Input((3,)), Linear(weights), neuron, Output((WIDTH,)), semantics=Semantics(dt_s=DT))


HALF, QUARTER = np.float32(0.5), np.float32(0.25)
SUBTRACT, ZERO = Firing(1.0, 0.0, "subtract", 0, ">="), Firing(1.0, -0.25, "zero", 0, ">=")
FROM_ZERO, LATE = Firing(1.0, 0.0, "zero", 0, ">="), Firing(0.75, 0.0, "subtract", 1, ">")

SAME: dict[str, tuple[str, Any, str]] = {
    "leaky": ("snntorch.Leaky", LeakyParams(HALF), "LIF"),
    "leaky, each its own": ("snntorch.Leaky", LeakyParams(np.array([0.5, 0.75, 0, 0.5, 0.25], np.float32)), "LIF"),
    "leaky, zero": ("snntorch.Leaky", LeakyParams(HALF, 1.0, "zero", 1), "LIF"),
    "leaky, zero at once": ("snntorch.Leaky", LeakyParams(HALF, 0.75, "zero", 0), "LIF"),
    "leaky, no reset": ("snntorch.Leaky", LeakyParams(HALF, 1.0, "none", 1), "LIF"),
    "leaky, graded": ("snntorch.Leaky", LeakyParams(HALF, 1.0, "subtract", 1, np.float32(2)), "LIF"),
    "leaky that does not leak": ("snntorch.Leaky", LeakyParams(np.float32(1)), "IF"),
    "synaptic": ("snntorch.Synaptic", SynapticParams(HALF, np.float32(0.75)), "CubaLIF"),
    "synaptic, no reset": ("snntorch.Synaptic", SynapticParams(HALF, HALF, 1.0, "none"), "CubaLIF"),
    "synaptic, zero at once": ("snntorch.Synaptic", SynapticParams(HALF, HALF, 1.0, "zero", 0), "CubaLIF"),
    "IFNode": ("IF", IFParams(1.0, SUBTRACT), "IF"),
    "IFNode, zero": ("IF", IFParams(1.0, FROM_ZERO), "IF"),
    "LIFNode": ("spikingjelly.LIFNode", LIFNodeParams(2.0, 0.0, True, SUBTRACT), "LIF"),
    "LIFNode, input whole": ("spikingjelly.LIFNode", LIFNodeParams(4.0, 0.0, False, SUBTRACT), "LIF"),
    "LIFNode, zero": ("spikingjelly.LIFNode", LIFNodeParams(2.0, -0.25, True, ZERO), "LIF"),
    "ParametricLIFNode": ("spikingjelly.ParametricLIFNode", PLIFNodeParams(QUARTER, 0.0, False, SUBTRACT), "LIF"),
    "CUBALIFNode": ("spikingjelly.CUBALIFNode", CubaNodeParams(HALF, np.float32(0.75), FROM_ZERO), "CubaLIF"),
    "norse.LIF": ("norse.LIF", NorseLIFParams(HALF, QUARTER, 0.125, Firing(0.5)), "CubaLIF"),
    "norse.LI": ("norse.LI", NorseLIParams(HALF, QUARTER, 0.125), "CubaLI"),
    "norse.LIFBox": ("norse.LIFBox", NorseLIFBoxParams(HALF, 0.125, Firing(0.75, 0.0, "subtract")), "LIF"),
    "LI": ("LI", LIParams(QUARTER, 2.0, 0.5), "LI"),
    "LIF": ("LIF", LIFParams(HALF, 2.0, 0.125, LATE), "LIF"),
}


@pytest.mark.parametrize("name", SAME)
def test_the_primitive_computes_what_the_library_does(name: str, tmp_path: Path) -> None:
    model, params, kind = SAME[name]
    network = around(model, params)
    found = as_nir(network)
    node = "neuron_2"
    assert type(found.network.nodes[node]) is NIR_PRIMITIVES[kind]
    assert found.choices[0].startswith(f"{node}: {model} as {kind}, ")
    x = np.random.default_rng(1).integers(0, 5, (STEPS, 3)) / 4
    expected = run(network, x).outputs["output"]
    assert len(np.unique(expected)) > 1
    same = run(found.network, x).outputs["output"]
    np.testing.assert_array_equal(same[:8], expected[:8])
    if MODELS[model].spikes:
        np.testing.assert_array_equal(same, expected)
    else:  # a membrane that nothing resets needs more bits with every step
        np.testing.assert_allclose(same, expected, rtol=1e-5, atol=1e-7)
    write(tmp_path / "a.nir", found.network)
    assert read(tmp_path / "a.nir") == found.network


def test_the_rules_of_the_neurons_become_those_of_the_graph() -> None:
    for name, rules in (
        ("leaky", ("subtract", 1, ">")), ("leaky, no reset", ("none", 0, ">")), ("LIFNode, zero", ("zero", 0, ">=")),
        ("norse.LIF", ("zero", 0, ">")), ("norse.LIFBox", ("subtract", 0, ">")),
    ):  # fmt: skip
        semantics = as_nir(around(*SAME[name][:2])).network.semantics
        assert (semantics.reset, semantics.reset_delay, semantics.threshold_operator) == rules
        assert (semantics.dt_s, semantics.integration) == (DT, "euler")


def test_graded_spikes_become_a_factor_behind_the_neuron() -> None:
    found = as_nir(around(*SAME["leaky, graded"][:2]))
    scale = found.network.nodes["neuron_2.graded"]
    assert isinstance(scale, Scale)
    assert scale.scale.tolist() == [2.0] * WIDTH
    assert found.network.edges[-2:] == (("neuron_2.graded", "output"), ("neuron_2", "neuron_2.graded"))
    assert found.choices[1] == "neuron_2.graded: what a spike counts for, as a Scale"


REFUSED: dict[str, tuple[str, Any, str]] = {
    "ALIF": ("ALIF", ALIFParams(0.5, 0.5, 1.0, Firing(1.0)), "its equations are none of NIR's"),
    "Izhikevich": (
        "Izhikevich",
        IzhikevichParams(0.5, 0.01, 0.2, -65.0, 8.0, -70.0, -14.0),
        "its equations are none of NIR's",
    ),
    "LSNN": ("norse.LSNN", LSNNParams(0.5, 0.5, 0.5, 0.0, 1.0, 0.0, 1.0), "its equations are none of NIR's"),
    "Alpha": ("snntorch.Alpha", AlphaParams(0.75, 0.25, 1.0), "its equations are none of NIR's"),
    "RLeaky, zero": (
        "snntorch.Leaky",
        LeakyParams(HALF, 1.0, "zero", 1, 1.0, True),
        "drops the input of that step too (use reset_mechanism='subtract')",
    ),
    "subtract at once": ("snntorch.Leaky", LeakyParams(HALF, 1.0, "subtract", 0), "still above its threshold"),
    "threshold below zero": (
        "snntorch.Leaky",
        LeakyParams(HALF, -0.5, "zero", 0),
        "reset to zero, above its threshold",
    ),
    "Synaptic, late zero": ("snntorch.Synaptic", SynapticParams(HALF, HALF, 1.0, "zero", 1), "drops the input"),
    "a current that never decays": ("snntorch.Synaptic", SynapticParams(np.float32(1), HALF), "its current leaks 0"),
    "CUBA that begins elsewhere": ("spikingjelly.CUBALIFNode", CubaNodeParams(HALF, HALF, ZERO), "begins at v_reset"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_counterpart_is_named_with_the_reason(name: str) -> None:
    model, params, text = REFUSED[name]
    with pytest.raises(SpikeGraphError) as caught:
        as_nir(around(model, params))
    assert f"the neuron 'neuron_2' ({model}) has no counterpart in NIR: " in str(caught.value)
    assert text in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        (SUBTRACT, FROM_ZERO, "'neuron_1' resets by subtract, at v >= threshold, and 'neuron_2' by zero, at v >="),
        (SUBTRACT, LATE, "'neuron_2' by subtract one step later, at v > threshold"),
        (Firing(1.0), FROM_ZERO, "by zero, at v > threshold, and 'neuron_2' by zero, at v >= threshold"),
    ],
)
def test_neurons_with_other_rules_cannot_stand_in_one_graph(first: Firing, second: Firing, text: str) -> None:
    nodes = (Neuron("IF", IFParams(1.0, first)), Neuron("IF", IFParams(1.0, second)))
    with pytest.raises(SpikeGraphError, match="a graph has one rule for all its neurons") as caught:
        as_nir(chain(Input((2,)), *nodes, Output((2,))))
    assert text in str(caught.value)
