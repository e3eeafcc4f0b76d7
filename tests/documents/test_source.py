"""MODEL with what goes with it, from whichever folder it is asked for, and as words."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeproof.documents.source import ModelSource, absolute_address

HOME = Path("/home/of models")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("net.py:make", "/home/of models/net.py:make"),
        ("nets/net.py:make", "/home/of models/nets/net.py:make"),
        ("/far/net.py:make", "/far/net.py:make"),
        ("a:b/net.py:make", "/home/of models/a:b/net.py:make"),
        ("package.module:factory", "package.module:factory"),
        ("net.pt2", "/home/of models/net.pt2"),
        ("net.pt", "/home/of models/net.pt"),
        ("g.nir", "/home/of models/g.nir"),
        ("g.nir?timesteps=25&operator=>=", "/home/of models/g.nir?timesteps=25&operator=>="),
        ("/far/g.nir?input=rate", "/far/g.nir?input=rate"),
        ("nonsense", "nonsense"),
    ],
)
def test_files_become_absolute_and_all_else_stays(text: str, expected: str) -> None:
    assert absolute_address(text, HOME) == expected
    assert absolute_address(expected, Path("/elsewhere")) == expected


def test_a_source_is_the_same_from_every_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path)
    source = ModelSource(model="net.py:make", samples="s.npz", inputs=("x:float32[1,4]",), trust=True).absolute()
    assert source.model == f"{tmp_path}/net.py:make"
    assert source.samples == f"{tmp_path}/s.npz"
    assert source.folder == str(tmp_path)
    assert (source.inputs, source.trust) == (("x:float32[1,4]",), True)
    monkeypatch.chdir(tmp_path / "b")
    assert source.absolute() == source


def test_a_package_is_looked_for_where_the_source_is_at_home(tmp_path: Path) -> None:
    source = ModelSource(model="package.net:make", folder=str(tmp_path)).absolute()
    assert (source.model, source.folder) == ("package.net:make", str(tmp_path))


def test_the_words_are_those_of_the_command_line() -> None:
    from edgeproof.cli.convert import convert

    source = ModelSource(model="net.py:make", samples="s.npz", inputs=("x:float32[1,4]", "y:int64[1]"), trust=True)
    given = convert.make_context("convert", [*source.words(), "--out", "out"]).params
    assert (given["model"], given["inputs"], given["samples"], given["trust"]) == (
        source.model,
        source.inputs,
        source.samples,
        True,
    )
    assert ModelSource(model="net.py:make").words() == ["net.py:make"]


def test_a_metric_and_a_name_are_words_too() -> None:
    from edgeproof.cli.run import run

    source = ModelSource(model="net.pt2", metric="top_k:k=3", name="net")
    given = run.make_context("run", source.words()).params
    assert (given["model"], given["metric"], given["name"]) == ("net.pt2", "top_k:k=3", "net")
