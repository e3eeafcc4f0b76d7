"""The sensors, looked at beside a timed stretch: between its calls, now and then, at a cost that is told with them."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import NamedTuple

from edgeproof.documents.heat import Heat, HeatSample
from edgeproof.measure.machine import ROOT, current_mhz, read_throttling, temperature_c, throttled_between, usable_cpus

__all__ = ["HeatWatch", "Seen", "cool_down"]

EVERY_S = 0.5
COOLING_S = 1.0
"""Between two looks while it cools down."""
MOST_SAMPLES = 600
"""More looks than these are thinned to half, and half as many are made from then on."""


class Seen(NamedTuple):
    """What the looks of one window saw; None where the system does not tell."""

    temperature_c: float | None
    """At its end."""
    mhz: float | None
    """Median."""
    throttled: bool | None
    """Any."""


class HeatWatch:
    """Looks at temperature, frequency and throttling when it is told to.

    A sensor that is silent at first is not asked again.

    Args:
        root: file system of the machine.
        every_s: seconds between two looks.
    """

    def __init__(self, root: Path = ROOT, every_s: float = EVERY_S) -> None:
        self.every_s = every_s
        self._root, self._cpus = root, usable_cpus()
        self._throttling = read_throttling(root)
        self._warm = temperature_c(root) is not None
        self._clocked = current_mhz(root, self._cpus) is not None
        self._tells = throttled_between(self._throttling, self._throttling) is not None
        self._samples: list[HeatSample] = []
        self._window: list[HeatSample] = []
        self._costs_ns: list[int] = []
        self._spent_ns = self._looks = 0
        self._throttled: bool | None = None
        self._begin = time.perf_counter()

    @property
    def blind(self) -> bool:
        """Whether the system shows no sensor at all."""
        return not (self._warm or self._clocked or self._tells)

    def look(self) -> None:
        """Read the sensors once."""
        begin = time.perf_counter_ns()
        throttled = None
        if self._tells:
            reading = read_throttling(self._root)
            throttled = throttled_between(self._throttling, reading)
            self._throttling = reading
            self._throttled = bool(self._throttled) or bool(throttled)
        sample = HeatSample(
            unix_ns=time.time_ns(),
            temperature_c=temperature_c(self._root) if self._warm else None,
            mhz=current_mhz(self._root, self._cpus) if self._clocked else None,
            throttled=throttled,
        )
        self._samples.append(sample)
        self._window.append(sample)
        if len(self._samples) > MOST_SAMPLES:
            self._samples = self._samples[::2]
            self._costs_ns = self._costs_ns[::2]
            self.every_s *= 2
        cost = time.perf_counter_ns() - begin
        self._costs_ns.append(cost)
        self._spent_ns += cost
        self._looks += 1

    def seen(self) -> Seen:
        """What was seen since the last time this was asked; one look is made for its end."""
        self.look()
        window, self._window = self._window, []
        speeds = [sample.mhz for sample in window if sample.mhz is not None]
        answers = [sample.throttled for sample in window if sample.throttled is not None]
        return Seen(
            temperature_c=window[-1].temperature_c,
            mhz=round(statistics.median(speeds), 1) if speeds else None,
            throttled=any(answers) if answers else None,
        )

    def told(self) -> Heat | None:
        """All that was seen since the beginning; None where no sensor is there."""
        if self.blind or not self._samples:
            return None
        degrees = [sample.temperature_c for sample in self._samples if sample.temperature_c is not None]
        speeds = [sample.mhz for sample in self._samples if sample.mhz is not None]
        lasted = time.perf_counter() - self._begin
        return Heat(
            every_s=self.every_s,
            samples=tuple(self._samples),
            looks=self._looks,
            cost_us=round(statistics.median(self._costs_ns) / 1e3, 1),
            cost_share=round(self._spent_ns / 1e9 / lasted, 6) if lasted > 0 else 0.0,
            throttled=self._throttled,
            hottest_c=max(degrees, default=None),
            slowest_mhz=min(speeds, default=None),
        )


def cool_down(below_c: float, most_s: float, root: Path = ROOT) -> float:
    """Wait until the machine is at or below a temperature, or the time is over, or it does not tell; how long, in s."""
    begin = time.perf_counter()
    while (now := temperature_c(root)) is not None and now > below_c and time.perf_counter() - begin < most_s:
        time.sleep(min(COOLING_S, most_s))
    return round(time.perf_counter() - begin, 3)
