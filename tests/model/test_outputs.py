"""Outputs of every shape as a flat list of named tensors."""

from __future__ import annotations

import dataclasses
from collections import OrderedDict
from typing import Any, NamedTuple

import pytest
import torch

from edgeproof.model.outputs import flatten_output

A, B, C = torch.zeros(1), torch.ones(2), torch.full((3,), 2.0)


class Pair(NamedTuple):
    left: torch.Tensor
    right: Any


@dataclasses.dataclass
class Result:
    mean: torch.Tensor
    rest: Any
    note: str = "not a tensor"


@pytest.mark.parametrize(
    ("value", "names"),
    [
        (A, ["output"]),
        ((A,), ["output0"]),
        ([A, B], ["output0", "output1"]),
        ((A, None, 3, B), ["output0", "output3"]),
        ({"logits": A}, ["logits"]),
        ({"b": A, "a": B}, ["b", "a"]),
        ({0: A, 1: B}, ["0", "1"]),
        (OrderedDict(x=A, n=4), ["x"]),
        (Pair(A, B), ["left", "right"]),
        (Result(A, (B, C)), ["mean", "rest.0", "rest.1"]),
        (Result(A, None), ["mean"]),
        ((A, Pair(B, {"deep": [C]})), ["output0", "output1.left", "output1.right.deep.0"]),
        ([[A], [B, [C]]], ["output0.0", "output1.0", "output1.1.0"]),
        ([], []),
        ("text", []),
        (Result, []),
        (None, []),
    ],
)
def test_names_follow_the_structure(value: Any, names: list[str]) -> None:
    assert [name for name, _ in flatten_output(value)] == names


def test_tensors_stand_in_the_structure_s_order() -> None:
    found = [tensor for _, tensor in flatten_output({"z": A, "y": (B, C)})]
    assert all(mine is given for mine, given in zip(found, [A, B, C], strict=True))


@pytest.mark.parametrize(("value", "name"), [(A + 1j, "output.real_imag"), ({"s": A + 1j}, "s.real_imag")])
def test_a_complex_tensor_is_its_real_view(value: Any, name: str) -> None:
    ((found, tensor),) = flatten_output(value)
    assert found == name
    assert tensor.tolist() == [[0.0, 1.0]]


def test_a_tensor_given_twice_is_two_outputs() -> None:
    found = flatten_output({"a": B, "b": B})
    assert [name for name, _ in found] == ["a", "b"]
    assert found[0][1] is not found[1][1]
    assert torch.equal(found[0][1], found[1][1])


def test_names_that_meet_stay_apart() -> None:
    found = flatten_output({"a": {"b": A}, "a.b": B, "a.b_2": C})
    assert len({name for name, _ in found}) == 3
    assert [tensor.numel() for _, tensor in found] == [1, 2, 3]
