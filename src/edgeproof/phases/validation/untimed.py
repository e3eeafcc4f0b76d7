"""Runners whose times nobody takes: forked from a process that has imported an artifact's runtime.

    edgeproof.phases.validation.untimed:load FORMAT

is what that process does first. What is timed is started afresh, by ``host.run_job`` alone.
"""

from __future__ import annotations

import importlib
import threading
from pathlib import Path

from edgeproof.devices.host import run_job
from edgeproof.documents.runner import RUNNER, RunnerJob, RunnerReport
from edgeproof.errors import ProcessError
from edgeproof.forkserver import shared_start
from edgeproof.formats.base import Format
from edgeproof.formats.registry import formats
from edgeproof.formats.telemetry import silent_import
from edgeproof.model.warm import with_torch
from edgeproof.process import Limits, Start, spawn

__all__ = ["load", "run_untimed"]

RUNNERS_OWN = ("numpy", "edgeproof.measure.holding", "edgeproof.measure.heat", "edgeproof.model.streaming")


def run_untimed(job: RunnerJob, kind: Format, limits: Limits | None = None) -> RunnerReport:
    """Run a job that gives outputs, or what a profiler tells, and no times.

    Args:
        job: what to run.
        kind: format of its artifact.
        limits: of its process.

    Returns:
        as ``run_job``.

    Raises:
        ValueError: the job is timed.
    """
    if job.measure or job.hold:
        raise ValueError("what is timed is started afresh")
    return run_job(job, limits, start=_start(kind))


def _start(kind: Format) -> Start:
    """How its process comes to be: afresh where its runtime cannot be imported, which then says so itself."""
    try:
        base = with_torch() if "torch" in kind.opens_with else spawn
        return shared_start(f"{__name__}:load", kind.name, what=kind.title, start=base)
    except ProcessError:
        return spawn


def load(name: str) -> None:
    """Import what every runner needs of a format's artifacts.

    Raises:
        KeyError: there is no such format. RuntimeError: a runtime has started threads, which a fork does not have.
    """
    for module in (RUNNER, *RUNNERS_OWN):
        importlib.import_module(module)
    for module in formats()[name].opens_with:
        silent_import(module)
    tasks = Path("/proc/self/task")
    count = len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()
    if count > 1:
        raise RuntimeError(f"importing the runtime of {name} has started {count - 1} threads")
