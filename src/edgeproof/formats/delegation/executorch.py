"""Where ExecuTorch runs an artifact's operators: in XNNPACK, or in portable kernels. From the program and its profile.

The program says it all: an instruction calls a delegate, or a kernel by PyTorch's name. What is inside a delegate is
read from its own graph; times are those of the runtime's event tracer. Both are flatbuffers, of which ExecuTorch's
package has the schemas and the compiler that reads them.
"""

from __future__ import annotations

import importlib.util
import json
import mmap
import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.delegation import Delegation
from edgeproof.errors import ArtifactError
from edgeproof.formats.base import Calls
from edgeproof.formats.delegation.nodes import Node, delegation_of
from edgeproof.process import ask
from edgeproof.scratch import scratch_folder

__all__ = ["REMEDIES", "Program", "delegation", "fallen_back", "read_program"]

BACKEND = "XnnpackBackend"
SECONDS, RUNS = 0.25, 50
"""Of profiling, at most: the tracer keeps every event in memory."""
RESOLUTION_US = 0.1
"""The tracer counts nanoseconds, and a look at the clock takes some."""
READ_SECONDS = 60.0
PROGRAM = "exir/_serialize/program.fbs"
PARTITION = "backends/xnnpack/serialization/runtime_schema.fbs"
TRACE = "devtools/etdump/etdump_schema_flatcc.fbs"
RULES = "backends/xnnpack/partition/config"
RULE = re.compile(r'target_name = "(?P<name>\w+)(?:\.\w+)?"')
NOT_JSON = re.compile(r"(?<=[:\[ ])-?(?:inf|nan)(?=[,\]}\s])")
HEADER = {"program": b"eh00", "partition": b"XH00"}

_STEP = "`relu(clamp({} * 1e30, -1, 1))`, which differs where that is below 1e-30"
REMEDIES: Mapping[str, str] = MappingProxyType(
    {
        "erf": "`gelu` in one call, which XNNPACK has; another `erf` as `tanh(1.1283792 * x + 0.10091 * x * x * x)`, "
        "another function by up to 0.0004",
        "gt": f"`(x > t).float()` as {_STEP.format('(x - t)')}",
        "ge": f"`(x >= t).float()` as 1 less {_STEP.format('(t - x)')}",
        "lt": f"`(x < t).float()` as {_STEP.format('(t - x)')}",
        "le": f"`(x <= t).float()` as 1 less {_STEP.format('(x - t)')}",
        "_to_dim_order_copy": "numbers in the model as floats, `2.0 * x` and not `2 * x`; behind a comparison it goes "
        "with that",
        "where": "`where(m, a, b)` of finite values as `b + m * (a - b)`, with a mask in float",
        "logical_not": "1 less a mask in float",
        "sign": "`sign(x)` as `clamp(x * 1e30, -1, 1)`, which differs where x is below 1e-30",
        "cumsum": "a running sum along a short axis as a product with a triangular matrix of ones",
        "reciprocal": "`reciprocal(x)` and `1 / x` as a division of a tensor of one, which is kept in the module",
        "pow": "a power by halves as a product: `x ** 1.5` as `x * sqrt(x)`",
        "mean": "`mean(..., keepdim=True)` over the last two axes, and a reshape",
        "sum": "`mean(..., keepdim=True)` over the last two axes times their size, and a reshape",
        "squeeze_copy": "`reshape`, which XNNPACK has",
        "embedding": "look vectors up before the model, and give it these",
        "argmax": "take it outside of the model, on its scores",
        "topk": "take it outside of the model, on its scores",
    }
)
"""By PyTorch's name, of operators on float."""


@dataclass(frozen=True)
class Program:
    """A program's instructions.

    Attributes:
        kernels: instruction → the kernel's operator, ``aten::erf``.
        delegates: instruction → operators of the delegate that it calls, in order.
        backends: of the delegates.
    """

    kernels: dict[tuple[int, int], str]
    delegates: dict[tuple[int, int], tuple[str, ...]]
    backends: tuple[str, ...]


