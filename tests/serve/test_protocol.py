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

from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import ServingError
from edgeproof.serve.protocol import (
    DTYPES,
    ProtocolError,
    decode_request,
    encode_request,
    encode_response,
    metadata_of,
    specs_of,
)

X = TensorSpec(name="x", dtype="float32", shape=(2, 3))
OUT = (TensorSpec(name="scores", dtype="float32", shape=(1, 2)), TensorSpec(name="aux", dtype="int64", shape=(1,)))

arrays = st.sampled_from(sorted(DTYPES.values())).flatmap(
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


@given(array=arrays)
def test_an_array_survives_the_request_flat_and_nested(array: np.ndarray) -> None:
    spec = TensorSpec(name="t", dtype=str(array.dtype), shape=array.shape)
    flat = json.loads(encode_request({"t": array}))
    nested = {"inputs": [{**flat["inputs"][0], "data": array.tolist()}]}
    for request in (flat, nested):
        decoded = decode_request(json.dumps(request).encode(), [spec], [])
        assert decoded.inputs["t"].dtype == array.dtype
        assert np.array_equal(decoded.inputs["t"], array)


@given(array=arrays)
def test_an_array_survives_the_response(array: np.ndarray) -> None:
    spec = TensorSpec(name="t", dtype=str(array.dtype), shape=array.shape)
    request = decode_request(encode_request({"t": array}, request_id="7"), [spec], [spec])
    answer = json.loads(encode_response("m", "1", {"t": array}, request=request))
    tensor = answer["outputs"][0]
    assert answer["id"] == "7"
    assert np.array_equal(np.array(tensor["data"], array.dtype).reshape(tensor["shape"]), array)


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
    assert decoded.inputs["x"].shape == (2, 3)


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
        (body(data=[[1, 2, 3], [4, 5]]), "not rectangular"),
        (body(data=[[1, 2], [3, 4], [5, 6]]), r"data of shape \[3, 2\]"),
        (body(data=[[[1, 2, 3]], [[4, 5, 6]]]), "nested 3 deep"),
        (body(data=["1", 2, 3, 4, 5, 6]), "not FP32"),
        (body(data=[None, 2, 3, 4, 5, 6]), "not FP32"),
        (body(data=[True, 2, 3, 4, 5, 6]), "not FP32"),
        (body(data=[float("nan"), 2, 3, 4, 5, 6]), "not valid"),
        (body(data=[float("inf"), 2, 3, 4, 5, 6]), "not valid"),
        (body(data=[1e39, 2, 3, 4, 5, 6]), "out of the range of FP32"),
        (body(data=5), "nested 0 deep"),
        (body(data="123456"), "nested 0 deep"),
        (body(parameters={"binary_data_size": 24}), "binary tensor extension is not supported"),
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
    spec = TensorSpec(name="x", dtype=DTYPES[datatype], shape=(1,))
    with pytest.raises(ProtocolError, match=message):
        decode_request(body(datatype=datatype, shape=[1], data=data), [spec], OUT)


def test_uint64_keeps_every_bit() -> None:
    spec = TensorSpec(name="x", dtype="uint64", shape=(2,))
    decoded = decode_request(body(datatype="UINT64", shape=[2], data=[2**64 - 1, 1]), [spec], OUT)
    assert decoded.inputs["x"].tolist() == [2**64 - 1, 1]


def test_outputs_can_be_chosen_and_unknown_ones_are_refused() -> None:
    message = json.loads(body())
    outputs = {"scores": np.ones((1, 2), np.float32), "aux": np.array([3])}
    chosen = decode_request(json.dumps({**message, "outputs": [{"name": "aux"}]}).encode(), [X], OUT)
    answer = json.loads(encode_response("m", "1", outputs, request=chosen))
    assert [tensor["name"] for tensor in answer["outputs"]] == ["aux"]
    with pytest.raises(ProtocolError, match="unknown output 'nope'; the model gives 'scores', 'aux'"):
        decode_request(json.dumps({**message, "outputs": [{"name": "nope"}]}).encode(), [X], OUT)
    binary = {**message, "outputs": [{"name": "aux", "parameters": {"binary_data": True}}]}
    with pytest.raises(ProtocolError, match="binary"):
        decode_request(json.dumps(binary).encode(), [X], OUT)


def test_nan_and_inf_are_null_and_counted() -> None:
    request = decode_request(body(), [X], OUT)
    outputs = {"scores": np.array([[np.nan, 1, np.inf]], np.float32)}
    tensor = json.loads(encode_response("m", "1", outputs, request=request))["outputs"][0]
    assert tensor["data"] == [None, 1.0, None]
    assert tensor["parameters"] == {"non_finite": 2}


def test_metadata_goes_round_and_dynamic_axes_become_one() -> None:
    assert specs_of([metadata_of(X)]) == (X,)
    dynamic = metadata_of(X).__class__(name="x", datatype="FP32", shape=[-1, 3])
    assert specs_of([dynamic])[0].shape == (1, 3)


def test_a_dtype_without_a_datatype_is_refused() -> None:
    with pytest.raises(ServingError, match="complex64"):
        metadata_of(TensorSpec(name="z", dtype="complex64", shape=(1,)))
    with pytest.raises(ServingError, match="BYTES"):
        specs_of([metadata_of(X).__class__(name="x", datatype="BYTES", shape=[1])])
