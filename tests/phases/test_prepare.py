"""Phase 1: whose samples count, how they are drawn, and that the held-out split stays out."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgeproof.documents.environment import EnvironmentDocument
from edgeproof.documents.manifest import Manifest, RunOptions
from edgeproof.documents.samples import SamplesDocument
from edgeproof.errors import SamplesError
from edgeproof.model.model import Model, Samples
from edgeproof.model.samples import read_samples
from edgeproof.model.subject import Subject, make_subject
from edgeproof.phases.prepare import HELD_OUT, REPRESENTATIVE, Prepared, draw, prepare, prepare_samples
from edgeproof.rundir import RunDir

SOURCE = np.random.default_rng(0)


def some(count: int, *, labels: bool = True) -> Samples:
    x = SOURCE.standard_normal((count, 4)).astype(np.float32)
    return Samples({"input": x}, np.arange(count) % 4 if labels else None, origin="drawn here")


def subject(**options: Any) -> Subject:
    model = Model(torch.nn.Linear(4, 4), inputs=["input:float32[1,4]"], name="net", **options)
    return make_subject(model, model.specs())


def options(**more: Any) -> RunOptions:
    return RunOptions(**{"model": "net.py:make", "model_name": "net", "sample_count": 240, "seed": 3, **more})


def status(prepared: Prepared, name: str) -> str:
    return next(check.status for check in prepared.document.checks if check.name == name)


def rows(samples: Samples) -> set[bytes]:
    return {row.tobytes() for row in samples.inputs["input"]}


def test_a_pool_is_drawn_from_in_balance_and_by_its_seed() -> None:
    one = subject(samples=lambda: POOL, held_out=HELD)
    prepared = draw(one, None, options())
    document = prepared.document
    assert (document.source, document.seed, document.count, document.labelled) == ("model", 3, 240, True)
    assert document.per_class == {"0": 60, "1": 60, "2": 60, "3": 60}
    assert document.origin == "drawn here"
    assert not document.under_sampled
    assert not document.synthetic
    assert prepared.representative.inputs["input"].shape == (240, 1, 4)
    assert rows(prepared.representative) <= rows(POOL)
    again, other = draw(one, None, options()), draw(one, None, options(seed=4))
    assert np.array_equal(again.representative.inputs["input"], prepared.representative.inputs["input"])
    assert rows(other.representative) != rows(prepared.representative)


POOL, HELD = some(600), some(100)


def test_the_representative_samples_are_never_from_the_held_out_split() -> None:
    prepared = draw(subject(samples=POOL, held_out=HELD), None, options())
    assert not rows(prepared.representative) & rows(HELD)
    assert rows(prepared.held_out) == rows(HELD)
    assert status(prepared, "held-out") == "ok"
    assert (prepared.document.held_out.source, prepared.document.held_out.count) == ("model", 100)


def test_a_held_out_split_that_overlaps_is_marked() -> None:
    prepared = draw(subject(samples=POOL, held_out=POOL.take(np.arange(50))), None, options(sample_count=600))
    (check,) = (check for check in prepared.document.checks if check.name == "held-out")
    assert check.status == "warning"
    assert "50 held-out samples stand among the representative ones" in check.detail


def test_a_small_pool_is_taken_whole_and_marked() -> None:
    prepared = draw(subject(samples=some(90)), None, options())
    assert prepared.document.count == 90
    assert prepared.document.under_sampled
    assert [status(prepared, name) for name in ("pool", "count", "held-out")] == ["warning"] * 3
    assert prepared.document.held_out.source == "representative"
    assert rows(prepared.held_out) == rows(prepared.representative)


def test_a_user_s_samples_are_taken_as_they_are() -> None:
    mine = some(210, labels=False)
    prepared = draw(subject(samples=POOL, held_out=HELD), mine, options(samples="mine"))
    document = prepared.document
    assert (document.source, document.seed, document.count, document.labelled) == ("user", None, 210, False)
    assert np.array_equal(prepared.representative.inputs["input"][:, 0], mine.inputs["input"])
    assert document.held_out.source == "representative"


def test_a_user_s_held_out_samples_count_before_the_model_s(tmp_path: Path) -> None:
    mine = some(30)
    np.savez(tmp_path / "held.npz", **mine.inputs, labels=mine.labels)
    prepared = draw(subject(samples=POOL, held_out=HELD), None, options(held_out=str(tmp_path / "held.npz")))
    assert prepared.document.held_out.source == "user"
    assert rows(prepared.held_out) == rows(mine)


def test_a_large_held_out_split_is_drawn_from_in_balance() -> None:
    prepared = draw(subject(samples=POOL, held_out=some(1500)), None, options())
    labels = prepared.held_out.labels
    assert labels is not None
    assert Counter(labels.tolist()) == {0: 250, 1: 250, 2: 250, 3: 250}
    assert "1000 drawn with seed 3" in prepared.held_out.origin


def test_random_input_on_request_only() -> None:
    with pytest.raises(SamplesError, match="no samples") as caught:
        draw(subject(), None, options())
    assert "--samples PATH" in (caught.value.hint or "")
    prepared = draw(subject(), None, options(synthetic=True))
    assert (prepared.document.source, prepared.document.synthetic) == ("synthetic", True)
    assert status(prepared, "synthetic") == "warning"
    assert draw(subject(samples=POOL), None, options(synthetic=True)).document.source == "model"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda x: np.where(np.arange(x.size).reshape(x.shape) == 9, np.nan, x), "hold NaN or Inf"),
        (lambda x: np.zeros_like(x), "all samples of input are the same"),
        (lambda x: x[:, :3], "has the shape [3]; the model takes [1, 4]"),
    ],
)
def test_a_pool_or_a_held_out_split_that_cannot_be_used(damage: Any, message: str) -> None:
    bad = dataclasses.replace(POOL, inputs={"input": damage(POOL.inputs["input"])})
    for one in (subject(samples=bad, held_out=HELD), subject(samples=POOL, held_out=bad)):
        with pytest.raises(SamplesError) as caught:
            draw(one, None, options(sample_count=600))
        assert message in str(caught.value)


def test_files_for_people_and_for_the_workers(tmp_path: Path) -> None:
    prepared = draw(subject(samples=POOL, held_out=HELD), None, options())
    for _ in range(2):
        document = prepare_samples(tmp_path, prepared)
        files = sorted((tmp_path / "rep_samples").glob("*.npy"))
        assert len(files) == 241
        read = read_samples(tmp_path / "rep_samples")
        assert np.array_equal(read.inputs["input0"], prepared.representative.inputs["input"])
        assert read.labels is not None
        assert np.array_equal(read.labels, prepared.representative.labels)
        for name, samples in ((REPRESENTATIVE, prepared.representative), (HELD_OUT, prepared.held_out)):
            with np.load(tmp_path / name, allow_pickle=False) as archive:
                assert np.array_equal(archive["input"], samples.inputs["input"])
                assert np.array_equal(archive["labels"], samples.labels)
        assert RunDir(tmp_path).read("phase1_samples.json", SamplesDocument) == document
    smaller = draw(subject(samples=POOL, held_out=HELD), None, options(sample_count=10))
    prepare_samples(tmp_path, smaller)
    assert read_samples(tmp_path / "rep_samples").count == 10


def test_phase_1_from_a_reference(tmp_path: Path) -> None:
    file = tmp_path / "phase_one_net.py"
    file.write_text(
        "import numpy as np, torch, edgeproof\n"
        "def make():\n"
        "    x = np.random.default_rng(0).standard_normal((300, 4)).astype(np.float32)\n"
        "    return edgeproof.Model(torch.nn.Linear(4, 2), samples=edgeproof.Samples({'input': x}))\n"
    )
    manifest = Manifest(
        created="",
        edgeproof="0",
        command="",
        working_directory=str(tmp_path),
        options=options(model=f"{file}:make"),
        phases=(),
    )
    run = RunDir.create(manifest, tmp_path / "run")
    lines: list[str] = []
    document = prepare(run, lines.append)
    assert document.count == 240
    assert [spec.shape for spec in document.signature.inputs] == [(1, 4)]
    assert document.signature.score_output == "output"
    assert run.read("phase1_environment.json", EnvironmentDocument).candidates
    assert len(lines) == 3
