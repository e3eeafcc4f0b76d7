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
    position = {one: i for i, one in enumerate(order)}
    index: dict[T, int] = {}
    low: dict[T, int] = {}
    stack: list[T] = []
    on_stack: set[T] = set()
    work: list[tuple[T, Iterator[T]]] = []

    def enter(one: T) -> None:
        index[one] = low[one] = len(index)
        stack.append(one)
        on_stack.add(one)
        work.append((one, iter(needs(one))))

    for start in order:
        if start not in index:
            enter(start)
        while work:
            one, rest = work[-1]
            for needed in rest:
                if needed not in index:
                    enter(needed)
                    break
                if needed in on_stack:
                    low[one] = min(low[one], index[needed])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[one])
                if low[one] == index[one]:
                    yield sorted(_popped(stack, on_stack, one), key=lambda one: position[one])


def _popped(stack: list[T], on_stack: set[T], last: T) -> list[T]:
    found: list[T] = []
    while not found or found[-1] is not last:
        found.append(stack.pop())
        on_stack.discard(found[-1])
    return found
