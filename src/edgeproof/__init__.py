"""EdgeProof proves a PyTorch model, spiking or dense, on the edge before it ships.

Everything the command line does, as functions; heavy imports happen when one is first used.
"""

from __future__ import annotations

TYPE_CHECKING = False  # the name is enough for a type checker; typing would be a third of the start
if TYPE_CHECKING:
    from typing import Any

    from edgeproof.api import compare, convert, load, open, resume, run
    from edgeproof.metrics.base import Metric
    from edgeproof.metrics.registry import metric
    from edgeproof.model.model import Model, Samples

__version__ = "0.1.0"
__all__ = [
    "Metric",
    "Model",
    "Samples",
    "__version__",
    "compare",
    "convert",
    "load",
    "metric",
    "open",
    "resume",
    "run",
]

_HOMES = {
    "Metric": "edgeproof.metrics.base",
    "Model": "edgeproof.model.model",
    "Samples": "edgeproof.model.model",
    "compare": "edgeproof.api.models",
    "convert": "edgeproof.api.models",
    "load": "edgeproof.api.models",
    "metric": "edgeproof.metrics.registry",
    "open": "edgeproof.api.models",
    "resume": "edgeproof.api.runs",
    "run": "edgeproof.api.runs",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
