"""Complex constants of a graph as two real ones each: rules for complex values meet ``complex(real, imag)`` instead."""

from __future__ import annotations

import torch

__all__ = ["with_pairs"]


def with_pairs(module: torch.fx.GraphModule) -> None:
    """Put ``complex`` of two real buffers in the place of each complex constant."""
    graph = module.graph
    for node in [node for node in graph.nodes if node.op == "get_attr"]:
        value = _value(module, str(node.target))
        if value is None or not value.is_complex():
            continue
        stem = str(node.target).replace(".", "_")
        with graph.inserting_before(node):
            parts = []
            for part, numbers in (("real", value.real), ("imag", value.imag)):
                module.register_buffer(f"{stem}_{part}", numbers.detach().clone().contiguous())
                parts.append(graph.get_attr(f"{stem}_{part}"))
            pair = graph.call_function(torch.ops.aten.complex.default, tuple(parts))
        node.replace_all_uses_with(pair)
        graph.erase_node(node)
        _forget(module, node.target)
    module.recompile()


def _forget(module: torch.fx.GraphModule, target: object) -> None:
    """Remove a constant that no node reads any more: converters look at what nobody uses, too."""
    if any(node.op == "get_attr" and node.target == target for node in module.graph.nodes):
        return
    path, _, name = str(target).rpartition(".")
    delattr(module.get_submodule(path), name)


def _value(module: torch.nn.Module, path: str) -> torch.Tensor | None:
    value: object = module
    for part in path.split("."):
        value = getattr(value, part, None)
    return value if isinstance(value, torch.Tensor) else None
