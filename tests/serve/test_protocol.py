"""The codec: what goes in comes out, and everything else is refused with what was seen and what was expected."""

from __future__ import annotations

import json
import time
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from edgeproof.errors import ServingError
from edgeproof.serve.protocol import ProtocolError, decode_request, encode_response
from edgeproof.serve.tensors import DATATYPES, DTYPES, Tensor, tensor_of

X = tensor_of("x", "float32", (2, 3))
OUT = (tensor_of("scores", "float32", (1, 2)), tensor_of("aux", "int64", (1,)))

arrays = st.sampled_from(sorted(DTYPES)).flatmap(
    lambda dtype: hnp.arrays(
        np.dtype(dtype),
        hnp.array_shapes(min_dims=1, max_dims=4, min_side=1, max_side=4),
        elements={"allow_nan": False, "allow_infinity": False} if dtype.startswith("float") else None,
    )
)


def body(**changes: object) -> bytes:
    tensor: dict[str, object] = {"name": "x", "shape": [2, 3], "datatype": "FP32", "data": [1, 2, 3, 4, 5, 6]}
    tensor.update(changes)
    return json.dumps({"inputs": [tensor]}).encode()


def tensor(array: np.ndarray, name: str = "t") -> Tensor:
    return tensor_of(name, str(array.dtype), array.shape)


def asked(array: np.ndarray, *, binary: bool = False, **more: object) -> tuple[bytes, int | None]:
    """A request for one array, and bytes of JSON in it."""
    about: dict[str, object] = {"name": "t", "shape": list(array.shape), "datatype": DTYPES[str(array.dtype)].name}
    if not binary:
        return json.dumps({"inputs": [{**about, "data": array.ravel().tolist()}], **more}).encode(), None
    about["parameters"] = {"binary_data_size": array.nbytes}
    text = json.dumps({"inputs": [about], **more}).encode()
    return text + array.tobytes(), len(text)


@given(array=arrays)
def test_an_array_survives_the_request_flat_nested_and_binary(array: np.ndarray) -> None:
    flat, _ = asked(array)
    told = json.loads(flat)
    nested = json.dumps({"inputs": [{**told["inputs"][0], "data": array.tolist()}]}).encode()
    for raw, json_bytes in ((flat, None), (nested, None), asked(array, binary=True)):
        (data,) = decode_request(raw, [tensor(array)], [], json_bytes=json_bytes).inputs
        assert bytes(data) == array.tobytes()


@given(array=arrays)
def test_an_array_survives_the_response(array: np.ndarray) -> None:
    spec = tensor(array)
    raw, _ = asked(array, id="7")
    request = decode_request(raw, [spec], [spec])
    encoded = encode_response("m", "1", [spec], [array.tobytes()], request=request)
    assert encoded.json_bytes is None
    answer = json.loads(encoded.body)
    found = answer["outputs"][0]
    assert answer["id"] == "7"
    assert np.array_equal(np.array(found["data"], array.dtype).reshape(found["shape"]), array)


@given(array=arrays)
def test_an_array_survives_a_binary_response(array: np.ndarray) -> None:
    spec = tensor(array)
    raw, json_bytes = asked(array, binary=True, parameters={"binary_data_output": True})
    request = decode_request(raw, [spec], [spec], json_bytes=json_bytes)
    encoded = encode_response("m", "1", [spec], [array.tobytes()], request=request)
    assert encoded.json_bytes is not None
    (found,) = json.loads(encoded.body[: encoded.json_bytes])["outputs"]
    assert found["parameters"] == {"binary_data_size": array.nbytes}
    assert "data" not in found
    assert encoded.body[encoded.json_bytes :] == array.tobytes()


