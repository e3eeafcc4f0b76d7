"""The frame of a generated source: one ``.c`` and one ``.h``, C99, no allocation, no dependency beyond libm.

The ``.c`` includes itself once per vector width on x86-64 and picks one when it is initialised. All that changes stands
in a struct that the caller owns, so any number of threads can run any number of instances.
"""

from __future__ import annotations

import json
import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from edgeproof.errors import ConversionError
from edgeproof.spike.engine.call import is_collected, reset, run
from edgeproof.spike.engine.kernels import VARIANTS
from edgeproof.spike.engine.layers import Method, Span, each_step
from edgeproof.spike.engine.names import Names
from edgeproof.spike.engine.schedule import Delay, Group, Kernel, Layer, Schedule, Stage, padded
from edgeproof.spike.engine.summary import kernel_summary, shape_of
from edgeproof.spike.engine.templates import ENTRIES, FOOT, HEAD, HEADER
from edgeproof.spike.engine.writing import block, comment, quoted, said, text
from edgeproof.spike.program import Convolution, Linear, Node, walk

__all__ = ["File", "Source", "check_name"]

KEYWORDS = frozenset(
    ("auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern", "float",
     "for", "goto", "if", "inline", "int", "long", "register", "restrict", "return", "short", "signed", "sizeof",
     "static", "struct", "switch", "typedef", "union", "unsigned", "void", "volatile", "while")
)  # fmt: skip


@dataclass(frozen=True)
class Source:
    """Generated code.

    Attributes:
        name: C identifier that every symbol begins with.
        c: text of ``<name>.c``.
        h: text of ``<name>.h``.
    """

    name: str
    c: str
    h: str


def check_name(name: str) -> None:
    """Raise.

    Raises:
        ConversionError: C has no such names.
    """
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name) or name in KEYWORDS:
        raise ConversionError(f"{name!r} is no name in C; expected letters, digits and underscores, and no keyword")


