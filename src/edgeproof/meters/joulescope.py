"""``joulescope``: Joulescope JS220 and JS110, by ``pyjoulescope_driver``.

Written after the driver's own programs (``pyjoulescope_driver statistics``): the instrument averages power over each
tenth of a second. It has never been run with an instrument.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from edgeproof.errors import MeterError, MissingDependency
from edgeproof.meters.base import ROOT, About, Found, Garbage, How, Reading
from edgeproof.meters.serial_port import EXTRA

__all__ = ["METER", "watts_of"]

SAMPLES_A_SECOND = {"js110": 2_000_000, "js220": 1_000_000}
WAIT_S = 0.5


class Joulescope:
    """One instrument: ``joulescope``, ``joulescope:u/js220/000123``."""

    about = About(
        name="joulescope",
        title="Joulescope JS220, JS110",
        reads="current × voltage between its terminals, multiplied sample by sample in the instrument",
        resolution="nA and mV; 1 or 2 million samples a second, averaged to 10",
        omits="what is not fed through it",
        on_board=False,
        rate_hz=10.0,
        tested_with="a driver of four functions; the values' shape is that of the driver's own programs",
        requires=("pyjoulescope-driver",),
    )

    def find(self, root: Path = ROOT) -> list[Found]:
        try:
            from pyjoulescope_driver import Driver
        except ImportError:
            return []
        with Driver() as driver:
            return [Found(f"joulescope:{path}", path) for path in driver.device_paths()]

    def open(self, address: str, how: How) -> JoulescopeReader:
        try:
            from pyjoulescope_driver import Driver
        except ImportError as error:
            raise MissingDependency("a Joulescope needs pyjoulescope_driver", hint=EXTRA) from error
        return JoulescopeReader(Driver(), address, how.rate_hz or self.about.rate_hz)


class JoulescopeReader:
    """An open instrument.

    Args:
        driver: of ``pyjoulescope_driver``.
        address: the instrument's path; empty: the only one.
        rate_hz: averages a second.

    Raises:
        MeterError: it is not there.
    """

    charging: bool | None = None
    clock = None

    def __init__(self, driver: Any, address: str, rate_hz: float) -> None:
        self._driver = driver
        paths = list(driver.device_paths())
        if address not in paths and (address or len(paths) != 1):
            driver.finalize()
            raise MeterError(
                f"there is no Joulescope {address}".rstrip(), hint=f"attached: {', '.join(paths) or 'none'}"
            )
        self._path = address or paths[0]
        kind = next((kind for kind in SAMPLES_A_SECOND if kind in self._path), None)
        if kind is None:
            driver.finalize()
            raise MeterError(f"{self._path} is an instrument of another kind", hint="JS110 and JS220 are known")
        self.source, self.rate_hz = f"Joulescope {self._path}", rate_hz
        self._values: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._topic = f"{self._path}/s/stats/value"
        self._half_ns = int(0.5e9 / rate_hz)
        driver.open(self._path)
        if kind == "js110":
            driver.publish(f"{self._path}/s/i/range/select", "auto")
            for signal in "ivp":
                driver.publish(f"{self._path}/s/{signal}/ctrl", "on")
        else:
            driver.publish(f"{self._path}/s/i/range/mode", "auto")
        driver.publish(f"{self._path}/s/stats/scnt", round(SAMPLES_A_SECOND[kind] / rate_hz))
        driver.publish(f"{self._path}/s/stats/ctrl", 1)
        driver.subscribe(self._topic, "pub", self._arrived)

    def _arrived(self, _topic: str, value: Any) -> None:
        self._values.put((time.time_ns(), value))

    def read(self) -> Sequence[Reading]:
        try:
            arrived, value = self._values.get(timeout=WAIT_S)
        except queue.Empty:
            return ()
        return (Reading(arrived - self._half_ns, watts_of(value)),)

    def close(self) -> None:
        driver, self._driver = self._driver, None
        if driver is None:
            return
        driver.unsubscribe(self._topic, self._arrived)
        driver.publish(f"{self._path}/s/stats/ctrl", 0)
        driver.close(self._path)
        driver.finalize()

    def __enter__(self) -> JoulescopeReader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def watts_of(value: Mapping[str, Any]) -> float:
    """The mean power of a block of statistics.

    Raises:
        Garbage: it has none.
    """
    try:
        return float(value["signals"]["power"]["avg"]["value"])
    except (KeyError, TypeError, ValueError) as error:
        raise Garbage(f"the Joulescope sent no mean power: {error}") from error


METER = Joulescope()
