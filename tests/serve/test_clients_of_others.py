"""A server as a client sees it that was written by others: ``tritonclient``, over HTTP, JSON and binary."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from tests.doubles.artifact import ECHO_SHAPE as SHAPE

from edgeproof.serve.spawned import SpawnedServer
from edgeproof.serve.tensors import DATATYPES

Array = npt.NDArray[Any]

triton = pytest.importorskip("tritonclient.http")
Refusal = pytest.importorskip("tritonclient.utils").InferenceServerException


@pytest.fixture(scope="module")
def client(three: SpawnedServer) -> Iterator[Any]:
    with triton.InferenceServerClient(three.ready.url.removeprefix("http://"), network_timeout=20.0) as found:
        yield found


def given(name: str, datatype: str, values: Array, *, binary: bool) -> Any:
    """An input of theirs."""
    found = triton.InferInput(name, list(values.shape), datatype)
    found.set_data_from_numpy(values, binary_data=binary)
    return found


def asked(*outputs: str, binary: bool) -> list[Any]:
    return [triton.InferRequestedOutput(name, binary_data=binary) for name in outputs]


def pair(count: int = 1, *, binary: bool) -> tuple[list[Any], Array, Array]:
    """Inputs of ``sums``, with their values."""
    a = np.arange(4 * count, dtype=np.float32).reshape(count, 4)
    b = np.full_like(a, 0.5)
    return [given("a", "FP32", a, binary=binary), given("b", "FP32", b, binary=binary)], a, b


def extremes(name: str) -> Array:
    """The least, the greatest and others of a datatype's values."""
    dtype = np.dtype(DATATYPES[name].dtype)
    if dtype == np.bool_:
        return np.array([0, 1, 1, 0, 0, 1], dtype).reshape(SHAPE)
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    others = [-1.5, limits.tiny] if isinstance(limits, np.finfo) else [3, 4]  # type: ignore[list-item]
    return np.array([limits.min, limits.max, 0, 1, *others], dtype).reshape(SHAPE)


