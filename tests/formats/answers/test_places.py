"""Where a converter's word for an operator comes from in the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn

from edgeproof.formats.answers.places import places_at, places_of


class Net(nn.Module):
    def forward(self, x: torch.Tensor) -> Any:
        mixed = torch.addcmul(x, x, x, value=0.5)
        turned = torch.linalg.svd(mixed)[1]
        return torch.erfinv(turned.tanh()), mixed.double().sin()


LINES = {line.strip(): number for number, line in enumerate(Path(__file__).read_text().splitlines(), 1)}


def exported(module: nn.Module, *inputs: torch.Tensor) -> torch.export.ExportedProgram:
    return torch.export.export(module, inputs)


def test_a_converters_word_leads_to_the_line() -> None:
    program = exported(Net(), torch.rand(3, 3))
    for word, operator, source in (
        ("aten._linalg_svd.default", "linalg_svd", "turned = torch.linalg.svd(mixed)[1]"),
        ("aten::_linalg_svd.U", "linalg_svd", "turned = torch.linalg.svd(mixed)[1]"),
        ("prims.erf_inv", "erfinv", "return torch.erfinv(turned.tanh()), mixed.double().sin()"),
        ("addcmul", "addcmul", "mixed = torch.addcmul(x, x, x, value=0.5)"),
    ):
        (place,) = places_of(program, word)
        assert place.operator == operator
        assert (place.location or "").endswith(f"{Path(__file__).name}:{LINES[source]}")
        assert place.source == source
    assert places_of(program, "aten.lgamma") == []


def test_a_line_that_a_converter_tells_leads_to_its_operators() -> None:
    program = exported(Net(), torch.rand(3, 3))
    line = LINES["return torch.erfinv(turned.tanh()), mixed.double().sin()"]
    (place,) = places_at(program, f"{__file__}:{line}", "tfl.sin")
    assert place.operator == "sin"
    assert {place.operator for place in places_at(program, f"{__file__}:{line}", "tfl.pack")} > {"erfinv", "tanh"}
