"""Packages that are cut short, damaged or made to harm: a clear error, little memory, little time, no traceback."""

from __future__ import annotations

import json
import random
import resource
import shutil
import struct
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.mil.by_hand import Writer
from tests.mil.networks import build, converted, saved

from edgeproof.errors import ArtifactError, EdgeProofError
from edgeproof.mil.model import open_model
from edgeproof.mil.values import Limits

ONE = {"x": ("float32", (2, 3))}
TEN_SECONDS = 10.0


def run(path: Path, limits: Limits | None = None) -> Any:
    model = open_model(path, limits=limits)
    return model.predict({feature.name: np.ones(feature.shape, feature.dtype) for feature in model.signature().inputs})


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(converted(build("dense")), tmp_path_factory.mktemp("package"))


@pytest.fixture
def copy(package: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(package, tmp_path / "copy.mlpackage"))


def model_file(path: Path) -> Path:
    return path / "Data" / "com.apple.CoreML" / "model.mlmodel"


def weight_file(path: Path) -> Path:
    return path / "Data" / "com.apple.CoreML" / "weights" / "weight.bin"


class TestTheFolder:
    def test_a_file_or_nothing_at_all(self, tmp_path: Path) -> None:
        (tmp_path / "a.mlpackage").write_bytes(b"PK")
        for name, said in (("a.mlpackage", "is a file"), ("gone.mlpackage", "is not there")):
            with pytest.raises(ArtifactError, match=said):
                open_model(tmp_path / name)

    @pytest.mark.parametrize(
        "text",
        ["", "{", "[]", "7", '{"rootModelIdentifier": "A"}', '{"itemInfoEntries": {}, "rootModelIdentifier": "A"}',
         '{"itemInfoEntries": {"A": {}}, "rootModelIdentifier": "A"}',
         '{"itemInfoEntries": {"A": {"path": 5}}, "rootModelIdentifier": "A"}',
         '{"itemInfoEntries": {"A": {"path": "a\\u0000b"}}, "rootModelIdentifier": "A"}',
         '{"itemInfoEntries": [], "rootModelIdentifier": []}', "[" * 100_000, "\ufffe", " " * 2**21],
    )  # fmt: skip
    def test_a_manifest_that_is_none(self, copy: Path, text: str) -> None:
        (copy / "Manifest.json").write_text(text)
        with pytest.raises(ArtifactError, match=r"Manifest|package"):
            open_model(copy)

    def test_no_manifest(self, copy: Path) -> None:
        (copy / "Manifest.json").unlink()
        with pytest.raises(ArtifactError, match=r"no Manifest\.json"):
            open_model(copy)

    @pytest.mark.parametrize("where", ["../../../secret", "/etc/passwd", "com.apple.CoreML/../../Manifest.json"])
    def test_a_path_that_leaves_the_package(self, copy: Path, where: str) -> None:
        manifest = json.loads((copy / "Manifest.json").read_text())
        manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"] = where
        (copy / "Manifest.json").write_text(json.dumps(manifest))
        with pytest.raises(ArtifactError, match="outside the package"):
            open_model(copy)

    def test_a_link_that_leaves_the_package(self, copy: Path, tmp_path: Path) -> None:
        elsewhere = tmp_path / "elsewhere"
        shutil.move(model_file(copy), elsewhere)
        model_file(copy).symlink_to(elsewhere)
        with pytest.raises(ArtifactError, match="outside the package"):
            open_model(copy)

    @pytest.mark.parametrize("name", ["@model_path/weights/../../../x", "/etc/passwd", "@model_path/../x", "a\0b"])
    def test_weights_that_leave_the_package(self, tmp_path: Path, name: str) -> None:
        writer = Writer(ONE, {"w": ("float32", (2, 3))})
        writer.const_file("w", "float32", (2, 3), name, 64)
        path = writer.save(tmp_path, weights=b"\0" * 256)
        with pytest.raises(ArtifactError, match=r"outside its package|cannot be read"):
            run(path)


