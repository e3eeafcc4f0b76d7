"""Random numbers that a model draws: however rarely they show, no format gives the same ones."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from edgeproof.errors import ConversionError
from edgeproof.model.lines import line_of, own_line

__all__ = ["refuse_if_random", "refuse_program_if_random"]

SWITCHES = frozenset({"train", "training"})
SHARES = frozenset({"dropout", "dropout_p", "p"})
"""Arguments of operators that draw only while training, or where a share is above zero, such as dropout's."""


def refuse_program_if_random(program: torch.export.ExportedProgram) -> None:
    """Look for operators that draw random numbers and reach an output.

    Raises:
        ConversionError: there is one; it says which, and where in the model.
    """
    reached: set[torch.fx.Node] = set()
    waiting = [program.graph.output_node()]
    while waiting:
        node = waiting.pop()
        if node not in reached:
            reached.add(node)
            waiting += node.all_input_nodes
    for node in program.graph.nodes:
        if node in reached and _draws(node.target, node.args, node.kwargs):
            raise _random(node.target, line_of(node.meta.get("stack_trace") or ""))


def refuse_if_random(call: Callable[..., Any], inputs: tuple[torch.Tensor, ...]) -> None:
    """Run a call once and look for what draws random numbers, for a model that has no program.

    Raises:
        ConversionError: as ``refuse_program_if_random``.
    """
    with torch.no_grad(), _Watch():  # type: ignore[no-untyped-call]
        call(*[tensor.clone() for tensor in inputs])


class _Watch(TorchDispatchMode):  # type: ignore[no-untyped-call]
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if _draws(func, args, kwargs or {}):
            raise _random(func, own_line(traceback.extract_stack()))
        return func(*args, **(kwargs or {}))


def _draws(target: Any, args: Any, kwargs: Any) -> bool:
    if not isinstance(target, torch._ops.OpOverload) or torch.Tag.nondeterministic_seeded not in target.tags:
        return False
    names = [argument.name for argument in target._schema.arguments]
    defaults = {
        argument.name: argument.default_value for argument in target._schema.arguments if argument.has_default_value()
    }
    given = {**defaults, **dict(zip(names, args, strict=False)), **kwargs}
    off = any(given[name] is False for name in SWITCHES & given.keys())
    none = any(given[name] == 0 for name in SHARES & given.keys())
    return not (off or none)


def _random(target: torch._ops.OpOverload, where: tuple[str, str]) -> ConversionError:
    name = target._schema.name.partition("::")[2]
    location, source = where
    return ConversionError(
        f"the model draws random numbers: {name} at {location}: `{source}`",
        hint="draw them outside and give them as an input, or make the model deterministic in evaluation mode",
    )
