"""A session over a graph runner: bindings, the loop over time, refusals. The runner is a function of arrays."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeproof.documents.artifact import ArtifactDocument, Binding
from edgeproof.documents.signature import Loop, StateSpec, TensorSpec
from edgeproof.errors import ArtifactError, SignatureError
from edgeproof.formats.bindings import safe_names
from edgeproof.formats.session import ArtifactSession

Arrays = Sequence[np.ndarray]


class Graph:
    """A graph runner made of a function; it keeps what it was given."""

    def __init__(self, function: Callable[[Arrays], Arrays]) -> None:
        self.function = function
        self.given: list[list[np.ndarray]] = []
        self.closed = False

    def __call__(self, arrays: Arrays) -> Arrays:
        self.given.append([array.copy() for array in arrays])
        return self.function(arrays)

    def close(self) -> None:
        self.closed = True


def spec(name: str, dtype: str, *shape: int) -> TensorSpec:
    return TensorSpec(name=name, dtype=dtype, shape=shape)


def binding(tensor: TensorSpec, dtype: str = "", shape: tuple[int, ...] | None = None, **more: Any) -> Binding:
    return Binding(
        tensor=tensor,
        graph_name=f"g_{tensor.name}",
        graph_dtype=dtype or tensor.dtype,
        graph_shape=tensor.shape if shape is None else shape,
        **more,
    )


def session(
    graph: Graph,
    inputs: Sequence[Binding],
    outputs: Sequence[Binding],
    loop: Loop | None = None,
    folder: Path = Path(),
) -> ArtifactSession:
    document = ArtifactDocument(
        candidate="double-fp32",
        format="double",
        precision="fp32",
        form="step" if loop else "whole",
        file="none",
        sha256="",
        bytes=0,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        loop=loop,
    )
    return ArtifactSession(document, folder, graph)


X = spec("x", "float32", 1, 4)
Y = spec("y", "float32", 1, 4)
ONES = np.ones((1, 4), np.float32)


def test_values_go_through_as_they_are() -> None:
    graph = Graph(lambda arrays: [arrays[0] * 2])
    with session(graph, [binding(X)], [binding(Y)]) as opened:
        result = opened.run({"x": ONES})
        assert (opened.inputs, opened.outputs) == ((X,), (Y,))
        assert not graph.closed
    assert graph.closed
    assert list(result) == ["y"]
    assert result["y"].dtype == np.float32
    assert np.array_equal(result["y"], ONES * 2)


def test_dtype_and_shape_are_the_graph_s_inside_and_the_model_s_outside() -> None:
    graph = Graph(lambda arrays: [arrays[0].astype(np.float16) + 1])
    inputs = [binding(spec("t", "int64", 1, 4), "int32", (4,))]
    opened = session(graph, inputs, [binding(Y, "float16", (4, 1))])
    result = opened.run({"t": np.arange(4)[None]})["y"]
    assert (graph.given[0][0].dtype, graph.given[0][0].shape) == (np.int32, (4,))
    assert (result.dtype, result.shape) == (np.float32, (1, 4))
    assert result.tolist() == [[1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("dtype", "inside", "value", "message"),
    [
        ("int64", "int32", 1 << 40, "the input t holds 1099511627776, which int32 cannot hold"),
        ("int64", "int32", -(1 << 31) - 1, "holds -2147483649, which int32 cannot hold"),
        ("float64", "float32", 1e300, r"holds 1e\+300, which float32 cannot hold"),
    ],
)
def test_a_value_is_never_wrapped_at_the_door(dtype: str, inside: str, value: float, message: str) -> None:
    graph = Graph(lambda arrays: [ONES])
    opened = session(graph, [binding(spec("t", dtype, 3), inside)], [binding(Y)])
    with pytest.raises(SignatureError, match=message):
        opened.run({"t": np.array([1, value, 2], dtype)})
    assert graph.given == []
    limits = np.iinfo(inside) if inside == "int32" else np.finfo(inside)
    edges = np.array([limits.min, 0, limits.max], dtype)
    opened.run({"t": edges})
    assert graph.given[0][0].dtype == inside
    assert graph.given[0][0].tolist() == edges.tolist()


def test_a_float_is_rounded_at_the_door_and_what_is_not_finite_stays() -> None:
    graph = Graph(lambda arrays: [ONES])
    opened = session(graph, [binding(spec("t", "float64", 3), "float32")], [binding(Y)])
    opened.run({"t": np.array([0.1, np.inf, np.nan])})
    np.testing.assert_array_equal(graph.given[0][0], np.array([0.1, np.inf, np.nan], np.float32))


def test_integers_that_stand_for_reals_are_quantised_at_the_door() -> None:
    graph = Graph(lambda arrays: [arrays[0]])
    scaled = {"scale": 0.5, "zero_point": -3}
    opened = session(graph, [binding(X, "int8", **scaled)], [binding(Y, "int8", **scaled)])
    result = opened.run({"x": np.array([[0.0, 1.2, -1000, 1000]], np.float32)})["y"]
    assert graph.given[0][0].tolist() == [[-3, -1, -128, 127]]
    assert graph.given[0][0].dtype == np.int8
    assert result.tolist() == [[0.0, 1.0, -62.5, 65.0]]
    assert result.dtype == np.float32


@given(st.floats(0.001, 10), st.integers(-128, 127), st.lists(st.floats(-100, 100, width=32), min_size=4, max_size=4))
def test_quantising_and_back_is_off_by_half_a_step(scale: float, zero: int, values: list[float]) -> None:
    scaled = {"scale": scale, "zero_point": zero}
    opened = session(Graph(list), [binding(X, "int8", **scaled)], [binding(Y, "int8", **scaled)])
    array = np.array([values], np.float32)
    result = opened.run({"x": array})["y"]
    inside = np.clip(array, (-128 - zero) * scale, (127 - zero) * scale)
    assert np.abs(result - inside).max() <= scale * 0.5001 + 1e-4


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({}, "the input x is missing"),
        ({"X": ONES}, "the input x is missing"),
        ({"x": ONES, "z": ONES}, "unknown input z"),
        ({"x": ONES[0]}, r"the input x is float32\[4\]; expected float32\[1, 4\]"),
        ({"x": ONES.T}, r"float32\[4, 1\]"),
        ({"x": ONES.astype(np.float64)}, r"float64\[1, 4\]; expected float32"),
        ({"x": ONES.astype(np.int32)}, r"int32\[1, 4\]"),
    ],
)
def test_inputs_that_are_not_the_model_s_are_refused(inputs: dict[str, np.ndarray], message: str) -> None:
    graph = Graph(list)
    with pytest.raises(SignatureError, match=message):
        session(graph, [binding(X)], [binding(Y)]).run(inputs)
    assert graph.given == []


def fails(arrays: Arrays) -> Arrays:
    raise RuntimeError("out of registers")


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (fails, "double-fp32 failed to run: RuntimeError: out of registers"),
        (lambda arrays: [], "failed to run"),
        (lambda arrays: [ONES, ONES], "failed to run"),
        (lambda arrays: [np.ones((1, 3), np.float32)], r"the output y has the shape \[1, 3\]; expected \[1, 4\]"),
    ],
)
def test_a_runtime_that_fails_is_an_artifact_error(function: Callable[[Arrays], Arrays], message: str) -> None:
    with pytest.raises(ArtifactError, match=message):
        session(Graph(function), [binding(X)], [binding(Y)]).run({"x": ONES})


def plan(encoding: str, readouts: tuple[str, ...], initial: str | None = None, timesteps: int = 3) -> Loop:
    return Loop(
        timesteps=timesteps,
        encoding=encoding,  # type: ignore[arg-type]
        states=(StateSpec(name="s", dtype="float32", shape=(1, 4), initial=initial),),
        readouts=readouts,  # type: ignore[arg-type]
    )


def leak(arrays: Arrays) -> Arrays:
    x, state = arrays
    now = state * 0.5 + x
    return [now, now]


STEP = ([binding(X), binding(spec("s", "float32", 1, 4))], [binding(Y), binding(spec("next_s", "float32", 1, 4))])


@pytest.mark.parametrize(
    ("how", "expected"), [("sum", 1 + 1.5 + 1.75), ("mean", 4.25 / 3), ("last", 1.75), ("stack", [1, 1.5, 1.75])]
)
def test_a_step_graph_is_driven_over_time(how: str, expected: Any) -> None:
    opened = session(Graph(leak), *STEP, loop=plan("repeat", (how,)))
    assert opened.outputs[0].shape == ((3, 1, 4) if how == "stack" else (1, 4))
    for _ in range(2):
        result = opened.run({"x": ONES})["y"]
        assert result.dtype == np.float32
        assert result.shape == opened.outputs[0].shape
        np.testing.assert_allclose(result[..., 0].squeeze(), expected, rtol=1e-6)


def test_a_sequence_feeds_one_step_after_the_other() -> None:
    graph = Graph(leak)
    opened = session(graph, *STEP, loop=plan("sequence", ("stack",)))
    assert opened.inputs[0].shape == (3, 1, 4)
    x = np.arange(3, dtype=np.float32)[:, None, None] * np.ones((1, 4), np.float32)
    result = opened.run({"x": x})["y"]
    assert result[:, 0, 0].tolist() == [0, 1, 2.5]
    assert [given[0][0, 0] for given in graph.given] == [0, 1, 2]


def test_the_first_state_comes_from_its_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "initial_state.npz", first=ONES * 8)
    opened = session(Graph(leak), *STEP, loop=plan("repeat", ("last",), "first", timesteps=1), folder=tmp_path)
    assert opened.run({"x": ONES})["y"].tolist() == [[5.0] * 4]


@pytest.mark.parametrize(
    "content", [None, b"", b"not an archive", {"other": ONES}, {"first": np.ones((2, 2))}], ids=str
)
def test_a_first_state_that_is_not_there_is_an_artifact_error(tmp_path: Path, content: Any) -> None:
    path = tmp_path / "initial_state.npz"
    if isinstance(content, dict):
        np.savez(path, **content)
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(ArtifactError, match="initial state"):
        session(Graph(leak), *STEP, loop=plan("repeat", ("last",), "first"), folder=tmp_path)


def test_what_a_call_gave_stays_when_the_next_is_made() -> None:
    opened = session(Graph(leak), *STEP, loop=plan("repeat", ("last",)))
    first = opened.run({"x": ONES})["y"]
    kept = first.copy()
    opened.run({"x": ONES * 9})
    assert np.array_equal(first, kept)


@given(st.lists(st.text(max_size=8), max_size=8), st.lists(st.sampled_from(["a", "tensor", "x_2"]), max_size=3))
def test_safe_names_are_identifiers_and_unique(names: list[str], taken: list[str]) -> None:
    found = safe_names([spec(name, "float32", 1) for name in names], taken)
    assert len(set(found)) == len(found) == len(names)
    assert not set(found) & set(taken)
    assert all(name.isidentifier() and name.isascii() for name in found)


def test_threads_that_share_a_session_take_turns() -> None:
    """A runtime with one room for its input, as LiteRT and OpenVINO have: it leaves out what is computed."""
    room = np.zeros(1, np.float32)

    def echo(arrays: Arrays) -> Arrays:
        room[:] = arrays[0]
        time.sleep(1e-4)
        return [room.copy()]

    graph = Graph(echo)
    shared = session(graph, [binding(spec("x", "float32", 1))], [binding(spec("y", "float32", 1))])

    def call(number: int) -> float:
        return float(shared.run({"x": np.array([number], np.float32)})["y"][0])

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(call, range(200))) == list(range(200))


def test_closing_waits_for_the_call_that_runs() -> None:
    running, go = threading.Event(), threading.Event()
    closed_in_the_midst: list[bool] = []

    def slow(arrays: Arrays) -> Arrays:
        running.set()
        go.wait(0.2)
        closed_in_the_midst.append(graph.closed)
        return arrays

    graph = Graph(slow)
    shared = session(graph, [binding(spec("x", "float32", 1))], [binding(spec("y", "float32", 1))])
    with ThreadPoolExecutor(1) as pool:
        called = pool.submit(shared.run, {"x": np.zeros(1, np.float32)})
        assert running.wait(10)
        shared.close()
        called.result()
    assert closed_in_the_midst == [False]
    assert graph.closed
