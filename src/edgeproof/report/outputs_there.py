"""What candidates gave on devices for the held-out samples, before anything was timed there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from edgeproof.documents.device import DeviceDocument, OutputsThere
from edgeproof.documents.task import SHARE, MetricSpec
from edgeproof.report.columns import Field, figured, named, table_of, worded
from edgeproof.report.content import Table
from edgeproof.verdict.figures import told

__all__ = ["table"]

CAPTION = (
    "The held-out samples on devices: outputs against the eager model, and against the same candidate on this machine. "
    "Equal bits are promised for our own engine; fp32 of others may differ in last digits, int8 by a quantisation step."
)
TONES = {"passed": "good", "failed": "bad", "error": "bad", "unseen": "absent"}
WORDS = {"passed": "within the policy", "failed": "misses the policy", "error": "does not run", "unseen": "not seen"}


class Shown(NamedTuple):
    """A candidate on one device."""

    candidate: str
    device: DeviceDocument
    outputs: OutputsThere

    @property
    def where(self) -> str:
        """The device, and whether it is a real one."""
        told = not self.device.emulated or self.device.device.startswith("emulated:")
        return self.device.device if told else f"{self.device.device} (emulated)"

    @property
    def bits(self) -> str:
        """Beside this machine."""
        if self.outputs.same_bits is None:
            return "not compared"
        return "the same" if self.outputs.same_bits else "others"


def score(shown: Shown) -> float | None:
    """Of the device's own arithmetic."""
    return shown.outputs.task.score if shown.outputs.task is not None else None


def table(devices: Iterable[DeviceDocument], metric: MetricSpec | None) -> Table | None:
    """Everything that was run there; None where nothing was.

    Args:
        devices: their documents.
        metric: what the task is scored by, where it is.
    """
    unit, title = (metric.unit, metric.name) if metric is not None else ("", "Task score")
    found = [
        Shown(measured.candidate, device, measured.outputs)
        for device in devices
        for measured in device.measurements
        if measured.outputs is not None
    ]
    percent = unit == SHARE
    fields: tuple[Field[Shown], ...] = (
        named("Candidate", told("candidate")),
        worded("Device", told("where")),
        worded("Outputs", lambda shown: WORDS[shown.outputs.status], tone=lambda shown: TONES[shown.outputs.status]),
        worded("Bits beside this machine", told("bits")),
        figured("Samples", "count", told("outputs.samples"), "{:,.0f}".format),
        figured(
            "Relative L2",
            "to the eager model",
            told("outputs.differences.relative_l2"),
            absent=lambda shown: shown.outputs.reason or "its outputs are spikes",
        ),
        figured(
            "Largest difference",
            "to this machine",
            told("outputs.from_here.max_abs"),
            absent=lambda shown: shown.outputs.reason or "it does not run here",
        ),
        figured(
            title,
            "%" if percent else unit or "score",
            lambda shown: None if (value := score(shown)) is None else 100 * value if percent else value,
            absent="the task score is not taken of these outputs",
        ),
    )
    return table_of("outputs-there", CAPTION, fields, found) if found else None
