"""A small network on scikit-learn's scanned digits, its C, and what the interpreter gives: for tests of builds."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from edgeproof.spike.engine.emit import emit
from edgeproof.spike.interpreter import interpret
from edgeproof.spike.program import Array, Input, Linear, Output, Program, State
from edgeproof.spike.simplify import elementwise

NAME = "small_net"
INPUTS, OUTPUTS = [64], [10, 10]


def program() -> Program:
    """64-70-10 leaky neurons over 12 steps."""
    generator = np.random.default_rng(3)
    x = Input("pixels", (64,))
    states, node = [], x
    for name, inputs, outputs in (("hidden", 64, 70), ("last", 70, 10)):
        weight = generator.normal(0, 2 / np.sqrt(inputs), (outputs, inputs)).astype(np.float32)
        current = Linear(node, weight, generator.normal(0, 0.1, outputs).astype(np.float32))
        membrane = State(name, np.zeros(outputs, np.float32))
        fired = elementwise("cast", elementwise("gt", membrane, 1.0))
        after = elementwise("sub", elementwise("add", elementwise("mul", membrane, 0.9), current), fired)
        node = elementwise("cast", elementwise("gt", after, 1.0))
        states.append((membrane, after))
    outputs = (Output("spikes", node, "sum"), Output("membrane", states[1][1], "last"))
    return Program((x,), tuple(states), outputs, timesteps=12, sequence=False)


def write_source(folder: Path) -> Path:
    """The generated ``.c`` with its ``.h``."""
    source = emit(program(), NAME)
    (folder / f"{NAME}.h").write_text(source.h)
    (folder / f"{NAME}.c").write_text(source.c)
    return folder / f"{NAME}.c"


def samples(count: int = 40) -> Array:
    """Scanned digits, ``[count, 64]`` float32 from 0 to 1, out of the package's file: importing it takes seconds."""
    package = importlib.util.find_spec("sklearn")
    assert package is not None
    assert package.submodule_search_locations
    file = Path(package.submodule_search_locations[0]) / "datasets" / "data" / "digits.csv.gz"
    rows = np.loadtxt(file, delimiter=",", max_rows=count)
    return (rows[:, :64] / 16).astype(np.float32)


def expected(count: int = 40) -> bytes:
    """What the interpreter gives for the samples: spikes and membrane of each."""
    network = program()
    rows = [interpret(network, {"pixels": x}) for x in samples(count)]
    assert sum(row["spikes"].sum() for row in rows) > count
    return b"".join(row["spikes"].tobytes() + row["membrane"].tobytes() for row in rows)
