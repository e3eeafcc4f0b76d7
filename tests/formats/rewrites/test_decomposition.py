"""Operators taken apart where their parts are known, and complex constants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from edgeproof.formats.rewrites.complex_constants import with_pairs
from edgeproof.formats.rewrites.decomposition import decomposed


class Net(nn.Module):
    def forward(self, x: torch.Tensor) -> Any:
        mixed = torch.addcmul(x, x, x, value=0.5)
        turned = torch.linalg.svd(mixed)[1]
        return torch.erfinv(turned.tanh()), mixed.double().sin()


class Rotary(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("turn", torch.polar(torch.ones(4), torch.arange(4.0)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.view_as_real(torch.view_as_complex(x) * self.turn)


def exported(module: nn.Module, *inputs: torch.Tensor) -> torch.export.ExportedProgram:
    return torch.export.export(module, inputs)


def without(*names: str) -> Callable[[str], bool]:
    return lambda operator: operator.startswith("aten::") and operator.partition("::")[2] not in names


def test_only_what_has_known_parts_is_taken_apart() -> None:
    program = exported(Net(), torch.rand(3, 3))
    simpler, names = decomposed(program, without("addcmul", "erfinv", "linalg_svd", "_linalg_svd"))
    assert names == ["addcmul"]
    called = {str(node.target) for node in simpler.graph.nodes}
    assert {"aten.linalg_svd.default", "aten.erfinv.default", "aten.mul.Tensor"} <= called
    x = torch.rand(3, 3)
    for found, expected in zip(simpler.module()(x), program.module()(x), strict=True):
        torch.testing.assert_close(found, expected)


def test_a_program_of_known_operators_is_given_back() -> None:
    program = exported(Net(), torch.rand(3, 3))
    assert decomposed(program, lambda _name: True) == (program, [])


def test_complex_constants_become_pairs() -> None:
    module = exported(Rotary(), torch.rand(3, 4, 2)).module(check_guards=False)
    assert isinstance(module, torch.fx.GraphModule)
    x = torch.rand(3, 4, 2)
    expected = module(x)
    with_pairs(module)
    assert not any(buffer.is_complex() for buffer in module.buffers())
    torch.testing.assert_close(module(x), expected)
