"""Engines called with arrays, and work on several of them at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from edgeproof.spike.program import Array
from edgeproof.spike.runtime.native import Engine

__all__ = ["call", "in_parallel"]


def in_parallel(work: Callable[..., Any], cases: Any) -> list[Any]:
    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(work, cases))


def call(engine: Engine, inputs: dict[str, Array]) -> list[Array]:
    given = [np.ascontiguousarray(inputs[port.name], np.float32) for port in engine.inputs]
    results = [np.full(port.shape, np.nan, np.float32) for port in engine.outputs]
    for _ in range(2):  # from whatever state the call before left
        engine.call([array.ctypes.data for array in given], [array.ctypes.data for array in results])
    return results