class TestTheModelFile:
    def test_cut_short_anywhere(self, copy: Path) -> None:
        data = model_file(copy).read_bytes()
        begin = time.monotonic()
        for cut in sorted({0, 1, *range(2, len(data), max(1, len(data) // 60))}):
            model_file(copy).write_bytes(data[:cut])
            with pytest.raises(ArtifactError):
                run(copy)
        assert time.monotonic() - begin < 3 * TEN_SECONDS

    def test_damaged_anywhere_it_runs_or_says_what_is_wrong(self, copy: Path) -> None:
        data = bytearray(model_file(copy).read_bytes())
        draw = random.Random(5)
        refused = 0
        for _ in range(300):
            damaged = bytearray(data)
            for _ in range(draw.randint(1, 4)):
                damaged[draw.randrange(len(damaged))] = draw.randrange(256)
            model_file(copy).write_bytes(damaged)
            try:
                run(copy, Limits(bytes=2**28, iterations=1000, seconds=5))
            except EdgeProofError:
                refused += 1
        assert refused > 100

    def test_another_kind_of_model(self, tmp_path: Path) -> None:
        writer = Writer(ONE, ONE)
        writer.model.neuralNetwork.SetInParent()
        with pytest.raises(ArtifactError, match=r"neuralNetwork; only ML programs"):
            open_model(writer.save(tmp_path))

    def test_operations_that_nobody_knows_are_all_named_before_anything_runs(self, tmp_path: Path) -> None:
        writer = Writer(ONE, {"z": ("float32", (2, 3))})
        writer.add("fizz", {"y": ("float32", (2, 3))}, x="%x")
        writer.add("abs", {"a": ("float32", (2, 3))}, x="%y")
        writer.add("buzz", {"z": ("float32", (2, 3))}, x="%a")
        with pytest.raises(
            ArtifactError, match=r"2 operations unknown in iOS18: fizz \('y', operation 1 of main\); buzz"
        ):
            open_model(writer.save(tmp_path)).prepare()

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"x": "%nowhere"}, "'nowhere', which no operation before gives"),
            ({"x": "%x", "zeal": 3}, "no parameter zeal"),
            ({}, "lacks its x"),
            ({"x": ("%x", "%x")}, "takes one x, and is given 2"),
        ],
    )
    def test_arguments_that_do_not_fit(self, tmp_path: Path, arguments: dict[str, Any], said: str) -> None:
        writer = Writer(ONE, {"y": ("float32", (2, 3))})
        writer.add("abs", {"y": ("float32", (2, 3))}, **arguments)
        with pytest.raises(ArtifactError, match=said):
            run(writer.save(tmp_path))

    def test_an_operation_that_gives_what_is_not_declared(self, tmp_path: Path) -> None:
        for number, (dtype, shape, said) in enumerate(
            (("int32", (2, 3), "gives float32"), ("float32", (3, 2), r"gives the shape \[2, 3\]"))
        ):
            writer = Writer(ONE, {"y": ("float32", (2, 3))})
            writer.add("abs", {"y": (dtype, shape)}, x="%x")
            with pytest.raises(ArtifactError, match=said):
                run(writer.save(tmp_path, name=str(number)))

    def test_an_output_that_nothing_gives(self, tmp_path: Path) -> None:
        with pytest.raises(ArtifactError, match="'z', which no operation before gives"):
            run(Writer(ONE, {"z": ("float32", (1,))}).save(tmp_path))


def record(code: int = 2, size: int = 24, offset: int = 128, sentinel: int = 0xDEADBEEF) -> bytes:
    return struct.pack("<IIQQQ", sentinel, code, size, offset, 0).ljust(64, b"\0")


@pytest.mark.parametrize(
    ("weights", "at", "said"),
    [
        (b"\0" * 64 + record() + b"\0" * 24, 64, None),
        (b"\0" * 64 + record() + b"\0" * 24, 65, "no weights stand in"),
        (b"\0" * 64 + record() + b"\0" * 24, 2**63, "no weights stand in"),
        (b"\0" * 64 + record() + b"\0" * 20, 64, "cut short"),
        (b"\0" * 64 + record(offset=2**63) + b"\0" * 24, 64, "cut short"),
        (b"\0" * 64 + record(size=2**62) + b"\0" * 24, 64, "cut short"),
        (b"\0" * 64 + record(size=20) + b"\0" * 24, 64, "20 bytes, which is not"),
        (b"\0" * 64 + record(code=1) + b"\0" * 24, 64, "are fp16; the program declares fp32"),
        (b"\0" * 64 + record(code=99) + b"\0" * 24, 64, "unknown dtype"),
        (b"\0" * 64 + record(sentinel=7) + b"\0" * 24, 64, "record there is damaged"),
        (b"", 0, "no weights stand in"),
    ],
)
def test_weights_that_are_not_where_they_should_be(tmp_path: Path, weights: bytes, at: int, said: str | None) -> None:
    writer = Writer(ONE, {"y": ("float32", (2, 3))})
    writer.const_file("w", "float32", (2, 3), "@model_path/weights/weight.bin", at)
    writer.add("identity", {"y": ("float32", (2, 3))}, x="%w")
    path = writer.save(tmp_path, weights=weights)
    if said is None:
        np.testing.assert_array_equal(run(path)["y"], np.zeros((2, 3), np.float32))
        return
    with pytest.raises(ArtifactError, match=said):
        run(path)


