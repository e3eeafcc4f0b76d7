"""The C of a call: inputs in, the stages over chunks of time steps, outputs read out; and the reset of states."""

from __future__ import annotations

import re
from collections.abc import Sequence

from edgeproof.spike.engine.groups import is_added_up
from edgeproof.spike.engine.lists import SPARE
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import padded
from edgeproof.spike.engine.writing import block, comment, loop, text
from edgeproof.spike.program import Output, storage

__all__ = ["is_collected", "reset", "run"]

EACH = "for (int at = 0; at < steps; at++)"


def run(names: Names, once: Sequence[str], chunk: Sequence[str]) -> str:
    """The function that runs any number of time steps.

    Args:
        names: of the values.
        once: calls of the stages that are computed once in a call.
        chunk: calls of the others.
    """
    schedule = names.schedule
    taken = [_taken(names, i) for i, node in enumerate(schedule.program.inputs) if node in schedule.stored]
    numbered = list(enumerate(schedule.program.outputs))
    before = [f"memset(m->o{i}, 0, sizeof m->o{i});" for i, output in numbered if is_collected(names, output)]
    chunks = [*chunk, *(line for i, output in numbered for line in _gathered(names, i, output))]
    if schedule.program.sequence:
        chunks = [*(line for lines in taken for line in loop(EACH, lines)), *chunks]
    else:
        before = [*(line for lines in taken for line in _scoped(lines)), *once, *before]
    if chunks:
        steps = f"const int steps = total - done < {names.chunk} ? total - done : {names.chunk};"
        wanted = [steps] if any(re.search(r"\bsteps\b", line) for line in chunks) else []
        chunks = block(f"for (int done = 0; done < total; done += {names.chunk})", [*wanted, *chunks])
    lines = [*before, *chunks, *(line for i, output in numbered for line in _given(names, i, output))]
    unused = [
        f"(void){name};"
        for name in ("total", "in", "out")
        if not any(re.search(rf"\b{name}\b", line) for line in lines)
    ]
    head = (
        f"TARGET static void VARIANT(run)(struct {names.name} *m, int total, const float *const *in, float *const *out)"
    )
    what = f"`total` time steps, {names.chunk} at once." if chunks else "Nothing that changes over time."
    return text([*comment([what]), *block(head, [*unused, *lines])])


def is_collected(names: Names, output: Output) -> bool:
    """Whether an output is put together over the chunks before the caller gets it."""
    return output.readout in ("sum", "mean") or (
        output.readout == "last" and storage(output.node) not in names.schedule.steady
    )


def _scoped(lines: list[str]) -> list[str]:
    return block("", lines) if lines[0].startswith("const ") else lines


def _taken(names: Names, index: int) -> list[str]:
    """Copy an input into its buffer, as it stands there; at the step ``at`` if it has steps."""
    node = names.schedule.program.inputs[index]
    source = f"in[{index}]"
    if names.schedule.program.sequence:
        source += f" + (size_t)(done + at) * {node.size}"
    table = names.places(node)
    if table is None:
        return [names.numbers.taken_row(names, node, source)]
    if node in names.quiet:
        listed = names.need("list", "uint32_t", padded(node.size) + SPARE)
        return [
            f"const float *const from = {source};",
            f"float *const to = {names.row(node)};",
            f"const uint32_t count = {names.function('nonzero')}(from, {node.size}, {listed});",
            f"memset(to, 0, {node.size * 4});",
            f"for (uint32_t k = 0; k < count; k++) to[{table}[{listed}[k]]] = from[{listed}[k]];",
        ]
    word = names.numbers.taken(node, f"({source})[i]")
    copied = [f"{names.element(node, f'{table}[i]' if table else 'i')} = {word};"]
    return loop(f"for (int i = 0; i < {node.size}; i++)", copied)


def _gathered(names: Names, index: int, output: Output) -> list[str]:
    """What is read out of a chunk, unless the loop that makes it has added it up."""
    node, size = storage(output.node), output.node.size
    if is_added_up(output) and node not in names.schedule.steady:
        return []
    if output.readout == "last" and not is_collected(names, output):
        return []
    plain, given = names.numbers.plain, names.numbers.given
    if output.readout == "last" and plain:
        return [f"memcpy(m->o{index}, {names.row(node, '(steps - 1)')}, {padded(size) * 4});"]
    if output.readout == "last":
        word = given(node, names.element(node, at="(steps - 1)"))
        kept = loop(f"for (int i = 0; i < {size}; i++)", [f"m->o{index}[i] = {word};"])
        return loop("if (done + steps == total)", kept)
    if output.readout == "stack":
        table = names.places(node)
        to = f"out[{index}] + (size_t)(done + at) * {size}"
        if table is None and plain:
            return loop(EACH, [f"memcpy({to}, {names.row(node)}, {size * 4});"])
        copied = f"({to})[i] = {given(node, names.element(node, f'{table}[i]' if table else 'i'))};"
        return loop(EACH, loop(f"for (int i = 0; i < {size}; i++)", [copied]))
    added = f"m->o{index}[i] += {given(node, names.element(node))};"
    return loop(EACH, loop(f"for (int i = 0; i < {size}; i++)", [added]))


def _given(names: Names, index: int, output: Output) -> list[str]:
    """What the caller gets after the last chunk."""
    if output.readout == "stack":
        return []
    table = names.places(output.node)
    place = "i" if table is None else f"{table}[i]"
    kept = names.numbers.given(output.node, names.element(output.node, place))
    source = f"m->o{index}[{place}]" if is_collected(names, output) else kept
    mean = " / (float)total" if output.readout == "mean" else ""
    return loop(f"for (int i = 0; i < {output.node.size}; i++)", [f"out[{index}][i] = {source}{mean};"])


def reset(names: Names) -> str:
    """Every state back to its initial value."""
    lines = []
    for state, _ in names.schedule.program.states:
        initial = names.ordered(names.numbers.initial(state), state)
        here, size = names.state(state), initial.nbytes
        if initial.any():
            lines.append(f"memcpy({here}, {names.table('k', initial)}, {size});")
        else:
            lines.append(f"memset({here}, 0, {size});")
    return text(lines or ["(void)m;"], 2)
