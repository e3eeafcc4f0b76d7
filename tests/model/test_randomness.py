"""Models that draw random numbers are refused with the operator and its line, however rarely it shows."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from edgeproof.errors import ConversionError, DataDependentError
from edgeproof.model.export import export_program

X = torch.linspace(-1, 1, 8).reshape(2, 4)


class Rare(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.where(torch.rand_like(x) < 1e-12, -x, x)  # draws


class Encoder(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        total = torch.zeros_like(x)
        for _ in range(3):
            total = total + torch.bernoulli(x.abs())  # draws
        return total


class Decides(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if torch.randn(()) > 0:  # draws
            return x + 1
        return x


class Always(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.dropout(x, 0.1, training=True)  # draws


@pytest.mark.parametrize(
    ("module", "operator"), [(Rare, "rand_like"), (Encoder, "bernoulli"), (Decides, "randn"), (Always, "dropout")]
)
def test_it_is_refused_with_the_line_that_draws(module: type[nn.Module], operator: str) -> None:
    lines = Path(__file__).read_text().splitlines()
    begins = next(number for number, line in enumerate(lines) if line.startswith(f"class {module.__name__}("))
    draws = next(number for number, line in enumerate(lines) if number > begins and line.endswith("# draws"))
    with pytest.raises(ConversionError) as caught:
        export_program(module().eval(), (X,))
    assert not isinstance(caught.value, DataDependentError)
    words = f"the model draws random numbers: {operator} at "
    assert caught.value.message.startswith(words)
    assert f"test_randomness.py:{draws + 1}: `{lines[draws].strip()}`" in caught.value.message
    assert "give them as an input" in (caught.value.hint or "")


class Quiet(nn.Module):
    """Operators that could draw, and do not."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(4, 4, num_layers=2, dropout=0.5)
        self.attention = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.5, activation="gelu")
        self.unused = nn.RReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        torch.rand(3)
        y, _ = self.gru(x[None])
        y = self.attention(nn.functional.dropout(y, 0.5, self.training))
        query = y[None]
        return self.unused(nn.functional.scaled_dot_product_attention(query, query, query))


def test_what_does_not_draw_or_does_not_matter_is_taken() -> None:
    program = export_program(Quiet().eval(), (X,))
    torch.testing.assert_close(program.module()(X), program.module()(X))
