"""NIR graphs in files (``.nir``, HDF5): read from anywhere, written so that NIR's own package reads them.

The layout is the one of ``nir`` 1.0.8: ``node/{type,nodes,edges}``, a group per node with its ``type`` and parameters.
Metadata of nodes is neither read nor kept; what NIR leaves open stands as text in the metadata of the graph.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from edgeproof.errors import MissingDependency, SpikeGraphError
from edgeproof.spike.graph.network import MAX_DEPTH, MAX_EDGES, MAX_NODES, Network, Node
from edgeproof.spike.graph.primitives import (
    NIR_PRIMITIVES,
    Array,
    AvgPool2d,
    Conv1d,
    Conv2d,
    Flatten,
    Input,
    Output,
    Pair,
    Primitive,
    Shape,
    SumPool2d,
)
from edgeproof.spike.graph.semantics import InputCoding, Semantics
from edgeproof.spike.graph.shapes import MAX_ELEMENTS
from edgeproof.spike.graph.structure import analyse
from edgeproof.spike.nir.hdf5 import Group, opened

__all__ = ["NIR_VERSION", "read", "write"]

NIR_VERSION = "1.0.8"
_SEMANTICS = "edgeproof_semantics"

_ARRAYS: dict[str, tuple[str, ...]] = {
    "Affine": ("weight", "bias"),
    "Linear": ("weight",),
    "Scale": ("scale",),
    "Delay": ("delay",),
    "Threshold": ("threshold",),
    "I": ("r",),
    "IF": ("r", "v_threshold", "v_reset"),
    "LI": ("tau", "r", "v_leak"),
    "LIF": ("tau", "r", "v_leak", "v_threshold", "v_reset"),
    "CubaLI": ("tau_syn", "tau_mem", "r", "v_leak", "w_in"),
    "CubaLIF": ("tau_syn", "tau_mem", "r", "v_leak", "v_threshold", "v_reset", "w_in"),
}
"""Primitives that have arrays only, with their names in a file."""


def read(path: Path | str, semantics: Semantics | None = None) -> Network:
    """A graph from a file, checked.

    Args:
        path: the file; it may be of unknown origin.
        semantics: what NIR leaves open; None: as the file says, or ``Semantics()`` where it says nothing.

    Raises:
        SpikeGraphError: the file is damaged, or its graph cannot be run.
        MissingDependency: h5py is not installed.
    """
    with opened(Path(path)) as root:
        top = root.group("node")
        if (kind := top.text("type")) != "NIRGraph":
            raise SpikeGraphError(f"the file holds a {kind!r}; expected a NIRGraph")
        network = _graph(top, semantics or _stored_semantics(top), depth=0, left=[MAX_NODES])
        analyse(network)
    return network


def write(path: Path | str, network: Network) -> None:
    """Write a graph and its semantics. The file appears whole or not at all.

    Raises:
        SpikeGraphError: the graph cannot be run, or NIR has no primitive for one of its nodes.
        MissingDependency: h5py is not installed.
    """
    try:
        import h5py
    except ImportError as error:
        raise MissingDependency("writing a .nir file needs h5py", hint="install edgeproof[nir]") from error

    shapes = analyse(network).taken
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with h5py.File(beside, "w") as file:
            file.create_dataset("version", data=NIR_VERSION, dtype=h5py.string_dtype())
            top = file.create_group("node")
            _write_graph(top, network, "", shapes)
            stored = json.dumps(asdict(network.semantics))
            top.create_group("metadata").create_dataset(_SEMANTICS, data=stored, dtype=h5py.string_dtype())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)


def _graph(group: Group, semantics: Semantics, *, depth: int, left: list[int]) -> Network:
    if depth > MAX_DEPTH:
        raise SpikeGraphError(f"sub-graphs are nested deeper than {MAX_DEPTH} levels at {group.path[:200]}")
    inside = group.group("nodes")
    names = inside.names(MAX_NODES)
    left[0] -= len(names)
    if left[0] < 0:
        raise SpikeGraphError(f"the graph has more than {MAX_NODES} nodes with its sub-graphs")
    nodes: dict[str, Node] = {}
    for name in names:
        node = inside.group(name)
        kind = node.text("type")
        if kind == "NIRGraph":
            nodes[name] = _graph(node, semantics, depth=depth + 1, left=left)
        elif kind in NIR_PRIMITIVES:
            nodes[name] = _primitive(kind, node)
        else:
            raise SpikeGraphError(
                f"{node.path} is of type {kind[:60]!r}, which is no primitive of NIR {NIR_VERSION}",
                hint=f"known are {', '.join(sorted(NIR_PRIMITIVES))} and NIRGraph",
            )
    return Network(nodes, group.text_pairs("edges", MAX_EDGES), semantics)


def _primitive(kind: str, group: Group) -> Primitive:
    if kind in _ARRAYS:
        return NIR_PRIMITIVES[kind](**{name: _parameter(group, name) for name in _ARRAYS[kind]})
    if kind == "Input":
        return Input(_integers(group, "shape"))
    if kind == "Output":
        return Output(_integers(group, "shape"))
    if kind == "Flatten":
        declared = _integers(group, "input_type") if "input_type" in group else None
        return Flatten(_integer(group, "start_dim"), _integer(group, "end_dim"), declared)
    if kind in ("SumPool2d", "AvgPool2d"):
        pool = SumPool2d if kind == "SumPool2d" else AvgPool2d
        return pool(_pair(group, "kernel_size"), _pair(group, "stride"), _pair(group, "padding"))
    weight, bias = group.array("weight"), group.array("bias")
    word = _word(group) if group.is_text("padding") else None
    groups = _integer(group, "groups")
    if kind == "Conv1d":
        return Conv1d(
            weight,
            bias,
            _integer(group, "stride"),
            word or _integer(group, "padding"),
            _integer(group, "dilation"),
            groups,
            _integer(group, "input_shape") if "input_shape" in group else None,
        )
    return Conv2d(
        weight,
        bias,
        _pair(group, "stride"),
        word or _pair(group, "padding"),
        _pair(group, "dilation"),
        groups,
        _pair(group, "input_shape") if "input_shape" in group else None,
    )


def _parameter(group: Group, name: str) -> Array:
    """An array; ``v_reset`` and ``w_in`` have NIR's defaults."""
    if name == "v_reset" and name not in group:
        return np.zeros_like(group.array("v_threshold"))
    if name == "w_in" and name not in group:
        return np.ones_like(group.array("v_leak"))
    return group.array(name)


