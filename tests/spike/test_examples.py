"""The spiking examples: what they score, and the engine's C against the library, on every held-out sample."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgeproof.documents.source import ModelSource
from edgeproof.model.coding import ready
from edgeproof.model.eager import EagerSession, run_all
from edgeproof.model.resolve import resolve
from edgeproof.model.samples import pool
from edgeproof.model.spine import export_spine, load_spine
from edgeproof.model.step_program import program_of
from edgeproof.spike.engine.emit import emit
from edgeproof.spike.runtime.native import Engine
from edgeproof.spike.toolchain.build import build_library

EXAMPLES = Path(__file__).parents[2] / "examples"
ACCURACY = {
    "digits_snn": 0.9833,
    "digits_snn_spikingjelly": 0.9861,
    "digits_snn_norse": 0.9778,
    "digits_rsnn": 0.9694,
}
"""On the 360 held-out digits, as README states it."""


@pytest.mark.parametrize("name", ACCURACY)
def test_the_engine_gives_the_librarys_spike_counts(name: str, tmp_path: Path) -> None:
    subject = resolve(ModelSource(model=f"{EXAMPLES / name}.py:model")).subject
    held_out = pool(subject.model.held_out)
    assert held_out is not None
    assert held_out.labels is not None
    samples, _ = ready(subject.model, held_out, subject.signature.inputs)
    threads = torch.get_num_threads()
    try:
        spikes = run_all(EagerSession(subject), samples.inputs)["spikes"]
    finally:
        torch.set_num_threads(threads)
    assert spikes.shape == (360, 1, 10)
    assert np.mean(spikes[:, 0].argmax(axis=1) == held_out.labels) == pytest.approx(ACCURACY[name], abs=5e-5)

    few = {key: array[:8] for key, array in samples.inputs.items()}
    export_spine(subject, "step", few, tmp_path / "spine", address=name)
    engine = Engine(build_library(emit(program_of(load_spine(tmp_path / "spine", few)), name), tmp_path))
    found = np.empty_like(spikes)
    for index in range(len(spikes)):
        results = [np.empty(port.shape, np.float32) for port in engine.outputs]
        given = [np.ascontiguousarray(samples.inputs[port.name][index]) for port in engine.inputs]
        engine.call([array.ctypes.data for array in given], [array.ctypes.data for array in results])
        found[index] = next(array for array, port in zip(results, engine.outputs, strict=True) if port.name == "spikes")
    apart = np.abs(found - spikes)
    assert apart.max() <= 1
    assert np.count_nonzero(apart) <= 2, "PyTorch's sums, and so a value at the threshold, depend on the processor"
