"""MODEL as users write it: every form, every way to get it wrong, and files that are opened without pickle."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.documents.source import ModelSource
from edgeproof.errors import ModelReferenceError, TrustError
from edgeproof.model.address import load_model, parse_address
from edgeproof.model.resolve import resolve
from edgeproof.model.spine import export_spine, load_spine

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")

SAMPLES = {"x": np.random.default_rng(0).standard_normal((4, 1, 4)).astype(np.float32)}


@pytest.fixture(autouse=True)
def _own_import_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))


def write(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


@pytest.mark.parametrize(
    ("text", "name", "factory"),
    [
        ("net.py:make", "net", "make"),
        ("./net.py:make", "net", "make"),
        ("package.module:factory", "module", "factory"),
        ("module:factory", "module", "factory"),
        ("net.v2.pt2", "net.v2", None),
        ("net.pt", "net", None),
        ("net.pth", "net", None),
    ],
)
def test_every_form(tmp_path: Path, text: str, name: str, factory: str | None) -> None:
    for file in ("net.py", "net.v2.pt2", "net.pt", "net.pth"):
        (tmp_path / file).touch()
    address = parse_address(text)
    assert (address.text, address.name, address.factory) == (text, name, factory)
    assert (address.file is None) == (address.module is not None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot read MODEL"),
        ("resnet", "cannot read MODEL"),
        (":factory", "cannot read MODEL"),
        ("a..b:factory", "cannot read MODEL"),
        ("a b:factory", "cannot read MODEL"),
        ("net.onnx", "cannot read MODEL"),
        ("net.py", "net.py:model"),
        ("net.py:", "no function name"),
        ("net.py:1x", "no function name"),
        ("net.py:make()", "no function name"),
        ("package.module:", "no function name"),
        ("missing.py:make", "there is no file missing.py"),
        ("missing.pt2", "there is no file missing.pt2"),
        ("missing.pt", "there is no file"),
        ("folder.pt", "there is no file"),
        ("graph.nir", "there is no file graph.nir"),
        ("graph.nir?timesteps=5", "there is no file graph.nir"),
    ],
)
def test_every_bad_one_says_what_is_wrong(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "net.py").touch()
    (tmp_path / "folder.pt").mkdir()
    with pytest.raises(ModelReferenceError) as caught:
        parse_address(text)
    assert message in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_parsed_or_refused(text: str) -> None:
    try:
        address = parse_address(text)
    except ModelReferenceError:
        return
    assert address.factory is not None
    assert address.factory.isidentifier()


HEAD = "import torch\nimport edgeproof\n"


@pytest.mark.parametrize(
    "body",
    [
        "def make():\n    return torch.nn.Linear(2, 3)\n",
        "make = torch.nn.Linear(2, 3)\n",
        "class make(torch.nn.Linear):\n    def __init__(self):\n        super().__init__(2, 3)\n",
        "def make():\n    return edgeproof.Model(torch.nn.Linear(2, 3))\n",
        "make = edgeproof.Model(torch.nn.Linear(2, 3))\n",
    ],
    ids=["function", "module", "class", "function of a Model", "Model"],
)
def test_what_a_factory_may_be(tmp_path: Path, body: str) -> None:
    model = load_model(write(tmp_path / "good_net.py", HEAD + body) + ":make")
    assert isinstance(model.module, torch.nn.Linear)
    assert not model.module.training
    assert model.name == "good_net"


def test_a_model_keeps_its_own_name(tmp_path: Path) -> None:
    body = "def make():\n    return edgeproof.Model(torch.nn.Identity(), name='mine')\n"
    assert load_model(write(tmp_path / "named_net.py", HEAD + body) + ":make").name == "mine"


def test_a_module_in_the_current_folder_is_found_and_imports_its_neighbours(tmp_path: Path) -> None:
    write(tmp_path / "neighbour_of_net.py", "SIZE = 7\n")
    body = "import torch\nfrom neighbour_of_net import SIZE\ndef make():\n    return torch.nn.Linear(SIZE, 1)\n"
    write(tmp_path / "package_like_net.py", body)
    assert load_model("package_like_net:make").module.in_features == 7
    sub = tmp_path / "sub"
    sub.mkdir()
    write(sub / "beside_net.py", "SIZE = 5\n")
    write(sub / "file_net.py", body.replace("neighbour_of_net", "beside_net"))
    assert load_model("sub/file_net.py:make").module.in_features == 5


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("def make():\n    raise KeyError('weights')\n", "the factory raised KeyError: 'weights'"),
        ("def make(size):\n    return None\n", "a factory takes no argument"),
        ("def make():\n    return 3\n", "the factory returned int"),
        ("def make():\n    return {'state': 1}\n", "the factory returned dict"),
        ("def make():\n    return None\n", "the factory returned NoneType"),
        ("make = None\n", "there is no `make`"),
        ("def other():\n    pass\nclass Net: pass\n", "it defines: other, Net"),
        ("import no_such_package_of_mine\n", "importing it raised ModuleNotFoundError"),
        ("def make(:\n", "importing it raised SyntaxError"),
        ("1 / 0\n", "importing it raised ZeroDivisionError"),
        ("import sys\nsys.exit(0)\n", "importing it raised SystemExit"),
        ("import sys\ndef make():\n    sys.exit(3)\n", "the factory raised SystemExit: 3"),
    ],
)
def test_a_factory_that_cannot_be_used(tmp_path: Path, body: str, message: str) -> None:
    text = write(tmp_path / "bad_net.py", body) + ":make"
    with pytest.raises(ModelReferenceError) as caught:
        load_model(text)
    assert message in str(caught.value)
    assert "edgeproof_user_bad_net" not in sys.modules or "importing" not in message


def test_a_file_that_was_edited_is_loaded_anew(tmp_path: Path) -> None:
    """As in a notebook, in one process and within a second."""
    body = "import torch\ndef make():\n    return torch.nn.Linear(4, {})\n"
    for width in (2, 3, 3, 4):
        text = write(tmp_path / "edited_net.py", body.format(width)) + ":make"
        assert load_model(text).module.out_features == width
    write(tmp_path / "edited_net.py", "def make(:\n")
    with pytest.raises(ModelReferenceError, match="SyntaxError"):
        load_model(text)
    assert load_model(write(tmp_path / "edited_net.py", body.format(5)) + ":make").module.out_features == 5


def test_a_relative_import_says_how_a_package_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelReferenceError, match="relative import") as caught:
        load_model(write(tmp_path / "inner.py", "from .layers import Net\n") + ":make")
    assert "say package.module:factory" in (caught.value.hint or "")


def test_no_such_package() -> None:
    with pytest.raises(ModelReferenceError, match="ModuleNotFoundError"):
        load_model("no_such_package_of_mine.sub:make")


def linear() -> torch.nn.Module:
    torch.manual_seed(0)
    return torch.nn.Linear(4, 3).eval()


def test_an_exported_program_round_trip_tells_its_own_inputs(tmp_path: Path) -> None:
    module, x = linear(), torch.randn(1, 4)
    program = torch.export.export(module, (torch.randn(2, 4),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, tmp_path / "linear.pt2")
    subject = resolve(ModelSource(model="linear.pt2")).subject
    assert [(spec.name, spec.dtype, spec.shape) for spec in subject.signature.inputs] == [("input", "float32", (1, 4))]
    assert torch.equal(subject.call(x)[0], module(x))
    assert subject.name == "linear"
    samples = {"input": SAMPLES["x"]}
    export_spine(subject, "whole", samples, tmp_path / "spine", address="linear.pt2")
    again = load_spine(tmp_path / "spine", samples)
    assert torch.equal(again.program.module()(x)[0], module(x))


def test_an_exported_program_keeps_the_state_it_was_exported_with(tmp_path: Path) -> None:
    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("total", torch.zeros(1, 4))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.total.add_(x)
            return self.total * 2

    x = torch.ones(1, 4)
    torch.export.save(torch.export.export(Counting(), (x,)), tmp_path / "counting.pt2")
    subject = resolve(ModelSource(model="counting.pt2")).subject
    assert subject.signature.stateful
    assert [subject.call(x)[0].tolist() for _ in range(2)] == [[[2.0] * 4]] * 2


def test_torchscript_is_opened_on_request_only_and_becomes_the_same_graph(tmp_path: Path) -> None:
    module, x = linear(), torch.randn(1, 4)
    torch.jit.save(torch.jit.trace(module, x), tmp_path / "linear.pt")
    with pytest.raises(TrustError, match="--trust"):
        load_model("linear.pt")
    subject = resolve(ModelSource(model="linear.pt", inputs=("x:float32[1,4]",), trust=True)).subject
    export_spine(subject, "whole", SAMPLES, tmp_path / "spine", address="linear.pt")
    spine = load_spine(tmp_path / "spine", SAMPLES)
    assert torch.allclose(spine.program.module()(x)[0], module(x), atol=1e-6)


@pytest.mark.parametrize("content", ["module", "weights"])
def test_a_pickle_is_never_opened(tmp_path: Path, content: str) -> None:
    module = linear()
    torch.save(module if content == "module" else module.state_dict(), tmp_path / "net.pt")
    for trust in (False, True):
        with pytest.raises(ModelReferenceError, match="weights or a pickled module") as caught:
            load_model("net.pt", trust=trust)
        assert "file.py:factory" in (caught.value.hint or "")


@pytest.mark.parametrize("name", ["net.pt", "net.pt2"])
def test_what_is_no_archive_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(ModelReferenceError, match="no zip archive"):
        load_model(name, trust=True)


def test_an_archive_of_something_else_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.pt2", "w") as archive:
        archive.writestr("hello", "world")
    with pytest.raises(ModelReferenceError, match="cannot be loaded as an exported program"):
        load_model("net.pt2")
    with zipfile.ZipFile(tmp_path / "net.pt", "w") as archive:
        archive.writestr("net/code/hello.py", "world")
    with pytest.raises(ModelReferenceError, match="cannot be loaded as TorchScript"):
        load_model("net.pt", trust=True)
