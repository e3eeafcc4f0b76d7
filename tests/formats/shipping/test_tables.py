"""The tables of libraries: each is read, each figure has a source, and this host's are the sizes of its files."""

from __future__ import annotations

import shlex
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from edgeproof.documents.device import DEVICE_CLASSES
from edgeproof.errors import DocumentError
from edgeproof.formats.registry import formats
from edgeproof.formats.shipping import tables
from edgeproof.formats.shipping.tables import Installed, Table, installed, read_table, runtime_sizes

FORMATS = [pytest.param(known, id=name) for name, known in formats().items()]
WHEELS = {
    "onnx": "onnxruntime",
    "litert": "ai-edge-litert",
    "executorch": "executorch",
    "openvino": "openvino",
    "torchscript": "torch",
}


@pytest.mark.parametrize("known", FORMATS)
def test_every_class_that_a_format_ships_to_is_known_or_says_why_not(known):
    sizes = known.runtime_sizes()
    assert [size.device_class for size in sizes] == [name for name in DEVICE_CLASSES if name in known.platforms]
    for size in sizes:
        assert (size.bytes is None) == (size.unknown is not None)
        assert size.libraries or size.note or size.unknown
        for library in size.libraries:
            assert library.bytes > 0
            assert library.version
            assert len(library.source) > 10


@pytest.mark.parametrize("known", FORMATS)
def test_this_host_is_measured_where_a_runtime_ships(known):
    for size in known.runtime_sizes():
        if size.device_class == "host":
            assert size.unknown is None
            assert size.measured
            assert all(library.how == "measured here" for library in size.libraries)


@pytest.mark.parametrize("name", ["sdk-native", "coreml"])
def test_what_ships_no_library_says_so(name):
    for size in formats()[name].runtime_sizes():
        assert size.bytes == 0
        assert "no library ships" in size.note


@pytest.mark.parametrize(("name", "distribution"), WHEELS.items())
def test_measured_figures_of_other_targets_are_of_the_version_that_is_installed(name, distribution):
    """A new pin asks for a look at its wheel: the table says which version its figures are of."""
    version = metadata.version(distribution).partition("+")[0]
    for library in read_table(formats()[name].shipping).library:
        if library.how == "measured":
            assert library.version == version, f"{library.name}: measure it anew from the aarch64 wheel of {version}"


def test_the_host_is_the_sum_of_the_files_that_are_there():
    size = next(size for size in formats()["onnx"].runtime_sizes() if size.device_class == "host")
    (library,) = size.libraries
    folder = Path(str(metadata.distribution("onnxruntime").locate_file("onnxruntime/capi")))
    assert library.bytes == (folder / library.name).stat().st_size == size.bytes
    assert library.version == metadata.version("onnxruntime")


@pytest.mark.parametrize(
    "wanted",
    [
        Installed(distribution="no-such-distribution", runtime=("a.so",)),
        Installed(distribution="onnxruntime", runtime=("onnxruntime/capi/libonnxruntime.*[0-9]*",), delegate=("x.so",)),
    ],
)
def test_a_part_that_is_not_there_makes_the_sum_unknown(wanted):
    assert installed(wanted) == ()
    (size,) = runtime_sizes("mine", Table(host=wanted), ("host",))
    assert size.bytes is None
    assert wanted.distribution in size.unknown


def test_a_damaged_table_is_named(monkeypatch, tmp_path):
    (tmp_path / "bad.toml").write_text("[[library]]\nclass = 'moon'\n")
    monkeypatch.setattr(tables.resources, "files", lambda _: tmp_path)
    with pytest.raises(DocumentError, match=r"bad\.toml"):
        read_table("bad.toml")


class TestReducedBuilds:
    def test_placeholders_are_those_that_are_filled_in(self):
        ways = [way for known in formats().values() for way in known.reduced_builds()]
        assert len(ways) == 4
        for way in ways:
            for line in (*way.here, *way.commands):
                assert line.format(artifact="A", stem="S", candidate="C")
            assert way.source

    def test_what_onnx_runs_here_writes_the_list_of_operators(self, tmp_path):
        import onnx
        from onnx import TensorProto, helper

        graph = helper.make_graph(
            [helper.make_node("Relu", ["x"], ["y"])],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
        onnx.save(model, tmp_path / "net.onnx")
        (way,) = formats()["onnx"].reduced_builds()
        self.run(way.here[0].format(artifact="net.onnx", stem="net", candidate="onnx-fp32"), tmp_path)
        needed = way.commands[0].format(artifact="net.onnx", stem="net", candidate="onnx-fp32")
        config = tmp_path / needed.rpartition('"$RUN"/')[2]
        assert "Relu" in config.read_text()

    @staticmethod
    def run(line, folder):
        words = shlex.split(line)
        assert words[0] == "python"
        subprocess.run([sys.executable, *words[1:]], cwd=folder, check=True, capture_output=True)
