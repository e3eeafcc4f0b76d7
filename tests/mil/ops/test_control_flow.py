"""Branches, loops, lists, states and classifiers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mil.ops.calling import call

from edgeproof.errors import ArtifactError
from edgeproof.mil.registry import find_op
from edgeproof.mil.values import Budget, Elements, Limits, StateCell

Few = settings(max_examples=30, deadline=None, derandomize=True)


def counting(most: int) -> Any:
    """A condition over a counter and a sum."""
    return lambda at, _: (np.array(at < most),)


def adding(at: np.ndarray, total: np.ndarray) -> tuple[np.ndarray, ...]:
    return at + np.int32(1), total * np.float32(2) + at.astype(np.float32)


@given(st.booleans(), st.integers(1, 3))
@Few
def test_one_of_two_branches_is_taken(pred: bool, count: int) -> None:
    values = tuple(np.array(i) for i in range(count))

    def unseen() -> tuple[np.ndarray, ...]:
        raise AssertionError("this branch is not taken")

    branches = {"_true_fn": lambda: values, "_false_fn": unseen}
    if not pred:
        branches = {"_true_fn": unseen, "_false_fn": lambda: values}
    assert call("cond", pred=np.array(pred), **branches) == values


@given(st.integers(0, 12))
@Few
def test_a_loop_turns_as_long_as_its_condition_holds(turns: int) -> None:
    start = (np.array(0, np.int32), np.array(1, np.float32))
    at, total = call("while_loop", loop_vars=start, _cond=counting(turns), _body=adding)
    expected = 1.0
    for turn in range(turns):
        expected = expected * 2 + turn
    assert at == turns
    assert total == expected


def test_a_loop_that_does_not_end_is_ended() -> None:
    op = find_op("while_loop", "CoreML5")
    assert op is not None
    start = (np.array(0, np.int32), np.array(1, np.float32))
    with pytest.raises(ArtifactError, match="did not end within 7 turns"):
        op.function(start, counting(8), adding, Budget(Limits(iterations=7)))
    op.function(start, counting(7), adding, Budget(Limits(iterations=7)))
    with pytest.raises(ArtifactError, match="truth value"):
        op.function(start, lambda *_: (np.array([True, False]),), adding, Budget(Limits()))
    with pytest.raises(ArtifactError, match="gives 1 values"):
        op.function(start, counting(3), lambda at, _: (at,), Budget(Limits()))


@given(
    st.integers(0, 4),
    st.lists(st.tuples(st.sampled_from(["write", "scatter"]), st.integers(0, 6), st.integers(0, 6)), max_size=6),
    st.sampled_from([np.float32, np.float16, np.int32, np.bool_]),
)
@Few
def test_a_list_keeps_what_was_written_last(length: int, writes: list[tuple[str, int, int]], dtype: Any) -> None:
    name = {np.float32: "fp32", np.float16: "fp16", np.int32: "int32", np.bool_: "bool"}[dtype]
    ls = call("make_list", init_length=length, elem_shape=(np.array(2, np.int32), np.array(1, np.int32)), dtype=name)
    model = [np.zeros((2, 1), dtype)] * length
    for kind, first, second in writes:
        before = ls
        value = np.full((2, 2, 1), first - second, np.int32).astype(dtype)
        value[1] = 1
        if kind == "write":
            ls = call("list_write", ls=ls, index=np.array(first, np.int32), value=value[0])
            places = [first]
        else:
            ls = call("list_scatter", ls=ls, indices=np.array([first, second], np.int32), value=value)
            places = [first, second]
        assert before is not ls
        for at, new in zip(places, value, strict=False):
            model += [np.zeros((2, 1), dtype)] * (at + 1 - len(model))
            model[at] = new
    given_ = call("list_length", ls=ls)
    assert given_ == len(model)
    assert given_.dtype == np.int32
    for at, expected in enumerate(model):
        read = call("list_read", ls=ls, index=np.array(at))
        assert read.dtype == dtype
        np.testing.assert_array_equal(read, expected)
    indices = np.arange(len(model))[::-1]
    gathered = call("list_gather", ls=ls, indices=indices)
    assert gathered.dtype == dtype
    assert gathered.shape == (len(model), 2, 1)
    np.testing.assert_array_equal(gathered, np.array([model[at] for at in indices], dtype).reshape(-1, 2, 1))


def test_a_list_ends_where_it_may_not_grow() -> None:
    ls = call("make_list", init_length=2, dynamic_length=False, elem_shape=(np.array("n", object),))
    assert isinstance(ls, Elements)
    assert ls.shape == (None,)
    with pytest.raises(ArtifactError, match="before anything was written"):
        call("list_read", ls=ls, index=0)
    with pytest.raises(ArtifactError, match="element 2 was written"):
        call("list_write", ls=ls, index=2, value=np.zeros(3, np.float32))
    with pytest.raises(ArtifactError, match="element -1 was written"):
        call("list_write", ls=ls, index=-1, value=np.zeros(3, np.float32))
    ls = call("list_write", ls=ls, index=1, value=np.ones(3, np.float32))
    np.testing.assert_array_equal(call("list_gather", ls=ls, indices=np.array([0, 1])), [[0, 0, 0], [1, 1, 1]])
    with pytest.raises(ArtifactError, match="element 5 was read"):
        call("list_read", ls=ls, index=5)
    with pytest.raises(ArtifactError, match="for 1 elements"):
        call("list_scatter", ls=ls, indices=np.array([0]), value=np.zeros((2, 3), np.float32))
    with pytest.raises(ArtifactError, match="not known"):
        call("make_list", dtype="fp64")
    with pytest.raises(ArtifactError, match="the limit is"):
        call("make_list", init_length=2**40)


def test_a_write_far_behind_the_end_is_refused() -> None:
    with pytest.raises(ArtifactError, match="the limit is"):
        call("list_write", ls=call("make_list"), index=2**40, value=np.zeros(1, np.float32))


def test_a_state_gives_what_was_written_to_it() -> None:
    cell, first, second = StateCell(np.zeros(2, np.float16)), np.ones(2, np.float16), np.full(2, 2, np.float16)
    before = call("read_state", input=cell)
    assert call("write_state", input=cell, data=first) is None
    assert call("read_state", input=cell) is first
    assert call("coreml_update_state", state=cell, value=second) is second
    assert call("read_state", input=cell) is second
    assert not before.any()


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=6), st.booleans())
@Few
def test_the_class_of_the_greatest_probability_is_given(numbers: list[float], named: bool) -> None:
    labels: list[Any] = [f"c{i}" for i in range(len(numbers))] if named else list(range(10, 10 + len(numbers)))
    label, probabilities = call(
        "classify", probabilities=np.array([numbers], np.float32), classes=np.array(labels, object)
    )
    assert label.item() == labels[numbers.index(max(numbers))]
    assert label.dtype == (object if named else np.int64)
    assert probabilities == dict(zip(labels, numbers, strict=True))


def test_probabilities_without_a_class_are_refused() -> None:
    with pytest.raises(ArtifactError, match="for 1 classes"):
        call("classify", probabilities=np.zeros(2, np.float32), classes=np.array(["a"], object))
