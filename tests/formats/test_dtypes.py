"""Every format takes inputs of every dtype: as they are, or cast at the edge where its runtime knows fewer."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import edgeproof
from edgeproof.formats.registry import formats
from edgeproof.model.model import DTYPES

REFUSED = {"sdk-native": "the engine computes in float32"}
"""Formats that say so instead."""


class Each(torch.nn.Module):
    """An output for each input after the first, called after its dtype."""

    def forward(self, x: torch.Tensor, *given: torch.Tensor) -> dict[str, torch.Tensor]:
        results = {}
        for name, tensor in zip(DTYPES, given, strict=True):
            chosen = torch.where(tensor, x, -x) if tensor.dtype == torch.bool else x * tensor.to(torch.float32)
            results[f"a_{name}_out"] = chosen
        return results


def values(dtype: str, generator: np.random.Generator) -> np.ndarray:
    kind = np.dtype(dtype).kind
    if kind == "f":
        return generator.standard_normal((200, 1, 6)).astype(dtype)
    low, high = {"b": (0, 2), "u": (0, 200), "i": (-100, 100)}[kind]
    return generator.integers(low, high, (200, 1, 6)).astype(dtype)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "int8"])
@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.xdist_group(f"dtypes-{n}")) for n in formats()])
def test_inputs_of_every_dtype(name: str, precision: str, tmp_path: Path) -> None:
    if precision not in formats()[name].precisions or (precision == "int8" and name not in ("openvino", "coreml")):
        pytest.skip("fp32 tells it")
    generator = np.random.default_rng(0)
    samples = {"x": generator.standard_normal((200, 1, 6)).astype(np.float32)}
    samples |= {f"a_{dtype}": values(dtype, generator) for dtype in DTYPES}
    specs = [f"{key}:{array.dtype}[1,6]" for key, array in samples.items()]
    model = edgeproof.Model(Each(), inputs=specs, samples=edgeproof.Samples(samples))
    (made,) = edgeproof.convert(model, tmp_path, to=[name], precision=[precision]).candidates
    if name in REFUSED:
        assert made.status == "skipped"
        assert REFUSED[name] in (made.reason or "")
        return
    assert (made.status, made.reason) == ("ok", None)
    call = {key: array[0] for key, array in samples.items()}
    with edgeproof.load(model) as eager, edgeproof.open(tmp_path / made.candidate) as session:
        expected, found = eager.run(call), session.run(call)
    for key, array in expected.items():
        tolerance = 1e-3 if precision == "fp32" else 0.02 * np.abs(samples[key.removesuffix("_out")]).max() * 3
        np.testing.assert_allclose(found[key], array, rtol=1e-4, atol=tolerance, err_msg=key)
