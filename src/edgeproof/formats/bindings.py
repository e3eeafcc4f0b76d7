"""Bindings between the model's tensors and a graph's, for the formats that keep or change names, dtypes and shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from edgeproof.documents.artifact import Binding
from edgeproof.documents.signature import TensorSpec

if TYPE_CHECKING:
    from edgeproof.model.spine import Spine

__all__ = ["bind", "plain", "plain_bindings", "safe_names"]


def bind(
    specs: Sequence[TensorSpec],
    names: Sequence[str],
    *,
    dtypes: Sequence[str] | None = None,
    shapes: Sequence[tuple[int, ...]] | None = None,
) -> tuple[Binding, ...]:
    """One binding per spec; dtypes and shapes default to the spec's."""
    return tuple(
        Binding(
            tensor=spec,
            graph_name=name,
            graph_dtype=dtypes[i] if dtypes else spec.dtype,
            graph_shape=shapes[i] if shapes else spec.shape,
        )
        for i, (spec, name) in enumerate(zip(specs, names, strict=True))
    )


def plain_bindings(spine: Spine) -> tuple[tuple[Binding, ...], tuple[Binding, ...]]:
    """Names, dtypes and shapes as they are."""
    return (
        bind(spine.inputs, [spec.name for spec in spine.inputs]),
        bind(spine.outputs, [spec.name for spec in spine.outputs]),
    )


def plain(name: str, dtype: str, shape: tuple[int, ...]) -> Binding:
    """A tensor that its caller sees as the graph has it."""
    spec = TensorSpec(name=name, dtype=dtype, shape=shape)
    return Binding(tensor=spec, graph_name=name, graph_dtype=dtype, graph_shape=shape)


def safe_names(specs: Sequence[TensorSpec], taken: Sequence[str] = ()) -> list[str]:
    """Names of letters, digits and underscores that every runtime accepts; unique, also against ``taken``."""
    names: list[str] = []
    for spec in specs:
        name = "".join(c if c.isalnum() and c.isascii() else "_" for c in spec.name).strip("_") or "tensor"
        if name[0].isdigit():
            name = f"t_{name}"
        unique, number = name, 1
        while unique in names or unique in taken:
            number += 1
            unique = f"{name}_{number}"
        names.append(unique)
    return names
