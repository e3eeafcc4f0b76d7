"""A candidate that failed on an operator names it, and the candidates of the same run that took it."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeproof.documents.source import ModelSource
from edgeproof.phases.alone.conversion import convert_alone

NET = """
import torch
from torch import nn

import edgeproof


class Net(nn.Module):
    def forward(self, x):
        return torch.lgamma(torch.addcmul(x, x, x).abs() + 1)


def model():
    return edgeproof.Model(Net().eval(), inputs=["x:float32[1,8]"])
"""


@pytest.mark.slow
def test_a_refused_operator_is_told_with_who_takes_it(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NET)
    document = convert_alone(
        ModelSource(model=f"{tmp_path}/net.py:model"), ["coreml-fp32", "torchscript-fp32"], tmp_path / "out"
    )
    refused, made = document.candidates
    assert made.status == "ok"
    assert (made.operator, made.detail) == (None, None)
    assert refused.status == "failed"
    assert refused.operator == "lgamma"
    assert refused.reason is not None
    assert "Core ML does not take lgamma at " in refused.reason
    assert "net.py:10: `return torch.lgamma(torch.addcmul(x, x, x).abs() + 1)`" in refused.reason
    assert refused.remedy is not None
    assert refused.remedy.endswith("; made of this model: torchscript-fp32")
    assert refused.detail is not None
    assert "convert function for op 'lgamma' not implemented" in refused.detail
