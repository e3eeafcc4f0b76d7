"""Convolutions, against loops over every place and every weight."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mil.ops.calling import call

from edgeproof.errors import ArtifactError

Few = settings(max_examples=25, deadline=None, derandomize=True)
STEP = 2.0**-11
SMALL = st.integers(1, 3)
Pads = list[tuple[int, int]]


def pads_of(pad_type: str, pad: list[int], sizes: tuple[int, ...], kernel: list[int], strides: list[int]) -> Pads:
    """Elements before and after, as MIL describes its padding types; ``kernel`` with its gaps."""
    if pad_type == "valid":
        return [(0, 0)] * len(sizes)
    if pad_type == "custom":
        return [(pad[2 * at], pad[2 * at + 1]) for at in range(len(sizes))]
    result = []
    for size, wide, stride in zip(sizes, kernel, strides, strict=True):
        total = max((math.ceil(size / stride) - 1) * stride + wide - size, 0)
        halves = (total // 2, total - total // 2)
        result.append(halves if pad_type == "same" else halves[::-1])
    return result


def convolved(
    x: np.ndarray, weight: np.ndarray, pads: Pads, strides: list[int], dilations: list[int], groups: int
) -> np.ndarray:
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    padded = np.pad(x, [(0, 0), (0, 0), *pads])
    wide = [(k - 1) * d + 1 for k, d in zip(weight.shape[2:], dilations, strict=True)]
    out = [(n - w) // s + 1 for n, w, s in zip(padded.shape[2:], wide, strides, strict=True)]
    result = np.zeros((x.shape[0], weight.shape[0], *out))
    inner, outer = x.shape[1] // groups, weight.shape[0] // groups
    for channel in range(weight.shape[0]):
        group = channel // outer
        for place in itertools.product(*map(range, out)):
            window = tuple(
                slice(p * s, p * s + w, d) for p, s, w, d in zip(place, strides, wide, dilations, strict=True)
            )
            seen = padded[(slice(None), slice(group * inner, (group + 1) * inner), *window)]
            result[(slice(None), channel, *place)] = (seen * weight[channel]).reshape(len(x), -1).sum(1)
    return result


def spread(
    x: np.ndarray,
    weight: np.ndarray,
    cut: list[int],
    sizes: list[int],
    strides: list[int],
    dilations: list[int],
    groups: int,
) -> np.ndarray:
    """The transposed convolution: every element put where it belongs, what falls outside dropped."""
    x, weight = x.astype(np.float64), weight.astype(np.float64)
    inner, outer = x.shape[1] // groups, weight.shape[1]
    result = np.zeros((x.shape[0], outer * groups, *sizes))
    for channel, place, offset in itertools.product(
        range(x.shape[1]), itertools.product(*map(range, x.shape[2:])), itertools.product(*map(range, weight.shape[2:]))
    ):
        at = [p * s + k * d - c for p, s, k, d, c in zip(place, strides, offset, dilations, cut, strict=True)]
        if any(not 0 <= index < size for index, size in zip(at, sizes, strict=True)):
            continue
        group = channel // inner
        value = x[(slice(None), channel, *place)][:, None] * weight[(channel, slice(None), *offset)]
        result[(slice(None), slice(group * outer, (group + 1) * outer), *at)] += value
    return result


@st.composite
def cases(draw: st.DrawFn, pad_types: list[str]) -> dict[str, Any]:
    rank = draw(st.integers(1, 3))
    groups = draw(st.integers(1, 2))
    kernel = draw(st.lists(SMALL, min_size=rank, max_size=rank))
    dilations = draw(st.lists(st.integers(1, 2), min_size=rank, max_size=rank))
    wide = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    return {
        "sizes": tuple(w + draw(st.integers(0, 3)) for w in wide),
        "kernel": kernel,
        "wide": wide,
        "strides": draw(st.lists(SMALL, min_size=rank, max_size=rank)),
        "dilations": dilations,
        "groups": groups,
        "channels": (groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))),
        "batch": draw(st.integers(1, 2)),
        "pad_type": draw(st.sampled_from(pad_types)),
        "pad": draw(st.lists(st.integers(0, 2), min_size=2 * rank, max_size=2 * rank)),
        "bias": draw(st.booleans()),
        "seed": draw(st.integers(0, 99)),
    }


def some(seed: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-2, 2, shape).astype(np.float32)


def parts(case: dict[str, Any], weight: tuple[int, ...], out: int) -> dict[str, Any]:
    """Arguments that both kinds of convolution take."""
    seed = case["seed"]
    arguments = {
        "x": some(seed, case["batch"], case["channels"][0], *case["sizes"]),
        "weight": some(seed + 1, *weight, *case["kernel"]),
        "strides": case["strides"],
        "dilations": case["dilations"],
        "groups": case["groups"],
        "pad_type": case["pad_type"],
        "pad": case["pad"],
    }
    return arguments | ({"bias": some(seed + 2, out)} if case["bias"] else {})


def added(arguments: dict[str, Any], rank: int) -> np.ndarray:
    return np.reshape(arguments.get("bias", np.zeros(1)), (-1, *(1,) * rank)).astype(np.float64)


@given(case=cases(["valid", "same", "same_lower", "custom"]), half=st.booleans())
@Few
def test_conv(case: dict[str, Any], half: bool) -> None:
    inner, out = case["channels"]
    arguments = parts(case, (out, inner // case["groups"]), out)
    if half:
        arguments |= {name: arguments[name].astype(np.float16) for name in ("x", "weight", "bias") if name in arguments}
    pads = pads_of(case["pad_type"], case["pad"], case["sizes"], case["wide"], case["strides"])
    rest = pads, case["strides"], case["dilations"], case["groups"]
    offset = added(arguments, len(case["sizes"]))
    expected = convolved(arguments["x"], arguments["weight"], *rest) + offset
    result = call("conv", **arguments)
    assert result.dtype == arguments["x"].dtype
    assert result.shape == expected.shape
    size = convolved(np.abs(arguments["x"]), np.abs(arguments["weight"]), *rest) + np.abs(offset)
    terms = inner // case["groups"] * math.prod(case["kernel"])
    assert (np.abs(result - expected) <= (size * STEP * (terms + 2) if half else 1e-4)).all()


@given(case=cases(["valid", "same", "custom"]), half=st.booleans(), given_size=st.integers(-1, 2))
@Few
def test_conv_transpose(case: dict[str, Any], half: bool, given_size: int) -> None:
    inner, each = case["channels"][0], case["channels"][1] // case["groups"]
    arguments = parts(case, (inner, each), each * case["groups"])
    if half:
        arguments |= {name: arguments[name].astype(np.float16) for name in ("x", "weight", "bias") if name in arguments}
    strides, dilations, pad = case["strides"], case["dilations"], case["pad"]
    whole = [(n - 1) * s + w for n, s, w in zip(case["sizes"], strides, case["wide"], strict=True)]
    sizes, cut = whole, [0] * len(whole)
    if case["pad_type"] == "custom":
        cut = pad[::2]
        sizes = [n - a - b for n, a, b in zip(whole, cut, pad[1::2], strict=True)]
    elif case["pad_type"] == "same":
        sizes = [n * s for n, s in zip(case["sizes"], strides, strict=True)]
    if min(sizes) < 1:
        return
    if given_size >= 0:
        sizes = [size + given_size for size in sizes]
        arguments["output_shape"] = [case["batch"], each * case["groups"], *sizes]
    if case["pad_type"] == "same":
        cut = [max(0, n - size) // 2 for n, size in zip(whole, sizes, strict=True)]
    offset = added(arguments, len(sizes))
    rest = cut, sizes, strides, dilations, case["groups"]
    expected = spread(arguments["x"], arguments["weight"], *rest) + offset
    result = call("conv_transpose", **arguments)
    assert result.dtype == arguments["x"].dtype
    assert result.shape == expected.shape
    size = spread(np.abs(arguments["x"]), np.abs(arguments["weight"]), *rest) + np.abs(offset)
    terms = inner // case["groups"] * math.prod(case["kernel"])
    assert (np.abs(result - expected) <= (size * STEP * (terms + 2) if half else 1e-4)).all()


@pytest.mark.parametrize("shape", [(), (3,)])
def test_conv_quantized_opens_its_weight(shape: tuple[int, ...]) -> None:
    weight = np.random.default_rng(0).integers(0, 256, (3, 2, 3, 3)).astype(np.uint8)
    scale, offset = np.full(shape, 0.02, np.float32), np.full(shape, -1.5, np.float32)
    arguments = {"x": some(1, 1, 2, 5, 6), "pad_type": "same", "strides": [2, 1]}
    result = call(
        "conv_quantized", weight=weight, quantization_type="linear", quant_scale=scale, quant_bias=offset, **arguments
    )
    pads = pads_of("same", [], (5, 6), [3, 3], [2, 1])
    expected = convolved(arguments["x"], weight * 0.02 - 1.5, pads, [2, 1], [1, 1], 1)
    np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4)


def test_a_weight_of_another_dtype_takes_that_of_x() -> None:
    x, weight = some(0, 1, 2, 5), some(1, 3, 2, 3).astype(np.float16)
    assert call("conv", x=x, weight=weight).dtype == np.float32
    assert call("conv", x=x.astype(np.float16), weight=weight.astype(np.float32)).dtype == np.float16


def test_what_does_not_fit_is_refused() -> None:
    x = some(0, 1, 2, 5, 5)
    with pytest.raises(ArtifactError, match="groups"):
        call("conv", x=x, weight=some(1, 3, 3, 1, 1))
    with pytest.raises(ArtifactError, match="pad_type"):
        call("conv", x=x, weight=some(1, 3, 2, 1, 1), pad_type="full")
    with pytest.raises(ArtifactError, match="does not fit"):
        call("conv", x=x, weight=some(1, 3, 2, 7, 1))
    with pytest.raises(ArtifactError, match="strides"):
        call("conv", x=x, weight=some(1, 3, 2, 1, 1), strides=[0, 1])
    with pytest.raises(ArtifactError, match="limit"):
        call("conv", x=x, weight=some(1, 3, 2, 1, 1), pad_type="custom", pad=[10**6] * 4)
    scale = np.ones((), np.float32)
    with pytest.raises(ArtifactError, match="lut"):
        call(
            "conv_quantized",
            x=x,
            weight=np.ones((1, 2, 1, 1), np.uint8),
            quantization_type="lut",
            quant_scale=scale,
            quant_bias=scale,
        )
