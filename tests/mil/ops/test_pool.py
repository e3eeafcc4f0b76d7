"""Pooling, against loops over every window."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mil.ops.calling import call

from edgeproof.errors import ArtifactError

Few = settings(max_examples=40, deadline=None, derandomize=True)
STEP = 2.0**-11
NAMES = st.sampled_from(["max_pool", "avg_pool", "l2_pool"])


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    rank = draw(st.integers(1, 3))
    kernel = draw(st.lists(st.integers(1, 3), min_size=rank, max_size=rank))
    pad_type = draw(st.sampled_from(["valid", "same", "same_lower", "custom"]))
    ceil = rank < 3 and not pad_type.startswith("same") and draw(st.booleans())
    pads = [draw(st.integers(0, 1 if ceil else 3)) for _ in range(2 * rank)]
    if ceil:
        pads = [pads[at // 2] for at in range(2 * rank)]
    return {
        "sizes": [k + draw(st.integers(0, 4)) for k in kernel],
        "batch": draw(st.tuples(st.integers(1, 2), st.integers(1, 2))),
        "kernel_sizes": kernel,
        "strides": draw(st.lists(st.integers(1, 3), min_size=rank, max_size=rank)),
        "pad_type": pad_type,
        "pad": pads,
        "ceil_mode": ceil,
        "seed": draw(st.integers(0, 99)),
    }


def windows(case: dict[str, Any]) -> tuple[list[int], list[tuple[int, int]]]:
    """Places of the window and paddings per dimension, by MIL's formulas."""
    out, pads = [], []
    for at, (size, k, s) in enumerate(zip(case["sizes"], case["kernel_sizes"], case["strides"], strict=True)):
        pair = (0, 0)
        if case["pad_type"] == "custom":
            pair = (case["pad"][2 * at], case["pad"][2 * at + 1])
        elif case["pad_type"] != "valid":
            total = max((math.ceil(size / s) - 1) * s + k - size, 0)
            pair = (total // 2, total - total // 2) if case["pad_type"] == "same" else (total - total // 2, total // 2)
        room = size + sum(pair) - k
        places = (math.ceil(room / s) if case["ceil_mode"] else room // s) + 1
        if case["ceil_mode"] and sum(pair) > 0 and (places - 1) * s >= size + pair[0]:
            places -= 1
        out.append(places)
        pads.append(pair)
    return out, pads


def pooled(name: str, x: np.ndarray, case: dict[str, Any], exclude: bool) -> np.ndarray:
    out, pads = windows(case)
    result = np.zeros((*x.shape[:2], *out))
    for place in itertools.product(*map(range, out)):
        spans = []
        count = 1
        for p, s, k, n, (before, after) in zip(
            place, case["strides"], case["kernel_sizes"], x.shape[2:], pads, strict=True
        ):
            low = p * s - before
            spans.append(slice(max(low, 0), max(min(low + k, n), 0)))
            count *= min(low + k, n + after) - low
        seen = x[(slice(None), slice(None), *spans)].astype(np.float64).reshape(*x.shape[:2], -1)
        if name == "max_pool":
            value = seen.max(-1, initial=-np.inf)
        elif name == "avg_pool":
            value = seen.sum(-1) / max(seen.shape[-1] if exclude else count, 1)
        else:
            value = np.sqrt(np.square(seen).sum(-1))
        result[(..., *place)] = value
    return result


@given(name=NAMES, case=cases(), exclude=st.booleans(), half=st.booleans())
@Few
def test_pooling(name: str, case: dict[str, Any], exclude: bool, half: bool) -> None:
    x = np.random.default_rng(case["seed"]).uniform(-2, 2, (*case["batch"], *case["sizes"])).astype(np.float32)
    if half:
        x = x.astype(np.float16)
    arguments = {key: case[key] for key in ("kernel_sizes", "strides", "pad_type", "pad", "ceil_mode")}
    if name == "avg_pool":
        arguments["exclude_padding_from_average"] = exclude
    result = call(name, x=x, **arguments)
    expected = pooled(name, x, case, exclude)
    assert result.dtype == x.dtype
    assert result.shape == expected.shape
    if name == "max_pool":
        np.testing.assert_array_equal(result, expected)
    else:
        terms = math.prod(case["kernel_sizes"])
        bound = (terms + 3) * STEP * 2 * (math.sqrt(terms) if name == "l2_pool" else 1) if half else 1e-5
        assert (np.abs(result - expected) <= bound).all()


@given(size=st.integers(3, 9), k=st.integers(2, 3), s=st.integers(1, 3), pad=st.integers(0, 1), exclude=st.booleans())
@Few
def test_averages_that_stick_out_are_those_of_torch(size: int, k: int, s: int, pad: int, exclude: bool) -> None:
    x = np.random.default_rng(size).uniform(-2, 2, (1, 2, size, size)).astype(np.float32)
    if pad == 0 and (math.ceil((size - k) / s)) * s >= size:
        return
    expected = torch.nn.functional.avg_pool2d(torch.from_numpy(x), k, s, pad, True, not exclude)
    result = call(
        "avg_pool",
        x=x,
        kernel_sizes=[k, k],
        strides=[s, s],
        pad_type="custom",
        pad=[pad] * 4,
        ceil_mode=True,
        exclude_padding_from_average=exclude,
    )
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_strides_are_1_where_none_are_given() -> None:
    x = np.arange(8, dtype=np.float32).reshape(1, 1, 8)
    assert call("max_pool", x=x, kernel_sizes=[3], pad_type="valid").ravel().tolist() == [2, 3, 4, 5, 6, 7]


def test_what_does_not_fit_is_refused() -> None:
    x = np.ones((1, 1, 4, 4), np.float32)
    with pytest.raises(ArtifactError, match="does not fit"):
        call("max_pool", x=x, kernel_sizes=[5, 1], pad_type="valid")
    with pytest.raises(ArtifactError, match="expected 1 to 3"):
        call("avg_pool", x=x, kernel_sizes=[2], pad_type="valid")
    with pytest.raises(ArtifactError, match="pads"):
        call("l2_pool", x=x, kernel_sizes=[2, 2], pad_type="custom", pad=[1, 1])
