"""The time that a job may take on a device."""

from __future__ import annotations

from dataclasses import replace

from edgeproof.documents.runner import RunnerJob
from edgeproof.process import Limits

__all__ = ["room"]


def room(limits: Limits, job: RunnerJob) -> Limits:
    """The limits of a process, longer by what the job is told to hold, to wait for, and to rest between its calls."""
    held = job.hold or 0.0
    rest = 2 * job.measure * (job.pace or 0.0) + (0.0 if job.below is None else job.wait)
    if not rest + held:
        return limits
    return replace(limits, seconds=limits.seconds + held * (job.threads + 1), wall_seconds=limits.wall + rest + held)
