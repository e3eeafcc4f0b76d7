"""The Xcode project of a run, as far as it can be checked without a Mac: its file, its references, its Swift, its C."""

from __future__ import annotations

import plistlib
import re
import subprocess
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from tests.devices.engines import write_artifact, write_digits
from tests.spike.installed import need

from edgeproof.devices.iphone.pbxproj import NAME
from edgeproof.devices.iphone.project import AppEffort, Shipped, write_project
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.signature import Loop, StateSpec, TensorSpec
from edgeproof.errors import ArtifactError
from edgeproof.formats.bindings import bind


def tensor(name: str, *shape: int) -> TensorSpec:
    return TensorSpec(name=name, dtype="float32", shape=shape)


def coreml(folder: Path, candidate: str, dtype: str = "float32", **more: Any) -> Shipped:
    """A package that holds no model: nothing here opens it."""
    package = folder / candidate / "digits.mlpackage"
    (package / "Data").mkdir(parents=True)
    (package / "Manifest.json").write_text("{}")
    inputs, outputs = [tensor("pixels", 1, 64)], [tensor("spikes", 1, 10), tensor("membrane", 1, 10)]
    if "loop" in more:
        inputs.append(tensor("state", 1, 3))
        outputs.append(tensor("state_after", 1, 3))
    document = ArtifactDocument(
        candidate=candidate,
        format="coreml",
        precision="fp32",
        form="step" if "loop" in more else "whole",
        file=package.name,
        sha256="",
        bytes=2,
        inputs=bind(inputs, ["pixels", "state"][: len(inputs)], dtypes=[dtype, "float32"][: len(inputs)]),
        outputs=bind(outputs, ["spikes", "var_9", "var_11"][: len(outputs)]),
        **more,
    )
    return Shipped(candidate, folder / candidate, document)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("iphone")
    shipped = []
    for candidate in ("sdk-native", "sdk-native-int8"):
        document = write_artifact(folder / candidate)
        shipped.append(Shipped(candidate, folder / candidate, document))
    state = StateSpec(name="state", dtype="float32", shape=(1, 3), initial="first")
    np.savez(folder / "state.npz", first=np.array([[1, 2, 3]], np.float32))
    loop = Loop(timesteps=4, encoding="repeat", states=(state,), readouts=("sum", "last"))
    stepped = coreml(folder, "coreml-int8-step", loop=loop)
    (folder / "state.npz").rename(stepped.folder / "initial_state.npz")
    shipped += [coreml(folder, "coreml-fp32"), coreml(folder, "coreml-fp16", "float16"), stepped]
    out = folder / "out"
    skipped = write_project(out, "digits", shipped, write_digits(folder / "heldout.npz"), AppEffort(samples=30))
    assert skipped == {}
    return out


def parsed(project: Path) -> dict[str, Any]:
    """The project's objects, by another's reader."""
    pbxproj = pytest.importorskip("pbxproj", reason="pbxproj is not installed")
    file = project / f"{NAME}.xcodeproj" / "project.pbxproj"
    told = pbxproj.XcodeProject.load(str(file))
    assert told.rootObject
    from openstep_parser import OpenStepDecoder

    return OpenStepDecoder.ParseFromString(file.read_text())  # type: ignore[no-any-return]


def test_its_file_is_read_by_others(project: Path) -> None:
    told = parsed(project)
    objects = told["objects"]
    assert all(re.fullmatch(r"[0-9A-F]{24}", number) for number in objects)
    root = objects[told["rootObject"]]
    names = [objects[number]["name"] for number in root["targets"]]
    assert names == [NAME, f"{NAME}Tests"]
    kinds = {value["isa"] for value in objects.values()}
    assert {"PBXProject", "PBXNativeTarget", "XCLocalSwiftPackageReference", "XCBuildConfiguration"} <= kinds


def test_every_reference_in_it_leads_somewhere(project: Path) -> None:
    objects = parsed(project)["objects"]
    used: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            for item in value.values():
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, str) and re.fullmatch(r"[0-9A-F]{24}", value):
            used.add(value)

    walk(list(objects.values()))
    assert used <= set(objects)
    roots = {number for number, value in objects.items() if value["isa"] == "PBXProject"}
    assert set(objects) - used <= roots, "what nothing refers to is in no build"


