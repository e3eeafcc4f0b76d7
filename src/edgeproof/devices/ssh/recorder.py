"""A power meter that is part of a board, recorded there while its jobs run: ``pmic``, ``ina``, ``battery``."""

from __future__ import annotations

import contextlib
import shlex
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from edgeproof.devices.ssh.connection import Connection
from edgeproof.devices.ssh.jobs import Ran, environment, run_there
from edgeproof.devices.ssh.visit import Visit
from edgeproof.errors import DeviceError
from edgeproof.process import Limits

__all__ = ["recorded_there"]

NAME = "power"
MODULE = "edgeproof.meters.record"
LIMITS = Limits(seconds=100 * 3600.0)
BEGIN_S = 30.0
"""In which the recorder has to begin: a board imports numpy slowly."""
AFTER_S = 1.5
"""It goes on for so long after the last load, whose end has to lie in the trace."""


@contextlib.contextmanager
def recorded_there(
    connection: Connection, visit: Visit, python: str, packages: Sequence[str], meter: str, to: Path
) -> Iterator[Callable[[], Path]]:
    """Record a meter there while the block runs.

    Args:
        connection: to the board.
        visit: whose folder the trace lies in.
        python: the program.
        packages: folders there with what it imports.
        meter: its address on the board.
        to: a folder here for the trace.

    Yields:
        what gives the trace's file here, once the block has ended.

    Raises:
        DeviceError: the meter cannot be read there, or the board was lost.
    """
    words = [*environment(packages), python, "-m", MODULE, meter, "--out", f"{NAME}.json"]
    ended: list[Ran | str] = []
    lost: list[DeviceError] = []

    def record() -> None:
        try:
            ended.append(run_there(connection, visit, shlex.join(words), LIMITS, name=NAME))
        except DeviceError as error:
            lost.append(error)

    recorder = threading.Thread(target=record, name="power", daemon=True)
    recorder.start()
    recorder.join(1.0)  # one that is not there says so at once
    _check(ended, lost, meter, running=True)
    try:
        yield lambda: _brought(visit, to)
        time.sleep(AFTER_S)
    finally:
        with contextlib.suppress(DeviceError):
            visit.shell(f"kill -TERM $(cat {shlex.quote(visit.folder)}/{NAME}.pid)")
        recorder.join(BEGIN_S)
    _check(ended, lost, meter, running=False)


def _brought(visit: Visit, to: Path) -> Path:
    for name in (f"{NAME}.json", f"{NAME}.npz"):
        visit.get(name, to / name)
    return to / f"{NAME}.json"


def _check(ended: Sequence[Ran | str], lost: Sequence[DeviceError], meter: str, *, running: bool) -> None:
    if lost:
        raise lost[0]
    if ended and (running or isinstance(ended[0], str) or ended[0].code != 0):
        said = ended[0] if isinstance(ended[0], str) else ended[0].said or ended[0].outcome
        raise DeviceError(
            f"the meter {meter} cannot be recorded there: {said}", hint="edgeproof power list names meters"
        )
