"""A module's output, whatever its shape, as a flat list of named tensors: dicts, dataclasses, tuples, nested."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import torch

__all__ = ["flatten_output"]


def flatten_output(value: Any) -> list[tuple[str, torch.Tensor]]:
    """Named tensors in a fixed order. Dict keys and field names are the names; a lone tensor is ``output``.

    What is neither a tensor nor holds one (numbers, caches) is left out. A complex tensor is given as its real view,
    with a last axis of 2. Of names that meet, the later gets a number.
    """
    found: list[tuple[str, torch.Tensor]] = []
    _collect(value, "", found)
    if len(found) == 1 and not found[0][0]:
        return [("output", found[0][1])]
    seen: set[int] = set()
    unique: dict[str, torch.Tensor] = {}
    for name, tensor in found:
        given = tensor.clone() if id(tensor) in seen else tensor
        seen.add(id(tensor))
        free, number = name, 1
        while free in unique:
            number += 1
            free = f"{name}_{number}"
        unique[free] = given
    return list(unique.items())


def _collect(value: Any, name: str, found: list[tuple[str, torch.Tensor]]) -> None:
    if isinstance(value, torch.Tensor):
        if value.is_complex():
            value = torch.view_as_real(value)
            name = f"{name or 'output'}.real_imag"
        found.append((name, value))
        return
    dot = f"{name}." if name else ""
    if isinstance(value, Mapping):
        for key, item in value.items():
            _collect(item, f"{dot}{key}", found)
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        for field in dataclasses.fields(value):
            _collect(getattr(value, field.name), f"{dot}{field.name}", found)
    elif isinstance(value, tuple) and hasattr(value, "_fields"):
        for key, item in zip(value._fields, value, strict=True):
            _collect(item, f"{dot}{key}", found)
    elif isinstance(value, (tuple, list)):
        for index, item in enumerate(value):
            _collect(item, f"{dot}{index}" if name else f"output{index}", found)
