"""A session without a runtime: it stands for an opened artifact and leaves out the artifact.

``python tests/doubles/session.py PORT`` serves it, so that servers and clients meet over a real socket.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from types import TracebackType
from typing import Any

import numpy as np
import numpy.typing as npt

from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import ArtifactError

Array = npt.NDArray[Any]


class DoubleSession:
    """``scores = x @ weights`` for one float32 input ``x`` [1, features] and three scores.

    Args:
        features: length of the input.
        delay_s: that one call takes.
        answer: when given, the scores whatever the input is.
        failure: when given, every call raises an ArtifactError that says so.
        leak_bytes: that every call leaves behind in resident memory.
    """

    def __init__(
        self,
        *,
        features: int = 4,
        delay_s: float = 0.0,
        answer: list[float] | None = None,
        failure: str | None = None,
        leak_bytes: int = 0,
    ) -> None:
        self.inputs = (TensorSpec(name="x", dtype="float32", shape=(1, features)),)
        self.outputs = (TensorSpec(name="scores", dtype="float32", shape=(1, 3)),)
        self.closed = False
        self._weights = np.arange(features * 3, dtype=np.float32).reshape(features, 3)
        self._delay_s = delay_s
        self._answer = answer
        self._failure = failure
        self._leak_bytes = leak_bytes
        self._kept: list[bytes] = []

    def run(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        if self._failure:
            raise ArtifactError(self._failure)
        if self._leak_bytes:
            self._kept.append(b"\1" * self._leak_bytes)
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


def main() -> None:
    """Serve: arguments are port, features, delay in seconds, and optionally a failure, "" for none, and what else
    ``serve`` is told, as JSON."""
    import json
    import sys

    from edgeproof.documents.source import ModelSource
    from edgeproof.serve import launch

    port, features, delay_s, *more = sys.argv[1:]
    failure, how = (*more, *("", "{}")[len(more) :])
    session = DoubleSession(features=int(features), delay_s=float(delay_s), failure=failure or None)
    opened = launch.Opened(session, "double", "double", load_ms=1.0, threads=1)
    launch.open_served = lambda *_words, **_how: opened
    launch.serve(ModelSource(model="double"), port=int(port), ready=launch.print_ready, **json.loads(how))


if __name__ == "__main__":
    main()
