"""Raw files in their shapes, and the drawings made of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeproof.errors import DocumentError, UsageError
from edgeproof.measure.drawing import draw_latencies, read_latencies


@pytest.mark.parametrize(
    "text", ["[1.5, 2, 3]", '{"latency_us": [1.5, 2, 3]}', '{"schema": "x/1", "steady_us": [1.5, 2, 3]}']
)
def test_the_shapes_of_a_raw_file(tmp_path: Path, text: str) -> None:
    path = tmp_path / "raw.json"
    path.write_text(text)
    assert read_latencies(path) == [1.5, 2, 3]


@pytest.mark.parametrize("text", ["", "{", "{}", "[]", '["a"]', "null", "[0, -1]", '{"latency_us": 3}'])
def test_what_is_no_raw_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "raw.json"
    path.write_text(text)
    with pytest.raises(DocumentError, match=r"raw\.json"):
        read_latencies(path)
    with pytest.raises(DocumentError, match="cannot read"):
        read_latencies(tmp_path / "nosuch.json")


@pytest.mark.parametrize(("suffix", "magic"), [("svg", b"<?xml"), ("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_drawings(tmp_path: Path, suffix: str, magic: bytes) -> None:
    out = tmp_path / "folder" / f"plot.{suffix}"
    draw_latencies({"a": [1.0, 2.0, 3.0], "b": [5.0]}, out, title="two")
    assert out.read_bytes().startswith(magic)


def test_an_svg_is_the_same_twice(tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        draw_latencies({"a": [1.0, 2.0]}, tmp_path / name)
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_a_suffix_of_no_drawing_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        draw_latencies({"a": [1.0]}, tmp_path / "plot.exe")
