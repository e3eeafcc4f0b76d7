"""Input specs as text, and samples as a value."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.documents.signature import TensorSpec
from edgeproof.errors import SignatureError
from edgeproof.model.model import DTYPES, Samples, parse_spec

NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_.]{0,12}", fullmatch=True)
SHAPES = st.lists(st.integers(1, 4096), max_size=6)


@given(name=NAMES, dtype=st.sampled_from(DTYPES), shape=SHAPES)
def test_a_spec_is_read_as_it_is_written(name: str, dtype: str, shape: list[int]) -> None:
    expected = TensorSpec(name=name, dtype=dtype, shape=tuple(shape))
    assert parse_spec(f"{name}:{dtype}[{','.join(map(str, shape))}]") == expected
    assert parse_spec(f" {name}:{dtype}[ {' , '.join(map(str, shape))} ] ") == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "x:float32",
        "float32[1,4]",
        "x:[1,4]",
        "x:float32[1,4",
        "x:float32(1,4)",
        "x:float32[1,-4]",
        "x:float32[1,n]",
        "x:float32[1;4]",
        "x:float32[1 4]",
        "x:float32[1,,4]",
        "x:float32[1.5]",
        "x:float32[0,4]",
        "x:float[1,4]",
        "x:complex64[1,4]",
        "x:bfloat16[1,4]",
        "1x:float32[1,4]",
        "x y:float32[1,4]",
        "x:float32[1,4]trailing",
    ],
)
def test_what_is_no_spec_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(SignatureError) as caught:
        parse_spec(text)
    assert repr(text)[1:-1] in caught.value.message or "axis of length 0" in caught.value.message


def test_samples_are_taken_with_their_labels() -> None:
    samples = Samples({"x": np.arange(12).reshape(6, 2)}, np.arange(6), origin="here")
    few = samples.take(np.array([4, 1]))
    assert (few.count, few.origin) == (2, "here")
    assert few.inputs["x"].tolist() == [[8, 9], [2, 3]]
    assert few.labels is not None
    assert few.labels.tolist() == [4, 1]
