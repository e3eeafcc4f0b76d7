"""Candidates with several samples a call: really exported, converted, compared and timed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgeproof.devices.base import Effort
from edgeproof.documents.batches import BatchesDocument
from edgeproof.documents.manifest import RunOptions
from edgeproof.documents.samples import SamplesDocument
from edgeproof.phases.batches import measure_batches
from edgeproof.phases.batching.grouped import why_not_grouped
from edgeproof.phases.convert import convert
from edgeproof.phases.evaluate import read_evidence
from edgeproof.phases.prepare import prepare
from edgeproof.pipeline import PHASES, command_of, new_run
from edgeproof.process import Limits
from edgeproof.rundir import RunDir

QUICK = Effort(rounds=1, count=30, warmup=2, seconds=1.0, limits=Limits(seconds=60))
MODEL = """
import numpy as np, torch
from torch import nn
import edgeproof

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last = nn.Linear(8, 16), nn.Linear(16, 3)

    def forward(self, x):
        return self.last(torch.relu(self.first({given})))

def data(count, seed):
    return edgeproof.Samples({{"x": np.random.default_rng(seed).standard_normal((count, 8)).astype(np.float32)}})

def model():
    return edgeproof.Model(Net(), inputs=["x:float32[1,8]"], samples=data(40, 0), held_out=data(18, 1))
"""


def a_run(
    folder: Path, given: str, candidates: tuple[str, ...] = ("onnx-fp32",), sizes: tuple[int, ...] = (1, 4)
) -> RunDir:
    """A run after phase 3's conversion."""
    (folder / "net.py").write_text(MODEL.format(given=given))
    options = RunOptions(
        model=f"{folder / 'net.py'}:model", model_name="net", candidates=candidates, batches=sizes, processors=("none",)
    )
    run = RunDir(new_run(options, folder / "run").root, trust=True)
    prepare(run)
    convert(run)
    return run


@pytest.mark.slow
def test_a_model_that_takes_batches_is_measured_in_them(tmp_path: Path) -> None:
    run = a_run(tmp_path, "x", ("sdk-eager", "onnx-fp32", "onnx-int8"))
    measure_batches(run, effort=QUICK)
    document = run.read(BatchesDocument)
    assert read_evidence(run).batches == document
    assert (document.asked, document.refused, document.left_out) == ((1, 4), (), {"4": 2})
    by_name = {(result.candidate, result.batch): result for result in document.results}
    assert set(by_name) == {(name, size) for name in ("onnx-fp32", "onnx-int8") for size in (1, 4)}
    for (name, size), result in by_name.items():
        assert result.steady is not None, result.reason
        assert result.steady.count == 30
        assert result.per_sample_us == pytest.approx(result.steady.median_us / size)
        assert len(json.loads(run.path(result.steady.raw).read_bytes())) == 30
        assert result.starved or result.counts
        if size > 1:
            assert result.validation is not None
            assert result.validation.status == "passed", result.validation.reason
            assert result.conversion is not None
            assert run.path(f"artifacts/{name}-b4/artifact.json").is_file()
    assert by_name["onnx-fp32", 4].validation.differences.relative_l2 < 1e-5
    measure_batches(run, effort=QUICK)  # what is made is not made again
    assert run.read(BatchesDocument).results[1].conversion == document.results[1].conversion


@pytest.mark.slow
def test_a_model_whose_shape_does_not_allow_it_says_so(tmp_path: Path) -> None:
    run = a_run(tmp_path, "x.reshape(1, 8)", sizes=(4, 64))
    measure_batches(run, effort=QUICK)
    document = run.read(BatchesDocument)
    assert document.results == ()
    small, large = document.refused
    assert "does not run on x:float32[4, 8]" in small.reason
    assert small.remedy is not None
    assert large.reason == "there are 18 samples, fewer than fill one call"


@pytest.mark.slow
def test_samples_that_are_not_apart_fail_the_comparison(tmp_path: Path) -> None:
    """It runs in batches, and a sample's output follows from its neighbours."""
    run = a_run(tmp_path, "x / x.abs().max()")
    measure_batches(run, effort=QUICK)
    single, batched = run.read(BatchesDocument).results
    assert (single.batch, batched.batch) == (1, 4)
    assert batched.validation is not None
    assert batched.validation.status == "failed"
    assert not batched.counts


def test_what_has_time_or_state_or_another_first_axis_is_not_grouped(tmp_path: Path) -> None:
    from msgspec.structs import replace
    from tests.phases.run_folder import make_run

    samples = make_run(tmp_path).read(SamplesDocument)
    assert why_not_grouped(samples, 4) is None

    def of(**changes: object) -> str:
        return why_not_grouped(replace(samples, signature=replace(samples.signature, **changes)), 4) or ""

    assert "time steps" in of(timesteps=5)
    assert "keeps state" in of(stateful=True)
    wide = replace(samples.signature.inputs[0], shape=(3, 4))
    assert of(inputs=(wide,)) == "its input x is [3, 4], whose first axis is no batch axis of 1"
    assert "its output scores is [3]" in of(outputs=(replace(samples.signature.outputs[0], shape=(3,)),))


def test_a_run_that_asks_for_none_has_no_such_phase() -> None:
    phase = next(phase for phase in PHASES if phase.name == "batches")
    plain = RunOptions(model="net.py:model", model_name="net")
    assert not phase.asked(plain)
    assert not phase.asked(RunOptions(model="net.py:model", model_name="net", batches=(1,)))
    asked = RunOptions(model="net.py:model", model_name="net", batches=(1, 8))
    assert phase.asked(asked)
    assert command_of(asked) == "edgeproof run net.py:model --batch 1,8"
