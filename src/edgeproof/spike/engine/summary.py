"""What the comments of generated C say of layers and neurons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edgeproof.spike.engine.layers import Method
from edgeproof.spike.engine.schedule import Delay, Kernel, Layer, Schedule
from edgeproof.spike.engine.writing import said
from edgeproof.spike.program import Convolution, Linear, Node, Pool, walk

__all__ = ["kernel_summary", "layer_summary", "layer_table", "shape_of"]

NAMED = 4
"""States that a comment names."""


HOW: Mapping[Method, str] = {"events": "by events", "windows": "by events in windows", "dense": "all of them"}


def shape_of(node: Node) -> str:
    """A shape in words."""
    return "x".join(map(str, node.shape)) or "1"


def layer_summary(node: Linear | Convolution | Pool) -> str:
    """A layer with its sizes."""
    sizes = f"{shape_of(node.x)} -> {shape_of(node)}"
    if isinstance(node, Linear):
        return f"linear {sizes}"
    kernel = node.kernel if isinstance(node, Pool) else node.weight.shape[2:]
    kind = "convolution" if isinstance(node, Convolution) else {"max": "maximum", "sum": "sum"}[node.kind]
    more = [f"{kind} {sizes}", f"window {kernel[0]}x{kernel[1]}"]
    for label, pair in (("stride", node.stride), ("padding", node.padding)):
        if pair != ((1, 1) if label == "stride" else (0, 0)):
            more.append(f"{label} {pair[0]}x{pair[1]}")
    if isinstance(node, Convolution):
        more += [f"dilation {node.dilation[0]}x{node.dilation[1]}"] if node.dilation != (1, 1) else []
        more += [f"{node.groups} groups"] if node.groups > 1 else []
    return ", ".join(more)


def kernel_summary(kernel: Kernel, chosen: Mapping[Node, Method], count: int = 1) -> list[str]:
    """Lines about a kernel; ``count`` of delays."""
    if isinstance(kernel, Layer):
        how = chosen.get(kernel.node)
        return [layer_summary(kernel.node) + (f", {HOW[how]}" if how else "")]
    if isinstance(kernel, Delay):
        return [f"{count} states that pass a value on" if count > 1 else f"state {said(kernel.state.name)}, passed on"]
    node = (*kernel.nodes, *(state for state, _ in kernel.states))[0]
    words = f"{shape_of(node)} neurons: {len(kernel.nodes)} operations"
    return [words + (f", states {_listed([state.name for state, _ in kernel.states])}" if kernel.states else "")]


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(map(said, names[:NAMED])) + more


def layer_table(schedule: Schedule, chosen: Mapping[Node, Method], activity: Mapping[Node, float]) -> list[str]:
    """How each layer takes its input, and how busy that was."""
    rows = [("layer", "inputs not zero", "takes them")]
    for node in walk(schedule.program.roots()):
        if isinstance(node, (Linear, Convolution)):
            busy = f"{activity[node]:.1%}" if node in activity else "not measured"
            rows.append((layer_summary(node), busy, HOW[chosen[node]]))
    widths = [max(len(row[i]) for row in rows) for i in range(3)]
    return ["  ".join(word.ljust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]
