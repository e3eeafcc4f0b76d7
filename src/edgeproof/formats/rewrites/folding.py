"""Constants computed in advance: what depends on weights and numbers alone is worked out once and stored."""

from __future__ import annotations

from typing import Any, cast

import torch

__all__ = ["fold_constants"]

LARGEST = 4_000_000
"""Elements of a constant that is worth storing instead of computing."""


def fold_constants(module: torch.fx.GraphModule) -> int:
    """Replace every value that no input reaches by a buffer holding it; gives how many operators went.

    Weights that are only passed on stay as they are.
    """
    values: dict[torch.fx.Node, Any] = {}
    folded: set[torch.fx.Node] = set()
    for node in module.graph.nodes:
        if node.op == "get_attr":
            values[node] = _attribute(module, str(node.target))
        elif node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload):
            random = torch.Tag.nondeterministic_seeded in node.target.tags
            if (
                not random
                and not node.target._schema.is_mutable
                and all(source in values for source in node.all_input_nodes)
            ):
                _evaluate(node, values, folded)
    count = 0
    for node in folded:
        kept = any(user not in folded for user in node.users)
        if kept:
            name = f"folded_{count}"
            module.register_buffer(name, values[node].clone())
            with module.graph.inserting_before(node):
                constant = module.graph.get_attr(name)
            constant.meta = dict(node.meta)
            node.replace_all_uses_with(constant)
            count += 1
    if count:
        module.graph.eliminate_dead_code()
        module.graph.lint()
        module.recompile()
    return count


def _attribute(module: torch.nn.Module, path: str) -> Any:
    value: Any = module
    for part in path.split("."):
        value = getattr(value, part)
    return value


def _evaluate(node: torch.fx.Node, values: dict[torch.fx.Node, Any], folded: set[torch.fx.Node]) -> None:
    def given(argument: torch.fx.Node) -> Any:
        return values[argument]

    args = torch.fx.map_arg(node.args, given)
    kwargs = torch.fx.map_arg(node.kwargs, given)
    with torch.no_grad():
        result = cast("Any", node.target)(*args, **kwargs)
    if isinstance(result, torch.Tensor) and result.numel() <= LARGEST:
        values[node] = result
        folded.add(node)
