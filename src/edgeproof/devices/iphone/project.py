"""A complete Xcode project for a run: an app with every artifact of it that ships to an iPhone, and its samples.

It is written here and built on a Mac; ``results`` reads what the app tells.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from edgeproof.devices.iphone.commands import readme_text
from edgeproof.devices.iphone.pbxproj import NAME, Contents, project_text, scheme_text
from edgeproof.documents.artifact import ArtifactDocument, Binding
from edgeproof.documents.signature import Loop, TensorSpec
from edgeproof.errors import ArtifactError, ConversionError, EdgeProofError
from edgeproof.formats.narrowing import sample_as
from edgeproof.model.arrays import read_npz
from edgeproof.model.samples import read_calls
from edgeproof.spike.source_packages.naming import naming
from edgeproof.spike.source_packages.write import write_source_package
from edgeproof.spike.toolchain.description import read_description

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["AppEffort", "Shipped", "write_project"]

MODEL, ENGINE = ".mlpackage", ".c"
TYPES = {"float32": "<f4", "float16": "<f2", "int32": "<i4"}
"""What a graph of Core ML takes."""


@dataclass(frozen=True)
class Shipped:
    """An artifact for the app.

    Attributes:
        candidate: its name.
        folder: of the artifact.
        document: what describes it.
        samples: its own npz of samples, where it takes others than the rest.
    """

    candidate: str
    folder: Path
    document: ArtifactDocument
    samples: Path | None = None


@dataclass(frozen=True)
class AppEffort:
    """How hard the app measures: as ``devices.base.Effort`` says, in one process.

    Attributes:
        measure: timed calls; 702 support a p99.
        warmup: calls before them.
        seconds: cap on both.
        pace: seconds between the beginnings of paced calls; 0: none.
        paced: how many.
        hold: seconds of calls without a pause, for a meter.
        samples: at most so many are run for their outputs.
    """

    measure: int = 702
    warmup: int = 50
    seconds: float = 20.0
    pace: float = 0.1
    paced: int = 130
    hold: float = 0.0
    samples: int = 512


def write_project(
    out: Path, name: str, shipped: Sequence[Shipped], samples: Path, effort: AppEffort | None = None
) -> dict[str, str]:
    """Write the project into a folder, in the place of one that is there.

    Args:
        out: the folder; ``EdgeProofBench.xcodeproj`` is in it afterwards.
        name: of the model.
        shipped: Core ML packages and engines of ours.
        samples: npz of held-out samples.
        effort: how hard the app measures.

    Returns:
        candidates that cannot be in the app, and why.

    Raises:
        ArtifactError: none can be.
    """
    shutil.rmtree(out, ignore_errors=True)
    writing = _Writing(out, effort or AppEffort(), samples)
    skipped: dict[str, str] = {}
    for one in shipped:
        try:
            writing.add(one)
        except EdgeProofError as error:
            skipped[one.candidate] = str(error)
    if not writing.candidates:
        shutil.rmtree(out)
        raise ArtifactError(f"no artifact can be in an app: {'; '.join(skipped.values()) or 'none ships to an iPhone'}")
    writing.finish(name)
    return skipped


class _Writing:
    """A project while it is written."""

    def __init__(self, out: Path, effort: AppEffort, samples: Path) -> None:
        self._out, self._effort, self._samples = out, effort, samples
        self.candidates: list[dict[str, Any]] = []
        self._models: list[str] = []
        self._resources: list[str] = ["Resources/job.json"]
        self._packages: dict[str, str] = {}
        self._engines: dict[str, str] = {}
        (out / "Resources").mkdir(parents=True)

    def add(self, one: Shipped) -> None:
        """An artifact, with its samples."""
        document = one.document
        engine = next(iter(sorted(one.folder.glob(f"*{ENGINE}"))), None)
        inputs = document.inputs
        if document.file.endswith(MODEL):
            kind, file = "coreml", one.candidate
        elif engine is not None:
            kind, file = "engine", one.candidate
        else:
            raise ArtifactError(f"{one.candidate} is neither a Core ML package nor an engine with its source")
        loop = document.loop if kind == "coreml" else None
        told = {
            "candidate": one.candidate,
            "kind": kind,
            "file": file,
            "samples": self._inputs(one, loop),
            "inputs": [_port(binding) for binding in inputs],
            "outputs": [_port(binding) for binding in document.outputs],
            "loop": None if loop is None else self._loop(one, loop),
        }
        if kind == "coreml":
            path = f"Models/{one.candidate}{MODEL}"
            shutil.copytree(one.folder / document.file, self._out / path)
            self._models.append(path)
        else:
            assert engine is not None
            self._engine(one.candidate, engine)
        self.candidates.append(told)

    def finish(self, name: str) -> None:
        """The sources, the job and the project around them."""
        effort = {
            field: getattr(self._effort, field) for field in ("measure", "warmup", "seconds", "pace", "paced", "hold")
        }
        job = {"name": name, "candidates": self.candidates, **effort}
        self._write("Resources/job.json", msgspec.json.format(msgspec.json.encode(job), indent=2))
        sources: list[str] = []
        tests: list[str] = []
        swift = resources.files("edgeproof.devices.iphone") / "swift"
        for file in sorted(swift.iterdir(), key=lambda file: file.name):
            kept = tests if file.name.endswith("Tests.swift") else sources
            kept.append(f"{'Tests' if kept is tests else 'Sources'}/{file.name}")
            self._write(kept[-1], file.read_bytes())
        sources.append("Sources/Engines.swift")
        self._write(sources[-1], _engines(self._engines).encode())
        contents = Contents(sources, tests, self._models, self._resources, self._packages)
        self._write(f"{NAME}.xcodeproj/project.pbxproj", project_text(contents).encode())
        self._write("README.md", readme_text(name, [one["candidate"] for one in self.candidates]).encode())
        self._write(f"{NAME}.xcodeproj/xcshareddata/xcschemes/{NAME}.xcscheme", scheme_text().encode())

    def _write(self, path: str, data: bytes) -> None:
        (self._out / path).parent.mkdir(parents=True, exist_ok=True)
        (self._out / path).write_bytes(data)

    def _resource(self, stem: str, data: bytes) -> str:
        """A file of the app, once for all that have the same."""
        name = f"{stem}-{hashlib.sha256(data).hexdigest()[:12]}.bin"
        if f"Resources/{name}" not in self._resources:
            self._write(f"Resources/{name}", data)
            self._resources.append(f"Resources/{name}")
        return name

    def _inputs(self, one: Shipped, loop: Loop | None) -> str:
        """Samples as the graph takes them, a call after the other."""
        bindings = one.document.inputs[: len(one.document.inputs) - (len(loop.states) if loop else 0)]
        rows = loop.timesteps if loop is not None and loop.encoding == "sequence" else None
        specs = [_whole(binding.tensor, rows) for binding in bindings]
        calls = read_calls(one.samples or self._samples, specs, limit=self._effort.samples)
        parts = []
        for call in calls:
            for binding in bindings:
                if binding.scale is not None or binding.graph_dtype not in TYPES:
                    raise ConversionError(f"{one.candidate}: the app does not feed {binding.graph_dtype} inputs")
                parts.append(_bytes(sample_as(call[binding.tensor.name], binding.graph_dtype, binding.tensor.name)))
        return self._resource("samples", b"".join(parts))

    def _loop(self, one: Shipped, loop: Loop) -> dict[str, Any]:
        given: Mapping[str, npt.NDArray[Any]] = {}
        if any(state.initial is not None for state in loop.states):
            given = read_npz(one.folder / "initial_state.npz")
        bindings = one.document.inputs[len(one.document.inputs) - len(loop.states) :]
        parts = []
        for state, binding in zip(loop.states, bindings, strict=True):
            first = np.zeros(state.shape, state.dtype) if state.initial is None else given[state.initial]
            parts.append(_bytes(sample_as(first, binding.graph_dtype, binding.tensor.name)))
        return {
            "timesteps": loop.timesteps,
            "encoding": loop.encoding,
            "readouts": list(loop.readouts),
            "states": self._resource("states", b"".join(parts)),
        }

    def _engine(self, candidate: str, c: Path) -> None:
        """A Swift package of an engine; its symbols are its candidate's: an app may hold several of one network."""
        told = read_description(c)
        renamed = re.sub(r"\W", "_", f"{told.name}_{candidate.removeprefix('sdk-')}")
        work = self._out / "Packages" / "sources"
        work.mkdir(parents=True, exist_ok=True)
        for suffix in (ENGINE, ".h"):
            text = c.with_suffix(suffix).read_text()
            for old, new in ((told.name, renamed), (told.name.upper(), renamed.upper())):
                text = re.sub(rf"\b{old}(?=_|\b)", new, text)
            (work / f"{renamed}{suffix}").write_text(text)
        kind = naming(read_description(work / f"{renamed}{ENGINE}")).type
        write_source_package(work / f"{renamed}{ENGINE}", "swift", self._out / "Packages" / kind)
        shutil.rmtree(work)
        self._packages[f"Packages/{kind}"] = kind
        self._engines[candidate] = kind


