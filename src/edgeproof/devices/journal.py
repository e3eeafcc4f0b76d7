"""What was measured on a device, written down as it is made, so that a measurement that ends early goes on there."""

from __future__ import annotations

from pathlib import Path

from edgeproof.devices.base import Target
from edgeproof.documents.base import decode, encode, plain_name
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.errors import DocumentError
from edgeproof.files import write_bytes

__all__ = ["Journal"]


class Journal:
    """Reports of processes, by candidate and turn.

    Args:
        folder: for them; None: nothing is kept.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder

    def kept(self, target: Target, job: RunnerJob, turn: int) -> RunnerReport | None:
        """The report of a turn that was made before, of such a job."""
        path = self._path(target, job, turn)
        if path is None or not path.is_file():
            return None
        try:
            return decode(path.read_bytes(), RunnerReport)
        except DocumentError:
            return None

    def keep(self, target: Target, job: RunnerJob, turn: int, report: RunnerReport) -> None:
        """Write a report down, whole or not at all."""
        path = self._path(target, job, turn)
        if path is not None:
            write_bytes(path, encode(report))

    def _path(self, target: Target, job: RunnerJob, turn: int) -> Path | None:
        if self._folder is None:
            return None
        effort = f"{job.measure}-{job.warmup}-{job.threads}-{job.hold or 0:g}-{job.pace or 0:g}"
        return self._folder / f"{plain_name(target.candidate)}-{effort}-{turn}.json"
