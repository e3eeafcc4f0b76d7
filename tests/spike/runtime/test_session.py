"""An opened engine: arrays or plain buffers, whole calls or a stream, beside one another and in threads."""

from __future__ import annotations

import subprocess
import sys
from array import array
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from tests.spike.random_programs import random_program

import edgeproof
from edgeproof.errors import ArtifactError, SignatureError
from edgeproof.spike.engine.emit import emit
from edgeproof.spike.interpreter import interpret
from edgeproof.spike.program import Array, Elementwise, Input, Linear, Output, Program, State
from edgeproof.spike.runtime.session import NativeSession
from edgeproof.spike.runtime.stream import Stream
from edgeproof.spike.toolchain.build import build_library

F = np.float32
T = 12


def network(*, sequence: bool) -> Program:
    rng = np.random.default_rng(0)
    x, v = Input("x", (6,)), State("v", np.zeros(9, F))
    current = Linear(x, rng.standard_normal((9, 6)).astype(F), rng.standard_normal(9).astype(F))
    full = Elementwise("add", (Elementwise("mul", (v, 0.75)), current))
    spikes = Elementwise("cast", (Elementwise("gt", (full, 1.0)),))
    after = Elementwise("sub", (full, spikes))
    outputs = (Output("spikes", spikes, "stack"), Output("count", spikes, "sum"), Output("v", after, "last"))
    return Program((x,), ((v, after),), outputs, T, sequence)


@pytest.fixture(scope="module", params=[True, False], ids=["a sequence", "the same at every step"])
def opened(request, tmp_path_factory: pytest.TempPathFactory) -> tuple[Program, Path, Array]:
    program = network(sequence=request.param)
    folder = tmp_path_factory.mktemp("engine")
    library = build_library(emit(program, "net"), folder)
    x = np.random.default_rng(1).standard_normal((T, 6) if request.param else (6,)).astype(F)
    return program, library, x


def test_a_stream_takes_the_steps_of_a_call_and_goes_on(opened: tuple[Program, Path, Array]) -> None:
    program, library, x = opened
    with edgeproof.open(library, trust=True) as session:
        assert isinstance(session, NativeSession)
        whole = session.run({"x": x})
        stream = session.stream()
        assert [port.shape for port in stream.inputs] == [(6,)]
        assert [port.shape for port in stream.outputs] == [(9,), (9,), (9,)]
        for lap in range(2):
            for step in range(T):
                now = stream.step({"x": x[step] if program.sequence else x})
                assert (now["spikes"] == now["count"]).all()
                if lap == 0:
                    np.testing.assert_array_equal(now["spikes"], whole["spikes"][step])
            if lap == 0:
                np.testing.assert_array_equal(now["v"], whole["v"])
        states: dict[str, Array] = {}
        for _ in range(2):
            twice = interpret(program, {"x": x}, states=states)
        np.testing.assert_array_equal(now["v"], twice["v"])
        assert stream.steps == 2 * T
        stream.reset()
        assert stream.steps == 0
        np.testing.assert_array_equal(stream.step({"x": x[0] if program.sequence else x})["spikes"], whole["spikes"][0])
        np.testing.assert_array_equal(session.run({"x": x})["v"], whole["v"])


def test_plain_buffers_give_the_same_numbers(opened: tuple[Program, Path, Array]) -> None:
    _, library, x = opened
    with edgeproof.open(library, trust=True) as session:
        arrays = session.run({"x": x})
        for given in (array("f", x.reshape(-1)), x.tobytes(), memoryview(x)):
            results = session.run({"x": given})
            assert {name: type(result) for name, result in results.items()} == dict.fromkeys(arrays, memoryview)
            for name, result in results.items():
                np.testing.assert_array_equal(np.asarray(result), arrays[name])
        assert arrays["spikes"].shape == (T, 9)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "the input x is missing"),
        ({"x": np.zeros(5, F)}, "20 bytes of format f; expected"),
        ({"x": np.zeros((T, 6), np.float64)}, "of format d; expected"),
        ({"x": [0.0] * 6}, "is no buffer"),
        ({"y": np.zeros((T, 6), F)}, "the input x is missing"),
    ],
)
def test_wrong_input(opened: tuple[Program, Path, Array], given: dict[str, object], words: str) -> None:
    with edgeproof.open(opened[1], trust=True) as session, pytest.raises(SignatureError, match=words):
        session.run(given)
    with edgeproof.open(opened[1], trust=True) as session, pytest.raises(SignatureError):
        session.stream().step(given)  # type: ignore[union-attr]


def test_more_inputs_than_the_network_has(opened: tuple[Program, Path, Array]) -> None:
    with edgeproof.open(opened[1], trust=True) as session, pytest.raises(SignatureError, match="unknown input y"):
        session.run({"x": opened[2], "y": opened[2]})


def test_any_number_of_instances_run_beside_one_another(opened: tuple[Program, Path, Array]) -> None:
    program, library, x = opened
    expected = interpret(program, {"x": x})["spikes"]

    def stream(_: int) -> list[Array]:
        with edgeproof.open(library, trust=True) as session:
            running = session.stream()  # type: ignore[union-attr]
            return [running.step({"x": x[step] if program.sequence else x})["spikes"] for step in range(T)]

    with ThreadPoolExecutor(4) as pool:
        for steps in pool.map(stream, range(16)):
            np.testing.assert_array_equal(np.stack(steps), expected)