def test_the_server_and_its_models_tell_who_they_are(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    told = client.get_server_metadata()
    assert told["name"] == "edgeproof"
    assert {"binary_tensor_data", "sequence"} <= set(told["extensions"])
    for name in ("echo", "sums", "cell"):
        assert client.is_model_ready(name)
        assert client.is_model_ready(name, "1")
    assert not client.is_model_ready("other")
    assert client.get_model_metadata("sums", "1") == {
        **client.get_model_metadata("sums"),
        "inputs": [{"name": name, "datatype": "FP32", "shape": [-1, 4]} for name in ("a", "b")],
        "outputs": [{"name": name, "datatype": "FP32", "shape": [-1, 4]} for name in ("sum", "difference")],
    }
    (step,) = client.get_model_metadata("cell")["sequence"]["inputs"]
    assert step == {"name": "x", "datatype": "FP32", "shape": [1, 2]}


@pytest.mark.parametrize("takes", ["binary", "json"])
@pytest.mark.parametrize("gives", ["binary", "json"])
def test_every_datatype_comes_back_as_it_went(client: Any, takes: str, gives: str) -> None:
    """FP16 goes in binary alone: it is this client's rule."""
    sent = {name: extremes(name) for name in DATATYPES}
    inputs = [
        given(f"in_{name}", name, values, binary=takes == "binary" or name == "FP16") for name, values in sent.items()
    ]
    outputs = asked(*(f"out_{name}" for name in DATATYPES), binary=gives == "binary")
    found = client.infer("echo", inputs, outputs=outputs)
    for name, values in sent.items():
        came = found.as_numpy(f"out_{name}")
        assert came.dtype == values.dtype, name
        assert came.tolist() == values.tolist(), name
        assert ("data" in found.get_output(f"out_{name}")) == (gives == "json")


@pytest.mark.parametrize("binary", [True, False])
def test_several_inputs_and_outputs_some_in_binary_some_in_json(
    client: Any, models_of_others: Path, binary: bool
) -> None:
    inputs, a, b = pair(binary=binary)
    inputs[1] = given("b", "FP32", b, binary=not binary)
    outputs = [*asked("difference", binary=True), *asked("sum", binary=False)]
    found = client.infer("sums", inputs, outputs=outputs, request_id="seven")
    assert found.as_numpy("sum").tolist() == (a + b).tolist()
    assert found.as_numpy("difference").tolist() == (a - b).tolist()
    told = found.get_response()
    assert told["id"] == "seven"
    assert [output["name"] for output in told["outputs"]] == ["difference", "sum"]
    assert told["outputs"][0]["parameters"] == {"binary_data_size": 16}
    assert told["outputs"][1]["data"] == (a + b).ravel().tolist()
    assert told["parameters"]["runtime"] == "ONNX Runtime"
    assert told["parameters"]["inference_us"] > 0
    assert (
        told["parameters"]["artifact_sha256"]
        == hashlib.sha256((models_of_others / "sums.onnx").read_bytes()).hexdigest()
    )


def test_what_is_not_said_comes_in_binary(client: Any) -> None:
    inputs, a, b = pair(binary=True)
    found = client.infer("sums", inputs, parameters={"who": "somebody"}, headers={"X-Trace": "1"})
    assert found.as_numpy("sum").tolist() == (a + b).tolist()
    assert all("data" not in output for output in found.get_response()["outputs"])


@pytest.mark.parametrize("binary", [True, False])
def test_a_batch_is_several_calls(client: Any, binary: bool) -> None:
    inputs, a, b = pair(5, binary=binary)
    found = client.infer("sums", inputs, outputs=asked("sum", "difference", binary=binary))
    assert found.as_numpy("sum").tolist() == (a + b).tolist()
    assert found.as_numpy("difference").tolist() == (a - b).tolist()


@pytest.mark.parametrize("binary", [True, False])
def test_sequences_go_on_and_do_not_mix(client: Any, binary: bool) -> None:
    states = {7: np.zeros((1, 2), np.float32), "seven": np.zeros((1, 2), np.float32)}
    for step in range(4):
        for name in states:
            x = np.array([[step + 1, len(str(name))]], np.float32)
            states[name] += x
            ends = {"sequence_start": step == 0, "sequence_end": step == 3}
            outputs = asked("y", binary=binary)
            found = client.infer(
                "cell", [given("x", "FP32", x, binary=binary)], outputs=outputs, sequence_id=name, **ends
            )
            assert found.as_numpy("y").tolist() == (states[name] ** 2).tolist()
    with pytest.raises(Refusal, match="there is no sequence 7"):
        client.infer("cell", [given("x", "FP32", x, binary=binary)], sequence_id=7)


def test_calls_at_the_same_time_get_each_its_own_answer(three: SpawnedServer) -> None:
    address = three.ready.url.removeprefix("http://")
    with triton.InferenceServerClient(address, concurrency=4, network_timeout=20.0) as several:
        waited_for = []
        for number in range(40):
            a = np.full((1, 4), number, np.float32)
            inputs = [given("a", "FP32", a, binary=True), given("b", "FP32", a, binary=number % 2 == 0)]
            waited_for.append(several.async_infer("sums", inputs, request_id=str(number)))
        for number, waits in enumerate(waited_for):
            found = waits.get_result()
            assert found.get_response()["id"] == str(number)
            assert found.as_numpy("sum").tolist() == [[2.0 * number] * 4]


@pytest.mark.parametrize(
    ("model", "version", "datatype", "shape", "outputs", "status", "message"),
    [
        ("other", "", "FP32", (1, 4), [], "404", "unknown model 'other'"),
        ("sums", "2", "FP32", (1, 4), [], "404", "unknown version '2'"),
        ("sums", "", "INT32", (1, 4), [], "400", "expected FP32"),
        ("sums", "", "FP32", (1, 5), [], "400", r"expected \[-1, 4\]"),
        ("sums", "", "FP32", (64, 4), [], "400", "a batch of 64; a request may have 32"),
        ("sums", "", "FP32", (1, 4), ["nope"], "400", "unknown output 'nope'"),
        ("sums", "", "FP32", (1, 4), ["sum", "sum"], "400", "asked for twice"),
    ],
)
@pytest.mark.parametrize("binary", [True, False])
def test_what_is_wrong_is_said_and_the_connection_goes_on(
    client: Any,
    model: str,
    version: str,
    datatype: str,
    shape: tuple[int, ...],
    outputs: list[str],
    status: str,
    message: str,
    binary: bool,
) -> None:
    values = np.zeros(shape, DATATYPES[datatype].dtype)
    inputs = [given(name, datatype, values, binary=binary) for name in ("a", "b")]
    with pytest.raises(Refusal, match=message) as told:
        client.infer(model, inputs, model_version=version, outputs=asked(*outputs, binary=binary))
    assert told.value.status() == status
    inputs, a, b = pair(binary=binary)
    assert client.infer("sums", inputs).as_numpy("sum").tolist() == (a + b).tolist()


def test_inputs_that_are_missing_or_of_different_batches_are_refused(client: Any) -> None:
    inputs, _, _ = pair(binary=True)
    with pytest.raises(Refusal, match="missing input 'b'"):
        client.infer("sums", inputs[:1])
    more, _, _ = pair(3, binary=True)
    with pytest.raises(Refusal, match="batches of different sizes"):
        client.infer("sums", [inputs[0], more[1]])


def test_what_this_server_does_not_speak_is_refused_in_words(client: Any) -> None:
    inputs, _, _ = pair(binary=True)
    with pytest.raises(Refusal, match="classification extension") as told:
        client.infer("sums", inputs, outputs=[triton.InferRequestedOutput("sum", class_count=2)])
    assert told.value.status() == "400"
    for ask in (client.get_model_repository_index, lambda: client.get_inference_statistics("sums")):
        with pytest.raises(Refusal, match="there is nothing at") as told:
            ask()
        assert told.value.status() == "404"
    with pytest.raises(Refusal, match="compressed with gzip") as told:
        client.infer("sums", inputs, request_compression_algorithm="gzip")
    assert told.value.status() == "415"
    assert client.infer("sums", inputs, response_compression_algorithm="gzip").as_numpy("sum") is not None
