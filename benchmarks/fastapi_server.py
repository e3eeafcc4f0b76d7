"""What a server of one model looks like in FastAPI: the same request and answer in JSON, as little around it as can be.

    python benchmarks/fastapi_server.py torch|onnxruntime FILE PORT

``torch`` computes the example network of spiking neurons as written here, from its weights; ``onnxruntime`` opens a
graph. Both use one thread, and uvicorn with uvloop and httptools.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from pydantic import BaseModel

TIMESTEPS = 25
Run = Callable[[Any], dict[str, Any]]


class Tensor(BaseModel):
    """An input or output."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Request(BaseModel):
    """``POST …/infer``."""

    inputs: list[Tensor]


class Answer(BaseModel):
    """What comes back."""

    model_name: str
    outputs: list[Tensor]


def app(run: Run) -> FastAPI:
    """The server of a function from the first input to the outputs by name."""

    def infer(request: Request) -> Answer:
        given = request.inputs[0]
        outputs = run(np.array(given.data, np.float32).reshape(given.shape))
        tensors = [
            Tensor(name=name, shape=list(array.shape), datatype="FP32", data=array.ravel().tolist())
            for name, array in outputs.items()
        ]
        return Answer(model_name="digits", outputs=tensors)

    found = FastAPI()
    found.add_api_route("/v2/models/digits/infer", infer, methods=["POST"])
    return found


def with_torch(weights: str) -> Run:
    """The network of ``examples/digits_snn.py`` without the library that it was trained with, which would load more."""
    import torch
    from safetensors.torch import load_file

    torch.set_num_threads(1)
    held = load_file(weights)
    layers = [(held[f"{name}.weight"], held[f"{name}.bias"]) for name in ("fc1", "fc2")]

    def step(x: Any, membrane: Any) -> tuple[Any, Any]:
        membrane = 0.9 * membrane + x - (membrane > 1).float()
        return (membrane > 1).float(), membrane

    def run(pixels: Any) -> dict[str, Any]:
        with torch.inference_mode():
            first, second, total = torch.zeros(1, 128), torch.zeros(1, 10), torch.zeros(1, 10)
            x = torch.from_numpy(pixels)
            for _ in range(TIMESTEPS):
                spikes, first = step(torch.nn.functional.linear(x, *layers[0]), first)
                spikes, second = step(torch.nn.functional.linear(spikes, *layers[1]), second)
                total += spikes
            return {"spikes": total.numpy(), "membrane": second.numpy()}

    return run


def with_onnxruntime(graph: str) -> Run:
    """An ONNX graph."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    (name,) = (told.name for told in session.get_inputs())
    outputs = [told.name for told in session.get_outputs()]
    return lambda pixels: dict(zip(outputs, session.run(outputs, {name: pixels}), strict=True))


if __name__ == "__main__":
    runtime, file, port = sys.argv[1:]
    made = app({"torch": with_torch, "onnxruntime": with_onnxruntime}[runtime](file))
    uvicorn.run(made, host="127.0.0.1", port=int(port), log_level="critical", access_log=False)
