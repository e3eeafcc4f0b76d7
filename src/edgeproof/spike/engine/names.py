"""What the values of a program are called in its C, and the tables and the memory they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeGuard

import numpy as np

from edgeproof.spike.engine.layout import source_places
from edgeproof.spike.engine.literals import floats, integers
from edgeproof.spike.engine.schedule import Schedule, padded
from edgeproof.spike.program import Array, Constant, Node, Shape, State, storage

__all__ = ["FLOATS", "Names", "Numbers", "padded_places"]

TYPES = {"f4": "float", "i4": "int32_t", "i1": "int8_t"}


class Numbers(Protocol):
    """What values are made of in C."""

    plain: bool
    """Whether the caller's float32 are copied as they are."""

    def type_of(self, node: Node) -> str:
        """Of a value's buffer."""

    def initial(self, state: State) -> Array:
        """A state's first values, flat, in the order of its shape."""

    def taken(self, node: Node, word: str) -> str:
        """A caller's float32 as it is stored."""

    def is_listed(self, node: Node) -> bool:
        """Whether an input has no buffer, because what takes it in keeps it otherwise."""

    def taken_row(self, names: Names, node: Node, source: str) -> str:
        """C that stores all of a caller's float32, in the order in which they stand."""

    def given(self, node: Node, word: str) -> str:
        """A stored number as float32."""


class _Floats:
    plain = True

    def type_of(self, node: Node) -> str:
        return "float"

    def initial(self, state: State) -> Array:
        return state.initial.astype(np.float32).reshape(-1)

    def taken(self, node: Node, word: str) -> str:
        return word

    def is_listed(self, node: Node) -> bool:
        return False

    def taken_row(self, names: Names, node: Node, source: str) -> str:
        return f"memcpy({names.row(node)}, {source}, {node.size * 4});"

    def given(self, node: Node, word: str) -> str:
        return word


FLOATS: Numbers = _Floats()


@dataclass
class Room:
    """A member of the struct to work in.

    Attributes:
        of: type of its elements.
        count: how many, at least.
        each_step: how many for each step of a chunk, at least.
    """

    of: str
    count: int = 0
    each_step: int = 0


