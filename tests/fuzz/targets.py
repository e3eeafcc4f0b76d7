"""What is fuzzed: readers of files and requests of unknown origin, with seeds to start from.

A target takes bytes. It may refuse them with an error of ours; anything else that it raises is a fault.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import json
import os
import random
import signal
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tests.fuzz import front
from tests.fuzz.json_mutation import changed_request

from edgeproof.errors import EdgeProofError

__all__ = ["CANARY", "TARGETS", "TOKENS", "Target"]

CANARY = "EDGEPROOF_CANARY"
"""A function that no data may call: it is among the words that are written into the seeds."""
TOKENS = (
    *(
        b"[" * 3000,
        b"{" * 50,
        b'{"a":' * 2000,
        b"-1",
        b"1e999",
        b"1000000000000",
        b"9" * 5000,
        b"NaN",
        b"null",
        b"\\u0000",
    ),
    *(b"\xff", b"../", b"/", b"", b'"schema"', b'"file"', b'"mark"', b"use_pickle", b"true", b"as_operator"),
    *(
        b"\r\n\r\n",
        b"Content-Length: ",
        b"Transfer-Encoding: chunked\r\n",
        b"HTTP/1.1\r\n",
        b'"parameters"',
        b"sequence_id",
    ),
    *(f"{CANARY}()".encode(), f"__import__('builtins').{CANARY}()".encode(), b"torch.os.system", b"(-1,)", b"|O"),
)
SCRATCH = Path(tempfile.mkdtemp(prefix="edgeproof-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None))


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes:
        name: on the command line.
        read: what is called with the bytes.
        seeds: valid inputs to start from.
        cheap: whether it takes less than a millisecond.
        change: an input with a change that leaves it well formed; None: bytes are changed alone.
    """

    name: str
    read: Callable[[bytes], None]
    seeds: Callable[[], Iterator[bytes]]
    cheap: bool = True
    change: Callable[[bytes, random.Random], bytes] | None = None


def _refuses(read: Callable[[bytes], Any]) -> Callable[[bytes], None]:
    def target(raw: bytes) -> None:
        with contextlib.suppress(EdgeProofError):
            read(raw)

    return target


def _file(raw: bytes, name: str) -> Path:
    path = SCRATCH / f"{os.getpid()}-{name}"
    path.write_bytes(raw)
    return path


def _request(raw: bytes) -> None:
    """The first byte says how it comes: as JSON alone, or with tensors behind so many bytes of JSON as the next two
    say. What is kept of one to answer the next of its kind changes no answer."""
    from edgeproof.serve.holding import error_body
    from edgeproof.serve.lane import Message
    from edgeproof.serve.protocol import ProtocolError, decode_request, encode_response
    from edgeproof.serve.tensors import tensor_of

    inputs = (tensor_of("x", "float32", (1, 3)), tensor_of("n", "int64", (1,)), tensor_of("f", "bool", (1, 2)))
    outputs = (tensor_of("y", "float32", (1, 1)), tensor_of("h", "float16", (1, 2)))
    step = (tensor_of("x", "float32", (3,)),), (tensor_of("y", "float32", (1,)),)
    json_bytes = int.from_bytes(raw[1:3], "little") if raw[:1] >= b"b" else None
    body = raw[1:] if json_bytes is None else raw[3:]
    try:
        decoded = decode_request(body, inputs, outputs, json_bytes=json_bytes, most_calls=4, step=step)
    except ProtocolError as error:
        error_body(str(error))
        return
    takes, gives = (inputs, outputs) if decoded.sequence is None else step
    assert [len(data) for data in decoded.inputs] == [decoded.calls * tensor.bytes for tensor in takes]
    results = [bytes(decoded.calls * tensor.bytes) for tensor in gives]
    encoded = encode_response("m", "1", gives, results, request=decoded)
    assert json.loads(encoded.body[: encoded.json_bytes])["model_name"] == "m"
    held = front.holding(front.Running((inputs, outputs), step))
    for sent in (body, body, body[:-1], body + b"\0", body):
        told = held.answer(Message(0, sent, json_bytes))
        asked_to_go_on = decoded.sequence is not None and not decoded.sequence.start
        if sent is not body or asked_to_go_on:
            assert told.status in ({400} if json_bytes is not None or asked_to_go_on else {200, 400}), told
            continue
        assert told.status == 200
        if encoded.json_bytes is None:
            assert told.json_bytes is None
        else:
            assert told.body[told.json_bytes :] == encoded.body[encoded.json_bytes :]
        found, expected = (json.loads(bytes(text[:size])) for text, size in (told[1:3], encoded))
        assert found.pop("parameters")["inference_us"] >= 0
        assert found == expected


