"""``ppk2``: Nordic's Power Profiler Kit II, by ``ppk2lab``.

It measures current; the voltage is the one that it supplies (source meter), or the one that is told with
``--supply-volts`` (ampere meter). Its 100,000 samples a second are averaged to 1,000. It never switches the power of
what is attached.
"""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeproof.errors import MeterError, MissingDependency
from edgeproof.meters.base import ROOT, About, Found, Garbage, How, Reading, SamplesLost
from edgeproof.meters.serial_port import EXTRA

if TYPE_CHECKING:
    from ppk2lab import PPK2

__all__ = ["METER", "Ppk2Reader"]

SAMPLE_NS = 10_000
AVERAGED = 100
IDLE_S = 25.0
"""Silence after which the library gives up; the recorder has told of it by then."""


class Ppk2:
    """One kit: ``ppk2``, ``ppk2:/dev/ttyACM0``, ``ppk2:SERIAL``."""

    about = About(
        name="ppk2",
        title="Nordic Power Profiler Kit II",
        reads="current through the kit × the voltage it supplies or is told; up to 1 A at 0.8 to 5 V",
        resolution="0.2 µA to 1 mA by range; 100,000 samples a second, averaged to 1,000",
        omits="what is not fed through it; as an ampere meter, how the supply's voltage sags",
        on_board=False,
        rate_hz=1000.0,
        tested_with="ppk2lab's simulated kit",
        requires=("ppk2lab",),
    )

    def find(self, root: Path = ROOT) -> list[Found]:
        try:
            from ppk2lab import discover
        except ImportError:
            return []
        return [
            Found(f"ppk2:{known.serial_number}", f"Power Profiler Kit II {known.serial_number}")
            for known in discover(simulate=False)
        ]

    def open(self, address: str, how: How) -> Ppk2Reader:
        try:
            import ppk2lab
        except ImportError as error:
            raise MissingDependency("a PPK2 needs ppk2lab", hint=EXTRA) from error
        named = {"port": address} if address.startswith(("/", "COM")) else {"serial_number": address or None}
        try:
            device = ppk2lab.PPK2.open(simulate=False, **named)
        except ppk2lab.Ppk2labError as error:
            raise MeterError(f"ppk2: {error}", hint=getattr(error, "remediation", None)) from error
        try:
            return Ppk2Reader(device, volts=how.volts)
        except BaseException:
            device.close()
            raise


class Ppk2Reader:
    """An open kit. Times are counted in samples from the first one's arrival.

    Args:
        device: the library's.
        volts: of the supply; None: as the kit supplies.

    Raises:
        MeterError: it is an ampere meter, and the voltage was not told.
    """

    charging: bool | None = None
    clock = None

    def __init__(self, device: PPK2, *, volts: float | None = None) -> None:
        import ppk2lab

        source = device.state.mode is ppk2lab.Mode.SOURCE
        told = device.state.source_voltage_mv
        if volts is None and not source:
            raise MeterError(
                "the PPK2 stands as an ampere meter, which tells current alone", hint="add --supply-volts V"
            )
        if volts is None and told is None:
            raise MeterError("the PPK2 does not tell which voltage it supplies", hint="add --supply-volts V")
        self._volts = volts if volts is not None else (told or 0) / 1000
        way = "source meter" if source else "ampere meter"
        self.source, self.rate_hz = f"PPK2 as {way} at {self._volts:g} V", METER.about.rate_hz
        self._device, self._errors = device, ppk2lab.Ppk2labError
        self._events = device.stream(idle_timeout_s=IDLE_S)
        self._begin_ns: int | None = None
        self._rest: list[float] = []
        self._rest_index = 0

    def read(self) -> Sequence[Reading]:
        try:
            event: Any = next(self._events, None)
        except self._errors as error:
            raise MeterError(f"the PPK2 stopped: {error}", hint=getattr(error, "remediation", None)) from error
        if event is None:
            raise MeterError("the PPK2 ended its stream")
        if hasattr(event, "missing"):
            self._rest = []
            missing = "an unknown number of" if event.missing is None else str(event.missing)
            raise SamplesLost(f"{missing} samples were lost ({event.reason})")
        calibration = self._device.calibration
        if calibration is None:
            raise MeterError("the PPK2 told no calibration", hint="unplug it and plug it in again")
        amperes = [value / 1e6 for value in calibration.convert_block(event, self._volts * 1000)]
        if self._begin_ns is None:
            self._begin_ns = time.time_ns() - event.end_index * SAMPLE_NS
        return self._averaged(event.start_index, amperes)

    def _averaged(self, index: int, amperes: list[float]) -> list[Reading]:
        if not self._rest:
            self._rest_index = index
        self._rest += amperes
        begin, readings = self._begin_ns or 0, []
        while len(self._rest) >= AVERAGED:
            part, self._rest = self._rest[:AVERAGED], self._rest[AVERAGED:]
            middle = self._rest_index + AVERAGED // 2
            self._rest_index += AVERAGED
            watts = math.fsum(part) / AVERAGED * self._volts
            if not math.isfinite(watts):
                raise Garbage("a sample of the PPK2 has no range that is calibrated")
            readings.append(Reading(begin + middle * SAMPLE_NS, watts))
        return readings

    def close(self) -> None:
        with contextlib.suppress(self._errors):
            self._events.close()
        with contextlib.suppress(self._errors):
            self._device.close(restore_power=False)

    def __enter__(self) -> Ppk2Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


METER = Ppk2()
