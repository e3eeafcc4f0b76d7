"""What is said to bring an operator inside does, and computes the same."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import pytest
import torch
from tests.formats.delegation.conftest import convert_all
from tests.formats.delegation.remedies import PAIRS, Function, Pair
from tests.formats.delegation.test_splits import grouped
from torch import nn

from edgeproof.documents.delegation import Delegation
from edgeproof.formats.delegation import executorch, xnnpack
from edgeproof.phases.delegation.telling import Telling

pytestmark = pytest.mark.slow

Asking = Callable[[str, str], dict[str, Delegation]]
ELSEWHERE = ("take it outside", "look vectors up", "it goes with", "put it", "ship fp16")
"""How remedies begin that are no other call in the same place."""


class Behind(nn.Module):
    """A convolution, and a function of what it gives."""

    def __init__(self, function: Function) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.function = nn.Conv2d(3, 8, 3, padding=1), function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.function(self.layer(x))


@pytest.fixture(scope="session")
def told(tmp_path_factory: pytest.TempPathFactory) -> Asking:
    """By format and precision: what ``NAME-outside`` and ``NAME-inside`` of each pair say."""

    @functools.cache
    def of(format_name: str, precision: str) -> dict[str, Delegation]:
        root = tmp_path_factory.mktemp(f"remedies-{format_name}-{precision}")
        modules: dict[str, nn.Module] = {}
        for pair in (pair for pair in PAIRS if (pair.format, pair.precision) == (format_name, precision)):
            modules[f"{pair.name}-outside"] = Behind(pair.outside)
            modules[f"{pair.name}-inside"] = Behind(pair.inside)
        made = convert_all(modules, format_name, precision, root)
        found = Telling().tell(list(made.values()))
        return {name: said.delegations[0] for name, said in zip(made, found, strict=True)}

    return of


CASES = [pytest.param(pair, id=pair.name, marks=grouped(pair.format)) for pair in PAIRS]


@pytest.mark.parametrize("pair", CASES)
def test_a_remedy_brings_the_operator_inside(told: Asking, pair: Pair) -> None:
    before, after = (told(pair.format, pair.precision)[f"{pair.name}-{place}"] for place in ("outside", "inside"))
    outside = [operator for operator in before.operators if not operator.inside]
    assert pair.operator in [operator.name for operator in outside]
    assert next(operator for operator in outside if operator.name == pair.operator).remedy
    assert [operator.name for operator in after.operators if not operator.inside] == []
    assert after.partitions == 1


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.name)
def test_a_remedy_computes_the_same(pair: Pair) -> None:
    x = torch.randn(1, 8, 32, 32, generator=torch.Generator().manual_seed(0)) * 3
    torch.testing.assert_close(pair.inside(x), pair.outside(x), rtol=0, atol=pair.apart)


@pytest.mark.parametrize(
    ("format_name", "precision", "table"),
    [
        ("litert", "fp32", xnnpack.REMEDIES),
        ("litert", "int8", xnnpack.NARROW_REMEDIES),
        ("executorch", "fp32", executorch.REMEDIES),
    ],
)
def test_every_remedy_in_place_is_shown(format_name: str, precision: str, table: Mapping[str, str]) -> None:
    mine = [pair for pair in PAIRS if (pair.format, pair.precision) == (format_name, precision)]
    shown = {pair.operator.rpartition(".")[2] for pair in mine}
    here = {name for name, text in table.items() if not text.startswith(ELSEWHERE)}
    assert here - {"SELECT_V2", "GATHER"} == shown
