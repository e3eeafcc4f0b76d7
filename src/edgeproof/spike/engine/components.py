"""What depends on itself over time: the parts of a program that must run step by step, in an order that works."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

__all__ = ["components"]

T = TypeVar("T")


def components(order: Sequence[T], needs: Callable[[T], Sequence[T]]) -> Iterator[list[T]]:
    """Strongly connected components, each in the given order, after all that it needs.

    Tarjan, "Depth-first search and linear graph algorithms", SIAM J. Comput. 1 (1972), without recursion.

    Args:
        order: what there is.
        needs: of what there is, what one of it needs directly.
    """
    position = {member: i for i, member in enumerate(order)}
    index: dict[T, int] = {}
    low: dict[T, int] = {}
    stack: list[T] = []
    on_stack: set[T] = set()
    work: list[tuple[T, Iterator[T]]] = []

    def enter(member: T) -> None:
        index[member] = low[member] = len(index)
        stack.append(member)
        on_stack.add(member)
        work.append((member, iter(needs(member))))

    for start in order:
        if start not in index:
            enter(start)
        while work:
            member, rest = work[-1]
            for needed in rest:
                if needed not in index:
                    enter(needed)
                    break
                if needed in on_stack:
                    low[member] = min(low[member], index[needed])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[member])
                if low[member] == index[member]:
                    yield sorted(_popped(stack, on_stack, member), key=lambda member: position[member])


def _popped(stack: list[T], on_stack: set[T], last: T) -> list[T]:
    found: list[T] = []
    while not found or found[-1] is not last:
        found.append(stack.pop())
        on_stack.discard(found[-1])
    return found