def test_every_file_in_it_exists_and_every_file_is_in_it(project: Path) -> None:
    objects = parsed(project)["objects"].values()
    paths = {
        value["path"] for value in objects if value["isa"] == "PBXFileReference" and value["sourceTree"] == "<group>"
    }
    paths |= {value["relativePath"] for value in objects if value["isa"] == "XCLocalSwiftPackageReference"}
    assert all((project / path).exists() for path in paths)
    written = {
        str(path.relative_to(project))
        for folder in ("Sources", "Tests", "Models", "Resources", "Packages")
        for path in (project / folder).iterdir()
    }
    assert paths == written
    assert "Models/coreml-fp32.mlpackage" in paths


def test_its_scheme_names_its_targets(project: Path) -> None:
    text = (project / f"{NAME}.xcodeproj" / "xcshareddata" / "xcschemes" / f"{NAME}.xcscheme").read_text()
    root = ET.fromstring(text)
    objects = parsed(project)["objects"]
    named = {
        found.attrib["BlueprintIdentifier"]: found.attrib["BlueprintName"] for found in root.iter("BuildableReference")
    }
    assert {objects[number]["name"] for number in named} == set(named.values())
    assert {found.attrib["buildConfiguration"] for found in root if "buildConfiguration" in found.attrib} == {"Release"}


def test_its_swift_is_swift(project: Path) -> None:
    tree_sitter, swift = (pytest.importorskip(name) for name in ("tree_sitter", "tree_sitter_swift"))
    parser = tree_sitter.Parser(tree_sitter.Language(swift.language()))
    files = sorted(project.rglob("*.swift"))
    assert len(files) == 8 + 2 * 2
    for file in files:
        text = file.read_bytes()
        assert not parser.parse(text).root_node.has_error, file
        assert parser.parse(text.rstrip()[:-1]).root_node.has_error


def test_its_names_agree_across_files(project: Path) -> None:
    """What the Swift of one file calls stands in another, and its JSON has the fields of the documents."""
    engines = (project / "Sources" / "Engines.swift").read_text()
    kinds = [path.name for path in sorted((project / "Packages").iterdir())]
    assert len(kinds) == 2
    for kind in kinds:
        assert f"import {kind}\n" in engines
        wrapper = (project / "Packages" / kind / "Sources" / kind / f"{kind}.swift").read_text()
        assert f"public final class {kind}" in wrapper
        assert "public func run(_ given: [UnsafeBufferPointer<Float>], into taken:" in wrapper
        assert plistlib.loads((project / "Packages" / kind / "Sources" / kind / "PrivacyInfo.xcprivacy").read_bytes())
    swift = "".join(path.read_text() for path in (project / "Sources").iterdir())
    for name in (
        "Session",
        "EngineSession",
        "CoreMLSession",
        "Conditions",
        "RunnerReport",
        "AppReport",
        "Job",
        "Bench",
    ):
        assert len(re.findall(rf"^(?:final class|struct|protocol) {name}\b", swift, re.MULTILINE)) == 1


def snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", name)


@pytest.mark.parametrize(
    ("struct", "document"),
    [
        ("RunnerReport", "runner.RunnerReport"),
        ("Conditions", "conditions.Conditions"),
        ("Held", "held.Held"),
        ("Output", "app.AppOutput"),
        ("Measured", "app.AppMeasured"),
        ("Phone", "app.Phone"),
        ("AppReport", "app.AppReport"),
    ],
)
def test_what_swift_writes_the_documents_read(struct: str, document: str, project: Path) -> None:
    import importlib

    module, _, name = document.partition(".")
    kind = getattr(importlib.import_module(f"edgeproof.documents.{module}"), name)
    text = (project / "Sources" / "Report.swift").read_text()
    body = re.search(rf"struct {struct}: Encodable \{{\n(.*?)\n\}}", text, re.DOTALL)
    assert body
    fields = {snake(found) for found in re.findall(r"^    (?:let|var) (\w+)", body[1], re.MULTILINE)}
    assert fields <= set(kind.__struct_fields__)
    needed = {field.name for field in msgspec.structs.fields(kind) if field.required}
    assert needed <= fields


