"""What a model's own outputs cannot tell: silent and constant ones, and scores of guessing."""

from __future__ import annotations

import numpy as np
import pytest

from edgeproof.differences.liveness import what_says_nothing
from edgeproof.documents.signature import OutputKind, Signature, TensorSpec


def found(values: np.ndarray, kind: OutputKind = "spikes", labels: np.ndarray | None = None) -> dict[str, str]:
    spec = TensorSpec(name="y", dtype="float32", shape=values.shape[1:], kind=kind)
    signature = Signature(inputs=(), outputs=(spec,), spiking=kind == "spikes", score_output="y")
    checks = what_says_nothing(signature, {"y": values}, labels)
    assert all(check.status == "warning" for check in checks)
    return {check.name: check.detail for check in checks}


@pytest.mark.parametrize(
    ("values", "kind", "name"),
    [
        (np.zeros((5, 1, 4)), "spikes", "silent"),
        (np.full((5, 1, 4), 25.0), "spikes", "always-on"),
        (np.tile([[[0.0, 1.0, 2.0, 0.0]]], (5, 1, 1)), "spikes", "constant-output"),
        (np.zeros((5, 1, 4)), "real", "constant-output"),
        (np.tile([[[0.5, -1.0]]], (5, 1, 1)), "real", "constant-output"),
    ],
)
def test_an_output_that_is_the_same_on_every_sample(values: np.ndarray, kind: OutputKind, name: str) -> None:
    assert list(found(values, kind)) == [name]
    values = values.copy()
    values[3, 0, 1] += 1
    assert found(values, kind) == {}
    assert found(values[:1], kind) == {}, "one sample tells nothing of others"


@pytest.mark.parametrize(
    ("right", "of_ten_classes", "guessed"), [(8, True, True), (12, True, False), (42, False, True), (52, False, False)]
)
def test_a_score_is_held_against_guessing(right: int, of_ten_classes: bool, guessed: bool) -> None:
    """60 samples; P(>= 12 of 60 at 1/10) is 0.0145 by a table, P(>= 13) 0.0054: so 12 right is the last guess."""
    labels = np.arange(60) % 10 if of_ten_classes else (np.arange(60) >= 40).astype(np.int64)
    right += of_ten_classes and not guessed
    predicted = labels.copy()
    predicted[right:] = (labels[right:] + 1) % (10 if of_ten_classes else 2)
    values = np.eye(10 if of_ten_classes else 2)[predicted][:, None]
    checks = found(values, "real", labels)
    assert list(checks) == (["chance"] if guessed else [])
    if guessed:
        share = "10.0 %" if of_ten_classes else "66.7 %"
        assert f"{100 * right / 60:.1f} % of 60, is no better than guessing ({share})" in checks["chance"]


def test_labels_of_one_class_are_guessed() -> None:
    values = np.random.default_rng(0).standard_normal((20, 1, 3))
    values[:, 0, 1] += 9
    assert list(found(values, "real", np.ones(20, np.int64))) == ["chance"]