def binary(*sizes: object, raw: bytes = bytes(24), more: dict[str, object] | None = None) -> tuple[bytes, int]:
    inputs = [
        {"name": "x", "shape": [2, 3], "datatype": "FP32", "parameters": {"binary_data_size": size}, **(more or {})}
        for size in sizes
    ]
    text = json.dumps({"inputs": inputs}).encode()
    return text + raw, len(text)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (binary(24, raw=bytes(23)), "has 24 bytes, and 23 are left"),
        (binary(24, raw=bytes(25)), "25 bytes follow the JSON, and its inputs take 24"),
        (binary(20), "has 20 bytes; shape .* takes 24"),
        (binary(-1), "expected a number of bytes"),
        (binary(True), "expected a number of bytes"),
        (binary("24"), "expected a number of bytes"),
        (binary(24, more={"data": [1, 2, 3, 4, 5, 6]}), "has data and a parameter"),
        ((binary(24)[0], None), "not valid"),
        ((binary(24, raw=b"")[0], None), "has no header Inference-Header-Content-Length"),
        ((b"{}", 3), "Inference-Header-Content-Length is 3, and the body has 2"),
    ],
)
def test_binary_tensors_that_do_not_fit_are_refused(raw: tuple[bytes, int | None], message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        decode_request(raw[0], [X], OUT, json_bytes=raw[1])


def test_a_bool_is_0_or_1() -> None:
    flags = np.array([True, False])
    raw, json_bytes = asked(flags, binary=True)
    decode_request(raw, [tensor(flags)], [], json_bytes=json_bytes)
    with pytest.raises(ProtocolError, match="neither 0 nor 1"):
        decode_request(raw[:-1] + b"\2", [tensor(flags)], [], json_bytes=json_bytes)


def test_a_batch_is_several_calls_where_the_model_takes_one() -> None:
    one = tensor_of("t", "float32", (1, 3))
    array = np.arange(12, dtype=np.float32).reshape(4, 3)
    for raw, json_bytes in (asked(array), asked(array, binary=True)):
        request = decode_request(raw, [one], [one], json_bytes=json_bytes, most_calls=4)
        assert request.calls == 4
        assert bytes(request.inputs[0]) == array.tobytes()
        answer = json.loads(encode_response("m", "1", [one], [array.tobytes()], request=request).body)
        assert answer["outputs"][0]["shape"] == [4, 3]
        with pytest.raises(ProtocolError, match="is a batch of 4; a request may have 3"):
            decode_request(raw, [one], [one], json_bytes=json_bytes, most_calls=3)
        with pytest.raises(ProtocolError, match=r"expected \[1, 3\]"):
            decode_request(raw, [one], [one], json_bytes=json_bytes)
    with pytest.raises(ProtocolError, match=r"has shape \[0, 3\]; expected \[-1, 3\]"):
        decode_request(asked(array[:0])[0], [one], [one], most_calls=4)
    both = {"inputs": [{**json.loads(asked(array)[0])["inputs"][0], "name": name} for name in ("t", "u")]}
    both["inputs"][1].update(shape=[3, 3], data=[0.0] * 9)
    two = [one, tensor_of("u", "float32", (1, 3))]
    with pytest.raises(ProtocolError, match="batches of different sizes: 't' 4, 'u' 3"):
        decode_request(json.dumps(both).encode(), two, [one], most_calls=4)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"sequence_start": True}, "need a sequence_id"),
        ({"sequence_id": True}, "expected a number, or a text"),
        ({"sequence_id": 1.5}, "expected a number, or a text"),
        ({"sequence_id": "x" * 201}, "expected a number, or a text"),
        ({"sequence_id": 7, "sequence_end": 1}, "sequence_end is 1; expected true or false"),
        ({"sequence_id": 7}, "no states to keep"),
        ({"binary_data_output": "yes"}, "binary_data_output"),
    ],
)
def test_parameters_that_are_wrong_are_refused(parameters: dict[str, object], message: str) -> None:
    raw = json.dumps({**json.loads(body()), "parameters": parameters}).encode()
    with pytest.raises(ProtocolError, match=message):
        decode_request(raw, [X], OUT)


