"""One call before a server says that it is ready: a file that is damaged shows it then, and not under a request.

What this user made was whole when it was opened, by its sha256. A file of unknown origin is tried in a process of its
own first: a runtime that crashes on it takes that process along, and the server says so in words.
"""

from __future__ import annotations

import time
from pathlib import Path

import msgspec

from edgeproof.apart import call_apart
from edgeproof.errors import ProcessError, ServingError
from edgeproof.formats.base import Session
from edgeproof.process import Limits

__all__ = ["Trial", "first_call", "run_once", "try_apart"]

LIMITS = Limits(seconds=120)


class Trial(msgspec.Struct, frozen=True, kw_only=True):
    """An artifact to be opened and called once."""

    artifact: str
    threads: int
    trust: bool


def first_call(session: Session) -> float:
    """Call the session on zeros, and give the µs that it took.

    Raises:
        EdgeProofError: the session failed.
    """
    import numpy as np

    zeros = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in session.inputs}
    begin = time.perf_counter_ns()
    session.run(zeros)
    return (time.perf_counter_ns() - begin) / 1e3


def run_once(trial: Trial) -> float:
    """Open the artifact and call it: the other end of ``try_apart``.

    Raises:
        EdgeProofError: it cannot be opened, or failed.
    """
    from edgeproof.formats.registry import open_artifact

    with open_artifact(Path(trial.artifact), threads=trial.threads, timed=True, trust=trial.trust) as session:
        return first_call(session)


def try_apart(artifact: str, *, threads: int, trust: bool) -> None:
    """Have an artifact opened and called once in a process of its own.

    Raises:
        ServingError: that process crashed or hung.
        EdgeProofError: the artifact cannot be opened, or failed.
    """
    job = Trial(artifact=str(Path(artifact).resolve()), threads=threads, trust=trust)
    try:
        call_apart(f"{__name__}:{run_once.__name__}", job, float, what=f"a first call of {artifact}", limits=LIMITS)
    except ProcessError as lost:
        raise ServingError(
            f"{artifact} is damaged, or not for this machine: {lost.message}", hint="copy it again, or convert again"
        ) from lost
