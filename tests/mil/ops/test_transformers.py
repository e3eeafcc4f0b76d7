"""Attention, against what coremltools computes of constants and its formula in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mil.ops.calling import call, inferred

from edgeproof.errors import ArtifactError

Few = settings(max_examples=25, deadline=None, derandomize=True)
SIZES = st.integers(1, 4)
NAME = "scaled_dot_product_attention"


def some(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2, 2, shape).astype(np.float32)


@given(
    batch=st.lists(SIZES, min_size=1, max_size=2),
    sizes=st.tuples(SIZES, SIZES, SIZES, SIZES),
    mask=st.sampled_from(["none", "bool", "float"]),
    short=st.integers(0, 3),
    seed=st.integers(0, 99),
)
@Few
def test_attention(batch: list[int], sizes: tuple[int, int, int, int], mask: str, short: int, seed: int) -> None:
    length, source, width, out = sizes
    arguments = {
        "query": some(seed, *batch, length, width),
        "key": some(seed + 1, *batch, source, width),
        "value": some(seed + 2, *batch, source, out),
    }
    if mask != "none":
        values = some(seed + 3, *[*batch, length, source][min(short, len(batch)) :])
        if mask == "bool":
            values = values > 0
            values[..., 0] = True
        arguments["attn_mask"] = values
    result = call(NAME, **arguments)
    assert result.dtype == np.float32
    expected = inferred(NAME, **arguments)
    assert result.shape == expected.shape
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-5)


@given(sizes=st.tuples(SIZES, SIZES, SIZES, SIZES), mask=st.booleans(), seed=st.integers(0, 99))
@Few
def test_attention_of_halves_is_near_and_half(sizes: tuple[int, int, int, int], mask: bool, seed: int) -> None:
    length, source, width, out = sizes
    q, k, v = some(seed, 2, length, width), some(seed + 1, 2, source, width), some(seed + 2, 2, source, out)
    added = {"attn_mask": some(seed + 3, length, source)} if mask else {}
    scores = q.astype(np.float64) @ k.swapaxes(1, 2) / np.sqrt(width) + added.get("attn_mask", 0)
    power = np.exp(scores - scores.max(-1, keepdims=True))
    expected = power / power.sum(-1, keepdims=True) @ v
    arguments = {"query": q, "key": k, "value": v} | added
    result = call(NAME, **{name: value.astype(np.float16) for name, value in arguments.items()})
    assert result.dtype == np.float16
    np.testing.assert_allclose(result, expected, atol=0.06)


def test_a_row_of_which_nothing_takes_part_is_nan() -> None:
    x = some(0, 1, 2, 3)
    mask = np.array([[False, False], [True, False]])
    result = call(NAME, query=x, key=x, value=x, attn_mask=mask)
    assert np.isnan(result[0, 0]).all()
    np.testing.assert_allclose(result[0, 1], x[0, 0], rtol=1e-6)


def test_what_does_not_fit_is_refused() -> None:
    x = some(0, 1, 2, 3)
    with pytest.raises(ArtifactError, match="do not fit"):
        call(NAME, query=x, key=some(0, 1, 2, 4), value=x)
    with pytest.raises(ArtifactError, match="do not fit"):
        call(NAME, query=x, key=some(0, 2, 2, 3), value=x)
    with pytest.raises(ArtifactError, match="attn_mask"):
        call(NAME, query=x, key=x, value=x, attn_mask=some(1, 3, 2))