def _whole(spec: TensorSpec, rows: int | None) -> TensorSpec:
    """An input of a whole call."""
    return spec if rows is None else msgspec.structs.replace(spec, shape=(rows, *spec.shape))


def _port(binding: Binding) -> dict[str, Any]:
    return {
        "name": binding.tensor.name,
        "graph_name": binding.graph_name,
        "dtype": binding.graph_dtype,
        "shape": list(binding.graph_shape),
    }


def _bytes(array: npt.NDArray[Any]) -> bytes:
    return array.astype(TYPES[array.dtype.name], copy=False).tobytes()


def _engines(engines: Mapping[str, str]) -> str:
    """Swift that opens an engine by its candidate's name."""
    imports = "".join(f"import {kind}\n" for kind in engines.values())
    cases = "".join(
        f'    case "{candidate}":\n'
        f"        let engine = try {kind}()\n"
        f"        return {{ try engine.run($0, into: $1) }}\n"
        for candidate, kind in engines.items()
    )
    return (
        "// Engines of EdgeProof's own in this app, by their candidates' names.\n\n"
        f"{imports}\n"
        "func openEngine(_ file: String) throws -> EngineSession.Run {\n"
        f"    switch file {{\n{cases}"
        "    default: throw BenchError.missing(file)\n    }\n}\n"
    )
