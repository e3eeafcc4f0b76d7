"""What real devices measured: a row a candidate and device. Steady state and cold start are figures of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from edgeproof.documents.policy import PercentileName
from edgeproof.report.columns import Field, figured, named, table_of, worded
from edgeproof.report.content import Table
from edgeproof.verdict.cases import Case, Measured
from edgeproof.verdict.figures import told

__all__ = ["table"]

NO_COLD = "no cold start was measured"
CAPTION = "On devices: steady state after warm-up; cold start, load and first inference each in a fresh process."


class OnDevice(NamedTuple):
    """A candidate on one device."""

    candidate: str
    measured: Measured


def supported(name: PercentileName) -> Field[OnDevice]:
    lacking = told(f"measured.found.steady.{name}.needs_more")
    return figured(
        name,
        "µs",
        told(f"measured.found.steady.{name}.value_us"),
        absent=lambda on_device: f"{lacking(on_device)} more measurements needed for a {name}",
    )


def middle(path: str) -> Callable[[object], float | None]:
    """The middle one of several values."""
    return lambda on_device: sorted(values)[len(values) // 2] if (values := told(path)(on_device)) else None


def no_energy(on_device: OnDevice) -> str:
    """Why there is none."""
    return told("measured.found.energy.reason")(on_device) or "no power meter"


FIELDS: tuple[Field[OnDevice], ...] = (
    named("Candidate", told("candidate")),
    worded("Device", told("measured.device.device")),
    figured("Measured", "count", told("measured.found.steady.count"), "{:,}".format),
    figured("Median", "µs", told("measured.found.steady.median_us")),
    supported("p90"),
    supported("p99"),
    figured("Cold start", "ms, median", told("measured.found.cold_start.median_ms"), absent=NO_COLD),
    figured("Load", "ms, median", middle("measured.found.cold_start.load_ms"), absent=NO_COLD),
    figured("First inference", "µs, median", middle("measured.found.cold_start.first_inference_us"), absent=NO_COLD),
    figured(
        "Ratio to baseline", "×", told("measured.found.ratio_to_baseline"), absent="it is not compared with a baseline"
    ),
    figured("Energy", "mJ per inference", told("measured.found.energy_mj"), absent=no_energy),
    figured(
        "Hottest",
        "°C",
        lambda on_device: max(on_device.measured.found.temperature_c, default=None),
        absent="the device does not tell its temperature",
    ),
)


def table(cases: Iterable[Case]) -> Table | None:
    """Everything that was measured; None where nothing was."""
    found = [
        OnDevice(case.candidate, measured)
        for case in cases
        for measured in case.measured
        if measured.found.steady is not None
    ]
    return table_of("devices", CAPTION, FIELDS, found) if found else None
