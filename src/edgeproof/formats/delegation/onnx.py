"""Where ONNX Runtime runs an artifact's operators: seen in its profile, and predicted for providers of phones.

On a processor one provider runs every operator, and what is slow is an operator that leaves the artifact's precision:
one in float in the middle of an int8 graph, and all of a half-precision graph where the processor has no such kernels.
For NNAPI and Core ML ONNX Runtime's own mobile usability checker is asked. It reads lists of operators, and not their
attributes: it can be wrong, in both directions.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.delegation import Delegation
from edgeproof.formats.base import Calls
from edgeproof.formats.delegation.nodes import Node, delegation_of, runs_inside
from edgeproof.model.lines import known_line
from edgeproof.scratch import scratch_folder

__all__ = ["predicted", "seen"]

SECONDS, RUNS = 0.25, 200
"""Of profiling, at most."""
KERNEL = "_kernel_time"
BLOCKS = ("If", "Loop", "Scan")
"""Operators whose time is that of the operators within."""
MOVED = re.compile(r"_token_\d+$")
"""What ONNX Runtime appends to the name of an operator whose layout it changes."""
NARROW = ("int8", "uint8")
CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")
WORD = "pkg.torch.onnx."
"""What PyTorch's exporter begins the names of its own notes with."""
PREDICTION = (
    "predicted by ONNX Runtime's mobile usability checker, which knows names of operators and not all conditions"
)

_INTEGER_REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "Tanh": "`tanh(x)` is `2 * sigmoid(2 * x) - 1`, and sigmoid has an integer kernel",
        "Gelu": "`gelu` as `x * sigmoid(1.702 * x)` has integer kernels, and is another function by up to 0.02",
        "Erf": "`gelu` as `x * sigmoid(1.702 * x)` has integer kernels, and is another function by up to 0.02",
        "Div": "divide by a constant as a product with its reciprocal, which has an integer kernel",
        "Sub": "`a - b` of activations as `a + (-1) * b`: addition and product have integer kernels",
        "HardSwish": "`relu`, which is fused into the layer before",
        "QuantizeLinear": "it goes with the operators in float beside it",
        "DequantizeLinear": "it goes with the operators in float beside it",
    }
)
"""Of operators in float in an int8 graph."""
_PHONE_REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "Erf": "`gelu` as `x * sigmoid(1.702 * x)`, which is another function by up to 0.02",
        "Greater": "a threshold `(x > t).float()` as `clamp((x - t) * 1e30, 0, 1)`",
        "Less": "a threshold `(x < t).float()` as `clamp((t - x) * 1e30, 0, 1)`",
        "Where": "`where(m, a, b)` of finite values is `b + m * (a - b)` with a mask in float",
        "Abs": "`abs(x)` is `relu(x) + relu(-x)`",
        "QuantizeLinear": "ship fp32 or fp16 there, or Core ML's own format",
        "DequantizeLinear": "ship fp32 or fp16 there, or Core ML's own format",
    }
)
"""In operators that NNAPI's and Core ML's providers have."""


@dataclass(frozen=True)
class _Origin:
    operator: str | None
    line: str | None


@dataclass(frozen=True)
class _Part:
    """The fast part of a graph of some precision, and why an operator is not in it."""

    name: str
    takes: Callable[[str, Sequence[str]], bool]
    cause: Callable[[str], str]
    remedy: Callable[[str], str | None] = lambda _name: None


_PARTS = MappingProxyType(
    {
        "int": _Part(
            "integer kernels",
            lambda name, dtypes: name not in CONVERSIONS and any(dtype in NARROW for dtype in dtypes),
            lambda name: (
                "it brings values into 8 bits, or out of them, for what is in float beside it: an operator, or an "
                "input or output of the graph"
                if name in CONVERSIONS
                else f"ONNX Runtime has no integer kernel for this {name}, and computes it in float"
            ),
            _INTEGER_REMEDIES.get,
        ),
        "fp16": _Part(
            "half-precision kernels",
            lambda name, dtypes: name != "Cast" and "float16" in dtypes,
            lambda name: f"ONNX Runtime computes this {name} in single precision on this processor",
            lambda _name: "ship fp32 to such processors: the same arithmetic, without the conversions",
        ),
    }
)
_ANY = _Part("CPUExecutionProvider", lambda _name, _dtypes: True, lambda _name: "")


def seen(artifact: ArtifactDocument, path: Path, calls: Calls, profiled: Callable[[Path], Any]) -> Delegation:
    """What ONNX Runtime's profile tells.

    Args:
        artifact: its document.
        path: the ``.onnx``.
        calls: gives inputs in graph order.
        profiled: opens a session that writes its profile to files whose names begin so.
    """
    part = next((part for mark, part in _PARTS.items() if mark in artifact.precision), _ANY)
    origins = _origins(path)
    with scratch_folder("profile") as folder:
        session = profiled(folder / "onnx")
        runs = _run(session, artifact, calls)
        events = json.loads(Path(session.end_profiling()).read_bytes())
    nodes = [_node(name, told, part, origins) for name, told in _by_node(events).items()]
    return delegation_of(
        f"ONNX Runtime, {part.name}",
        nodes,
        partitions=runs_inside(node.inside for node in nodes),
        calls=runs,
    )