class Names:
    """Grows while the file is written: numbers are given, and tables made, as they are asked for.

    Attributes:
        schedule: what is written.
        name: what every symbol begins with.
        numbers: what values are made of.
        tables: constant arrays, in order.
        carried: states that the stage being written moves on step by step: they are read where they stand.
        room: members of the struct to work in.
        functions: those of the fixed part that are called.
        before: functions that the stage being written calls.
        activity: of layers that were measured: the share of their inputs that are not zero.
        told: spikes that neurons tell as trains, where vectors have masks.
        quiet: inputs that are mostly zero, and taken by nothing that could tell 0.0 from -0.0.
    """

    def __init__(self, schedule: Schedule, name: str, numbers: Numbers = FLOATS) -> None:
        self.schedule = schedule
        self.name = name
        self.numbers = numbers
        self.tables: list[str] = []
        self.carried: set[State] = set()
        self.room: dict[str, Room] = {}
        self.functions: set[str] = set()
        self.before: list[str] = []
        self.activity: Mapping[Node, float] = {}
        self.told: frozenset[Node] = frozenset()
        self.quiet: frozenset[Node] = frozenset()
        self._numbers: dict[Node, int] = {}
        self._known: dict[tuple[str, str, bytes], str] = {}

    def number(self, node: Node) -> int:
        """The number of a value, in the order of first use."""
        return self._numbers.setdefault(storage(node), len(self._numbers))

    def state(self, node: State) -> str:
        """Where a state stands between steps."""
        return f"m->s{self.number(node)}"

    def buffer(self, node: Node) -> str:
        """Where the value stands, for all steps of the chunk."""
        return f"m->b{self.number(node)}"

    def row(self, node: Node, at: str = "at") -> str:
        """A pointer to the value's numbers at a step of the chunk."""
        node = storage(node)
        if isinstance(node, Constant):
            return self.table("k", self.ordered(_numbers(node), node))
        if self._stands(node):
            return self.state(node)
        if node in self.schedule.steady or at == "0":
            return self.buffer(node)
        return f"{self.buffer(node)} + (size_t){at} * {padded(node.size)}"

    def element(self, node: Node, index: str = "i", at: str = "at") -> str:
        """One number at a step of the chunk, as a member of the struct: so the compiler sees that none overlap."""
        node = storage(node)
        if isinstance(node, Constant) or self._stands(node) or node in self.schedule.steady:
            return f"{self.row(node)}[{index}]"
        return self.kept(node, index, at)

    def kept(self, node: Node, index: str = "i", at: str = "at") -> str:
        """One number of a value's buffer, even if it is a state that stands elsewhere too."""
        return f"{self.buffer(node)}[{at} * {padded(storage(node).size)} + {index}]"

    def _stands(self, node: Node) -> TypeGuard[State]:
        return isinstance(node, State) and (node in self.carried or node not in self.schedule.stored)

    def constant(self, node: Node, shape: Shape, like: Node) -> str:
        """A table of a constant's numbers, broadcast to a shape and in the order in which ``like`` stands."""
        values = _numbers(node)
        if node.size != like.size:
            values = np.broadcast_to(values.reshape(node.shape), shape).reshape(-1)
        return self.table("k", self.ordered(values, like))

    def ordered(self, values: Array, like: Node) -> Array:
        """Numbers in the order of a buffer, padded with the last one."""
        places = self.schedule.layouts.places(like)
        found = np.full(padded(values.size), values[-1], values.dtype)
        found[places] = values
        return found

    def source(self, source: Node, shape: Shape, like: Node) -> str | None:
        """A table of the places that an operation reads its source at; None where they are its own."""
        places = source_places(self.schedule.layouts, source, shape, like)
        return None if places is None else self.table("p", padded_places(places))

    def places(self, node: Node) -> str | None:
        """A table of the places of a value's elements in the order of its shape; None where that is the order."""
        places = self.schedule.layouts.places(node)
        return None if self.schedule.layouts.of(node) == 1 else self.table("p", places.astype(np.int32))

    def table(self, kind: str, values: Array) -> str:
        """The name of a constant array of float32, int32 or int8; equal ones are one.

        Raises:
            ConversionError: NaN among the values.
        """
        of = TYPES[values.dtype.str[1:]]
        key = (kind, of, values.tobytes())
        if key not in self._known:
            self._known[key] = name = f"{kind}{len(self._known)}"
            body = floats(values.reshape(-1)) if of == "float" else integers(values.reshape(-1))
            self.tables.append(f"static const {of} {name}[{values.size}] ALIGNED = {{\n{body}}};\n")
        return self._known[key]

    def sizes(self, of: str, **members: int | str) -> str:
        """The name of a constant struct of sizes."""
        key = ("see", of, repr(members).encode())
        if key not in self._known:
            self._known[key] = name = f"see{len(self._known)}"
            body = ", ".join(f".{member} = {value}" for member, value in members.items())
            self.tables.append(f"static const struct {of} {name} = {{{body}}};\n")
        return self._known[key]

    def function(self, name: str) -> str:
        """A function of the fixed part."""
        self.functions.add(name)
        return f"VARIANT({name})"

    @property
    def chunk(self) -> str:
        """A macro: how many time steps buffers hold."""
        return f"{self.name.upper()}_CHUNK"

    def need(self, member: str, of: str, count: int, *, each_step: bool = False) -> str:
        """A member of the struct to work in, at least so long; what was in it may be gone.

        Args:
            member: its name.
            of: type of its elements.
            count: how many.
            each_step: so many for each step of a chunk.
        """
        room = self.room.setdefault(member, Room(of))
        if each_step:
            room.each_step = max(room.each_step, count)
        else:
            room.count = max(room.count, count)
        return f"m->{member}"

    def length(self, room: Room) -> str:
        """A constant expression: how many elements a member has."""
        each = f"{self.chunk} * {room.each_step}"
        if not room.each_step or not room.count:
            return each if room.each_step else str(room.count)
        return f"{each} > {room.count} ? {each} : {room.count}"


def padded_places(places: Array) -> Array:
    """Places for a loop over the padding too: there they are the last one."""
    found = np.full(padded(places.size), places[-1], np.int32)
    found[: places.size] = places
    return found


def _numbers(node: Node) -> Array:
    constant = storage(node)
    assert isinstance(constant, Constant)
    return constant.value.astype(np.float32).reshape(-1)
