"""Names beside marks of a drawing, where they cover neither each other nor a mark."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["label"]

GAP = 8
"""Points from the middle of a mark to its name."""
MARK = 9.0
"""Width of a mark, in points."""
SIDES = (
    (GAP, 0, "left", "center"),
    (-GAP, 0, "right", "center"),
    (GAP - 3, 6, "left", "bottom"),
    (GAP - 3, -6, "left", "top"),
    (1 - GAP, 6, "right", "bottom"),
    (1 - GAP, -6, "right", "top"),
    (0, GAP, "center", "bottom"),
    (0, -GAP, "center", "top"),
)
"""Where a name may stand, the best first: points to the right and up, and which of its edges is there."""


def label(figure: Figure, axes: Axes, names: Sequence[tuple[str, float, float]], marks: Sequence[Any]) -> None:
    """Put names beside their marks; one that fits nowhere stands where it overlaps least.

    Args:
        figure: with its axes' scales and limits as they will be.
        axes: where the marks are.
        names: text, and where its mark is, in the axes' units.
        marks: places of all marks, named or not, in the axes' units.
    """
    from matplotlib.transforms import Bbox

    figure.draw_without_rendering()
    inside, half = axes.get_window_extent(), MARK / 2 * figure.dpi / 72
    taken = [
        Bbox.from_extents(x - half, y - half, x + half, y + half)
        for x, y in (axes.transData.transform(place) for place in marks)
    ]

    def covered(box: Any) -> float:
        out = area(box) - area(Bbox.intersection(box, inside))
        return out + sum(area(Bbox.intersection(box, other)) for other in taken)

    for text, across, up in names:
        tried: list[tuple[float, int, Any, Any]] = []
        for right, above, horizontal, vertical in SIDES:
            found = axes.annotate(
                text, (across, up), xytext=(right, above), textcoords="offset points", fontsize=9.5,
                ha=horizontal, va=vertical,
            )  # fmt: skip
            box = found.get_window_extent()
            tried.append((covered(box), len(tried), found, box))
            if tried[-1][0] <= 0:
                break
        best = min(tried, key=lambda one: one[:2])
        for one in tried:
            if one is not best:
                one[2].remove()
        taken.append(best[3])


def area(box: Any) -> float:
    return float(box.width * box.height) if box is not None else 0.0