def predicted(path: Path) -> list[Delegation]:
    """What the usability checker says of phones' providers; nothing where it or the ``onnx`` package is not there."""
    try:
        from onnxruntime.tools.mobile_helpers import usability_checker
        from onnxruntime.tools.onnx_model_utils import ModelProtoWithShapeInfo, optimize_model
    except ImportError:
        return []
    origins = _origins(path)
    with scratch_folder("checked") as folder:
        simple = folder / path.name
        optimize_model(path, simple, use_external_initializers=True)
        model = ModelProtoWithShapeInfo(simple).model_with_shape_info
    programs = "coreml_supported_mlprogram_ops.md"
    providers: dict[str, Callable[[], Any]] = {
        "NNAPI": lambda: usability_checker.check_nnapi_partitions(model, True),
        "Core ML": lambda: usability_checker.check_coreml_partitions(model, True, programs),
    }
    return [_foretold(name, check(), model, origins) for name, check in providers.items()]


def _run(session: Any, artifact: ArtifactDocument, calls: Calls) -> int:
    """How many calls were profiled; one more, the first, is thrown away."""
    known = {told.name for told in session.get_inputs()}
    named = [(number, binding.graph_name) for number, binding in enumerate(artifact.inputs)]
    given = [{name: arrays[number] for number, name in named if name in known} for arrays in calls()]
    session.run(None, given[0])
    count, end = 0, time.monotonic() + SECONDS
    while count < RUNS and time.monotonic() < end:
        session.run(None, given[count % len(given)])
        count += 1
    return count


@dataclass
class _Told:
    operator: str
    dtypes: tuple[str, ...]
    times: list[float]


def _by_node(events: Sequence[dict[str, Any]]) -> dict[str, _Told]:
    """Every operator that ran, in the order in which they first did, with its times."""
    found: dict[str, _Told] = {}
    for event in events:
        if event.get("cat") != "Node" or not event["name"].endswith(KERNEL):
            continue
        told = event["args"]
        if told["op_name"] in BLOCKS:
            continue
        dtypes = tuple(dtype for value in (told.get("input_type_shape") or ()) for dtype in value)
        known = found.setdefault(event["name"].removesuffix(KERNEL), _Told(told["op_name"], dtypes, []))
        known.times.append(float(event["dur"]))
    return found


def _node(name: str, told: _Told, part: _Part, origins: dict[str, _Origin]) -> Node:
    origin, inside = origins.get(MOVED.sub("", name), _Origin(None, None)), part.takes(told.operator, told.dtypes)
    times = told.times[1:] or told.times
    return Node(
        name=told.operator,
        inside=inside,
        time_us=sum(times) / len(times),
        operator=origin.operator,
        line=origin.line,
        cause=None if inside else part.cause(told.operator),
        remedy=None if inside else part.remedy(told.operator),
    )


def _foretold(provider: str, info: Any, model: Any, origins: dict[str, _Origin]) -> Delegation:
    inside = {node.output[0] for group in info.supported_groups for node in group}
    nodes = [
        Node(
            name=node.op_type,
            inside=taken,
            operator=origin.operator,
            line=origin.line,
            cause=None if taken else _refusal(provider, node, info),
            remedy=None if taken else _PHONE_REMEDIES.get(node.op_type),
        )
        for node in model.graph.node
        for taken in (node.output[0] in inside,)
        for origin in (origins.get(node.name, _Origin(None, None)),)
    ]
    caveats = [caveat.partition(":")[2].replace(":", ": ", 1) for caveat in info.supported_ops_checker.get_caveats()]
    return delegation_of(
        f"ONNX Runtime, {provider}",
        nodes,
        how="predicted",
        partitions=info.num_partitions,
        notes=[PREDICTION, *caveats],
    )


def _refusal(provider: str, node: Any, info: Any) -> str:
    name = f"{node.domain or 'ai.onnx'}:{node.op_type}"
    if name in info.unsupported_ops:
        return f"{provider}'s provider has no {node.op_type}"
    if name in info.ops_with_unsupported_rank:
        return f"{provider}'s provider takes {node.op_type} of fewer axes"
    return "a shape is not fixed in the file"


def _origins(path: Path) -> dict[str, _Origin]:
    """Of the file's operators: PyTorch's name and the line in the model, by the notes that PyTorch's exporter left."""
    try:
        import onnx
    except ImportError:
        return {}
    return dict(_noted(onnx.load(path, load_external_data=False).graph.node))


def _noted(nodes: Any) -> Iterator[tuple[str, _Origin]]:
    for node in nodes:
        notes = {note.key.removeprefix(WORD): note.value for note in node.metadata_props}
        _, _, target = notes.get("fx_node", "").partition("[target=torch.ops.")
        operator = ".".join(target.partition("]")[0].split(".")[:2])
        yield node.name, _Origin(operator or None, known_line(notes.get("stack_trace", "")))
