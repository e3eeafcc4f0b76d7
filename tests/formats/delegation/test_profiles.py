"""The figures held against each runtime's own words of itself, taken in another way than we take them."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable
from ctypes import byref, c_char_p
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.formats.delegation.conftest import Asked
from tests.formats.delegation.splits import OPERATORS, PLACES, SHAPE, Split, samples
from tests.formats.delegation.test_splits import grouped

from edgeproof.documents.delegation import Delegation
from edgeproof.formats.delegation.litert_profile import LiteRTProfile

pytestmark = pytest.mark.slow

Asking = Callable[[str, str], dict[str, Asked]]
NAMES = ("none", "middle", "two")
CLOSE = 0.25
"""Of a share of time: two profiles of one graph on a machine with other work."""


def seen(asked: Asking, format_name: str, precision: str, name: str) -> tuple[Path, Delegation]:
    found = asked(format_name, precision)[name]
    (file,) = (path for path in found.artifact.iterdir() if path.suffix in (".tflite", ".onnx", ".pte", ".xml"))
    return file, found.told.delegations[0]


def counted(told: Delegation, *, inside: bool) -> Counter[str]:
    found: Counter[str] = Counter()
    for operator in told.operators:
        if operator.inside == inside:
            found[operator.name] += operator.count
    return found


@grouped("litert")
@pytest.mark.parametrize("name", NAMES)
def test_litert_against_the_summary_of_its_profiler(asked: Asking, name: str) -> None:
    file, told = seen(asked, "litert", "fp32", name)
    profile = LiteRTProfile(file)
    for given in profile.inputs:
        profile.feed(given, samples(1)["x"][0])
    profile.run()
    profile.start()
    for _ in range(50):
        profile.run()
    summary = c_char_p()
    profile._call("LiteRtStopProfiler", profile._profiler)
    profile._call("LiteRtGetProfileSummary", profile._profiler, profile._model, byref(summary))
    text = (summary.value or b"").decode()
    rows = re.findall(
        r"^ *(?P<op>\S.*?) +[\d.]+ +[\d.]+ +(?P<ms>[\d.]+) .*\[Builtin\]:\d+$", text.split("Top by")[0], re.M
    )
    assert Counter(op for op, _ in rows) == counted(told, inside=False)


@grouped("onnx")
@pytest.mark.parametrize("name", NAMES)
def test_onnx_against_the_file_of_its_profile(asked: Asking, name: str, tmp_path: Path) -> None:
    import onnxruntime

    file, told = seen(asked, "onnx", "int8", name)
    options = onnxruntime.SessionOptions()
    options.enable_profiling, options.profile_file_prefix = True, str(tmp_path / "p")
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    for values in samples()["x"]:
        session.run(None, {session.get_inputs()[0].name: values})
    events = json.loads(Path(session.end_profiling()).read_bytes())
    spent, kinds = defaultdict[str, float](float), dict[str, str]()
    for event in events:
        if event["cat"] == "Node":
            kinds[event["name"]] = event["args"]["op_name"]
            spent[event["args"]["op_name"]] += event["dur"]
    assert Counter(kinds.values()) == counted(told, inside=True) + counted(told, inside=False)
    inside = sum(spent[kind] for kind in counted(told, inside=True)) / sum(spent.values())
    assert told.time_inside == pytest.approx(inside, abs=CLOSE)


@grouped("openvino")
@pytest.mark.parametrize("name", NAMES)
def test_openvino_against_its_execution_graph(asked: Asking, name: str) -> None:
    import openvino

    file, told = seen(asked, "openvino", "fp32", name)
    hints = {"INFERENCE_PRECISION_HINT": "f32", "PERF_COUNT": True, "INFERENCE_NUM_THREADS": 1}
    compiled = openvino.Core().compile_model(file, "CPU", hints)
    request = compiled.create_infer_request()
    for values in samples()["x"]:
        request.infer({0: values})

    def word(operation: Any, key: str) -> str:
        return str(operation.get_rt_info()[key].value)

    ran = [op for op in compiled.get_runtime_model().get_ordered_ops() if word(op, "execTimeMcs") != "not_executed"]
    plain = Counter(op for op in ran if word(op, "primitiveType").startswith("ref"))
    assert len(ran) == told.inside + told.outside
    assert sum(plain.values()) == told.outside
    spent = {op: float(word(op, "execTimeMcs")) for op in ran}
    outside = sum(spent[op] for op in plain) / sum(spent.values())
    assert told.time_inside == pytest.approx(1 - outside, abs=CLOSE)


@grouped("executorch")
@pytest.mark.parametrize("name", NAMES)
def test_executorch_against_the_delegation_info_of_its_lowering(asked: Asking, name: str) -> None:
    import torch
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.devtools.backend_debug import get_delegation_info
    from executorch.exir import to_edge_transform_and_lower

    _, told = seen(asked, "executorch", "fp32", name)
    module = Split(OPERATORS["executorch"], PLACES[name]).eval()
    program = torch.export.export(module, (torch.zeros(SHAPE),))
    lowered = to_edge_transform_and_lower(program, partitioner=[XnnpackPartitioner()])
    info = get_delegation_info(lowered.exported_program().graph_module)
    outside = {op: found.non_delegated for op, found in info.delegation_by_operator.items() if found.non_delegated}
    outside.pop("getitem", None)  # what takes a delegate's output apart runs nothing
    assert info.num_delegated_subgraphs == told.partitions
    assert {op.removeprefix("aten_").removesuffix("_default"): count for op, count in outside.items()} == {
        op.removeprefix("aten."): count for op, count in counted(told, inside=False).items()
    }


@grouped("executorch")
def test_executorch_against_its_inspector(asked: Asking, tmp_path: Path) -> None:
    import torch
    from executorch.devtools import Inspector
    from executorch.extension.pybindings import _C

    file, told = seen(asked, "executorch", "fp32", "two")
    _C._unsafe_reset_threadpool(1)
    module: Any = _C._load_for_executorch(str(file), enable_etdump=True)
    for values in samples()["x"]:
        module.run_method("forward", (torch.from_numpy(values),))
    module.write_etdump_result_to_file(str(tmp_path / "trace.etdp"))
    events = next(
        block for block in Inspector(etdump_path=str(tmp_path / "trace.etdp")).event_blocks if block.name == "Execute"
    )
    spent = {"DELEGATE_CALL": 0.0, "OPERATOR_CALL": 0.0}
    calls = Counter(event.name for event in events.events if event.name in spent)
    for event in events.events:
        if event.name in spent:
            spent[event.name] += float(np.mean(event.perf_data.raw))
    assert calls == {"DELEGATE_CALL": told.partitions, "OPERATOR_CALL": told.outside}
    assert told.time_inside == pytest.approx(spent["DELEGATE_CALL"] / sum(spent.values()), abs=CLOSE)