def test_the_job_tells_what_the_app_reads(project: Path) -> None:
    job = msgspec.json.decode((project / "Resources" / "job.json").read_bytes())
    text = (project / "Sources" / "Job.swift").read_text()
    outer = text.split("    let name: String\n    let candidates")[1]
    fields = {"name", "candidates"} | {
        snake(found) for found in re.findall(r"^    var (\w+): \w+$", outer, re.MULTILINE)
    }
    assert set(job) == fields
    found = {one["candidate"]: one for one in job["candidates"]}
    assert [one["kind"] for one in found.values()] == ["engine", "engine", "coreml", "coreml", "coreml"]
    assert found["coreml-fp32"]["outputs"][1] == {
        "name": "membrane",
        "graph_name": "var_9",
        "dtype": "float32",
        "shape": [1, 10],
    }
    assert found["sdk-native"]["samples"] == found["coreml-fp32"]["samples"]
    whole = np.frombuffer((project / "Resources" / found["coreml-fp32"]["samples"]).read_bytes(), "<f4")
    half = np.frombuffer((project / "Resources" / found["coreml-fp16"]["samples"]).read_bytes(), "<f2")
    assert whole.size == half.size == 30 * 64
    assert np.array_equal(whole, half.astype(np.float32)), "sixteenths have room in half precision"
    loop = found["coreml-int8-step"]["loop"]
    states = np.frombuffer((project / "Resources" / loop["states"]).read_bytes(), "<f4")
    assert (loop["timesteps"], loop["readouts"], states.tolist()) == (4, ["sum", "last"], [1, 2, 3])


def test_engines_of_one_network_are_linked_together(project: Path, tmp_path: Path) -> None:
    """Their C has names of its own: both in one program, compiled as SwiftPM does."""
    need("gcc")
    sources = [path for path in (project / "Packages").rglob("*.c") if "variants" not in path.name]
    headers = sorted({str(path.parent) for path in (project / "Packages").rglob("*.h")})
    handles = [path.name.removesuffix(".h") for path in (project / "Packages").rglob("*_handle.h")]
    assert len(set(handles)) == 2
    lines = "".join(f'#include "{name}.h"\n' for name in handles)
    opened = " && ".join(f"{name}_open() != 0" for name in handles)
    (tmp_path / "main.c").write_text(f"{lines}int main(void) {{ return {opened} ? 0 : 1; }}\n")
    objects = []
    for source in sources:
        objects.append(tmp_path / f"{source.stem}.o")
        words = ["gcc", "-O1", "-c", str(source), *(f"-I{header}" for header in headers), "-o", str(objects[-1])]
        subprocess.run(words, check=True)
    words = ["gcc", str(tmp_path / "main.c"), *map(str, objects), *(f"-I{header}" for header in headers), "-lm"]
    subprocess.run([*words, "-o", str(tmp_path / "both")], check=True)
    subprocess.run([str(tmp_path / "both")], check=True)


def test_its_commands(project: Path) -> None:
    text = (project / "README.md").read_text()
    for words in (
        "xcrun xcodebuild -project EdgeProofBench.xcodeproj -scheme EdgeProofBench -configuration Release",
        "xcrun devicectl device install app --device DEVICE_ID build/Build/Products/Release-iphoneos/EdgeProofBench",
        """--environment-variables '{"EDGEPROOF_CANDIDATES": "coreml-fp32", "EDGEPROOF_UNITS": "all"}' dev.edgeproof""",
        "--domain-type appDataContainer --domain-identifier dev.edgeproof.bench --source Documents",
        "xcrun xctrace record --device DEVICE_ID --template 'Core ML'",
        "edgeproof import RUN results/*.json",
    ):
        assert words in text


def test_what_cannot_be_in_an_app(tmp_path: Path) -> None:
    held_out = write_digits(tmp_path / "heldout.npz")
    alien = coreml(tmp_path, "litert-fp32")
    alien = Shipped("litert-fp32", alien.folder, msgspec.structs.replace(alien.document, file="a.tflite"))
    wide = coreml(tmp_path, "coreml-wide", "float64")
    skipped = write_project(tmp_path / "out", "digits", [coreml(tmp_path, "coreml-fp32"), alien, wide], held_out)
    assert "neither a Core ML package nor an engine" in skipped["litert-fp32"]
    assert "does not feed float64" in skipped["coreml-wide"]
    with pytest.raises(ArtifactError, match=r"no artifact can be in an app: .*neither"):
        write_project(tmp_path / "out", "digits", [alien], held_out)
