"""The graph of ``sdk-eager``: what may stand in it, and that a call leaves its inputs and weights as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from safetensors.torch import save_file

from edgeproof.errors import ArtifactError, ConversionError
from edgeproof.formats.eager_graph import METADATA_KEY, load_graph, save_graph
from edgeproof.model.operators import FAMILIES, PURE, is_in_place, is_listed


def written(path: Path, *calls: list[Any], size: int | None = None, outputs: tuple[int, ...] | None = None) -> Path:
    """A file of one input, one weight of three numbers and these calls: operator and arguments."""
    steps = [[op, args, {"d": {}}, number, []] for number, (op, args) in enumerate(calls, start=2)]
    graph = {
        "inputs": [0],
        "weights": {"w": 1},
        "calls": steps,
        "outputs": list(outputs or (len(calls) + 1,)),
        "size": len(calls) + 2 if size is None else size,
    }
    save_file({"w": torch.arange(3.0)}, path, metadata={METADATA_KEY: msgspec.json.encode(graph).decode()})
    return path


X, W = {"v": 0}, {"v": 1}


def test_a_listed_operator_runs(tmp_path: Path) -> None:
    graph = load_graph(written(tmp_path / "net.safetensors", ["aten::add.Tensor", [X, W]]))
    assert graph(torch.ones(3))[0].tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("op", "args"),
    [
        ("aten::from_file.default", ["PATH", True, 3]),
        ("aten::set_.source_Tensor", [X, W]),
        ("aten::resize_.default", [X, [1 << 40]]),
        ("aten::as_strided.default", [X, [9], [1], 0]),
        ("aten::_reshape_alias.default", [X, [1 << 20], [1]]),
        ("aten::add.out", [X, W]),
        ("aten::normal_.default", [X]),
        ("aten::add.str", ["a", "b"]),
        ("aten::save.default", [X, "PATH"]),
        ("aten::add.__class__", [X, W]),
        ("aten::__class__.default", []),
        ("prims::add.default", [X, W]),
        ("quantized::add.default", [X, W]),
        ("os::system.default", ["true"]),
        ("aten::", []),
        ("", []),
    ],
)
def test_an_operator_that_is_not_listed_is_refused_before_anything_runs(
    tmp_path: Path, op: str, args: list[Any]
) -> None:
    target = tmp_path / "target.bin"
    target.write_bytes(b"\1" * 12)
    args = [str(target) if argument == "PATH" else argument for argument in args]
    with pytest.raises(ArtifactError, match=r"no operator of PyTorch's own|not among the operators"):
        load_graph(written(tmp_path / "evil.safetensors", ["aten::relu.default", [X]], [op, args]))
    assert target.read_bytes() == b"\1" * 12


@pytest.mark.parametrize("tag", ["os", "load", "ops", "float32.__class__", "__builtins__", ""])
def test_a_tag_names_a_dtype_and_nothing_else(tmp_path: Path, tag: str) -> None:
    with pytest.raises(ArtifactError, match="no dtype"):
        load_graph(written(tmp_path / "evil.safetensors", ["aten::to.dtype", [X, {"t": tag}]]))


def test_a_call_leaves_inputs_and_weights_as_they_are(tmp_path: Path) -> None:
    fill = ["aten::fill_.Scalar", [{"v": 2}, 7.0]]
    for argument in (X, W):
        view = ["aten::view.default", [argument, [3]]]
        graph = load_graph(written(tmp_path / "net.safetensors", view, fill, ["aten::add.Tensor", [X, W]]))
        x = torch.ones(3)
        first, second = (graph(x)[0].tolist() for _ in range(2))
        assert first == second == ([7, 8, 9] if argument is X else [8, 8, 8])
        assert x.tolist() == [1, 1, 1]


def test_memory_that_nobody_wrote_is_zeros(tmp_path: Path) -> None:
    marked = [torch.full((1 << 16,), 5.0) for _ in range(8)]
    del marked
    graph = load_graph(written(tmp_path / "net.safetensors", ["aten::empty.memory_format", [[1 << 16]]]))
    assert not graph(torch.ones(3))[0].any()


@pytest.mark.parametrize("size", [0, 1, 4, 10**12, -1])
def test_a_graph_of_another_size_than_it_has_is_refused(tmp_path: Path, size: int) -> None:
    with pytest.raises(ArtifactError):
        load_graph(written(tmp_path / "evil.safetensors", ["aten::relu.default", [X]], size=size))


@pytest.mark.parametrize("raw", ["{", "[" * 100_000, '{"inputs": 3}', "", '{"a":' * 5000 + "1" + "}" * 5000])
def test_a_graph_that_is_no_graph_is_refused(tmp_path: Path, raw: str) -> None:
    save_file({"w": torch.zeros(1)}, tmp_path / "bad.safetensors", metadata={METADATA_KEY: raw})
    with pytest.raises(ArtifactError):
        load_graph(tmp_path / "bad.safetensors")


def test_what_cannot_be_read_back_is_not_written(tmp_path: Path) -> None:
    class Random(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x + torch.randn(3)

    module = torch.export.export(Random(), (torch.ones(3),)).module(check_guards=False)
    with pytest.raises(ConversionError, match=r"calls aten\.randn\.default, which is not among") as caught:
        save_graph(module, tmp_path / "net.safetensors")
    assert caught.value.hint
    assert not (tmp_path / "net.safetensors").exists()


def test_every_name_of_the_list_is_an_operator_that_writes_nothing() -> None:
    assert len(PURE) == sum(len(family.split()) for family in FAMILIES.values()), "a name stands twice"
    for name in PURE:
        packet = getattr(torch.ops.aten, name)
        listed = [getattr(packet, overload) for overload in packet.overloads()]
        listed = [overload for overload in listed if is_listed(overload)]
        assert listed, name
        assert all(is_in_place(overload) or not overload._schema.is_mutable for overload in listed), name


@pytest.mark.parametrize("name", ["from_file", "set_", "resize_", "as_strided", "_reshape_alias", "_unsafe_index"])
def test_what_reaches_beyond_its_tensors_is_not_in_it(name: str) -> None:
    assert name not in PURE
