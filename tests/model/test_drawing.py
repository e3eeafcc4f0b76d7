"""Whose samples count, how they are drawn, and that the held-out split stays out."""

from __future__ import annotations

import dataclasses
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgeproof.errors import SamplesError
from edgeproof.model.drawing import Draw, Drawn, draw
from edgeproof.model.model import Model, Samples
from edgeproof.model.subject import Subject, make_subject

SOURCE = np.random.default_rng(0)


def some(count: int, *, labels: bool = True) -> Samples:
    x = SOURCE.standard_normal((count, 4)).astype(np.float32)
    return Samples({"input": x}, np.arange(count) % 4 if labels else None, origin="drawn here")


def subject(**options: Any) -> Subject:
    model = Model(torch.nn.Linear(4, 4), inputs=["input:float32[1,4]"], name="net", **options)
    return make_subject(model, model.specs())


def options(**more: Any) -> Draw:
    return Draw(**{"count": 240, "seed": 3, "synthetic": False, **more})


def status(drawn: Drawn, name: str) -> str:
    return next(check.status for check in drawn.document.checks if check.name == name)


def rows(samples: Samples) -> set[bytes]:
    return {row.tobytes() for row in samples.inputs["input"]}


def test_a_pool_is_drawn_from_in_balance_and_by_its_seed() -> None:
    chosen = subject(samples=lambda: POOL, held_out=HELD)
    drawn = draw(chosen, None, options())
    document = drawn.document
    assert (document.source, document.seed, document.count, document.labelled) == ("model", 3, 240, True)
    assert document.per_class == {"0": 60, "1": 60, "2": 60, "3": 60}
    assert document.origin == "drawn here"
    assert not document.under_sampled
    assert not document.synthetic
    assert drawn.representative.inputs["input"].shape == (240, 1, 4)
    assert rows(drawn.representative) <= rows(POOL)
    again, other = draw(chosen, None, options()), draw(chosen, None, options(seed=4))
    assert np.array_equal(again.representative.inputs["input"], drawn.representative.inputs["input"])
    assert rows(other.representative) != rows(drawn.representative)


POOL, HELD = some(600), some(100)


def test_the_representative_samples_are_never_from_the_held_out_split() -> None:
    drawn = draw(subject(samples=POOL, held_out=HELD), None, options())
    assert not rows(drawn.representative) & rows(HELD)
    assert rows(drawn.held_out) == rows(HELD)
    assert status(drawn, "held-out") == "ok"
    assert (drawn.document.held_out.source, drawn.document.held_out.count) == ("model", 100)


def test_a_held_out_split_that_overlaps_is_marked() -> None:
    drawn = draw(subject(samples=POOL, held_out=POOL.take(np.arange(50))), None, options(count=600))
    (check,) = (check for check in drawn.document.checks if check.name == "held-out")
    assert check.status == "warning"
    assert "50 held-out samples stand among the representative ones" in check.detail


def test_a_small_pool_is_taken_whole_and_marked() -> None:
    drawn = draw(subject(samples=some(90)), None, options())
    assert drawn.document.count == 90
    assert drawn.document.under_sampled
    assert [status(drawn, name) for name in ("pool", "count", "held-out")] == ["warning"] * 3
    assert drawn.document.held_out.source == "representative"
    assert rows(drawn.held_out) == rows(drawn.representative)


def test_a_user_s_samples_are_taken_as_they_are() -> None:
    mine = some(210, labels=False)
    drawn = draw(subject(samples=POOL, held_out=HELD), mine, options())
    document = drawn.document
    assert (document.source, document.seed, document.count, document.labelled) == ("user", None, 210, False)
    assert np.array_equal(drawn.representative.inputs["input"][:, 0], mine.inputs["input"])
    assert document.held_out.source == "representative"


def test_a_user_s_held_out_samples_count_before_the_model_s(tmp_path: Path) -> None:
    mine = some(30)
    np.savez(tmp_path / "held.npz", **mine.inputs, labels=mine.labels)
    drawn = draw(subject(samples=POOL, held_out=HELD), None, options(held_out=str(tmp_path / "held.npz")))
    assert drawn.document.held_out.source == "user"
    assert rows(drawn.held_out) == rows(mine)


def test_a_large_held_out_split_is_drawn_from_in_balance() -> None:
    drawn = draw(subject(samples=POOL, held_out=some(1500)), None, options())
    labels = drawn.held_out.labels
    assert labels is not None
    assert Counter(labels.tolist()) == {0: 250, 1: 250, 2: 250, 3: 250}
    assert "1000 drawn with seed 3" in drawn.held_out.origin


def test_random_input_on_request_only() -> None:
    with pytest.raises(SamplesError, match="no samples") as caught:
        draw(subject(), None, options())
    assert "--samples PATH" in (caught.value.hint or "")
    drawn = draw(subject(), None, options(synthetic=True))
    assert (drawn.document.source, drawn.document.synthetic) == ("synthetic", True)
    assert status(drawn, "synthetic") == "warning"
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
    for chosen in (subject(samples=bad, held_out=HELD), subject(samples=POOL, held_out=bad)):
        with pytest.raises(SamplesError) as caught:
            draw(chosen, None, options(count=600))
        assert message in str(caught.value)


def test_a_command_takes_the_held_out_samples_before_random_input() -> None:
    """Without a run's strictness: the model's own pool, else its held-out samples, else random input."""
    how = Draw(count=240)
    assert draw(subject(samples=POOL, held_out=HELD), None, how).document.source == "model"
    taken = draw(subject(held_out=HELD), None, how)
    assert taken.document.count == 100
    assert rows(taken.representative) == rows(HELD)
    assert not taken.document.synthetic
    assert draw(subject(), None, how).document.synthetic
