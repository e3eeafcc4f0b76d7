"""The Pareto front as it is read: its members side by side, who is off it and by what, and a drawing."""

from __future__ import annotations

from collections.abc import Sequence

from edgeproof.documents.evaluation import CandidateRow, Evidence, Front
from edgeproof.report import drawings
from edgeproof.report.content import Fact, FrontShown, Plot
from edgeproof.report.plots import finished
from edgeproof.report.provenance import told_once
from edgeproof.report.quantities import significant
from edgeproof.report.tables import members
from edgeproof.verdict.pareto import SHIPS
from edgeproof.verdict.wording import and_list

__all__ = ["section"]


def section(front: Front | None, rows: Sequence[CandidateRow], evidence: Evidence) -> FrontShown | None:
    """The section; None where nothing could be compared.

    Args:
        front: the front of the evaluation.
        rows: all its candidates.
        evidence: the run's documents.
    """
    if front is None:
        return None
    by_name = {row.candidate: row for row in rows}
    count = len(front.members) + len(front.dominated)
    return FrontShown(
        words=f"{len(front.members)} of {count} candidates {'is' if len(front.members) == 1 else 'are'} beaten by no "
        f"other in {and_list(list(front.objectives))}, as they are on this host. What is equal within its noise beats "
        "nobody.",
        members=members([by_name[name] for name in front.members if name in by_name], evidence),
        dominated=tuple(Fact(off.candidate, others(off.text, off.by)) for off in front.dominated),
        not_compared=told_once(front.not_compared),
        plot=plot(front, rows),
    )


def others(text: str, by: Sequence[str]) -> str:
    """The first rival in words, the rest by name."""
    return f"{text}; also behind {and_list(list(by[1:]))}" if len(by) > 1 else text


def plot(front: Front, rows: Sequence[CandidateRow]) -> Plot | None:
    """Latency and size of all that were compared, those on the front by name; the size is that of the front."""
    compared = {*front.members, *(off.candidate for off in front.dominated)}
    summed = SHIPS.title in front.objectives
    unit, scale, label = ("MB", 1e6, "ships, MB") if summed else ("kB", 1e3, "artifact, kB")
    points = [
        (row.candidate, row.median_us / 1e3, size / scale)
        for row in rows
        if row.candidate in compared and row.median_us and (size := row.ships.get("host") if summed else row.bytes)
    ]
    if len(points) < 2:
        return None
    named = [point for point in points if point[0] in front.members]
    described = ", ".join(f"{name} {significant(ms)} ms and {significant(size)} {unit}" for name, ms, size in named)
    drawing = drawings.front(points, drawings.styles_of(rows), members=front.members, y_label=label)
    return finished(
        "front",
        "The front",
        "Down and to the left is better. Named marks are on the front, small ones are beaten.",
        f"On the front: {described}.",
        drawing,
    )
