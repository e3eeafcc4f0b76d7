"""Operators one by one, as a runtime tells them, made into what a document says of them. Knows no runtime."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from edgeproof.documents.delegation import DelegatedOperator, Delegation, How

__all__ = ["Node", "delegation_of", "runs_inside"]

MICROSECONDS = 1.0
"""What most profiles count in."""


@dataclass(frozen=True)
class Node:
    """One operator of a graph.

    Attributes:
        name: as the runtime calls it.
        inside: whether the fast part runs it.
        time_us: mean of the profiled calls; None where no time was taken.
        operator: PyTorch's name of what it was made of.
        line: ``file:line`` of its call in the model.
        cause: why it runs outside.
        remedy: what brings it inside.
    """

    name: str
    inside: bool
    time_us: float | None = None
    operator: str | None = None
    line: str | None = None
    cause: str | None = None
    remedy: str | None = None


def delegation_of(
    delegate: str,
    nodes: Sequence[Node],
    *,
    how: How = "seen",
    partitions: int,
    calls: int = 0,
    inside_us: float | None = None,
    timed: int | None = None,
    resolution_us: float = MICROSECONDS,
    no_time: str | None = None,
    degraded: str | None = None,
    notes: Sequence[str] = (),
) -> Delegation:
    """What a document says of these operators.

    Args:
        delegate: the fast part.
        nodes: all operators that run, in any order.
        how: whether the runtime told it.
        partitions: stretches that the fast part runs at a time.
        calls: that were profiled.
        inside_us: of all that ran inside, where the delegate's own operators are not those of the graph.
        timed: how many operators the profile has of one call; None: as many as there are.
        resolution_us: of the profile: where operators take less on average, it says nothing of their shares.
        no_time: why no time was taken; one is found where the profile is too coarse.
        degraded: why nothing runs inside that should.
        notes: sentences beside it.
    """
    times = [node.time_us for node in nodes if node.time_us is not None]
    times += [] if inside_us is None else [inside_us]
    total = sum(times)
    each = total / max(1, len(nodes) if timed is None else timed)
    if no_time is None and (not times or each < resolution_us):
        short = f"an operator takes {each:.2f} µs on average, and the profile cannot tell less than {resolution_us:g}"
        no_time = short if times else "it was not profiled"
    told = how == "seen" and no_time is None
    undivided = how == "seen" and len({node.inside for node in nodes}) == 1
    inside = (inside_us or 0.0) + sum(node.time_us or 0.0 for node in nodes if node.inside)
    return Delegation(
        delegate=delegate,
        how=how,
        partitions=partitions,
        operators=_grouped(nodes, total if told else None),
        time_inside=float(nodes[0].inside) if undivided else round(inside / total, 4) if told else None,
        no_time=None if told or undivided or how == "predicted" else no_time,
        call_us=round(total, 3) if told else None,
        calls=calls if told else 0,
        degraded=degraded,
        notes=tuple(notes),
    )


def runs_inside(inside: Iterable[bool]) -> int:
    """How many stretches of operators run inside, told in the order in which they run."""
    return sum(1 for taken, _ in groupby(inside) if taken)


def _grouped(nodes: Sequence[Node], total: float | None) -> tuple[DelegatedOperator, ...]:
    groups: dict[tuple[str, bool, str | None, str | None], list[Node]] = {}
    for node in nodes:
        groups.setdefault((node.name, node.inside, node.operator, node.cause), []).append(node)
    found = [
        DelegatedOperator(
            name=name,
            inside=inside,
            count=len(group),
            time_share=_share(group, total),
            operator=operator,
            lines=tuple(dict.fromkeys(node.line for node in group if node.line)),
            cause=cause,
            remedy=next((node.remedy for node in group if node.remedy), None),
        )
        for (name, inside, operator, cause), group in groups.items()
    ]
    return tuple(sorted(found, key=lambda told: (told.inside, -(told.time_share or 0.0), -told.count, told.name)))


def _share(group: Sequence[Node], total: float | None) -> float | None:
    times = [node.time_us for node in group if node.time_us is not None]
    return None if total is None or len(times) < len(group) else round(sum(times) / total, 4)
