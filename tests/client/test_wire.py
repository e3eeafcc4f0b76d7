"""The client's codec: against itself, against Triton's own client, and against answers that lie."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeproof.client.wire import CODECS, DTYPES, encode_call, parse_answer
from edgeproof.errors import ServingError, UsageError
from edgeproof.serve.protocol import decode_request
from edgeproof.serve.tensors import DATATYPES, Tensor

ARRAYS = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda datatype: hnp.arrays(DTYPES[datatype], hnp.array_shapes(max_dims=3, max_side=4))
)


def answer_of(outputs: dict[str, np.ndarray], *, raw: bool) -> tuple[bytes, int | None]:
    """As a server writes it."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    tensors: list[dict[str, Any]] = []
    for name, array in outputs.items():
        tensor: dict[str, Any] = {"name": name, "shape": list(array.shape), "datatype": names[array.dtype]}
        if raw:
            tensor["parameters"] = {"binary_data_size": array.nbytes}
        else:
            tensor["data"] = array.ravel().tolist()
        tensors.append(tensor)
    head = json.dumps({"model_name": "m", "outputs": tensors, "parameters": {"inference_us": 3.5}}).encode()
    return (head + b"".join(array.tobytes() for array in outputs.values()), len(head)) if raw else (head, None)


@given(st.lists(ARRAYS, min_size=1, max_size=3))
def test_raw_tensors_come_back_bit_by_bit(arrays: list[np.ndarray]) -> None:
    outputs = {f"o{index}": array for index, array in enumerate(arrays)}
    answer = parse_answer(*answer_of(outputs, raw=True))
    for name, array in outputs.items():
        found = answer.outputs[name]
        assert isinstance(found, np.ndarray)
        assert (found.dtype, found.shape, found.tobytes()) == (array.dtype, array.shape, array.tobytes())
    bad = sum(int((~np.isfinite(array)).sum()) for array in arrays if array.dtype.kind == "f")
    assert (answer.non_finite, answer.parameters) == (bad, {"inference_us": 3.5})


@given(ARRAYS)
def test_a_binary_request_is_the_json_and_the_bytes_behind_it(array: np.ndarray) -> None:
    call = encode_call("binary", {"x": array, "y": array})
    assert call.json_bytes is not None
    head = json.loads(call.body[: call.json_bytes])
    assert call.body[call.json_bytes :] == array.tobytes() * 2
    assert [tensor["parameters"]["binary_data_size"] for tensor in head["inputs"]] == [array.nbytes] * 2
    assert head["parameters"] == {"binary_data_output": True}


@given(ARRAYS.filter(lambda array: array.dtype.kind != "f" or bool(np.isfinite(array).all())))
def test_our_server_reads_both_as_the_same_bytes(array: np.ndarray) -> None:
    datatype = next(name for name, dtype in DTYPES.items() if dtype == array.dtype)
    tensor = Tensor("x", DATATYPES[datatype], array.shape)
    for codec in CODECS:
        call = encode_call(codec, {"x": array})
        decoded = decode_request(call.body, [tensor], [], json_bytes=call.json_bytes)
        assert [bytes(packed) for packed in decoded.inputs] == [array.tobytes()]


def test_triton_s_own_client_writes_the_same_request_and_reads_the_same_answer() -> None:
    http = pytest.importorskip("tritonclient.http")
    x, flags = np.arange(6, dtype=np.float32).reshape(2, 3), np.array([True, False])
    given_: list[Any] = []
    for name, array, datatype in (("x", x, "FP32"), ("flags", flags, "BOOL")):
        tensor = http.InferInput(name, array.shape, datatype)
        tensor.set_data_from_numpy(array, binary_data=True)
        given_.append(tensor)
    theirs, their_length = http.InferenceServerClient.generate_request_body(given_)
    call = encode_call("binary", {"x": x, "flags": flags})
    ours = json.loads(call.body[: call.json_bytes])
    head = json.loads(theirs[:their_length])
    assert ours["inputs"] == head["inputs"]
    assert ours["parameters"] == head["parameters"]
    assert call.body[call.json_bytes :] == theirs[their_length:]
    body, length = answer_of({"scores": x, "flags": flags}, raw=True)
    read = http.InferenceServerClient.parse_response_body(body, header_length=length)
    answer = parse_answer(body, length)
    for name in ("scores", "flags"):
        np.testing.assert_array_equal(read.as_numpy(name), answer.outputs[name])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda body, length: (body, length + 1000), "says that"),
        (lambda body, length: (body[:-1], length), "1 bytes behind the answer"),
        (lambda body, length: (body + b"..", length), "2 bytes behind its last tensor"),
        (lambda body, length: (body.replace(b'"FP32"', b'"BF16"'), length), "is BF16"),
        (lambda body, length: (body.replace(b'_size": 24', b'_size": 23'), length), "23 raw bytes"),
        (lambda body, length: (body.replace(b'_size": 24', b'_size": -4'), length), "-4 raw bytes"),
        (lambda body, length: (body[: length - 3], length - 3), "not the protocol's"),
    ],
)
def test_an_answer_that_lies_is_refused(change: Any, message: str) -> None:
    body, length = answer_of({"scores": np.arange(6, dtype=np.float32).reshape(2, 3)}, raw=True)
    with pytest.raises(ServingError, match=message):
        parse_answer(*change(body, length))


@given(st.binary(max_size=200), st.integers(-5, 300))
def test_anything_else_is_refused_and_nothing_else_happens(body: bytes, length: int) -> None:
    with pytest.raises(ServingError):
        parse_answer(body, length)


@pytest.mark.parametrize(
    ("data", "shape", "message"),
    [([1.0], [2], "1 values"), ([[1.0], [2.0, 3.0]], [3], "values|rectangular"), (None, [1], "neither data")],
)
def test_json_values_are_counted(data: Any, shape: list[int], message: str) -> None:
    tensor = {"name": "s", "datatype": "FP32", "shape": shape, **({} if data is None else {"data": data})}
    with pytest.raises(ServingError, match=message):
        parse_answer(json.dumps({"outputs": [tensor]}).encode(), None)


def test_nested_json_and_its_count_of_what_is_not_finite() -> None:
    tensor = {"name": "s", "datatype": "FP32", "shape": [2, 1], "data": [[1], [None]], "parameters": {"non_finite": 1}}
    answer = parse_answer(json.dumps({"outputs": [tensor]}).encode(), None)
    assert (answer.outputs["s"], answer.non_finite) == ([[1], [None]], 1)


def test_what_the_protocol_cannot_carry() -> None:
    with pytest.raises(UsageError, match="complex64"):
        encode_call("binary", {"x": np.ones(2, np.complex64)})
