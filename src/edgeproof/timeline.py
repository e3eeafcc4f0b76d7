"""What ran when: every process that is started while a record is kept leaves a line in it, with what it was for."""

from __future__ import annotations

import contextlib
import contextvars
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

__all__ = [
    "MEASUREMENT",
    "STANDING",
    "WORK",
    "Entry",
    "Kind",
    "Running",
    "begun",
    "doing",
    "measuring",
    "read_timeline",
    "recorded_in",
]

Kind = str
"""``work``; ``measurement``: something is timed in it, or beside it for it; ``standing``: it waits to be forked."""
WORK, MEASUREMENT, STANDING = "work", "measurement", "standing"


@dataclass(frozen=True)
class Entry:
    """A process that has ended.

    Attributes:
        what: it was for.
        kind: of its work.
        begin_s: by the system's monotonic clock.
        end_s: the same.
        processor_s: processor time of it and of what it waited for; None where the system does not tell.
    """

    what: str
    kind: Kind
    begin_s: float
    end_s: float
    processor_s: float | None


_record: contextvars.ContextVar[Path | None] = contextvars.ContextVar("record", default=None)
_doing: contextvars.ContextVar[tuple[str, Kind] | None] = contextvars.ContextVar("doing", default=None)


@contextlib.contextmanager
def recorded_in(path: Path) -> Iterator[None]:
    """Keep a record in a file of a line of JSON a process, while the block runs; threads of ``each`` are part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    token = _record.set(path)
    try:
        yield
    finally:
        _record.reset(token)


@contextlib.contextmanager
def doing(what: str, kind: Kind = WORK) -> Iterator[None]:
    """Name what processes are for that are started in the block."""
    token = _doing.set((what, kind))
    try:
        yield
    finally:
        _doing.reset(token)


def measuring(what: str) -> contextlib.AbstractContextManager[None]:
    """The same, of processes that are timed, or that one is timed against."""
    return doing(what, MEASUREMENT)


class Running:
    """A process that is under way.

    Args:
        record: the file.
        what: it is for.
        kind: of its work.
    """

    def __init__(self, record: Path, what: str, kind: Kind) -> None:
        self._record, self._what, self._kind = record, what, kind
        self._begin_s = time.monotonic()

    def ended(self, processor_s: float | None) -> None:
        """Write its line. One whose file cannot be written any more is not told: the run's folder is gone."""
        entry = Entry(self._what, self._kind, self._begin_s, time.monotonic(), processor_s)
        line = (json.dumps(asdict(entry)) + "\n").encode()
        with contextlib.suppress(OSError):
            number = os.open(self._record, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
            try:
                os.write(number, line)  # one write of one line: processes may share the file
            finally:
                os.close(number)


def begun(command_name: str, *, stands: bool = False) -> Running | None:
    """A process has begun; None where no record is kept.

    Args:
        command_name: what it is called where nobody named its work.
        stands: it does nothing but wait to be forked once it has begun.
    """
    record = _record.get()
    if record is None:
        return None
    what, kind = _doing.get() or (command_name, WORK)
    return Running(record, what, STANDING if stands else kind)


def read_timeline(path: Path) -> tuple[Entry, ...]:
    """The entries of a record, in the order in which their processes began; those that stand are told when they end.

    Raises:
        OSError: there is none.
    """
    entries = []
    for line in path.read_text().splitlines():
        with contextlib.suppress(ValueError, TypeError):  # a last line that was cut off by the end of its writer
            entries.append(Entry(**json.loads(line)))
    return tuple(sorted(entries, key=lambda entry: entry.begin_s))
