"""The loop of neurons: one pass over them per time step, every value that stays inside in a register."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from edgeproof.errors import ConversionError
from edgeproof.spike.literals import number
from edgeproof.spike.program import Constant, Elementwise, Node, State
from edgeproof.spike.schedule import Group, layout_of, padded, storage
from edgeproof.spike.simplify import is_truth

__all__ = ["Names", "group_loop"]

INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "==",
         "ne": "!=", "and": "&", "or": "|"}  # fmt: skip
CALLS = {"abs": "fabsf", "sqrt": "sqrtf", "exp": "expf", "log": "logf", "tanh": "tanhf", "floor": "floorf"}


class Names(Protocol):
    """What the loop asks of the one who writes the file."""

    stored: set[Node]

    def number(self, node: Node) -> int: ...

    def row(self, node: Node, step: str) -> str: ...

    def element(self, node: Node) -> str: ...

    def state(self, node: State) -> str: ...

    def summed(self, node: Node) -> list[str]: ...

    def constant(self, node: Constant, like: Node) -> str: ...


def group_loop(names: Names, group: Group, steps: str, first: str) -> str:
    """C of a group over ``steps`` steps from ``first`` of the chunk on."""
    like = group.nodes[0] if group.nodes else group.states[0][0]
    inside: dict[Node, str] = {}
    body: list[str] = []
    after: list[str] = []
    own = {state for state, _ in group.states}
    for state in own:
        body.append(f"const float v{names.number(state)} = {names.state(state)}[i];")
        inside[state] = f"v{names.number(state)}"
        if state in names.stored:
            after.append(f"{names.element(state)} = v{names.number(state)};")

    def value(one: Node | float) -> str:
        if not isinstance(one, Node):
            return number(one)
        at = storage(one)
        if at in inside:
            return inside[at]
        if isinstance(at, Constant):
            return f"{names.constant(at, like)}[i]"
        if at.size == 1 and like.size != 1:
            text = f"{names.row(at, 'at')}[0]"
        else:
            if at.size != like.size or not np.array_equal(layout_of(at), layout_of(like)):
                raise ConversionError(
                    f"the engine does not know an operation on {list(one.shape)} and {list(like.shape)} together"
                )
            text = names.element(at)
        name = f"r{names.number(at)}"
        body.append(f"const float {name} = {text};")
        inside[at] = name
        return name

    for node in group.nodes:
        assert isinstance(node, Elementwise)
        words = [value(one) for one in node.args]
        truths = [isinstance(one, Node) and is_truth(one) for one in node.args]
        kept = [
            f"({word} != 0.0f)" if truth and not word.startswith("v") else word
            for word, truth in zip(words, truths, strict=True)
        ]
        name = f"v{names.number(node)}"
        body.append(f"const {'int' if node.is_truth else 'float'} {name} = {expression(node.op, kept)};")
        inside[node] = name
        if node in names.stored:
            after.append(f"{names.element(node)} = {name}{' ? 1.0f : 0.0f' if node.is_truth else ''};")
        for total in names.summed(node):
            after.append(f"{total} += {name}{' ? 1.0f : 0.0f' if node.is_truth else ''};")
    for state, carried in group.states:
        word = value(carried)
        text = f"{word} ? 1.0f : 0.0f" if is_truth(carried) and word.startswith("v") else word
        after.append(f"{names.state(state)}[i] = {text};")
    indent = "\n      "
    return (
        f"  for (int at = {first}; at < {first} + {steps}; at++)"
        f"\n    for (int i = 0; i < {padded(like.size)}; i++) {{{indent}" + indent.join([*body, *after]) + "\n    }"
    )


def expression(op: str, words: list[str]) -> str:
    """One operation in C."""
    if op in INFIX:
        return f"{words[0]} {INFIX[op]} {words[1]}"
    if op in CALLS:
        return f"{CALLS[op]}({words[0]})"
    a, *rest = words
    return {
        "neg": lambda: f"-{a}",
        "not": lambda: f"!{a}",
        "cast": lambda: f"{a} ? 1.0f : 0.0f",
        "where": lambda: f"{a} ? {rest[0]} : {rest[1]}",
        "maximum": lambda: f"{a} > {rest[0]} ? {a} : {rest[0]}",
        "minimum": lambda: f"{a} < {rest[0]} ? {a} : {rest[0]}",
        "relu": lambda: f"{a} < 0.0f ? 0.0f : {a}",
        "sign": lambda: f"({a} > 0.0f ? 1.0f : 0.0f) - ({a} < 0.0f ? 1.0f : 0.0f)",
        "sigmoid": lambda: f"1.0f / (1.0f + expf(-{a}))",
    }[op]()
