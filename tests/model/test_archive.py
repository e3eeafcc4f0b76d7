"""What a ``.pt2`` may hold: data is loaded, whatever would run is refused, and nothing of it has run by then."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.export.pt2_archive._package import PT2ArchiveReader

from edgeproof.errors import EdgeProofError, ModelReferenceError, TrustError
from edgeproof.model.address import load_model
from edgeproof.model.archive import CONFIGS, PROGRAM, SAMPLE_INPUTS, load_program

Change = Callable[[Any], Any]


class Net(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.einsum("bi,ij->bj", self.layer(x), torch.ones(3, 2)) + x.shape[0]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "net.pt2"
    batch = torch.export.Dim("batch", min=2, max=64)
    program = torch.export.export(Net().eval(), (torch.randn(3, 4),), dynamic_shapes=({0: batch},))
    torch.export.save(program, path)
    return path


def rewritten(saved: Path, to: Path, records: dict[str, Change | bytes | None]) -> Path:
    """The archive with some records changed as JSON, replaced, added, or left out."""
    writer = torch._C.PyTorchFileWriter(str(to))
    with PT2ArchiveReader(str(saved)) as reader:
        names = reader.get_file_names()
        held = {name: reader.read_bytes(name) for name in names if not name.startswith((".data/", "byteorder"))}
    for name, change in records.items():
        if change is None:
            del held[name]
        else:
            held[name] = change if isinstance(change, bytes) else json.dumps(change(json.loads(held[name]))).encode()
    for name, raw in held.items():
        writer.write_record(name, raw, len(raw))
    writer.write_end_of_file()
    return to


class Bomb:
    """Its pickle writes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.write_text, (self.path, "ran")


def set_in(*path: str | int, to: Any) -> Change:
    def change(told: Any) -> Any:
        inner = told
        for key in path[:-1]:
            inner = inner[key]
        inner[path[-1]] = to
        return told

    return change


GRAPH = ("graph_module", "graph")
NODE = (*GRAPH, "nodes", 0)


def sizes(expression: str) -> Change:
    """Every size that is an expression becomes this one."""

    def change(told: Any) -> Any:
        if isinstance(told, dict):
            return {
                key: {**value, "expr_str": expression} if key == "as_expr" else change(value)
                for key, value in told.items()
            }
        return [change(item) for item in told] if isinstance(told, list) else told

    return change


def renamed(old: str, new: str) -> Change:
    """A value's name, everywhere."""
    return lambda told: json.loads(json.dumps(told).replace(json.dumps(old), json.dumps(new)))


def first_weight(**more: Any) -> Change:
    def change(told: Any) -> Any:
        told["config"] = {name: {**payload, **more} for name, payload in told["config"].items()}
        return told

    return change


def test_data_is_loaded_and_computes_the_same(saved: Path) -> None:
    x = torch.randn(5, 4)
    program, whole = load_program(saved), torch.export.load(saved)
    assert torch.equal(program.module()(x), whole.module()(x))
    assert load_program(saved, trust=True).module()(x).shape == (5, 2)


