"""The edge server beside servers in FastAPI: latency, starts and memory on one core, over one kept socket."""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from artifacts import ROOT, make, tell
from asked import Asked, binary_request, free_port, json_request, ours
from serving_tables import BASELINE, LITERT, NATIVE, ONNX, Image, Server, costs, goals, latencies

import edgeproof
from edgeproof.measure.latency import still_collector
from edgeproof.report.markdown import table
from edgeproof.report.quantities import significant

__all__ = ["section"]

EXAMPLE = "examples/digits_snn.py"
FORMATS = ("sdk-native", "onnx", "litert")
PATH = "/v2/models/digits/infer"
INPUT = "pixels"
FEEDS = 50
ROUNDS = 20
CALLS = 200
LONGEST_TURN_S = 0.4
WARMUP = 20
STARTS = 7
IMAGE = (1, 224, 224, 3)
OLD = "p50 1.02 ms, p95 1.26 ms, cold start 4,593 ms"


def section() -> str:
    """Measure, and give the part of the page."""
    made = make(EXAMPLE, FORMATS)
    folders = {target.candidate: target.artifact for target in made.targets}
    pixels = np.load(made.inputs)[INPUT][:FEEDS].reshape(FEEDS, 1, -1)
    requests = {
        codec: [write(PATH, INPUT, row) for row in pixels]
        for codec, write in (("binary", binary_request), ("JSON", json_request))
    }
    servers = {
        f"edgeproof, {NATIVE}": Server(lambda port: ours(folders["sdk-native"], port), ("binary", "JSON")),
        f"edgeproof, {LITERT}": Server(lambda port: ours(folders["litert-fp32"], port), ("binary", "JSON")),
        f"edgeproof, {ONNX}": Server(lambda port: ours(folders["onnx-fp32"], port), ("binary", "JSON")),
    }
    absent = ""
    if find_spec("fastapi") and find_spec("uvicorn"):
        weights = ROOT / "examples" / "weights" / "digits_snn.safetensors"
        graph = next(folders["onnx-fp32"].glob("*.onnx"))
        servers["FastAPI, ONNX Runtime"] = Server(lambda port: fastapi("onnxruntime", graph, port), ("JSON",))
        servers[BASELINE] = Server(lambda port: fastapi("torch", weights, port), ("JSON",))
    else:
        absent = "\n\nFastAPI was not there (`pip install fastapi uvicorn`), so nothing stands beside them."
    starts(servers, requests)
    steady(servers, requests)
    with one_core():
        image = image_ms()
    return "\n\n".join(
        (
            "## The edge server",
            f"""\
`{EXAMPLE}:model` behind a server, asked over one kept TCP socket of the loopback interface,
with 64 pixels and 20 outputs a request, {FEEDS} held-out samples in turn. Client, server and the process of its model
share one core. In each of {ROUNDS} rounds every server takes one turn, in both its codecs: {WARMUP} requests to warm
up, then {CALLS} timed ones, fewer where they would last longer than {LONGEST_TURN_S} s. FastAPI runs on uvicorn with
uvloop and httptools, in one process, and knows JSON alone; with PyTorch it computes the same network, written out in
plain operations (`benchmarks/fastapi_server.py`). All of them gave the same spikes for every sample. For
scale, this product was made to
beat a server of {OLD}.{absent}

*Ratio* is the median of a turn over that of `{BASELINE}: JSON` in the same round, then the median over the
rounds; below 1 is faster.""",
            table(latencies(servers)),
            f"""\
{STARTS} fresh processes of each server, in turn; the file cache is warm. *First answer* is from process start to the
end of the first answer, in binary where the server knows that, *first request* from the moment a connection is taken
on; both on one core, as is the *processor time* by then, which other work on the machine does not lengthen much. *All
cores* is the first answer without that bound. Memory is read after the latencies: the peaks of resident memory of all
processes added up, in which what they share counts for each, and the proportional set size, in which it counts
once.""",
            table(costs(servers)),
            f"""\
A float image of {" × ".join(map(str, IMAGE[1:]))} in binary ({image.kilobytes:,.0f} kB), averaged by ONNX Runtime:
{significant(image.served_ms)} ms to be answered, {significant(image.alone_ms)} ms by `session.run` alone in the same
rounds, so {significant(image.served_ms - image.alone_ms)} ms above its inference (medians).""",
            "### Goals",
            table(goals(servers, image)),
        )
    )


def fastapi(runtime: str, file: Path, port: int) -> list[str]:
    """The command of a server in FastAPI."""
    return [sys.executable, str(Path(__file__).with_name("fastapi_server.py")), runtime, str(file), str(port)]


@contextmanager
def one_core() -> Iterator[None]:
    """This process and what it starts have one core, the last of those that it may use."""
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(usable)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, usable)


