"""The drawings of a spiking network's activity, in matplotlib: when neurons fire, and how often."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from edgeproof.report.drawings import as_svg, canvas, names_on, shortened
from edgeproof.report.svg import PALETTE, RULE

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["MOST_NEURONS", "firing_rates", "raster", "shown_neurons"]

MOST_NEURONS = 64
"""Neurons of a population that are drawn."""
GAP = 4
"""Rows between populations."""


def shown_neurons(count: int) -> list[int]:
    """Which of so many neurons are drawn: all, or some evenly chosen."""
    if count <= MOST_NEURONS:
        return list(range(count))
    return [at * (count - 1) // (MOST_NEURONS - 1) for at in range(MOST_NEURONS)]


def raster(trains: Mapping[str, npt.NDArray[Any]]) -> str:
    """A tick for every spike: time steps to the right, neurons upwards, the first population at the bottom.

    Args:
        trains: neurons → bool ``[time steps, neurons]``, one or more.
    """
    import numpy as np
    from matplotlib.ticker import MaxNLocator

    timesteps = max(len(train) for train in trains.values())
    shown = {name: train[:, shown_neurons(train.shape[1])] for name, train in trains.items()}
    rows = sum(train.shape[1] for train in shown.values()) + GAP * (len(shown) - 1)
    places, base = [], 0
    with canvas(min(0.9 + 0.045 * max(rows, 20), 8.5)) as (figure, axes):
        for number, train in enumerate(shown.values()):
            when, who = np.nonzero(train)
            gap = np.full(len(when), np.nan)
            across = np.stack((when, when, gap), axis=1).ravel()
            up = np.stack((base + who - 0.42, base + who + 0.42, gap), axis=1).ravel()
            axes.plot(across, up, color=PALETTE[number % len(PALETTE)], linewidth=2.6, solid_capstyle="butt")
            places.append(base + (train.shape[1] - 1) / 2)
            base += train.shape[1] + GAP
            if number + 1 < len(shown):
                axes.axhline(base - GAP / 2 - 0.5, color=RULE, linewidth=0.8)
        axes.set_yticks(places, [shortened(name) for name in shown])
        axes.tick_params(axis="y", length=0)
        axes.spines["left"].set_visible(False)
        axes.set_ylim(-1, base - GAP)
        axes.set_xlim(-0.7, timesteps - 0.3)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("time step")
        return as_svg(figure)


def firing_rates(rates: Sequence[tuple[str, float]]) -> str:
    """Bars of spikes per neuron and time step in percent, the first on top."""
    order = list(reversed(rates))
    with canvas(0.75 + 0.3 * len(order)) as (figure, axes):
        for place, (_, rate) in enumerate(order):
            number = len(order) - 1 - place
            axes.barh(place, 100 * rate, height=0.5, color=PALETTE[number % len(PALETTE)])
        names_on(axes, [name for name, _ in order])
        axes.set_xlim(left=0)
        axes.set_xlabel("neurons that fire in a time step, %")
        axes.grid(axis="x", linewidth=0.6)
        axes.set_axisbelow(True)
        return as_svg(figure)
