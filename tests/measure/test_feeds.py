"""Samples from files, as a session takes them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import SamplesError
from edgeproof.measure.feeds import load_feeds, random_feeds

X = TensorSpec(name="x", dtype="float32", shape=(1, 4))
TOKENS = TensorSpec(name="tokens", dtype="int64", shape=(1, 6))


def save(path: Path, **arrays: object) -> Path:
    np.savez(path, **arrays)
    return path


def test_a_missing_batch_axis_is_added_and_labels_are_no_input(tmp_path: Path) -> None:
    path = save(tmp_path / "s.npz", x=np.ones((5, 4), np.float32), labels=np.zeros(5))
    feeds = load_feeds(path, [X])
    assert len(feeds) == 5
    assert set(feeds[0]) == {"x"}
    assert feeds[0]["x"].shape == (1, 4)
    assert feeds[0]["x"].flags.c_contiguous


def test_several_inputs_by_name_or_by_order(tmp_path: Path) -> None:
    x, tokens = np.ones((3, 1, 4), np.float32), np.zeros((3, 6), np.int64)
    for path in (
        save(tmp_path / "named.npz", tokens=tokens, x=x),
        save(tmp_path / "ordered.npz", input0=x, input1=tokens),
    ):
        feeds = load_feeds(path, [X, TOKENS], limit=2)
        assert len(feeds) == 2
        assert feeds[1]["tokens"].dtype == np.int64


def test_floats_are_cast_and_never_cut_to_integers(tmp_path: Path) -> None:
    assert load_feeds(save(tmp_path / "a.npz", x=np.ones((2, 4))), [X])[0]["x"].dtype == np.float32
    with pytest.raises(SamplesError, match="float64"):
        load_feeds(save(tmp_path / "b.npz", tokens=np.ones((2, 6))), [TOKENS])


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"y": np.ones((2, 4), np.float32)}, "no key 'x'"),
        ({"x": np.ones((2, 5), np.float32)}, r"is \[5\]; expected \[1, 4\]"),
        ({"x": np.ones((0, 4), np.float32)}, "at least one"),
        ({"x": np.float32(1)}, "sample axis"),
        ({"x": np.array([object()] * 4, object)}, "cannot read"),
    ],
)
def test_samples_that_do_not_fit_are_refused_with_what_was_seen(
    tmp_path: Path, arrays: dict[str, object], message: str
) -> None:
    with pytest.raises(SamplesError, match=message):
        load_feeds(save(tmp_path / "s.npz", **arrays), [X])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"no archive at all"])
def test_files_that_are_no_npz_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.npz"
    path.write_bytes(content)
    with pytest.raises(SamplesError):
        load_feeds(path, [X])


def test_a_single_npy_is_refused_with_what_to_do(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", np.ones(4))
    with pytest.raises(SamplesError, match=r"numpy\.savez"):
        load_feeds(tmp_path / "s.npy", [X])


def test_a_folder_of_samples_is_read_too(tmp_path: Path) -> None:
    for index in range(8):
        np.save(tmp_path / f"{index:03}.npy", np.full(4, index, np.float32))
    feeds = load_feeds(tmp_path, [X])
    assert len(feeds) == 8
    assert feeds[3]["x"].tolist() == [[3, 3, 3, 3]]


def test_random_samples_are_seeded_and_of_the_specs() -> None:
    first, again = random_feeds([X, TOKENS], count=3), random_feeds([X, TOKENS], count=3)
    assert all(np.array_equal(a[name], b[name]) for a, b in zip(first, again, strict=True) for name in a)
    assert first[0]["x"].dtype == np.float32
    assert set(np.unique(first[0]["tokens"])) <= {0, 1}
