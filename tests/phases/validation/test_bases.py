"""A compressed package alone: its base is made from the model, and what was planted in it shows."""

from __future__ import annotations

import shutil
from pathlib import Path

import coremltools as ct
import numpy as np
import pytest
import torch
from torch import nn

import edgeproof
from edgeproof.model.resolve import Resolved, resolve_model
from edgeproof.phases.alone.conversion import convert_alone
from edgeproof.phases.alone.validation import validate_alone
from edgeproof.phases.validation.bases import lacking_bases

BIAS = np.linspace(0.01, 0.02, 24).astype(np.float32)
"""Small: its sign changes outputs less than eight bits of weights do."""


@pytest.fixture(scope="module")
def resolved() -> Resolved:
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(32, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 4))
    module[0].bias.data = torch.from_numpy(BIAS.copy())
    x = 4 * np.random.default_rng(0).standard_normal((24, 1, 32)).astype(np.float32)
    return resolve_model(
        edgeproof.Model(module, inputs=["x:float32[1,32]"], samples=edgeproof.Samples({"x": x}), name="net")
    )


@pytest.fixture(scope="module")
def package(resolved: Resolved, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Without the document that we write beside it, as it comes from elsewhere."""
    out = tmp_path_factory.mktemp("made")
    convert_alone(resolved, ["coreml-int8"], out)
    return out / "coreml-int8" / "net.mlpackage"


def plant(package: Path) -> None:
    """A bias of the other sign."""
    (weights,) = package.rglob("weight.bin")
    content = weights.read_bytes()
    (stored,) = (kind for kind in (np.float32, np.float16) if BIAS.astype(kind).tobytes() in content)
    weights.write_bytes(content.replace(BIAS.astype(stored).tobytes(), (-BIAS).astype(stored).tobytes()))


@pytest.mark.parametrize("planted", [False, True])
def test_it_is_held_against_a_base_that_is_made_for_it(
    planted: bool, resolved: Resolved, package: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(package, tmp_path / "net.mlpackage")
    if planted:
        plant(copy)
    assert [planned.candidate for planned in lacking_bases([copy], trust=False)] == ["coreml-fp32-whole"]
    lines: list[str] = []
    (result,) = validate_alone(resolved, [copy], report=lines.append).results
    assert "making coreml-fp32-whole to hold compressed weights against" in lines
    assert result.warnings == ()
    assert result.status == ("failed" if planted else "passed")
    assert ("it is not compressed, and" in (result.reason or "")) == planted


def rewritten(package: Path, kinds: dict[str, str]) -> None:
    """The package as another converter may write it: no operation and no inner value is called as before.

    Args:
        kinds: what is computed by another kind of operation.
    """
    (path,) = package.rglob("*.mlmodel")
    spec = ct.utils.load_spec(str(path))
    function = spec.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    names: dict[str, str] = {}
    for number, operation in enumerate(block.operations):
        for argument in operation.inputs.values():
            for binding in argument.arguments:
                if binding.name:
                    binding.name = names.get(binding.name, binding.name)
        for output in operation.outputs:
            if output.name not in block.outputs:
                output.name = names.setdefault(output.name, f"value_{number}")
        operation.type = kinds.get(operation.type, operation.type)
        operation.attributes["name"].immediateValue.tensor.strings.values[0] = f"step_{number}"
    path.write_bytes(spec.SerializeToString())


@pytest.mark.parametrize("planted", [False, True])
def test_one_with_operations_of_other_names_is_held_against_it_too(
    planted: bool, resolved: Resolved, package: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(package, tmp_path / "net.mlpackage")
    rewritten(copy, {})
    if planted:
        plant(copy)
    (result,) = validate_alone(resolved, [copy]).results
    assert result.warnings == ()
    assert result.status == ("failed" if planted else "passed")
    assert ("it is not compressed, and" in (result.reason or "")) == planted


def test_it_says_how_many_constants_were_held_against_nothing(
    resolved: Resolved, package: Path, tmp_path: Path
) -> None:
    """Of another program: of what is read behind its function, only the layer of the output's name is in the base."""
    copy = shutil.copytree(package, tmp_path / "net.mlpackage")
    rewritten(copy, {"tanh": "sigmoid"})
    (result,) = validate_alone(resolved, [copy]).results
    said = [text for text in result.warnings if "held against nothing" in text]
    assert len(said) == 1, (result.warnings, result.reason)
    assert said[0].startswith("2 of 6 constants were held against nothing: the base has none of that shape")


def test_it_says_so_where_no_base_can_be_made(package: Path, tmp_path: Path) -> None:
    """Of a model whose export fails there is none."""

    class Branches(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x[:, :4] if x.mean() > 9 else x[:, 4:8]

    x = np.random.default_rng(0).standard_normal((24, 1, 32)).astype(np.float32)
    model = edgeproof.Model(Branches(), inputs=["x:float32[1,32]"], samples=edgeproof.Samples({"x": x}))
    copy = shutil.copytree(package, tmp_path / "net.mlpackage")
    (result,) = validate_alone(resolve_model(model), [copy]).results
    assert result.warnings == ("its weights were held against none: give the format's first precision beside it",)