def fallen_back(path: Path) -> str | None:
    """Why XNNPACK runs nothing of a program: it is decided when it is made, and no runtime says so."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
        if raw.find(BACKEND.encode()) >= 0:
            return None
    return "ExecuTorch runs every operator on its portable kernels: no part of the program was given to XNNPACK"


def delegation(artifact: ArtifactDocument, path: Path, calls: Calls, *, threads: int) -> Delegation:
    """What is seen of a program.

    Args:
        artifact: its document.
        path: the ``.pte``.
        calls: gives inputs in graph order.
        threads: of the runtime.

    Raises:
        ArtifactError: the program cannot be read.
    """
    program, degraded = read_program(path), fallen_back(path)
    times, count, no_time = dict[tuple[int, int], float](), 0, None
    try:
        times, count = _traced(path, calls, threads)
    except (ArtifactError, RuntimeError, KeyError) as error:
        no_time = f"ExecuTorch's event trace could not be read: {error}"
    rules = _rules()
    nodes = [
        Node(
            name=operator.replace("::", "."),
            inside=False,
            time_us=times.get(place),
            operator=operator.replace("::", "."),
            cause=_cause(operator.rpartition("::")[2], artifact, rules),
            remedy=REMEDIES.get(operator.rpartition("::")[2]),
        )
        for place, operator in program.kernels.items()
    ]
    inside = [Node(name=name, inside=True) for names in program.delegates.values() for name in names]
    inside_us = sum(times.get(place, 0.0) for place in program.delegates) if times and program.delegates else None
    return delegation_of(
        "XNNPACK" if set(program.backends) <= {BACKEND} else " and ".join(sorted(set(program.backends))),
        [*nodes, *inside],
        partitions=len(program.delegates),
        calls=count,
        inside_us=inside_us,
        timed=len(program.kernels) + len(program.delegates),
        resolution_us=RESOLUTION_US,
        no_time=no_time,
        degraded=degraded,
    )


def read_program(path: Path) -> Program:
    """Instructions of a program's ``forward``, or of its first method.

    Raises:
        ArtifactError: it is no program that the package's schema describes.
    """
    raw = path.read_bytes()
    with scratch_folder("program") as folder:
        told = _decoded(raw, PROGRAM, folder)
        plans = told.get("execution_plan") or []
        plan = next((plan for plan in plans if plan.get("name") == "forward"), plans[0] if plans else None)
        if plan is None:
            raise ArtifactError(f"{path} has no method")
        inside = [_operators(data, folder) for data in _payloads(plan, told, raw)]
    kernels, delegates = dict[tuple[int, int], str](), dict[tuple[int, int], tuple[str, ...]]()
    for chain, told_chain in enumerate(plan["chains"]):
        for number, instruction in enumerate(told_chain["instructions"]):
            what = instruction.get("instr_args") or {}
            if instruction["instr_args_type"] == "KernelCall":
                kernels[chain, number] = plan["operators"][what.get("op_index", 0)]["name"]
            elif instruction["instr_args_type"] == "DelegateCall":
                delegates[chain, number] = inside[what.get("delegate_index", 0)]
    return Program(kernels, delegates, tuple(delegate["id"] for delegate in plan.get("delegates") or ()))


def _payloads(plan: dict[str, Any], told: dict[str, Any], raw: bytes) -> Iterator[tuple[str, bytes]]:
    """Of each delegate its backend and its data, which lies in the program or behind it."""
    base = int.from_bytes(raw[24:32], "little") if raw[8:12] == HEADER["program"] else 0
    for delegate in plan.get("delegates") or ():
        where = delegate["processed"]
        index = where.get("index", 0)
        if where.get("location") == "SEGMENT":
            segment = told["segments"][index]
            begin = base + int(segment.get("offset", 0))
            yield delegate["id"], raw[begin : begin + int(segment.get("size", 0))]
        else:
            yield delegate["id"], bytes(told["backend_delegate_data"][index]["data"])


def _operators(payload: tuple[str, bytes], folder: Path) -> tuple[str, ...]:
    """The operators of a delegate's own graph; of another backend than XNNPACK one, called as the backend is."""
    backend, data = payload
    if backend != BACKEND or data[4:8] != HEADER["partition"]:
        return (backend,)
    begin, size = int.from_bytes(data[10:14], "little"), int.from_bytes(data[14:18], "little")
    graph = _decoded(data[begin : begin + size], PARTITION, folder)
    return tuple(str(node["xnode_union_type"]).removeprefix("XNN") for node in graph.get("xnodes") or ())