def _word(group: Group) -> Any:
    word = group.text("padding")
    if word not in ("same", "valid"):
        raise SpikeGraphError(f"the padding of {group.path} is {word[:60]!r}; expected numbers, 'same' or 'valid'")
    return word


def _integers(group: Group, name: str) -> Shape:
    values = group.array(name)
    if values.ndim > 1 or values.size > 8 or not np.all(np.isfinite(values)) or np.any(values != np.rint(values)):
        raise SpikeGraphError(f"{name} of {group.path} is {values.tolist()!s:.100}; expected up to 8 whole numbers")
    if values.size and np.abs(values.astype(np.float64)).max() > MAX_ELEMENTS:
        raise SpikeGraphError(f"{name} of {group.path} is {values.tolist()}; expected no more than {MAX_ELEMENTS:,}")
    return tuple(int(value) for value in values.reshape(-1))


def _integer(group: Group, name: str) -> int:
    values = _integers(group, name)
    if len(values) != 1:
        raise SpikeGraphError(f"{name} of {group.path} is {values}; expected one number")
    return values[0]


def _pair(group: Group, name: str) -> Pair:
    values = _integers(group, name)
    if len(values) not in (1, 2):
        raise SpikeGraphError(f"{name} of {group.path} is {values}; expected one number or two")
    return values[0], values[-1]


def _stored_semantics(top: Group) -> Semantics:
    if "metadata" not in top or _SEMANTICS not in (metadata := top.group("metadata")):
        return Semantics()
    stored = metadata.text(_SEMANTICS)
    try:
        fields = json.loads(stored)
        return Semantics(**{**fields, "input_coding": InputCoding(**fields["input_coding"])})
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise SpikeGraphError(f"the semantics in the file are {stored[:100]!r}, which cannot be read") from error


def _write_graph(group: Any, network: Network, prefix: str, shapes: Mapping[str, Shape]) -> None:
    import h5py

    text = h5py.string_dtype()
    group.create_dataset("type", data="NIRGraph", dtype=text)
    edges = group.create_dataset("edges", shape=(len(network.edges), 2), dtype=text)
    if network.edges:
        edges[...] = np.array(network.edges, dtype=object)
    inside = group.create_group("nodes")
    for name, node in network.nodes.items():
        if "/" in name or name == ".":
            raise SpikeGraphError(f"the node {name!r} cannot be written: a name in a file has no slash")
        place = inside.create_group(name)
        if isinstance(node, Network):
            _write_graph(place, node, f"{prefix}{name}/", shapes)
            continue
        kind = type(node).__name__
        if kind not in NIR_PRIMITIVES:
            raise SpikeGraphError(
                f"the node {name!r} is a {kind}, for which NIR {NIR_VERSION} has no primitive",
                hint="ship it with its own engine, which needs no NIR file",
            )
        place.create_dataset("type", data=kind, dtype=text)
        for field, value in _fields(node, shapes[f"{prefix}{name}"]):
            if isinstance(value, str):
                place.create_dataset(field, data=value, dtype=text)
            else:
                packed = {"compression": "gzip"} if np.ndim(value) and np.size(value) else {}
                place.create_dataset(field, data=value, **packed)


def _fields(node: Primitive, shape: Shape) -> list[tuple[str, Any]]:
    """A node's datasets. What a convolution was not told of its image is filled in: NIR's package asks for it."""
    if isinstance(node, Input | Output):
        return [("shape", np.array(node.shape, np.int64))]
    found = [(name, value) for name, value in vars(node).items() if value is not None]
    if isinstance(node, Conv1d | Conv2d) and node.input_shape is None:
        image = shape[1:]
        found.append(("input_shape", image[0] if isinstance(node, Conv1d) else image))
    return [(name, np.array(value, np.int64) if isinstance(value, tuple) else value) for name, value in found]
