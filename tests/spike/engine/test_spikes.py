"""Networks of spikes, as the engine is quickest with them: lists of several steps and windows, trains, quiet inputs.

The random programs seldom have many steps, or channels enough, for these; here every network does. All are held against
the interpreter, bit for bit, for every width of vectors.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.spike.calling import call, in_parallel
from tests.spike.spiking_networks import Network, spiking_network

from edgeproof.spike.engine import schedule
from edgeproof.spike.engine.emit import Source, emit
from edgeproof.spike.runtime.native import Engine

SEEDS = range(16)
FORMS = {
    "spikes in windows": r"VARIANT\(near\d+\)\(to",
    "graded inputs in windows": r"VARIANT\(runs\d+\)\(y",
    "windows of few columns": r"VARIANT\(seen[123]\)\(see",
    "several steps": r"VARIANT\(many\d+\)\(m",
    "trains": r"VARIANT\(train\d+\)\(m",
    "trains of stored spikes": r"= VARIANT\(trains\)\(m",
    "trains that neurons tell": r"= VARIANT\(told\)\(m",
    "in another order": r"VARIANT\(placed\)\(m",
    "neurons in vectors": r"VARIANT\(neurons\d+\)\(m",
    "pooling in vectors": r"VARIANT\(highest\)\(y",
    "a quiet input": r"const float \*const from = in",
}


def source_of(seed: int, network: Network, monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setattr(schedule, "CHUNK_FLOATS", 1 << 18 if seed % 2 else 30_000)
    return emit(network[0], f"spikes{seed}", network[2])


def test_all_widths_give_the_interpreter_s_bits(
    compiler, assert_same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = {seed: spiking_network(seed) for seed in SEEDS}
    sources = [source_of(seed, network, monkeypatch) for seed, network in made.items()]
    libraries = in_parallel(lambda source: compiler.library(source, tmp_path), sources)
    for (seed, (program, inputs, _)), library in zip(made.items(), libraries, strict=True):
        for widest in (16, 8, 4):
            assert_same(program, inputs, call(Engine(library, widest=widest), inputs), f"seed {seed}, {widest} wide")


@pytest.mark.parametrize("seed", SEEDS[1::6])
@pytest.mark.parametrize(
    "flags", ["-DEDGEPROOF_WIDEST=1", "-D{name}_CHUNK=1", "-D{name}_CHUNK=10", "-D{name}_CHUNK=40"]
)
def test_without_vectors_and_for_any_chunk(
    seed: int, flags: str, compiler, assert_same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = spiking_network(seed)
    source = source_of(seed, network, monkeypatch)
    library = compiler.library(source, tmp_path, ("-O1", flags.format(name=source.name.upper())))
    assert_same(*network[:2], call(Engine(library), network[1]), f"seed {seed}, {flags}")


def test_the_networks_hold_every_form(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [source_of(seed, spiking_network(seed), monkeypatch).c for seed in SEEDS]
    missing = {name for name, pattern in FORMS.items() if not any(re.search(pattern, text) for text in texts)}
    assert not missing


@pytest.mark.slow
def test_under_sanitizers(compiler, assert_same, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0")
    from tests.spike.conftest import SANITIZED

    made = []
    for seed in SEEDS[::5]:
        network = spiking_network(seed)
        made.append((source_of(seed, network, monkeypatch), *network[:2]))
    for (_, program, inputs), by_width in zip(made, compiler.results(made, tmp_path, SANITIZED), strict=True):
        for outputs in by_width:
            assert_same(program, inputs, outputs, "under sanitizers")
