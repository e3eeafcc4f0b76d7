"""Small networks by name, for tests of what reads, runs and writes them."""

from __future__ import annotations

from typing import Any

import numpy as np

from edgeproof.spike.graph.network import Network
from edgeproof.spike.graph.primitives import LIF, Input, Linear, Output

DT = 1e-4


def lif(count: int, **changes: Any) -> LIF:
    """So many neurons of one kind."""
    values: dict[str, Any] = {"tau": 2 * DT, "r": 1.0, "v_leak": 0.0, "v_threshold": 1.0, "v_reset": 0.0, **changes}
    return LIF(**{name: np.full(count, value) for name, value in values.items()})


def recurrent(count: int = 2) -> Network:
    """Neurons whose spikes come back to them, each to itself."""
    return Network(
        {"in": Input((count,)), "lif": lif(count), "w": Linear(np.eye(count)), "out": Output((count,))},
        (("in", "lif"), ("lif", "w"), ("w", "lif"), ("lif", "out")),
    )
