"""What a meter is: it tells what it reads, finds what is attached, and opens one of these for reading.

A reading is a moment and watts. Which stretch of readings belongs to which inference is not a meter's business.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, NamedTuple, Protocol

from edgeproof.documents.base import Value
from edgeproof.documents.power import ClockOffset

__all__ = [
    "ROOT",
    "About",
    "CounterBroken",
    "Found",
    "Garbage",
    "How",
    "Meter",
    "Polled",
    "Reader",
    "Reading",
    "SamplesLost",
]

ROOT = Path("/")


class Reading(NamedTuple):
    """Power at a moment of this machine's clock."""

    unix_ns: int
    watts: float


class Garbage(Exception):
    """The meter sent what is no reading. One is a fault of the trace; the next may be good."""


class CounterBroken(Garbage):
    """A counter of energy took a step that no energy explains."""


class SamplesLost(Exception):
    """The meter measured, and what it measured did not arrive."""


@dataclass(frozen=True)
class About:
    """What is to be known of a meter before it is used.

    Attributes:
        name: as addresses begin: ``rapl``.
        title: what it is.
        reads: what its readings are of.
        resolution: the smallest step, and how often there is a new value.
        omits: what of the device's power is not in them.
        on_board: whether it is part of the measured machine and must be read there.
        rate_hz: readings a second unless told otherwise.
        tested_with: what stands in for the hardware in the tests.
        estimate: the formula, where it is an estimate.
        requires: packages beyond numpy and msgspec.
    """

    name: str
    title: str
    reads: str
    resolution: str
    omits: str
    on_board: bool
    rate_hz: float
    tested_with: str
    estimate: str | None = None
    requires: tuple[str, ...] = ()


class Found(Value, frozen=True):
    """A meter that is there, or that would be and cannot be read."""

    address: str
    """``rapl``, ``ppk2:/dev/ttyACM0``."""
    detail: str
    state: Literal["ready", "attention"] = "ready"
    remedy: str | None = None


@dataclass(frozen=True)
class How:
    """How to open one.

    Attributes:
        root: of the file system that sysfs is read from.
        volts: of the supply, for a meter that tells current alone.
        rate_hz: readings a second; None: as the meter says.
    """

    root: Path = ROOT
    volts: float | None = None
    rate_hz: float | None = None


class Reader(Protocol):
    """An open meter; a context manager."""

    @property
    def source(self) -> str:
        """What is read, in words."""
        ...

    @property
    def rate_hz(self) -> float:
        """Nominal readings a second."""
        ...

    @property
    def charging(self) -> bool | None:
        """Whether the battery that is read was being charged so far; None where there is none, or it is not told."""
        ...

    @property
    def clock(self) -> ClockOffset | None:
        """How this machine's clock stands to the measured device's, where the reader asked the device; else None."""
        ...

    def read(self) -> Sequence[Reading]:
        """The readings since the last call. It waits for them, a second at most; none means that none came.

        Raises:
            Garbage: what came is no reading.
            SamplesLost: some are missing before the next ones.
            MeterError: the meter is gone.
        """
        ...

    def close(self) -> None:
        """Let go of it; may be called twice."""
        ...

    def __enter__(self) -> Reader: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Meter(Protocol):
    """What an entry point of ``edgeproof.meters`` gives."""

    @property
    def about(self) -> About: ...

    def find(self, root: Path = ROOT) -> list[Found]:
        """Those that are attached. Asks nothing that would change what is measured."""
        ...

    def open(self, address: str, how: How) -> Reader:
        """Open one.

        Args:
            address: what follows the meter's name; empty: the only one there is.
            how: see ``How``.

        Raises:
            MeterError: it is not there, may not be read, or says that its readings would mean nothing.
            MissingDependency: its package is not installed.
        """
        ...


class Polled:
    """A reader that is asked at a rate: a function that gives one reading, or None where there is no new one.

    Args:
        sample: asked once a tick.
        source: what is read, in words.
        rate_hz: ticks a second.
        charging: whether the battery is charged, asked after each sample.
        clock: how this machine's clock stands to the device's, as far as it is known by then.
        ended: called once at the end.
    """

    def __init__(
        self,
        sample: Callable[[], Reading | None],
        *,
        source: str,
        rate_hz: float,
        charging: Callable[[], bool | None] = lambda: None,
        clock: Callable[[], ClockOffset | None] = lambda: None,
        ended: Callable[[], None] = lambda: None,
    ) -> None:
        self._sample, self._charging, self._clock, self._ended = sample, charging, clock, ended
        self.source, self.rate_hz = source, rate_hz
        self.charging: bool | None = None
        self._next = time.monotonic()

    @property
    def clock(self) -> ClockOffset | None:
        return self._clock()

    def read(self) -> Sequence[Reading]:
        left = self._next - time.monotonic()
        if left > 1:
            time.sleep(1)
            return ()
        if left > 0:
            time.sleep(left)
        self._next = max(self._next + 1 / self.rate_hz, time.monotonic())
        reading = self._sample()
        told = self._charging()
        if told is not None:
            self.charging = bool(self.charging) or told
        return () if reading is None else (reading,)

    def close(self) -> None:
        ended, self._ended = self._ended, lambda: None
        ended()

    def __enter__(self) -> Polled:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