class File(ABC):
    """A program's source, put together from what its kind of numbers needs.

    Args:
        names: of the values, and the schedule.
        chosen: how layers take their input, where there is a choice.
    """

    def __init__(self, names: Names, chosen: Mapping[Node, Method]) -> None:
        self._schedule = names.schedule
        self._names = names
        self._methods = chosen

    def source(self) -> Source:
        """Both files."""
        names, body = self._names, self._body()
        name, upper = names.name, names.name.upper()
        entries = ENTRIES.substitute(name=name, NAME=upper)
        foot = FOOT.substitute(name=name, NAME=upper, reset=reset(names), entries=entries)
        head = HEAD.substitute(
            name=name,
            NAME=upper,
            description=quoted(self._description()),
            layers=text([f" * {line}".rstrip() for line in self._layers()]),
            types=self._types(),
        )
        parts = [
            head.rstrip() + "\n\n",
            *names.tables,
            f"\n#define {upper}_BODY\n",
            self._variants().format(file=f"{name}.c").lstrip(),
            foot,
            "\n#else\n",
            self._functions(),
            body,
            "\n#undef VECTOR\n#undef LOAD\n#undef STORE\n#undef SPREAD\n#endif\n",
        ]
        return Source(name, "".join(parts), self._header())

    @abstractmethod
    def _layers(self) -> list[str]:
        """Lines about the layers."""

    @abstractmethod
    def _types(self) -> str:
        """What stands before all variants: types, and functions without vectors."""

    def _variants(self) -> str:
        """What includes ``{file}`` once for each width of vectors."""
        return VARIANTS

    @abstractmethod
    def _functions(self) -> str:
        """The functions that the stages call, in each variant."""

    @abstractmethod
    def _kernel(self, kernel: Layer | Group, span: Span) -> list[str]:
        """C of a layer or a group."""

    @abstractmethod
    def _delay(self, kernel: Delay) -> list[str]:
        """C of a state that is passed on, at the step ``at``."""

    def _body(self) -> str:
        """The stages, and the function that runs them."""
        functions: list[str] = []
        once: list[str] = []
        chunk: list[str] = []
        for at, stage in enumerate(self._schedule.stages):
            functions.append(self._stage(f"stage{at}", stage))
            (once if stage.steady else chunk).append(f"VARIANT(stage{at})(m{'' if stage.steady else ', steps'});")
        return "\n".join([*functions, ""]) + "\n" + run(self._names, once, chunk)

    def _header(self) -> str:
        program, name = self._schedule.program, self._names.name
        arguments = [
            f" *   {kind}[{i}] {said(label)}: {shape_of(node)} float32"
            for kind, rows in (
                ("in", [(node.name, node) for node in program.inputs]),
                ("out", [(output.name, output.node) for output in program.outputs]),
            )
            for i, (label, node) in enumerate(rows)
        ]
        return HEADER.substitute(
            name=name,
            NAME=name.upper(),
            timesteps=program.timesteps,
            chunk=self._schedule.chunk,
            members=text(list(self._members()), 2),
            arguments=text(arguments),
            sequence="a row for each time step" if program.sequence else "the same at every time step",
        )

    def _members(self) -> Iterator[str]:
        names, schedule = self._names, self._schedule
        for node in schedule.stored:
            if names.numbers.is_listed(node):
                continue
            steps = "" if node in schedule.steady else f"{names.chunk} * "
            yield f"{names.numbers.type_of(node)} b{names.number(node)}[{steps}{padded(node.size)}];"
        for state, _ in schedule.program.states:
            of = names.numbers.type_of(state)
            yield f"{of} s{names.number(state)}[{padded(state.size)}]; /* {said(state.name)} */"
        for i, output in enumerate(schedule.program.outputs):
            if is_collected(names, output):
                yield f"float o{i}[{padded(output.node.size)}];"
        for member, room in names.room.items():
            yield f"{room.of} {member}[{names.length(room)}];"

    def _description(self) -> str:
        """What a caller must know, as JSON."""
        program = self._schedule.program
        return json.dumps(
            {
                "name": self._names.name,
                "timesteps": program.timesteps,
                "sequence": program.sequence,
                "terms": _terms(self._schedule),
                "inputs": [{"name": node.name, "shape": list(node.shape)} for node in program.inputs],
                "outputs": [
                    {"name": output.name, "shape": list(output.node.shape), "readout": output.readout}
                    for output in program.outputs
                ],
            }
        )

    # Stages.

    def _stage(self, name: str, stage: Stage) -> str:
        span: Span = "once" if stage.steady else "step" if stage.stepwise else "chunk"
        self._names.carried = stage.states() if stage.stepwise else set()
        lines = self._kernels(stage.kernels, span)
        before, self._names.before = self._names.before, []
        self._names.carried = set()
        if stage.stepwise:
            lines = block("for (int at = 0; at < steps; at++)", lines)
        steps = "" if stage.steady else ", int steps"
        head = f"TARGET static ALONE void VARIANT({name})(struct {self._names.name} *m{steps})"
        said_first = comment(["Step by step:"]) if stage.stepwise else []
        return "\n" + "\n".join([*before, text([*said_first, *block(head, lines)])])

    def _kernels(self, kernels: Sequence[Kernel], span: Span) -> list[str]:
        delays = [kernel for kernel in kernels if isinstance(kernel, Delay)]
        lines: list[str] = []
        for kernel in kernels:
            if not isinstance(kernel, Delay):
                lines += [*comment(kernel_summary(kernel, self._methods)), *self._kernel(kernel, span)]
        if delays:
            moved = [line for delay in delays for line in self._delay(delay)]
            lines += [*comment(kernel_summary(delays[0], self._methods, len(delays))), *each_step(span, moved)]
        return lines


def _terms(scheduled: Schedule) -> int:
    """Products that the layers of a call have, if nothing is zero."""
    return sum(
        node.size * math.prod(node.weight.shape[1:]) * (1 if node in scheduled.steady else scheduled.program.timesteps)
        for node in walk(scheduled.program.roots())
        if isinstance(node, (Linear, Convolution))
    )
