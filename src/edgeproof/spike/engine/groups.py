"""The loop of neurons: one pass over them per time step, every value that stays inside in a register."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from edgeproof.spike.engine.literals import number
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import Group, padded
from edgeproof.spike.engine.writing import block
from edgeproof.spike.program import LOGIC, Constant, Elementwise, Node, Output, Shape, State, storage

__all__ = ["GroupLoop", "added_up", "group_loop", "is_added_up"]

INFIX = {"add": "+", "sub": "-", "mul": "*", "div": "/", "gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "==",
         "ne": "!=", "and": "&", "or": "|"}  # fmt: skip
CALLS = {"abs": "fabsf", "sqrt": "sqrtf", "exp": "expf", "log": "logf", "tanh": "tanhf", "floor": "floorf"}
TRAPS = frozenset(("div", "sqrt", "log"))
"""Operations that can raise a floating point exception on what happens to stand in a buffer's padding."""


def added_up(names: Names) -> dict[Node, list[str]]:
    """Values that are added up over the steps in the loop that makes them, and where."""
    found: dict[Node, list[str]] = {}
    for i, output in enumerate(names.schedule.program.outputs):
        node = storage(output.node)
        if is_added_up(output) and node not in names.schedule.steady:
            found.setdefault(node, []).append(f"m->o{i}[i]")
    return found


def is_added_up(output: Output) -> bool:
    """Whether the loop that makes the value can add it up."""
    return output.readout in ("sum", "mean") and isinstance(storage(output.node), Elementwise)


def group_loop(names: Names, group: Group) -> list[str]:
    """C of a group at the step ``at``."""
    return GroupLoop(names, group).lines()


class GroupLoop:
    """The C of one group. Words are names and numbers in C."""

    of = "float"

    def __init__(self, names: Names, group: Group) -> None:
        self._names = names
        self._group = group
        self._like: Node = (*group.nodes, *(state for state, _ in group.states))[0]
        self._body: list[str] = []
        self._inside: dict[tuple[Node, str | None], str] = {}
        """Words for values that are at hand, by node and table of places."""
        self._own = dict(group.states)
        self._truths: set[str] = set()
        """Words that are truth values in C."""

    def lines(self) -> list[str]:
        names, stored = self._names, self._names.schedule.stored
        totals = added_up(names)
        after = [f"{names.kept(state)} = {self._word(state, state.shape)};" for state in self._own if state in stored]
        for node in self._group.nodes:
            word = self._compute(node)
            if node in stored:
                after.append(f"{names.element(node)} = {word};")
            after += [f"{total} += {names.numbers.given(node, word)};" for total in totals.get(node, ())]
        for state, becomes in self._own.items():
            if storage(becomes) is not state:
                after.append(f"{names.state(state)}[i] = {self._moved(state, becomes)};")
        size = self._like.size if any(map(_traps, self._group.nodes)) else padded(self._like.size)
        return block(f"for (int i = 0; i < {size}; i++)", [*self._body, *after])

    def _moved(self, state: State, after: Node) -> str:
        """What a state becomes."""
        return self._as_number(self._word(after, state.shape))

    def _compute(self, node: Elementwise) -> str:
        """Write the operation; the word for it as a number."""
        words = []
        for at, argument in enumerate(node.args):
            word = self._word(argument, node.shape) if isinstance(argument, Node) else number(argument)
            wants_truth = node.op in LOGIC or (node.op == "where" and at == 0)
            words.append(self._as_truth(word) if wants_truth else self._as_number(word))
        return self._named(node, expression(node.op, words))

    def _named(self, node: Elementwise, text: str) -> str:
        name = f"v{self._names.number(node)}"
        self._body.append(f"const {'int' if node.is_truth else self.of} {name} = {text};")
        if node.is_truth:
            self._truths.add(name)
        self._inside[node, None] = name
        return self._as_number(name)

    def _word(self, value: Node, shape: Shape) -> str:
        """The value at place ``i``, broadcast to a shape."""
        names, node = self._names, storage(value)
        if (node, None) in self._inside:
            return self._inside[node, None]
        if isinstance(node, Constant):
            return f"{names.constant(value, shape, self._like)}[i]"
        if node in self._own:
            return self._load(node, None, f"v{names.number(node)}", f"{names.state(node)}[i]")
        if node.size == 1 and self._like.size != 1:
            return self._load(node, "0", f"v{names.number(node)}", names.element(node, "0"))
        table = names.source(value, shape, self._like)
        if table is None:
            return self._load(node, None, f"v{names.number(node)}", names.element(node))
        return self._load(node, table, f"v{names.number(node)}_{table}", names.element(node, f"{table}[i]"))

    def _load(self, node: Node, table: str | None, name: str, text: str) -> str:
        if (node, table) not in self._inside:
            self._body.append(f"const {self.of} {name} = {text};")
            self._inside[node, table] = name
        return self._inside[node, table]

    def _as_number(self, word: str) -> str:
        return f"({word} ? 1.0f : 0.0f)" if word in self._truths else word

    def _as_truth(self, word: str) -> str:
        return word if word in self._truths else f"({word} != 0.0f)"


def _traps(node: Elementwise) -> bool:
    return node.op in TRAPS and (node.op != "div" or isinstance(node.args[1], Node))


def expression(op: str, words: Sequence[str]) -> str:
    """One operation in C."""
    if op in INFIX:
        return f" {INFIX[op]} ".join(words)
    if op in CALLS:
        return f"{CALLS[op]}({words[0]})"
    return EXPRESSIONS[op](*words)


def _greater(a: str, b: str, sign: str) -> str:
    """The first where it is beyond the second or NaN, else the second. Numbers are no NaN."""
    if not a.startswith("v"):
        return f"{a} {sign} {b} ? {a} : {b}"
    return f"({a} {sign} {b}) | ({a} != {a}) ? {a} : {b}"


def _negative(a: str) -> str:
    return f"-({a})" if a.startswith("-") else f"-{a}"


EXPRESSIONS: Mapping[str, Callable[..., str]] = {
    "neg": _negative,
    "not": lambda a: f"!{a}",
    "cast": lambda a: a,
    "where": lambda a, b, c: f"{a} ? {b} : {c}",
    "maximum": lambda a, b: _greater(a, b, ">"),
    "minimum": lambda a, b: _greater(a, b, "<"),
    "relu": lambda a: f"{a} < 0.0f ? 0.0f : {a}",
    "sign": lambda a: f"({a} > 0.0f ? 1.0f : 0.0f) - ({a} < 0.0f ? 1.0f : 0.0f)",
    "sigmoid": lambda a: f"1.0f / (1.0f + expf({_negative(a)}))",
}
