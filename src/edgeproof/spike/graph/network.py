"""A spiking network as a graph: nodes by name, edges, and the semantics it is run with.

It may hold networks as nodes, as NIR does; ``flattened`` brings it to one level. ``structure`` says whether it can run.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from types import MappingProxyType
from typing import TypeAlias

from edgeproof.errors import SpikeGraphError
from edgeproof.spike.graph.primitives import Identity, Input, Output, Primitive
from edgeproof.spike.graph.semantics import Semantics

__all__ = ["MAX_DEPTH", "MAX_EDGES", "MAX_NODES", "Edge", "Network", "Node", "chain", "flattened"]

MAX_NODES = 4096
MAX_EDGES = 16_384
MAX_DEPTH = 16

Edge: TypeAlias = tuple[str, str]


@dataclass(frozen=True, eq=False)
class Network:
    """Nodes and directed edges. What several edges bring to a node is added, in the order of ``edges``.

    Raises:
        SpikeGraphError: an edge names a node that is not there or stands twice; there is too much of something.
    """

    nodes: Mapping[str, Node]
    edges: tuple[Edge, ...]
    semantics: Semantics = field(default_factory=Semantics)

    def __post_init__(self) -> None:
        object.__setattr__(self, "nodes", MappingProxyType(dict(self.nodes)))
        object.__setattr__(self, "edges", tuple((source, target) for source, target in self.edges))
        for count, most, what in ((len(self.nodes), MAX_NODES, "nodes"), (len(self.edges), MAX_EDGES, "edges")):
            if count > most:
                raise SpikeGraphError(f"the graph has {count} {what}; at most {most} are read")
        for name, node in self.nodes.items():
            if not name or ("/" in name and not isinstance(node, Primitive)):
                raise SpikeGraphError(f"a node is named {name!r}; expected a name without a slash")
        for source, target in self.edges:
            for end in (source, target):
                if end not in self.nodes:
                    raise SpikeGraphError(
                        f"the edge {source!r} → {target!r} names the node {end!r}, which is not in the graph",
                        hint=f"its nodes are {_listed(self.nodes)}",
                    )
        if len(set(self.edges)) < len(self.edges):
            (source, target), _ = Counter(self.edges).most_common(1)[0]
            raise SpikeGraphError(f"the edge {source!r} → {target!r} stands twice; expected every edge once")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Network):
            return NotImplemented
        return self.semantics == other.semantics and _same_graph(self, other)

    def __hash__(self) -> int:
        return hash((tuple(sorted(self.nodes)), self.edges))

    def sources(self, name: str) -> tuple[str, ...]:
        """The nodes whose values are added for ``name``, in that order."""
        return tuple(source for source, target in self.edges if target == name)


Node: TypeAlias = Primitive | Network


def chain(*nodes: Primitive, semantics: Semantics | None = None) -> Network:
    """Nodes one after the other, named by kind and number: ``input``, ``linear_1``, ``lif_2``, … ``output``."""
    names = [
        type(node).__name__.lower() + ("" if isinstance(node, Input | Output) else f"_{number}")
        for number, node in enumerate(nodes)
    ]
    return Network(dict(zip(names, nodes, strict=True)), tuple(pairwise(names)), semantics or Semantics())


def flattened(network: Network) -> Network:
    """The same network on one level: the nodes of a sub-graph are named ``outer/inner``.

    The Input and the Output of a sub-graph become ``Identity`` nodes; the semantics are those of the outermost network.

    Raises:
        SpikeGraphError: a sub-graph has not exactly one Input and one Output, or they are nested too deep.
    """
    nodes: dict[str, Node] = {}
    edges: list[Edge] = []
    _flatten(network, "", nodes, edges, depth=0)
    if len(nodes) > MAX_NODES or len(edges) > MAX_EDGES:
        raise SpikeGraphError(
            f"with its sub-graphs the graph has {len(nodes)} nodes and {len(edges)} edges; "
            f"at most {MAX_NODES} and {MAX_EDGES} are taken"
        )
    return Network(nodes, tuple(edges), network.semantics)


def _flatten(network: Network, prefix: str, nodes: dict[str, Node], edges: list[Edge], *, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise SpikeGraphError(f"sub-graphs are nested deeper than {MAX_DEPTH} levels at {prefix.rstrip('/')!r}")
    if len(nodes) > MAX_NODES:
        return
    entries: dict[str, str] = {}
    exits: dict[str, str] = {}
    for name, node in network.nodes.items():
        full = prefix + name
        if isinstance(node, Network):
            entries[name] = f"{full}/{_border(node, Input, full)}"
            exits[name] = f"{full}/{_border(node, Output, full)}"
            _flatten(node, f"{full}/", nodes, edges, depth=depth + 1)
        else:
            nodes[full] = Identity(node.shape) if prefix and isinstance(node, Input | Output) else node
    edges.extend(
        (exits.get(source, prefix + source), entries.get(target, prefix + target)) for source, target in network.edges
    )


def _same_graph(network: Network, other: Network) -> bool:
    """Semantics left out: a sub-graph is run with those of the outermost network."""
    if network.edges != other.edges or set(network.nodes) != set(other.nodes):
        return False
    for name, a in network.nodes.items():
        b = other.nodes[name]
        if not (_same_graph(a, b) if isinstance(a, Network) and isinstance(b, Network) else a == b):
            return False
    return True


def _border(network: Network, kind: type[Input | Output], where: str) -> str:
    found = [name for name, node in network.nodes.items() if isinstance(node, kind)]
    if len(found) != 1:
        raise SpikeGraphError(f"the sub-graph {where!r} has {len(found)} {kind.__name__} nodes; expected one")
    return found[0]


def _listed(nodes: Mapping[str, Node]) -> str:
    return ", ".join(_short(nodes))


def _short(nodes: Mapping[str, Node]) -> Iterator[str]:
    for number, name in enumerate(nodes):
        if number == 20:
            yield f"and {len(nodes) - number} more"
            return
        yield name
