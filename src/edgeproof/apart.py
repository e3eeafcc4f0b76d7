"""A function called in a process of its own: its job and its answer travel as JSON, its error as what was raised.

    python -m edgeproof.apart MODULE:FUNCTION JOB.json ANSWER.json

is the other end of ``call_apart``: it calls the function on the job and writes what it gave, or the error.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from edgeproof import errors
from edgeproof.child import child_main
from edgeproof.errors import EdgeProofError, ProcessError
from edgeproof.process import Child, Ended, Limits, Start, module_command, spawn
from edgeproof.scratch import scratch_folder

__all__ = ["ErrorRecord", "LostError", "call_apart", "record_of"]

T = TypeVar("T")


class ErrorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An error on its way from one process to another."""

    kind: str
    message: str
    hint: str | None = None

    def error(self) -> EdgeProofError:
        """The error as it was raised there."""
        found = getattr(errors, self.kind, ProcessError)
        error: EdgeProofError = found.__new__(found)
        EdgeProofError.__init__(error, self.message, hint=self.hint)
        return error


def record_of(error: EdgeProofError) -> ErrorRecord:
    """An error as it travels."""
    return ErrorRecord(kind=type(error).__name__, message=error.message, hint=error.hint)


class _Answer(msgspec.Struct, frozen=True):
    """What a function gave in its process, or its error."""

    value: msgspec.Raw = msgspec.Raw(b"null")
    error: ErrorRecord | None = None


class LostError(ProcessError):
    """A process ended without an answer.

    Args:
        what: its work's name.
        ended: how it ended.
    """

    def __init__(self, what: str, ended: Ended) -> None:
        super().__init__(f"the process of {what} {ended}")
        self.ended = ended


def call_apart(
    target: str,
    job: msgspec.Struct,
    answer: type[T],
    *,
    what: str,
    limits: Limits,
    log: Path | None = None,
    folder: str | None = None,
    start: Start = spawn,
) -> T:
    """Call a module's function in a process of its own.

    Args:
        target: ``module:function`` of one job, whose type its annotation names. It is imported there, not here.
        job: what it is called with.
        answer: the type of what it gives.
        what: the work's name, for messages: ``counting``.
        limits: of the process.
        log: file that keeps what it prints.
        folder: where it runs; None: here.
        start: how its process comes to be.

    Raises:
        EdgeProofError: what the function raised.
        LostError: it crashed, hung, or passed a limit.
    """
    with scratch_folder("call") as folder_of_call:
        given, told = folder_of_call / "job.json", folder_of_call / "answer.json"
        given.write_bytes(msgspec.json.encode(job))
        command = module_command("edgeproof.apart", target, str(given), str(told))
        with Child(command, log=log, folder=folder, start=start) as child:
            ended = child.wait(limits)
        try:
            found = msgspec.json.decode(told.read_bytes(), type=_Answer)
        except (OSError, msgspec.MsgspecError):
            raise LostError(what, ended) from None
    if found.error is not None:
        raise found.error.error()
    return msgspec.json.decode(found.value, type=answer)


def _serve(arguments: Sequence[str]) -> int:
    """Call the function that the words name, and write its answer."""
    import importlib
    import logging
    import traceback
    from typing import get_type_hints

    ours = logging.getLogger("edgeproof")
    ours.addHandler(logging.StreamHandler())
    ours.setLevel(logging.INFO)
    target, given, told = arguments
    module, _, name = target.partition(":")
    function = getattr(importlib.import_module(module), name)
    ((_, kind),) = ((key, hint) for key, hint in get_type_hints(function).items() if key != "return")
    job = msgspec.json.decode(Path(given).read_bytes(), type=kind)
    try:
        answer = _Answer(msgspec.Raw(msgspec.json.encode(function(job))))
    except EdgeProofError as error:
        traceback.print_exc()
        answer = _Answer(error=record_of(error))
    except Exception as error:
        traceback.print_exc()
        told_error = f"{type(error).__name__}: {' '.join(str(error).split())[:1000]}"
        answer = _Answer(error=ErrorRecord(kind="ProcessError", message=told_error))
    Path(told).write_bytes(msgspec.json.encode(answer))
    return 0


if __name__ == "__main__":
    child_main(_serve)
