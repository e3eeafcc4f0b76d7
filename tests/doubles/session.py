"""A session without a runtime: it stands for an opened artifact and leaves out the artifact.

``served`` serves it, so that servers and clients meet over a real socket.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import ArtifactError

if TYPE_CHECKING:
    from edgeproof.serve.opening import Opened, Opening
    from edgeproof.serve.spawned import SpawnedServer

Array = npt.NDArray[Any]


WORDS = ("features", "delay_s", "answer", "failure", "leak_bytes", "stall_s")


class DoubleSession:
    """``scores = x @ weights`` for one float32 input ``x`` [1, features] and three scores.

    Args:
        features: length of the input.
        delay_s: that one call takes.
        answer: when given, the scores whatever the input is.
        failure: when given, every call raises an ArtifactError that says so; but one on zeros, which a server begins
            with.
        leak_bytes: that every call leaves behind in resident memory.
        stall_s: that one call takes, but one on zeros.
    """

    def __init__(
        self,
        *,
        features: int = 4,
        delay_s: float = 0.0,
        answer: list[float] | None = None,
        failure: str | None = None,
        leak_bytes: int = 0,
        stall_s: float = 0.0,
    ) -> None:
        self.inputs = (TensorSpec(name="x", dtype="float32", shape=(1, features)),)
        self.outputs = (TensorSpec(name="scores", dtype="float32", shape=(1, 3)),)
        self.closed = False
        self._weights = np.arange(features * 3, dtype=np.float32).reshape(features, 3)
        self._delay_s = delay_s
        self._answer = answer
        self._failure = failure
        self._leak_bytes = leak_bytes
        self._stall_s = stall_s
        self._kept: list[bytes] = []

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if self._failure and inputs["x"].any():
            raise ArtifactError(self._failure)
        if self._leak_bytes:
            self._kept.append(b"\1" * self._leak_bytes)
        if self._stall_s and inputs["x"].any():
            time.sleep(self._stall_s)
        if self._delay_s:
            time.sleep(self._delay_s)
        if self._answer is not None:
            return {"scores": np.array([self._answer], np.float32)}
        return {"scores": inputs["x"] @ self._weights}

    def close(self) -> None:
        self.closed = True

    def __enter__(self) -> DoubleSession:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def opened(opening: Opening) -> Opened:
    """The session that an ``Opening`` asks for, opened: its source has the words of ``DoubleSession``."""
    from edgeproof.serve.opening import opened_session

    words = {name: value for name, value in opening.source.items() if name in WORDS}
    if "dies" in opening.source:
        tally = Path(opening.source["dies"])
        tally.write_text(tally.read_text() + "." if tally.exists() else ".")
        if len(tally.read_text()) > 1:
            raise ArtifactError("the file is gone")
    session = DoubleSession(**words)
    about = {"platform": "double-fp32", "runtime": "a double", "runtime_version": "1", "sha256": "5" * 64}
    about["degraded"] = opening.source.get("degraded")
    return opened_session(session, opening, time.perf_counter_ns(), **about)


def opening_of(name: str = "double", **words: Any) -> Opening:
    """What asks for it."""
    from edgeproof.serve.opening import Opening

    return Opening(name=name, source={"model": name, **words}, opener="tests.doubles.session:opened")


def served(models: Mapping[str, Mapping[str, Any]], **how: Any) -> SpawnedServer:
    """A server of doubles, by name, in a process of its own; ``how`` is what else ``serve`` is told."""
    import json
    import sys

    from edgeproof.serve.spawned import SpawnedServer

    command = [sys.executable, __file__, "0", "4", "0", "", json.dumps({**how, "models": models})]
    return SpawnedServer(Path("double"), command=command, timeout_s=30)


def main() -> None:
    """Serve: arguments are port, features, delay in seconds, and optionally a failure, "" for none, and what else
    ``serve`` is told, as JSON; ``models`` in it are several, their names with the words of each."""
    import json
    import sys

    import msgspec

    from edgeproof.serve import launch
    from edgeproof.serve.zenoh.config import ZenohOptions

    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    port, features, delay_s, *more = sys.argv[1:]
    failure, told = (*more, *("", "{}")[len(more) :])
    how = json.loads(told)
    alone = {"double": {"features": int(features), "delay_s": float(delay_s), "failure": failure or None}}
    openings = [opening_of(name, **words) for name, words in how.pop("models", alone).items()]
    log = how.pop("log_file", None)
    if log is not None:
        how["log"] = Path(log).open("ab")  # noqa: SIM115
    if "zenoh" in how:
        how["zenoh"] = msgspec.convert(how["zenoh"], ZenohOptions, dec_hook=lambda kind, value: kind(value))
    launch.serve(openings, port=int(port), ready=launch.print_ready, **how)


if __name__ == "__main__":
    main()