def test_weights_cut_short_anywhere(copy: Path) -> None:
    data = weight_file(copy).read_bytes()
    for cut in range(0, len(data) - 64, max(64, len(data) // 40)):
        weight_file(copy).write_bytes(data[:cut])
        with pytest.raises(ArtifactError):
            run(copy)


class TestTooMuch:
    """Memory is looked at after each: nothing of the kind may have been made."""

    @pytest.fixture(autouse=True)
    def within_memory(self) -> Any:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        begin = time.monotonic()
        yield
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 700_000
        assert time.monotonic() - begin < 2 * TEN_SECONDS

    def test_declared_shapes(self, tmp_path: Path) -> None:
        for number, shape in enumerate(((2**40,), (2**31, 2**31), (2**63, 4))):
            writer = Writer(ONE, {"y": ("float32", (1,))})
            writer.add("abs", {"y": ("float32", shape)}, x="%x")
            with pytest.raises(ArtifactError, match="the limit is"):
                open_model(writer.save(tmp_path, name=str(number))).prepare()

    def test_a_constant_of_a_gigantic_shape_with_few_values(self, tmp_path: Path) -> None:
        writer = Writer(ONE, {"y": ("float32", (1,))})
        operation = writer.add("identity", {"y": ("float32", (1,))}, x=np.zeros(1, np.float32))
        operation.inputs["x"].arguments[0].value.type.tensorType.dimensions[0].constant.size = 2**50
        with pytest.raises(ArtifactError, match="holds something else"):
            open_model(writer.save(tmp_path))

    @pytest.mark.parametrize(
        ("kind", "arguments"),
        [
            ("fill", {"shape": np.array([2**20, 2**20], np.int32), "value": np.float32(1)}),
            ("tile", {"x": "%x", "reps": np.array([2**20, 2**20], np.int32)}),
            ("pad", {"x": "%x", "pad": np.array([2**30, 2**30], np.int32), "mode": "constant",
                     "constant_val": np.float32(0)}),
            ("range_1d", {"start": np.int32(0), "end": np.int32(2**31 - 1), "step": np.int32(1)}),
            ("one_hot", {"indices": np.zeros(1000, np.int32), "one_hot_vector_size": np.int32(2**30)}),
        ],
    )  # fmt: skip
    def test_operations_that_make_much_of_little(self, tmp_path: Path, kind: str, arguments: dict[str, Any]) -> None:
        writer = Writer(ONE, {"y": ("float32", (1,))})
        rank = {"fill": 2, "tile": 2, "pad": 2, "range_1d": 1, "one_hot": 2}[kind]
        dtype = "int32" if kind in ("range_1d", "one_hot") else "float32"
        writer.add(kind, {"y": (dtype, (None,) * rank)}, **arguments)
        with pytest.raises(ArtifactError, match="the limit is"):
            run(writer.save(tmp_path), Limits(bytes=2**28))

    def test_a_loop_without_end(self, tmp_path: Path) -> None:
        writer = Writer(ONE, {"y": ("float32", (2, 3))})
        loop = writer.add("while_loop", {"y": ("float32", (2, 3))}, loop_vars="%x")
        for _ in range(2):
            block = loop.blocks.add()
            block.inputs.add(name="v").type.CopyFrom(loop.outputs[0].type)
        always, again = loop.blocks
        writer.add("const", {"yes": ("bool", ())}, always)
        value = always.operations[0].attributes["val"]
        value.type.CopyFrom(always.operations[0].outputs[0].type)
        value.immediateValue.tensor.bools.values.append(True)
        always.outputs.append("yes")
        again.outputs.append("v")
        path = writer.save(tmp_path)
        with pytest.raises(ArtifactError, match="did not end within 5,000 turns"):
            run(path, Limits(iterations=5_000))
        with pytest.raises(ArtifactError, match=r"did not end within 0\.2 s"):
            run(path, Limits(iterations=10**9, seconds=0.2))
        with pytest.raises(ArtifactError, match="did not end within 1,000,000 turns"):
            run(path)

    def test_blocks_in_blocks_without_end(self, tmp_path: Path) -> None:
        writer = Writer(ONE, {"x": ("float32", (2, 3))})
        block = writer.block
        for _ in range(60):
            block = block.operations.add(type="cond").blocks.add()
        path = writer.save(tmp_path)
        with pytest.raises(ArtifactError):
            run(path)