def test_a_request_of_a_sequence_is_of_one_time_step() -> None:
    step = (tensor_of("x", "float32", (3,)),), (tensor_of("now", "float32", (2,)),)
    one = {"name": "x", "shape": [3], "datatype": "FP32", "data": [1, 2, 3]}
    raw = json.dumps({"inputs": [one], "parameters": {"sequence_id": "a", "sequence_start": True}}).encode()
    request = decode_request(raw, [X], OUT, step=step)
    assert request.sequence == ("a", True, False)
    assert [name for name, _ in request.outputs] == ["now"]
    assert decode_request(body(), [X], OUT, step=step).sequence is None


def test_more_values_than_the_model_takes_are_refused_before_anything_is_made_of_them() -> None:
    values = b"[" + b"0.5," * 2_000_000 + b"0]"
    raw = body().replace(b"[1, 2, 3, 4, 5, 6]", values)
    tracemalloc.start()
    try:
        with pytest.raises(ProtocolError, match=r"input 'x' has more values than shape \[2, 3\] takes, 6"):
            decode_request(raw, [X], OUT)
        assert tracemalloc.get_traced_memory()[1] < 2 * len(raw)
    finally:
        tracemalloc.stop()


def test_many_lists_that_open_cost_no_more_than_their_bytes() -> None:
    raw = body(data="DEEP").replace(b'"DEEP"', b"[" * 500 + b" " * 3_000_000 + b"1" + b"]" * 500)
    began = time.process_time()
    with pytest.raises(ProtocolError, match="nested 500 deep"):
        decode_request(raw, [X], OUT)
    assert time.process_time() - began < 0.3