def test_threads_that_share_a_session_take_turns(opened: tuple[Program, Path, Array]) -> None:
    """In a process of its own: two calls at once in one room end it."""
    _, library, x = opened
    code = f"""
import random, sys
from array import array
from concurrent.futures import ThreadPoolExecutor
import edgeproof
sys.setswitchinterval(1e-6)
with edgeproof.open({str(library)!r}, trust=True) as session:
    cases = [array("f", [number / 7 + index / 99 for index in range({x.size})]) for number in range(16)]
    expected = [session.run({{"x": case}})["v"].tolist() for case in cases]
    room, result = array("f", cases[3]), [array("f", bytes(port.bytes)) for port in session.outputs]
    bound = session.engine.bind([room], result)

    def call(seed):
        for number in random.Random(seed).choices(range(16), k=500):
            bound()
            assert session.run({{"x": cases[number]}})["v"].tolist() == expected[number]

    stream = session.stream()

    def step(_):
        for _ in range(500):
            stream.step({{"x": cases[0][:6]}})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(call, range(8)))
        list(pool.map(step, range(8)))
    assert result[2].tolist() == expected[3]
    print(stream.steps)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, "4000\n"), done.stderr


def test_it_runs_without_torch_and_numpy(opened: tuple[Program, Path, Array]) -> None:
    program, library, x = opened
    code = (
        "import sys, array, edgeproof\n"
        f"with edgeproof.open({str(library)!r}, trust=True) as session:\n"
        f"    results = session.run({{'x': array.array('f', {x.reshape(-1).tolist()})}})\n"
        "    stream = session.stream()\n"
        f"    stream.step({{'x': array.array('f', {x.reshape(-1)[:6].tolist()})}})\n"
        "print(results['count'].tolist())\n"
        "assert not {'torch', 'numpy'} & set(sys.modules), sorted(sys.modules)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.strip() == str(interpret(program, {"x": x})["count"].tolist())


def test_several_inputs_keep_their_order(tmp_path: Path) -> None:
    program, inputs = next(
        (made, given) for seed in range(100) if len((made := (case := random_program(seed))[0]).inputs) == 3
        for given in [case[1]]
    )  # fmt: skip
    with edgeproof.open(build_library(emit(program, "several"), tmp_path), trust=True) as session:
        results = session.run(dict(reversed(inputs.items())))
    for name, expected in interpret(program, inputs).items():
        np.testing.assert_array_equal(results[name], expected)


def weighted(weight: float, folder: Path) -> Path:
    """An engine under the same name and path whatever the weight: what a notebook's second conversion leaves."""
    x = Input("x", (1,))
    output = Output("y", Elementwise("mul", (x, weight)), "last")
    folder.mkdir(exist_ok=True)
    return build_library(emit(Program((x,), (), (output,), 1, False), "net"), folder)


def answer(running: NativeSession | Stream) -> float:
    call = running.run if isinstance(running, NativeSession) else running.step
    return float(np.asarray(call({"x": np.ones(1, F)})["y"]).item())


def test_an_engine_that_was_written_anew_is_loaded_anew(tmp_path: Path) -> None:
    with NativeSession(weighted(1.0, tmp_path)) as first:
        assert answer(first) == 1
        with NativeSession(weighted(2.0, tmp_path)) as second:
            assert (answer(second), answer(second.stream())) == (2, 2)
            assert (answer(first), answer(first.stream())) == (1, 1), "a session goes on with what it opened"
        library = weighted(3.0, tmp_path / "elsewhere")
        (tmp_path / library.name).write_bytes(library.read_bytes())  # in place: the same file for the system
        with NativeSession(tmp_path / library.name) as third:
            assert (answer(third), answer(first)) == (3, 1)


def test_what_is_closed_is_unloaded_and_says_so(tmp_path: Path) -> None:
    def mapped() -> int:
        return Path("/proc/self/maps").read_text().count("memfd:engine")

    if not Path("/proc/self/maps").exists():
        pytest.skip("loaded libraries are listed on Linux only")
    before, library = mapped(), weighted(4.0, tmp_path)
    with NativeSession(library) as session, NativeSession(library) as same:
        loaded = mapped()
        assert loaded > before
        assert same.engine.library is session.engine.library
        stream = session.stream()
    assert mapped() == loaded, "a stream outlives its session"
    assert answer(stream) == 4
    del stream
    assert mapped() == before
    for use in (lambda: answer(session), session.stream):
        with pytest.raises(ArtifactError, match="the session is closed"):
            use()


def test_a_system_without_files_in_memory_loads_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr("os.memfd_create")
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    for weight in (5.0, 6.0):
        with NativeSession(weighted(weight, tmp_path / "made")) as session:
            assert answer(session) == weight
    assert [path.name for path in tmp_path.iterdir()] == ["made"], "the copy is gone"


def test_what_is_no_library_is_told(tmp_path: Path) -> None:
    (tmp_path / "net.so").write_bytes(b"no library")
    for path in (tmp_path / "net.so", tmp_path / "none.so"):
        with pytest.raises(ArtifactError, match=r"cannot be loaded as an engine: .*(file too short|No such file)"):
            NativeSession(path)
