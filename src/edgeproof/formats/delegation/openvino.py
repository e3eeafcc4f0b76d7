"""Where OpenVINO runs an artifact's operators: on kernels made for the processor, or on its plain ones.

Its processor plugin tells the kernel of every operator of the execution graph, with times: ``jit_avx512_f32``,
``brgconv_avx512_amx_I8``, ``ref_any_f32``.
"""

from __future__ import annotations

import re
import time
from collections import defaultdict
from types import MappingProxyType
from typing import Any

from edgeproof.documents.delegation import Delegation
from edgeproof.formats.base import Calls
from edgeproof.formats.delegation.nodes import Node, delegation_of, runs_inside

__all__ = ["PLAIN", "seen"]

SECONDS, CALLS = 0.25, 200
"""Of profiling, at most."""
PLAIN = ("ref", "unknown", "undef")
"""What the kind of a kernel begins with that is not made for the processor, or of which nothing is told."""
EXECUTED = "EXECUTED"
PYTORCH = re.compile(r"(?:^|/)(?P<operator>aten\.\w+)\.")
"""As OpenVINO's PyTorch frontend names an operator: ``sin/aten.sin.default/Sin``."""

_REMEDIES = MappingProxyType(
    {
        "Math": "an approximation of additions and products, such as a short series where the range is known",
        "TopK": "take the best outside of the model, on its scores",
        "CumSum": "a running sum along a short axis is a product with a triangular matrix of ones",
    }
)
"""By what OpenVINO calls a kind of operator."""


def seen(compiled: Any, calls: Calls) -> Delegation:
    """What OpenVINO's profile tells.

    Args:
        compiled: a model that counts its performance.
        calls: gives inputs in graph order.
    """
    request, given = compiled.create_infer_request(), calls()
    request.infer(dict(enumerate(given[0])))
    times: dict[str, float] = defaultdict(float)
    count, end = 0, time.monotonic() + SECONDS
    while count < CALLS and time.monotonic() < end:
        request.infer(dict(enumerate(given[count % len(given)])))
        for told in request.get_profiling_info():
            times[told.node_name] += told.real_time.total_seconds() * 1e6
        count += 1
    ran = [told for told in request.get_profiling_info() if told.status.name == EXECUTED]
    nodes = [_node(told, times[told.node_name] / count) for told in ran]
    return delegation_of(
        "OpenVINO, kernels made for the processor",
        nodes,
        partitions=runs_inside(node.inside for node in nodes),
        calls=count,
    )


def _node(told: Any, time_us: float) -> Node:
    kernel: str = told.exec_type
    inside, named = not kernel.startswith(PLAIN), PYTORCH.search(told.node_name)
    operator = named["operator"] if named is not None and told.node_type != "Reorder" else None
    cause = None
    if not inside:
        plain = "runs" if kernel.startswith("ref") else "does not tell another kernel than"
        cause = f"OpenVINO's processor plugin {plain} `{kernel}` for this {told.node_type}"
    return Node(
        name=told.node_type,
        inside=inside,
        time_us=time_us,
        operator=operator,
        cause=cause,
        remedy=None if inside else _REMEDIES.get(told.node_type),
    )