@given(raw=st.binary(max_size=200))
def test_garbage_is_a_protocol_error_and_nothing_else(raw: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode_request(raw, [X], OUT)


@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
        max_leaves=20,
    )
)
def test_any_json_in_place_of_the_data_is_taken_or_refused(value: object) -> None:
    try:
        decoded = decode_request(body(data=value), [X], OUT)
    except ProtocolError:
        return
    assert len(decoded.inputs[0]) == 24


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "not valid"),
        (b"{", "not valid"),
        (b"[]", "Expected `object`"),
        (b"{}", "inputs"),
        (b'{"inputs": []}', "missing input 'x'"),
        (b'{"inputs": [{"name": "x"}]}', "missing required field"),
        (b"[" * 100_000, "not valid"),
        (b'{"inputs": "\xff\xfe"}', "not valid"),
        (body(name="y"), "unknown input 'y'; the model takes 'x'"),
        (body(datatype="FP64"), "has datatype 'FP64'; expected FP32"),
        (body(datatype="BYTES"), "expected FP32"),
        (body(shape=[3, 2]), r"has shape \[3, 2\]; expected \[2, 3\]"),
        (body(shape=[6]), r"expected \[2, 3\]"),
        (body(shape=[-1, 3]), r"expected \[2, 3\]"),
        (body(shape=[10**12, 10**12]), r"expected \[2, 3\]"),
        (body(data=[1, 2, 3]), r"has 3 values; shape \[2, 3\] takes 6"),
        (body(data=[]), "has 0 values"),
        (body(data=[[1, 2, 3], [4, 5]]), "nested data of from 2 to 3 along axis 1"),
        (body(data=[[1, 2], [3, 4], [5, 6]]), r"nested data of 3 along axis 0; expected \[2, 3\]"),
        (body(data=[[[1, 2, 3]], [[4, 5, 6]]]), "nested 3 deep"),
        (body(data=["1", 2, 3, 4, 5, 6]), "not FP32"),
        (body(data=[None, 2, 3, 4, 5, 6]), "not FP32"),
        (body(data=[True, 2, 3, 4, 5, 6]), "not FP32"),
        (body(data=[float("nan"), 2, 3, 4, 5, 6]), "not valid"),
        (body(data=[float("inf"), 2, 3, 4, 5, 6]), "not valid"),
        (body(data=[1e39, 2, 3, 4, 5, 6]), "out of the range of FP32"),
        (body(data=5), "nested 0 deep"),
        (body(data="123456"), "nested 0 deep"),
        (json.dumps({"inputs": [json.loads(body())["inputs"][0]] * 2}).encode(), "given twice"),
    ],
)
def test_what_is_wrong_is_said(raw: bytes, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        decode_request(raw, [X], OUT)


@pytest.mark.parametrize(
    ("datatype", "data", "message"),
    [
        ("INT8", [128], "out of the range of INT8"),
        ("UINT8", [-1], "out of the range of UINT8"),
        ("INT64", [2**63], "out of the range of INT64"),
        ("UINT64", [2**64], "out of the range of UINT64"),
        ("INT32", [1.5], "not INT32"),
        ("INT32", [True], "not INT32"),
        ("BOOL", [1], "not BOOL"),
        ("FP16", [1e6], "out of the range of FP16"),
    ],
)
def test_values_that_a_datatype_cannot_hold_are_refused(datatype: str, data: list[object], message: str) -> None:
    spec = tensor_of("x", DATATYPES[datatype].dtype, (1,))
    with pytest.raises(ProtocolError, match=message):
        decode_request(body(datatype=datatype, shape=[1], data=data), [spec], OUT)


def test_uint64_keeps_every_bit() -> None:
    spec = tensor_of("x", "uint64", (2,))
    decoded = decode_request(body(datatype="UINT64", shape=[2], data=[2**64 - 1, 1]), [spec], OUT)
    assert spec.values(decoded.inputs[0]) == (2**64 - 1, 1)


def test_outputs_can_be_chosen_and_unknown_ones_are_refused() -> None:
    message = json.loads(body())
    results = [np.ones((1, 2), np.float32).tobytes(), np.array([3]).tobytes()]
    chosen = decode_request(json.dumps({**message, "outputs": [{"name": "aux"}]}).encode(), [X], OUT)
    answer = json.loads(encode_response("m", "1", OUT, results, request=chosen).body)
    assert [found["name"] for found in answer["outputs"]] == ["aux"]
    mixed = [{"name": "aux", "parameters": {"binary_data": True}}, {"name": "scores"}]
    request = decode_request(json.dumps({**message, "outputs": mixed}).encode(), [X], OUT)
    encoded = encode_response("m", "1", OUT, results, request=request)
    assert encoded.body[encoded.json_bytes :] == results[1]
    for outputs, wrong in (
        ([{"name": "nope"}], "unknown output 'nope'; the model gives 'scores', 'aux'"),
        ([{"name": "aux"}] * 2, "asked for twice"),
        ([{"name": "aux", "parameters": {"binary_data": 1}}], "expected true or false"),
        ([{"name": "aux", "parameters": {"classification": 3}}], "classification extension"),
    ):
        with pytest.raises(ProtocolError, match=wrong):
            decode_request(json.dumps({**message, "outputs": outputs}).encode(), [X], OUT)


def test_nan_and_inf_are_null_and_counted() -> None:
    out = [tensor_of("scores", "float32", (1, 3))]
    request = decode_request(body(), [X], out)
    results = [np.array([[np.nan, 1, np.inf]], np.float32).tobytes()]
    found = json.loads(encode_response("m", "1", out, results, request=request).body)["outputs"][0]
    assert found["data"] == [None, 1.0, None]
    assert found["parameters"] == {"non_finite": 2}


def test_a_sum_beyond_the_range_of_floats_is_not_one_of_infinities() -> None:
    out = [tensor_of("scores", "float64", (1, 3))]
    request = decode_request(body(), [X], out)
    results = [np.array([[1.7e308, 1.7e308, 1.0]]).tobytes()]
    found = json.loads(encode_response("m", "1", out, results, request=request).body)["outputs"][0]
    assert "parameters" not in found


def test_a_dtype_without_a_datatype_is_refused() -> None:
    with pytest.raises(ServingError, match="complex64"):
        tensor_of("z", "complex64", (1,))
