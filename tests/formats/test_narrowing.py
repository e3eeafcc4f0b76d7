"""Values in a narrower dtype: rounded, or refused, at the edge and in calibration by the same rule."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import edgeproof
from edgeproof.errors import ConversionError
from edgeproof.formats.narrowing import narrowed, sample_as


@pytest.mark.parametrize(
    ("values", "before", "after", "lost"),
    [
        ([1, 2], "int64", "int32", None),
        ([1, 2**40], "int64", "int32", 2**40),
        ([0.1, -3.5], "float64", "float32", None),
        ([0.1, 1e300], "float64", "float32", 1e300),
        ([np.inf, np.nan], "float64", "float32", None),
        ([1.0, 7e4], "float32", "float16", 7e4),
        ([True, False], "bool", "int32", None),
        ([200, 3], "uint8", "int8", 200),
        ([1, 2], "int32", "int32", None),
    ],
)
def test_what_a_dtype_cannot_hold_is_told(values: list[float], before: str, after: str, lost: float | None) -> None:
    array = np.array(values, before)
    cast, found = narrowed(array, after)
    assert cast.dtype.name == after
    assert found == lost
    if lost is None:
        np.testing.assert_allclose(cast, array, rtol=1e-6)
        np.testing.assert_array_equal(sample_as(array, after, "x"), cast)
    else:
        with pytest.raises(ConversionError, match=rf"a sample of x holds .*, which {after} cannot hold"):
            sample_as(array, after, "x")


class Hashed(torch.nn.Module):
    """Identities of 64 bits, of which a few numbers count."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.table = torch.nn.Embedding(16, 4)
        self.out = torch.nn.Linear(4, 2)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return self.out(self.table(ids % 16).sum(1))  # type: ignore[no-any-return]


@pytest.mark.xdist_group("coreml-narrowing")
def test_samples_that_the_graph_cannot_hold_refuse_the_conversion(tmp_path: Path) -> None:
    """Wrapped, they would prove and calibrate another model."""
    ids = np.random.default_rng(0).integers(2**40, 2**41, (16, 1, 3))
    model = edgeproof.Model(Hashed(), inputs=["ids:int64[1,3]"], samples=edgeproof.Samples({"ids": ids}), name="hashed")
    document = edgeproof.convert(model, tmp_path, to=["coreml-fp32", "onnx-fp32"])
    narrow, wide = document.candidates
    assert narrow.status == "failed"
    assert "which int32 cannot hold" in (narrow.reason or "")
    assert wide.status == "ok"