def _traced(path: Path, calls: Calls, threads: int) -> tuple[dict[tuple[int, int], float], int]:
    """Mean µs of each instruction, over so many calls; the first is thrown away."""
    import torch
    from executorch.extension.pybindings import _C

    torch.set_num_threads(threads)
    _C._unsafe_reset_threadpool(threads)
    module: Any = _C._load_for_executorch(str(path), enable_etdump=True)
    given = [tuple(torch.from_numpy(array) for array in arrays) for arrays in calls()]
    count, end = 0, time.monotonic() + SECONDS
    while count < 2 or (count <= RUNS and time.monotonic() < end):
        module.run_method("forward", given[count % len(given)])
        count += 1
    with scratch_folder("trace") as folder:
        written = folder / "trace.etdp"
        module.write_etdump_result_to_file(str(written))
        trace = _decoded(written.read_bytes(), TRACE, folder, "--size-prefixed")
    runs = [run for run in trace["run_data"] if any(map(_is_call, run.get("events") or ()))][1:]
    spent = defaultdict[tuple[int, int], float](float)
    for run in runs:
        for event in filter(_is_call, run["events"]):
            told = event["profile_event"]
            place = (told.get("chain_index", 0), told.get("instruction_id", 0))
            spent[place] += (told["end_time"] - told["start_time"]) / 1000 / len(runs)
    return dict(spent), len(runs)


def _is_call(event: dict[str, Any]) -> bool:
    return (event.get("profile_event") or {}).get("name") in ("DELEGATE_CALL", "OPERATOR_CALL")


def _decoded(raw: bytes, schema: str, folder: Path, *words: str) -> dict[str, Any]:
    """A flatbuffer as JSON, by the schema that the package has of it.

    Raises:
        ArtifactError: it is another one, or the package has no compiler.
    """
    root = _package()
    data, told = folder / "data.bin", folder / "data.json"
    data.write_bytes(raw)
    told.unlink(missing_ok=True)
    command = [str(root / "data/bin/flatc"), "--json", "--strict-json", "--raw-binary", *words, "-o", str(folder)]
    try:
        done = ask([*command, str(root / schema), "--", str(data)], timeout_s=READ_SECONDS)
        text = told.read_text(errors="replace")
        found: dict[str, Any] = json.loads(NOT_JSON.sub("null", text))
    except Exception as error:
        raise ArtifactError(f"a part of the program is not as {schema} describes it: {error}") from error
    if done.returncode:
        raise ArtifactError(f"a part of the program is not as {schema} describes it")
    return found


def _package() -> Path:
    spec = importlib.util.find_spec("executorch")
    if spec is None or not spec.submodule_search_locations:
        raise ArtifactError("the executorch package is not here")
    return Path(next(iter(spec.submodule_search_locations)))


def _rules() -> Counter[str]:
    """The operators that XNNPACK's partitioner has rules for, read without running it: that takes seconds."""
    files = (_package() / RULES).glob("*.py")
    return Counter(found["name"] for file in files for found in RULE.finditer(file.read_text()))


def _cause(name: str, artifact: ArtifactDocument, rules: Counter[str]) -> str:
    told = artifact.undelegated.get(name)
    if told is not None:
        return f"XNNPACK's partitioner: {told}"
    if name not in rules:
        return f"XNNPACK's partitioner has no rule for {name}"
    return f"XNNPACK's partitioner has a rule for {name} that does not take it as it is called here"
