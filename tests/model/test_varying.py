"""An output whose shape depends on values is told with the line that makes it so."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import edgeproof
from edgeproof.errors import ConversionError
from edgeproof.model.eager import EagerSession, run_all
from edgeproof.model.resolve import resolve_model


class Places(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nonzero(x > 0)


def test_the_line_is_told() -> None:
    subject = resolve_model(edgeproof.Model(Places().eval(), inputs=("x:float32[1,8]",))).subject
    lines = Path(__file__).read_text().splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "torch.nonzero" in text)
    samples = {"x": np.stack([np.full((1, 8), value, np.float32) for value in (1.0, -1.0)])}
    with pytest.raises(ConversionError, match="the shape of the output output depends on the inputs' values") as raised:
        run_all(EagerSession(subject), samples)
    assert f"nonzero at {Path(__file__).relative_to(Path.cwd())}:{line}: `return torch.nonzero(x > 0)`" in str(
        raised.value
    )
    assert raised.value.hint
