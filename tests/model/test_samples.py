"""Samples from a user's files and from a model's pool: what is read, what is refused, and how they are drawn."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import SamplesError
from edgeproof.metrics.labels import Ragged, classes_of, rows_of
from edgeproof.model.arrays import read_npz
from edgeproof.model.model import Samples, parse_spec
from edgeproof.model.samples import (
    calls_of,
    check_samples,
    class_balanced,
    conform,
    evenly,
    pool,
    read_calls,
    read_samples,
    save,
    synthetic_samples,
    write_samples,
)

SOURCE = np.random.default_rng(0)


def normal(*shape: int) -> np.ndarray:
    return SOURCE.standard_normal(shape).astype(np.float32)


def folder_of(path: Path, rows: list[np.ndarray]) -> Path:
    path.mkdir(exist_ok=True)
    for number, row in enumerate(rows):
        np.save(path / f"s{number:03d}.npy", row)
    return path


# Reading


def test_a_folder_of_npy(tmp_path: Path) -> None:
    rows = [normal(3, 4) for _ in range(12)]
    folder = folder_of(tmp_path / "rows", rows)
    (folder / "readme.txt").write_text("not a sample")
    found = read_samples(folder)
    assert np.array_equal(found.inputs["input0"], np.stack(rows))
    assert found.labels is None
    assert found.origin == str(folder)
    np.save(folder / "labels.npy", np.arange(12))
    labels = read_samples(folder).labels
    assert labels is not None
    assert labels.tolist() == list(range(12))


def test_an_npz_a_sample(tmp_path: Path) -> None:
    for number in range(9):
        np.savez(tmp_path / f"{number}.npz", a=normal(2), b=np.array([number]), labels=number % 3)
    found = read_samples(tmp_path)
    assert found.inputs["a"].shape == (9, 2)
    assert found.inputs["b"].ravel().tolist() == list(range(9))
    assert found.labels is not None
    assert found.labels.tolist() == [0, 1, 2] * 3


@pytest.mark.parametrize("labels", [np.arange(8), np.arange(8.0), np.arange(8)[:, None], np.arange(8, dtype=np.uint8)])
def test_one_npz_and_its_labels(tmp_path: Path, labels: np.ndarray) -> None:
    np.savez(tmp_path / "all.npz", x=normal(8, 3), labels=labels)
    found = read_samples(tmp_path / "all.npz")
    assert list(found.inputs) == ["x"]
    classes = classes_of(found.labels)
    assert classes is not None
    assert classes.dtype == np.int64
    assert classes.tolist() == list(range(8))


BOXES = [np.arange(5.0 * n).reshape(n, 5) for n in (2, 0, 1, 3, 1, 1, 0, 2)]


@pytest.mark.parametrize(
    "labels",
    [np.arange(8) / 2, np.eye(8), np.zeros((8, 4, 4), np.uint8), np.array(["cat", "a dog"] * 4), BOXES],
    ids=["numbers", "vectors", "masks", "texts", "boxes"],
)
@pytest.mark.parametrize("where", ["file", "folder", "folder of several inputs"])
def test_labels_of_any_kind_and_slices_are_read_back(tmp_path: Path, labels: Any, where: str) -> None:
    inputs = {"x": normal(8, 3), **({"y": normal(8, 2)} if "several" in where else {})}
    samples = Samples(inputs, labels, slices=np.array(["day", "night"] * 4))
    path = tmp_path / ("all.npz" if where == "file" else "all")
    (save if where == "file" else write_samples)(samples, path)
    found = read_samples(path)
    assert found.labels is not None
    assert found.slices is not None
    assert found.slices.tolist() == ["day", "night"] * 4
    for mine, wanted in zip(rows_of(found.labels), labels, strict=True):
        np.testing.assert_array_equal(mine, wanted)
    taken = found.take(np.array([3, 1]))
    for mine, wanted in zip(rows_of(taken.labels), (labels[3], labels[1]), strict=True):  # type: ignore[arg-type]
        np.testing.assert_array_equal(mine, wanted)


def test_labels_of_several_lengths_may_stand_in_the_samples_files(tmp_path: Path) -> None:
    for number, boxes in enumerate(BOXES):
        np.savez(tmp_path / f"{number}.npz", x=normal(3), labels=boxes)
    found = read_samples(tmp_path)
    assert isinstance(found.labels, Ragged)
    assert found.labels.counts.tolist() == [len(boxes) for boxes in BOXES]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    for inputs in ({"x": normal(8, 2)}, {"x": normal(8, 2), "y": SOURCE.integers(0, 5, (8, 1))}):
        write_samples(Samples({name: np.repeat(array, 2, 0) for name, array in inputs.items()}), tmp_path / "out")
        write_samples(Samples(inputs, np.arange(8)), tmp_path / "out")
        found = read_samples(tmp_path / "out")
        assert found.count == 8
        assert all(
            np.array_equal(found.inputs.get(name, found.inputs.get("input0")), array) for name, array in inputs.items()
        )
        assert found.labels is not None


def bad_files() -> dict[str, Any]:
    """What to write, and what it must be told."""

    def npz(**arrays: Any) -> Any:
        return lambda path: np.savez(path / "all.npz", **arrays)

    def rows(*arrays: Any) -> Any:
        return lambda path: folder_of(path, list(arrays))

    eight = normal(8, 3)
    return {
        "nothing": (lambda path: None, "", "holds no .npy or .npz"),
        "not there": (lambda path: None, "missing", "is not there"),
        "text": (lambda path: (path / "all.csv").write_text("1,2"), "all.csv", "neither a folder nor a .npz"),
        "few": (npz(x=eight[:7]), "all.npz", "holds 7 samples; at least 8"),
        "few rows": (rows(*eight[:7]), "", "holds 7 samples"),
        "broken zip": (lambda path: (path / "all.npz").write_bytes(b"PK broken"), "all.npz", "cannot read"),
        "empty": (lambda path: (path / "all.npz").write_bytes(b""), "all.npz", "cannot read"),
        "broken npy": (
            lambda path: (folder_of(path, list(eight)) / "s003.npy").write_bytes(b"\x93NUMPY"),
            "",
            "cannot read",
        ),
        "empty npy": (lambda path: (folder_of(path, list(eight)) / "s003.npy").write_bytes(b""), "", "cannot read"),
        "objects": (npz(x=np.array([{"a": 1}] * 8, dtype=object)), "all.npz", "no plain numbers"),
        "object rows": (rows(*[np.array([None, 1], dtype=object)] * 8), "", "no plain numbers"),
        "pickle": (
            lambda path: (folder_of(path, list(eight)) / "s001.npy").write_bytes(b"\x80\x04N."),
            "",
            "cannot read",
        ),
        "ragged": (rows(*eight[:7], normal(4)), "", "s007.npy: input0 is float32[4]; s000.npy has float32[3]"),
        "dtypes differ": (rows(*eight[:7], eight[7].astype(np.float64)), "", "float64[3]; s000.npy has float32[3]"),
        "counts differ": (npz(a=eight, b=normal(9, 1)), "all.npz", "sample counts differ: a 8, b 9"),
        "labels differ": (npz(a=eight, labels=np.arange(9)), "all.npz", "labels 9"),
        "only labels": (npz(labels=np.arange(8)), "all.npz", "holds no input"),
        "a number": (npz(x=np.float32(1)), "all.npz", "single number"),
        "few boxes": (npz(x=eight, labels=np.eye(5), labels_counts=np.ones(8, int)), "all.npz", "add up to 8 rows"),
        "half boxes": (npz(x=eight, labels=np.eye(5), labels_counts=np.ones(8)), "all.npz", "a whole number a sample"),
        "slices differ": (npz(x=eight, slices=np.arange(9)), "all.npz", "slices 9"),
        "one label": (npz(x=eight, labels=3), "all.npz", "labels 1"),
    }


@pytest.mark.parametrize("name", list(bad_files()))
def test_what_cannot_be_read_is_told(tmp_path: Path, name: str) -> None:
    write, path, message = bad_files()[name]
    write(tmp_path)
    with pytest.raises(SamplesError) as caught:
        read_samples(tmp_path / path)
    assert message in str(caught.value)


def test_files_that_do_not_belong_together(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, list(normal(8, 2)))
    np.save(folder / "labels.npy", np.arange(7))
    with pytest.raises(SamplesError, match="7 labels for 8 samples"):
        read_samples(folder)
    np.savez(folder / "z.npz", x=normal(2))
    with pytest.raises(SamplesError, match=r"mixes \.npy and \.npz"):
        read_samples(folder)
    other = tmp_path / "keys"
    other.mkdir()
    for number in range(8):
        np.savez(other / f"{number}.npz", **{"a" if number < 7 else "b": normal(2)})
    with pytest.raises(SamplesError, match=r"has the keys \['b'\]"):
        read_samples(other)


# Bringing them to the signature


X = parse_spec("x:float32[1,3]")


@pytest.mark.parametrize("shape", [(8, 3), (8, 1, 3)])
@pytest.mark.parametrize("key", ["x", "input0"])
def test_with_or_without_a_batch_axis_and_by_name_or_order(shape: tuple[int, ...], key: str) -> None:
    array = normal(*shape)
    found, checks = conform(Samples({key: array}), [X])
    assert found.inputs["x"].shape == (8, 1, 3)
    assert np.array_equal(found.inputs["x"].ravel(), array.ravel())
    assert checks == []


def test_a_sequence_has_its_batch_axis_second() -> None:
    found, _ = conform(Samples({"f": normal(8, 6, 2)}), [parse_spec("f:float32[6,1,2]")])
    assert found.inputs["f"].shape == (8, 6, 1, 2)


def test_inputs_come_in_the_signature_s_order() -> None:
    specs = [parse_spec("a:float32[1,2]"), parse_spec("b:float32[1,4]")]
    by_name, _ = conform(Samples({"b": normal(8, 4), "a": normal(8, 2)}), specs)
    by_order, _ = conform(Samples({"input0": normal(8, 2), "input1": normal(8, 4)}), specs)
    assert list(by_name.inputs) == list(by_order.inputs) == ["a", "b"]


@pytest.mark.parametrize(
    ("array", "spec", "status"),
    [
        (normal(8, 3).astype(np.float64), "x:float32[1,3]", "ok"),
        (normal(8, 3).astype(np.float16), "x:float32[1,3]", "ok"),
        (SOURCE.integers(0, 255, (8, 3)).astype(np.uint8), "x:float32[1,3]", "warning"),
        (SOURCE.integers(0, 2, (8, 3)).astype(bool), "x:float32[1,3]", "warning"),
        (SOURCE.integers(0, 99, (8, 3)).astype(np.int32), "x:int64[1,3]", "ok"),
        (SOURCE.integers(0, 99, (8, 3)), "x:int8[1,3]", "ok"),
        (SOURCE.integers(0, 2, (8, 3)), "x:bool[1,3]", "ok"),
    ],
)
def test_dtypes_that_can_stand_for_another(array: np.ndarray, spec: str, status: str) -> None:
    found, (check,) = conform(Samples({"x": array}), [parse_spec(spec)])
    assert str(found.inputs["x"].dtype) == parse_spec(spec).dtype
    assert np.array_equal(found.inputs["x"][:, 0].astype(array.dtype), array)
    assert (check.name, check.status) == ("dtype", status)
    assert str(array.dtype) in check.detail


@pytest.mark.parametrize(
    ("samples", "spec", "message"),
    [
        ({"x": normal(8, 3)}, "x:int64[1,3]", "samples of x are float32; the model takes int64"),
        ({"x": np.full((8, 3), 300)}, "x:int8[1,3]", "hold values that int8 cannot"),
        ({"x": np.full((8, 3), -1)}, "x:uint8[1,3]", "hold values that uint8 cannot"),
        ({"x": np.full((8, 3), 1e300)}, "x:float32[1,3]", "hold values that float32 cannot"),
        ({"x": np.full((8, 3), 2)}, "x:bool[1,3]", "hold values that bool cannot"),
        ({"x": np.full((8, 3), "a")}, "x:float32[1,3]", "<U1"),
        ({"x": normal(8, 3) + 1j}, "x:float32[1,3]", "complex"),
        ({"x": normal(8, 4)}, "x:float32[1,3]", "has the shape [4]; the model takes [1, 3]"),
        ({"x": normal(8, 2, 3)}, "x:float32[1,3]", "has the shape [2, 3]"),
        ({"x": normal(8)}, "x:float32[1,3]", "has the shape []"),
        ({"y": normal(8, 3)}, "x:float32[1,3]", "the samples hold y; the model's inputs are x"),
        ({"x": normal(8, 3), "y": normal(8, 3)}, "x:float32[1,3]", "hold x, y"),
        ({"input1": normal(8, 3)}, "x:float32[1,3]", "hold input1"),
    ],
)
def test_what_cannot_be_the_model_s_input_is_refused(samples: dict[str, Any], spec: str, message: str) -> None:
    with pytest.raises(SamplesError) as caught:
        conform(Samples(samples), [parse_spec(spec)])
    assert message in str(caught.value)


# Checks


def states(samples: Samples, *, synthetic: bool = False) -> dict[str, str]:
    return {check.name: check.status for check in check_samples(samples, synthetic=synthetic)}


def test_good_samples_pass_every_check() -> None:
    assert set(states(Samples({"x": normal(200, 1, 3)})).values()) == {"ok"}


def test_under_sampled_constant_repeated_and_synthetic_are_marked() -> None:
    array = normal(199, 1, 3)
    array[5], array[7] = 0.5, array[6]
    assert states(Samples({"x": array}), synthetic=True) == {
        "count": "warning",
        "finite": "ok",
        "constant": "warning",
        "duplicates": "warning",
        "synthetic": "warning",
    }
    details = " ".join(check.detail for check in check_samples(Samples({"x": array}), synthetic=False))
    assert "199 samples, fewer than 200" in details
    assert "1 samples hold one value only" in details
    assert "1 samples repeat another" in details


def test_a_repeat_is_one_in_all_inputs_together() -> None:
    same = np.repeat(normal(1, 1, 3), 200, 0)
    same[0] += 1
    assert states(Samples({"a": same, "b": SOURCE.integers(0, 1 << 40, (200, 1, 2))}))["duplicates"] == "ok"
    assert states(Samples({"a": same}))["duplicates"] == "warning"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_nan_and_inf_are_refused(value: float) -> None:
    array = normal(20, 1, 3)
    array[4, 0, 1] = array[9, 0, 0] = value
    with pytest.raises(SamplesError, match="2 samples of x hold NaN or Inf; the first is number 4"):
        check_samples(Samples({"x": array}), synthetic=False)


def test_samples_that_are_all_the_same_are_refused() -> None:
    with pytest.raises(SamplesError, match="represent nothing"):
        check_samples(Samples({"x": np.ones((20, 1, 3), np.float32)}), synthetic=False)
    both = {"x": np.repeat(normal(1, 1, 3), 20, 0), "state": np.zeros((20, 1, 3), np.float32)}
    with pytest.raises(SamplesError, match="all samples of x, state are the same"):
        check_samples(Samples(both), synthetic=False)


@pytest.mark.parametrize(
    "same",
    [np.ones((20, 1, 4), np.float32), np.tile(np.arange(4), (20, 1, 1)), np.zeros((20, 1), np.float32)],
    ids=["a mask of ones", "a position index", "a state of one zero"],
)
def test_one_input_of_several_may_be_the_same_in_all_samples(same: np.ndarray) -> None:
    checks = check_samples(Samples({"x": normal(20, 1, 3), "same": same}), synthetic=False)
    told = [(check.status, check.detail) for check in checks if check.name == "constant"]
    assert told == [
        ("ok", "x: no constant sample"),
        ("warning", "same: all samples are the same, so results hold for this value of it alone"),
    ]


# Drawing


@st.composite
def pools(draw: st.DrawFn) -> tuple[Samples, int, int]:
    labels = np.asarray(draw(st.lists(st.integers(0, 5), min_size=1, max_size=80)))
    count = draw(st.integers(1, len(labels)))
    return Samples({"x": np.arange(len(labels))[:, None]}, labels), count, draw(st.integers(0, 2**31))


@settings(deadline=None)
@given(pools())
def test_a_draw_is_balanced_without_repeats_and_reproducible(given: tuple[Samples, int, int]) -> None:
    samples, count, seed = given
    drawn = class_balanced(samples, count, seed)
    index = drawn.inputs["x"][:, 0]
    assert drawn.count == count == len(set(index.tolist()))
    assert samples.labels is not None
    assert drawn.labels is not None
    assert isinstance(samples.labels, np.ndarray)
    assert isinstance(drawn.labels, np.ndarray)
    assert np.array_equal(samples.labels[index], drawn.labels)
    taken, there = Counter(drawn.labels.tolist()), Counter(samples.labels.tolist())
    most = max(taken.values())
    for label, available in there.items():
        assert taken[label] >= most - 1 or taken[label] == available
    again = class_balanced(samples, count, seed)
    assert np.array_equal(again.inputs["x"], drawn.inputs["x"])


@settings(deadline=None)
@given(st.integers(1, 60), st.integers(0, 2**31), st.data())
def test_a_draw_without_labels(size: int, seed: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, size))
    drawn = class_balanced(Samples({"x": np.arange(size)}), count, seed)
    assert len(set(drawn.inputs["x"].tolist())) == count
    assert np.array_equal(drawn.inputs["x"], class_balanced(Samples({"x": np.arange(size)}), count, seed).inputs["x"])


def test_other_seeds_draw_others_and_no_more_than_there_are() -> None:
    samples = Samples({"x": np.arange(400)}, np.arange(400) % 10)
    one, two = (class_balanced(samples, 100, seed).inputs["x"] for seed in (0, 1))
    assert not np.array_equal(np.sort(one), np.sort(two))
    with pytest.raises(SamplesError, match="401 samples asked for; the model's pool holds 400"):
        class_balanced(samples, 401, 0)


def test_synthetic_samples_are_of_the_spec() -> None:
    specs = [
        TensorSpec(name=dtype, dtype=dtype, shape=(1, 3)) for dtype in ("float32", "float64", "int64", "uint8", "bool")
    ]
    found = synthetic_samples(specs, 50, 3)
    assert {name: (str(array.dtype), array.shape) for name, array in found.inputs.items()} == {
        spec.name: (spec.dtype, (50, 1, 3)) for spec in specs
    }
    again = synthetic_samples(specs, 50, 3)
    assert all(np.array_equal(again.inputs[name], array) for name, array in found.inputs.items())
    assert found.origin == "random, seed 3"


def test_a_pool_may_be_a_function_and_must_hold_something() -> None:
    declared = Samples({"x": normal(8, 3)})
    assert pool(None) is None
    assert pool(declared) is declared
    assert pool(lambda: declared) is declared
    with pytest.raises(SamplesError, match="hold no input"):
        pool(Samples({}))


# As a session takes them: one rule for runners, servers, clients and soaks

ROW = TensorSpec(name="x", dtype="float32", shape=(1, 4))
TOKENS = TensorSpec(name="tokens", dtype="int64", shape=(1, 6))
COUNTS = TensorSpec(name="k", dtype="int32", shape=(1, 2))


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path, **arrays)
    return path


def test_a_missing_batch_axis_is_added_and_labels_are_no_input(tmp_path: Path) -> None:
    calls = read_calls(npz(tmp_path / "s.npz", x=np.ones((5, 4), np.float32), labels=np.zeros(5)), [ROW])
    assert len(calls) == 5
    assert set(calls[0]) == {"x"}
    assert calls[0]["x"].shape == (1, 4)
    assert calls[0]["x"].flags.c_contiguous


def test_several_inputs_by_name_or_by_order(tmp_path: Path) -> None:
    x, tokens = np.ones((3, 1, 4), np.float32), np.zeros((3, 6), np.int64)
    for path in (
        npz(tmp_path / "named.npz", tokens=tokens, x=x),
        npz(tmp_path / "ordered.npz", input0=x, input1=tokens),
    ):
        calls = read_calls(path, [ROW, TOKENS], limit=2)
        assert len(calls) == 2
        assert calls[1]["tokens"].dtype == np.int64


def test_floats_are_cast_and_never_cut_to_integers(tmp_path: Path) -> None:
    assert read_calls(npz(tmp_path / "a.npz", x=np.ones((2, 4))), [ROW])[0]["x"].dtype == np.float32
    with pytest.raises(SamplesError, match="float64"):
        read_calls(npz(tmp_path / "b.npz", tokens=np.ones((2, 6))), [TOKENS])


@pytest.mark.parametrize(
    ("spec", "arrays", "message"),
    [
        (ROW, {"y": np.ones((2, 4), np.float32)}, "hold y; the model's inputs are x"),
        (ROW, {"x": np.ones((2, 5), np.float32)}, r"has the shape \[5\]; the model takes \[1, 4\]"),
        (ROW, {"x": np.ones((0, 4), np.float32)}, "at least 1"),
        (ROW, {"x": np.float32(1)}, "sample axis"),
        (ROW, {"x": np.array([object()] * 4, object)}, "cannot read"),
        (ROW, {"x": np.ones((2, 4), np.float32), "y": np.ones(2)}, "hold x, y; the model's inputs are x"),
        (ROW, {"x": np.full((2, 4), 1e300)}, "hold values that float32 cannot: they are float64"),
        (COUNTS, {"k": np.full((2, 2), 2**40 + 5)}, "hold values that int32 cannot: they are int64"),
    ],
    ids=["another key", "another shape", "none", "a number", "objects", "an extra key", "1e300", "2**40+5"],
)
def test_what_a_cast_would_change_is_no_call(
    tmp_path: Path, spec: TensorSpec, arrays: dict[str, object], message: str
) -> None:
    with pytest.raises(SamplesError, match=message):
        read_calls(npz(tmp_path / "s.npz", **arrays), [spec])


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"no archive at all"])
def test_files_that_are_no_npz_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "s.npz"
    path.write_bytes(content)
    with pytest.raises(SamplesError, match=r"numpy\.savez"):
        read_calls(path, [ROW])


def test_a_single_npy_is_refused_with_what_to_do(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", np.ones(4))
    with pytest.raises(SamplesError, match=r"one \.npz keyed by input name"):
        read_calls(tmp_path / "s.npy", [ROW])


def test_a_folder_of_samples_is_read_too(tmp_path: Path) -> None:
    for index in range(3):
        np.save(tmp_path / f"{index:03}.npy", np.full(4, index, np.float32))
    calls = read_calls(tmp_path, [ROW])
    assert len(calls) == 3
    assert calls[2]["x"].tolist() == [[2, 2, 2, 2]]


def test_calls_of_samples_are_contiguous_and_limited() -> None:
    samples = Samples({"x": np.asfortranarray(normal(6, 3, 4))})
    calls = calls_of(samples, limit=4)
    assert len(calls) == 4
    assert all(call["x"].flags.c_contiguous for call in calls)
    assert np.array_equal(calls[3]["x"], samples.inputs["x"][3])
    assert len(calls_of(samples)) == 6


@given(st.integers(1, 200), st.integers(1, 200))
def test_an_even_choice_has_both_ends_and_no_repeat(available: int, wanted: int) -> None:
    chosen = evenly(available, wanted).tolist()
    assert len(set(chosen)) == len(chosen) == min(available, wanted)
    assert chosen[0] == 0
    assert chosen == sorted(chosen)
    assert chosen[-1] == (available - 1 if wanted > 1 else 0)


@pytest.mark.parametrize("labels", [None, np.arange(8)])
def test_what_is_saved_in_one_file_is_loaded(tmp_path: Path, labels: np.ndarray | None) -> None:
    path = tmp_path / "deep" / "all.npz"
    samples = Samples({"x": normal(8, 2), "y": SOURCE.integers(0, 5, (8, 1))}, labels)
    save(samples, path)
    inputs = read_npz(path)
    found = inputs.pop("labels", None)
    assert {name: array.tolist() for name, array in inputs.items()} == {
        name: array.tolist() for name, array in samples.inputs.items()
    }
    assert (found is None) == (labels is None)
    assert [file.name for file in path.parent.iterdir()] == ["all.npz"]


def test_torch_tensors_are_samples() -> None:
    values = torch.arange(24.0).reshape(8, 1, 3)
    parameter = torch.nn.Parameter(values)
    samples = Samples({"x": parameter, "y": values.bfloat16()}, torch.arange(8))  # type: ignore[dict-item, arg-type]
    assert {name: array.dtype for name, array in samples.inputs.items()} == {"x": np.float32, "y": np.float32}
    for array in samples.inputs.values():
        np.testing.assert_array_equal(array, values.numpy())
    assert isinstance(samples.labels, np.ndarray)
    found, _ = conform(samples.take(np.array([1, 2])), [parse_spec("x:float32[1,3]"), parse_spec("y:float32[1,3]")])
    assert found.count == 2