def starts(servers: Mapping[str, Server], requests: Mapping[str, Sequence[bytes]]) -> None:
    """Fresh processes, the servers in turn; one of each first, for the file cache."""
    for number in range(STARTS + 1):
        tell(f"the edge server: start {number} of {STARTS}")
        for server in servers.values():
            request = requests[server.codecs[0]][0]
            with one_core():
                exec_ms, first_ms, processor_ms = started(server, request)
            free_ms, _, _ = started(server, request)
            if number:
                server.exec_ms.append(exec_ms)
                server.first_ms.append(first_ms)
                server.processor_ms.append(processor_ms)
                server.free_ms.append(free_ms)


def started(server: Server, request: bytes) -> tuple[float, float, float]:
    """ms from its process's start, and from its listening on, to its first answer; ms of processor time by then."""
    port = free_port()
    with Asked(server.command(port), port) as asked:
        exec_ms, first_ms, _ = asked.first(request)
        return exec_ms, first_ms, asked.processor_ms()


def steady(servers: Mapping[str, Server], requests: Mapping[str, Sequence[bytes]]) -> None:
    """Turns of all servers, which are up at the same time; only one is asked."""
    with ExitStack() as stack:
        stack.enter_context(one_core())
        up: dict[str, Asked] = {}
        for name, server in servers.items():
            port = free_port()
            up[name] = stack.enter_context(Asked(server.command(port), port))
        agree(servers, up, requests)
        stack.enter_context(still_collector())
        for number in range(ROUNDS):
            tell(f"the edge server: round {number + 1} of {ROUNDS}")
            for name, server in servers.items():
                for codec in server.codecs:
                    turns = server.values_us.setdefault(codec, [])
                    turns.append(turn(up[name], requests[codec]))
        for name, server in servers.items():
            server.memory = up[name].memory()


def agree(servers: Mapping[str, Server], up: Mapping[str, Asked], requests: Mapping[str, Sequence[bytes]]) -> None:
    """Every server gives the same spikes for every sample.

    Raises:
        AssertionError: one does not.
    """
    expected: list[Any] = []
    for name, server in servers.items():
        for codec in server.codecs:
            found = []
            for request in requests[codec]:
                _, _, answer = up[name].first(request)
                output = next(each for each in answer.told["outputs"] if each["name"] == "spikes")
                place = (
                    sum(
                        each["parameters"]["binary_data_size"]
                        for each in answer.told["outputs"][: answer.told["outputs"].index(output)]
                    )
                    if answer.binary
                    else 0
                )
                raw = answer.binary[place : place + 40]
                found.append(np.frombuffer(raw, np.float32).tolist() if answer.binary else output["data"])
            expected = expected or found
            assert found == expected, f"{name} in {codec} computes something else"


def turn(asked: Asked, requests: Sequence[bytes]) -> list[float]:
    """Latencies of one turn, in µs."""
    ask, clock = asked.connection.ask, time.perf_counter_ns
    for number in range(WARMUP):
        ask(requests[number % len(requests)])
    values: list[float] = []
    end = clock() + LONGEST_TURN_S * 1e9
    for number in range(CALLS):
        request = requests[number % len(requests)]
        begin = clock()
        ask(request)
        now = clock()
        values.append((now - begin) / 1e3)
        if now > end:
            break
    return values


def image_ms() -> Image:
    """An image in binary, through the server and through the session alone, in turns."""
    tell("the edge server: a large image")
    image = np.random.default_rng(0).random(IMAGE, dtype=np.float32)
    with tempfile.TemporaryDirectory() as folder:
        file = averaging(Path(folder) / "image.onnx")
        port = free_port()
        with Asked(ours(file, port), port) as asked, edgeproof.open(file, threads=1) as session:
            request = binary_request(PATH, "image", image)
            served: list[float] = []
            alone: list[float] = []
            for number in range(ROUNDS * 10 + WARMUP):
                begin = time.perf_counter_ns()
                asked.connection.ask(request)
                between = time.perf_counter_ns()
                session.run({"image": image})
                if number >= WARMUP:
                    served.append((between - begin) / 1e6)
                    alone.append((time.perf_counter_ns() - between) / 1e6)
    return Image(image.nbytes / 1e3, statistics.median(served), statistics.median(alone))


def averaging(path: Path) -> Path:
    """A graph that takes the mean of each channel of an image."""
    from onnx import TensorProto, helper, save

    given = helper.make_tensor_value_info("image", TensorProto.FLOAT, IMAGE)
    means = helper.make_tensor_value_info("means", TensorProto.FLOAT, (1, IMAGE[3]))
    node = helper.make_node("ReduceMean", ["image"], ["means"], axes=[1, 2], keepdims=0)
    graph = helper.make_graph([node], "image", [given], [means])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


if __name__ == "__main__":
    print(section())