def test_branches_are_looked_through(tmp_path: Path) -> None:
    class Branching(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.cond(x.sum() > 0, lambda y: y + 1, lambda y: y * 2, (x,))

    x = torch.ones(2, 2)
    torch.export.save(torch.export.export(Branching(), (x,)), tmp_path / "net.pt2")
    assert torch.equal(load_program(tmp_path / "net.pt2").module()(x), x + 1)
    target = json.dumps("torch.ops.aten.mul.Tensor")
    evil = rewritten(tmp_path / "net.pt2", tmp_path / "evil.pt2", {
        PROGRAM: lambda told: json.loads(json.dumps(told).replace(target, json.dumps("torch.os.system")))
    })  # fmt: skip
    with pytest.raises(TrustError, match=r"calls torch\.os\.system"):
        load_program(evil)


HERE = "__import__('pathlib').Path('ran').write_text('ran')"
CODE: dict[str, tuple[dict[str, Change], str]] = {
    "pickled weights": ({CONFIGS[0]: first_weight(use_pickle=True)}, "is pickled"),
    "a custom object": ({CONFIGS[0]: first_weight(path_name="custom_obj_0")}, "which is no tensor"),
    "a weight elsewhere": ({CONFIGS[0]: first_weight(path_name="../../models/model.json")}, "which is no tensor"),
    "a size": ({PROGRAM: sizes(HERE)}, "a size of it is|no arithmetic of sizes"),
    "a size of attributes": ({PROGRAM: sizes("Symbol('s0').__class__")}, "no arithmetic"),
    "a size of power": ({PROGRAM: sizes("9**9**9**9")}, "no arithmetic"),
    "a size of text": ({PROGRAM: sizes("Symbol('a b')")}, "no arithmetic"),
    "a size that calls sympy": ({PROGRAM: sizes("sympify('1')")}, "calls a function"),
    "a size that is a lambda": ({PROGRAM: sizes("(lambda: 0)()")}, "calls a function"),
    "a size that is very long": ({PROGRAM: sizes("1" + "+1" * 9000)}, "longer than any size"),
    "a guard": ({PROGRAM: set_in("guards_code", to=[HERE])}, "a guard of it"),
    "a guard that walks": ({PROGRAM: set_in("guards_code", to=["L['x'].__class__ == 1"])}, "reads __class__"),
    "a function of torch": ({PROGRAM: set_in(*NODE, "target", to="torch.hub.load")}, r"calls torch\.hub\.load"),
    "a module of Python": ({PROGRAM: set_in(*NODE, "target", to="torch.os.system")}, r"calls torch\.os\.system"),
    "an attribute getter": ({PROGRAM: set_in(*NODE, "target", to="_operator.attrgetter")}, "calls _operator"),
    "a file": ({PROGRAM: set_in(*NODE, "target", to="torch.ops.aten.from_file.default")}, "calls .*from_file"),
    "a library's operator": ({PROGRAM: set_in(*NODE, "target", to="torch.ops.mine.run.default")}, r"calls .*mine\.run"),
    "an operator as an argument": (
        {PROGRAM: set_in(*NODE, "inputs", 0, "arg", to={"as_operator": "torch.os.system"})},
        r"calls torch\.os",
    ),
    "an object as an argument": (
        {PROGRAM: set_in(*NODE, "inputs", 0, "arg", to={"as_custom_obj": {"name": "o", "class_fqn": "a.B"}})},
        "class_fqn",
    ),
    "source code as a name": ({PROGRAM: renamed("linear", "x):\n    print(1)\n#")}, "would be written into source"),
    "source code as a weight": (
        {PROGRAM: renamed("layer.weight", 'a"); print(1); ("')},
        "would be written into source",
    ),
    "source code as a string": ({PROGRAM: renamed("bi,ij->bj", "' + print(1) + '")}, "could be written into source"),
    "a tree that imports": (
        {
            PROGRAM: set_in(
                *("graph_module", "module_call_graph", 0, "signature", "in_spec"),
                to=json.dumps([1, {"type": "collections.defaultdict", "context": "{}", "children_spec": []}]),
            )
        },
        "of the type collections.defaultdict",
    ),
    "a field that nobody knows": ({PROGRAM: set_in("surprise", to="x")}, "a field 'surprise'"),
}


@pytest.mark.parametrize("name", CODE)
def test_what_would_run_is_refused(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    changes, said = CODE[name]
    evil = rewritten(saved, tmp_path / "evil.pt2", dict(changes))
    with pytest.raises(TrustError, match=said) as caught:
        load_program(evil)
    assert "--trust" in (caught.value.hint or "")
    assert not Path("ran").exists()


def test_a_size_that_writes_a_file_writes_it_when_it_is_trusted(
    saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other side of the refusal: it is PyTorch that runs it."""
    monkeypatch.chdir(tmp_path)
    evil = rewritten(saved, tmp_path / "evil.pt2", {PROGRAM: sizes(HERE)})
    with pytest.raises(TrustError):
        load_model(str(evil))
    assert not Path("ran").exists()
    with pytest.raises(ModelReferenceError):
        load_model(str(evil), trust=True)
    assert Path("ran").read_text() == "ran"


def test_pickles_are_refused_unopened(saved: Path, tmp_path: Path) -> None:
    ran = tmp_path / "ran"
    buffer = io.BytesIO()
    torch.save((Bomb(ran),), buffer)
    for raw in (buffer.getvalue(), pickle.dumps(Bomb(ran))):
        with pytest.raises(TrustError, match="sample inputs"):
            load_program(rewritten(saved, tmp_path / "evil.pt2", {SAMPLE_INPUTS: raw}))
    with pytest.raises(TrustError, match="pickled as older versions did"):
        load_program(rewritten(saved, tmp_path / "evil.pt2", {CONFIGS[0]: None, "data/weights/model.pt": raw}))
    assert not ran.exists()


def test_compiled_libraries_are_refused(saved: Path, tmp_path: Path) -> None:
    evil = rewritten(saved, tmp_path / "evil.pt2", {"data/aotinductor/model/net.so": b"\x7fELF"})
    with pytest.raises(TrustError, match=r"data/aotinductor/model/net\.so"):
        load_program(evil)


DAMAGED: dict[str, dict[str, Change | bytes | None]] = {
    "no program": {PROGRAM: None},
    "another version": {"archive_version": b"99"},
    "no JSON": {PROGRAM: b"{"},
    "deep JSON": {PROGRAM: b"[" * 100_000},
    "deep JSON that is whole": {PROGRAM: b'{"a":' * 990 + b"1" + b"}" * 990},
    "no object": {PROGRAM: b"3"},
    "another type": {CONFIGS[0]: b'{"config": [1]}'},
    "a weight that is not there": {"data/weights/weight_0": None},
    "a weight that is cut": {"data/weights/weight_0": b"\0" * 6},
    "a weight that is too short": {"data/weights/weight_0": b"\0" * 4},
    "a weight of nothing": {"data/weights/weight_0": b""},
    "no bytes of text": {PROGRAM: b"\xff\xfe"},
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_damaged_is_refused(saved: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelReferenceError, match="cannot be loaded as an exported program"):
        load_program(rewritten(saved, tmp_path / "bad.pt2", DAMAGED[name]))


def test_records_that_grow_are_refused(saved: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(saved) as archive, zipfile.ZipFile(tmp_path / "bomb.pt2", "w") as bomb:
        for name in archive.namelist():
            bomb.writestr(name, archive.read(name))
        bomb.writestr("net/data/weights/weight_9", b"\0" * 30_000_000, zipfile.ZIP_DEFLATED)
    with pytest.raises(ModelReferenceError, match="records say that they hold"):
        load_program(tmp_path / "bomb.pt2")


@pytest.mark.parametrize("cut", [10, 400, 2000, -60, -1])
def test_a_file_that_is_cut_is_refused(saved: Path, tmp_path: Path, cut: int) -> None:
    (tmp_path / "cut.pt2").write_bytes(saved.read_bytes()[:cut])
    with pytest.raises(EdgeProofError) as caught:
        load_model(str(tmp_path / "cut.pt2"))
    assert caught.value.exit_code == 2