def _request_seeds() -> Iterator[bytes]:
    x = {"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [0.5, -1, 2e3]}
    n = {"name": "n", "shape": [1], "datatype": "INT64", "data": [7]}
    f = {"name": "f", "shape": [1, 2], "datatype": "BOOL", "data": [True, False]}
    yield b"a" + json.dumps({"id": "1", "inputs": [x, n, f], "outputs": [{"name": "y"}]}).encode()
    yield b"a" + json.dumps({"inputs": [{**x, "data": [[0, 1, 2]]}, {**n, "parameters": {"a": 1}}, f]}).encode()
    step = {**x, "shape": [3]}
    yield b"a" + json.dumps({"inputs": [step], "parameters": {"sequence_id": 7, "sequence_start": True}}).encode()
    raw = [{**tensor, "parameters": {"binary_data_size": size}} for tensor, size in ((x, 12), (n, 8), (f, 2))]
    for tensor in raw:
        del tensor["data"]
    asked = [{"name": "h", "parameters": {"binary_data": True}}, {"name": "y"}]
    for more in ({"parameters": {"binary_data_output": True}}, {"outputs": asked}):
        text = json.dumps({"inputs": raw, **more}).encode()
        yield b"b" + len(text).to_bytes(2, "little") + text + bytes(22)


def _document(raw: bytes) -> None:
    from edgeproof.documents.artifact import ArtifactDocument
    from edgeproof.documents.base import decode
    from edgeproof.documents.manifest import Manifest
    from edgeproof.formats.engine_artifact import open_engine
    from edgeproof.formats.registry import open_artifact
    from edgeproof.rundir import RunDir

    for kind in (ArtifactDocument, Manifest):
        _refuses(lambda raw, kind=kind: decode(raw, kind))(raw)  # type: ignore[misc]
    folder = SCRATCH / f"{os.getpid()}-artifact"
    if not folder.is_dir():
        folder.mkdir()
        (folder / "net.onnx").write_bytes(b"no model")
    for file, opener in (
        ("artifact.json", open_engine),
        ("artifact.json", open_artifact),
        ("manifest.json", lambda folder: RunDir.open(folder).ask_for_trust()),
    ):
        (folder / file).write_bytes(raw)
        _refuses(lambda _, opener=opener: opener(folder))(raw)  # type: ignore[misc]


def _document_seeds() -> Iterator[bytes]:
    from edgeproof.documents.artifact import ArtifactDocument, Binding
    from edgeproof.documents.base import encode
    from edgeproof.documents.manifest import Manifest, PhaseRecord, RunOptions
    from edgeproof.documents.signature import Loop, StateSpec, TensorSpec

    spec = TensorSpec(name="x", dtype="float32", shape=(1, 4))
    binding = Binding(tensor=spec, graph_name="x", graph_dtype="float32", graph_shape=(1, 4))
    state = StateSpec(name="s", dtype="float32", shape=(1, 4), initial="state_0")
    loop = Loop(timesteps=3, encoding="repeat", states=(state,), readouts=("sum",))
    for format_name, file in (("onnx", "net.onnx"), ("sdk-native", "libnet.so")):
        document = ArtifactDocument(
            candidate="a", format=format_name, precision="fp32", form="step", file=file, sha256="", bytes=1,
            inputs=(binding, binding), outputs=(binding, binding), loop=loop, beside={"a.bin": "00"},
        )  # fmt: skip
        yield encode(document)
        yield encode(document.marked())
    options = RunOptions(model="net.py:make", model_name="net", candidates=("onnx-fp32",))
    yield encode(
        Manifest(
            created="", edgeproof="0", command="", working_directory="/", options=options,
            phases=(PhaseRecord(name="prepare", status="done", seconds=1.5),),
        ).marked()
    )  # fmt: skip


def _npz(raw: bytes) -> None:
    from edgeproof.model.arrays import read_npz
    from edgeproof.model.samples import read_samples

    path = _file(raw, "x.npz")
    _refuses(lambda _: read_npz(path))(raw)
    _refuses(lambda _: read_samples(path, minimum=1))(raw)


def _npz_seeds() -> Iterator[bytes]:
    for write in (np.savez, np.savez_compressed):
        buffer = io.BytesIO()
        write(buffer, x=np.arange(12, dtype=np.float32).reshape(4, 3), labels=np.arange(4))
        yield buffer.getvalue()


def _npy(raw: bytes) -> None:
    from edgeproof.model.arrays import read_npy

    _refuses(lambda _: read_npy(_file(raw, "x.npy")))(raw)


def _npy_seeds() -> Iterator[bytes]:
    for array in (np.zeros((2, 3), np.float32), np.array("text"), np.asfortranarray(np.ones((3, 2), ">i8"))):
        buffer = io.BytesIO()
        np.save(buffer, array)
        yield buffer.getvalue()


def _program(raw: bytes) -> None:
    """The JSON of a program and an archive around it: refused, or loaded without running a word of it."""
    from edgeproof.model.archive import PROGRAM, load_program

    called: list[str] = []
    setattr(builtins, CANARY, lambda *_: called.append("called"))
    records = {**_records(), PROGRAM: raw} if raw[:1] in b'{["' else None
    path = _file(raw, "net.pt2")
    if records is not None:
        with zipfile.ZipFile(path, "w") as archive:
            for name, held in records.items():
                archive.writestr(f"net/{name}", held)
    _refuses(lambda _: load_program(path))(raw)
    assert not called, "data was run"


_SAVED: dict[str, bytes] = {}


def _records() -> dict[str, bytes]:
    if not _SAVED:
        import torch
        from torch.export.pt2_archive._package import PT2ArchiveReader

        class Net(torch.nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer = torch.nn.Linear(4, 3)

            def forward(self, x: torch.Tensor) -> torch.Tensor:
                return torch.relu(self.layer(x)) + x.shape[0]

        path = SCRATCH / f"{os.getpid()}-seed.pt2"
        batch = torch.export.Dim("batch", min=2, max=64)
        torch.export.save(torch.export.export(Net().eval(), (torch.randn(3, 4),), dynamic_shapes=({0: batch},)), path)
        with PT2ArchiveReader(str(path)) as reader:
            _SAVED.update({name: reader.read_bytes(name) for name in reader.get_file_names()})
        _SAVED["whole"] = path.read_bytes()
    return {name: held for name, held in _SAVED.items() if name != "whole"}


def _program_seeds() -> Iterator[bytes]:
    from edgeproof.model.archive import PROGRAM

    yield _records()[PROGRAM]
    yield _SAVED["whole"]


def _nir(raw: bytes) -> None:
    """In a fork: the HDF5 library may crash, which is why it is read apart; what Python raises is ours or a fault."""
    from edgeproof.spike.nir.nir_file import read

    path = _file(raw, "x.nir")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(5)
            _refuses(lambda _: read(path))(raw)
            code = 0
        except BaseException:
            import traceback

            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    assert not (os.WIFEXITED(status) and os.WEXITSTATUS(status)), "it raised another error than ours"


def _nir_seeds() -> Iterator[bytes]:
    from edgeproof.spike.graph.network import chain
    from edgeproof.spike.graph.primitives import LIF, Affine, Input, Output
    from edgeproof.spike.nir.nir_file import write

    one = np.ones(2)
    nodes = (Input((3,)), Affine(np.ones((2, 3)), one), LIF(1e-3 * one, one, 0 * one, one, 0 * one), Output((2,)))
    path = SCRATCH / f"{os.getpid()}-seed.nir"
    write(path, chain(*nodes))
    yield path.read_bytes()


TARGETS = {
    target.name: target
    for target in (
        Target("request", _request, _request_seeds, change=changed_request),
        Target("front", front.read, front.seeds),
        Target("document", _document, _document_seeds),
        Target("npz", _npz, _npz_seeds),
        Target("npy", _npy, _npy_seeds),
        Target("pt2", _program, _program_seeds, cheap=False),
        Target("nir", _nir, _nir_seeds, cheap=False),
    )
}
