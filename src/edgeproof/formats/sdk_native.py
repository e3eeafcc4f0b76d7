"""``sdk-native``: the SDK's engine in C, generated for the network: silent neurons cost nothing, no runtime ships."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from edgeproof.documents.artifact import ArtifactDocument, Binding
from edgeproof.documents.base import encode
from edgeproof.documents.signature import Form, TensorSpec
from edgeproof.errors import ArtifactError, ConversionError
from edgeproof.files import write_bytes
from edgeproof.formats.base import Array, Conversion, Format, GraphRunner, Produced, Session
from edgeproof.formats.bindings import bind, plain, safe_names
from edgeproof.formats.engine_artifact import RUNS_CODE
from edgeproof.model.samples import evenly
from edgeproof.trust import fingerprint, hold

if TYPE_CHECKING:
    from edgeproof.model.spine import Spine
    from edgeproof.spike.engine.emit import Source
    from edgeproof.spike.runtime.native import Engine
    from edgeproof.spike.toolchain.build import Kind

__all__ = ["FORMAT"]

CALIBRATION = 64
"""Samples that set the units of whole numbers."""
OBSERVED = 16
"""Samples on which the activity of layers is measured."""


LOOPS = (
    "if the module loops over time by itself, let it compute one step and return edgeproof.Model(module, timesteps=…), "
    "or let `edgeproof nir MODEL --out net.nir` find the step, and give net.nir as MODEL"
)


class SdkNative(Format):
    """A shared library with the C it was made of. One call runs all time steps."""

    name = "sdk-native"
    title = "EdgeProof SDK, native"
    precisions = ("fp32", "int8")
    requires = ("torch==2.13.0",)
    runtime_requires = ()
    suffix = ".so"
    runs_code = RUNS_CODE
    preload = ("torch", "edgeproof.spike.from_torch.read", "edgeproof.spike.engine.emit", "edgeproof.spike.fixed.emit")
    platforms = ("host", "raspberry-pi", "android", "iphone")
    shipping = "sdk-native.toml"
    sdk = True
    kept = False
    undivided = "one compiled engine runs every operator"

    def forms(self, precision: str) -> tuple[Form, ...]:
        return ("step",)

    def candidate(self, precision: str) -> str:
        return "sdk-native" if precision == "fp32" else f"sdk-native-{precision}"

    def convert(self, conversion: Conversion) -> Produced:
        from edgeproof.spike.toolchain.build import build_library

        spine = conversion.spine
        name = safe_names([TensorSpec(name=conversion.name, dtype="float32", shape=())])[0]
        signature = spine.document.signature
        try:
            source = _source(spine, conversion.precision, name)
        except ConversionError as error:
            cause = _shape_of_calls(spine)
            if cause is not None:
                error.message = f"{cause[0]}: {error.message}"
            hint = cause[1] if cause is not None else LOOPS
            if cause is not None or (spine.document.loop is None and signature.spiking):
                error.hint = f"{hint}; {error.hint}" if error.hint else hint
            raise
        library = build_library(source, conversion.folder)
        return Produced(
            library.name,
            bind(signature.inputs, [spec.name for spec in signature.inputs]),
            bind(signature.outputs, [spec.name for spec in signature.outputs]),
            sources=(f"{name}.c", f"{name}.h"),
            notes=(f"{name}.c and {name}.h beside it build for any other processor, phones too",),
            loops=True,
        )

    def open(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> GraphRunner:
        from edgeproof.spike.runtime.native import Engine

        return _Runner(Engine(folder / artifact.file))

    def session(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> Session:
        from edgeproof.spike.runtime.native import Port
        from edgeproof.spike.runtime.session import NativeSession

        inputs, outputs = (
            [Port(binding.tensor.name, binding.tensor.shape) for binding in bindings]
            for bindings in (artifact.inputs, artifact.outputs)
        )
        session = NativeSession(folder / artifact.file, inputs=inputs, outputs=outputs)
        session.inputs = tuple(binding.tensor for binding in artifact.inputs)
        session.outputs = tuple(binding.tensor for binding in artifact.outputs)
        return session

    def ports(self, path: Path) -> tuple[tuple[Binding, ...], tuple[Binding, ...]]:
        from edgeproof.spike.runtime.native import Engine

        engine = Engine(path)
        inputs, outputs = (
            tuple(plain(port.name, "float32", port.shape) for port in ports)
            for ports in (engine.inputs, engine.outputs)
        )
        return inputs, outputs

    def built_for(self, architecture: str, artifact: Path, document: ArtifactDocument, out: Path) -> Path:
        """Compiled anew of the C beside it.

        Raises:
            ArtifactError: there is none. ConversionError: no compiler for that architecture, or it failed.
        """
        return _built("library", architecture, artifact, document, out)

    def program_for(self, architecture: str, artifact: Path, document: ArtifactDocument, out: Path) -> Path:
        """Compiled of the C beside it; on Android it is the same as on Linux.

        Raises:
            ArtifactError: there is none. ConversionError: no compiler for that architecture, or it failed.
        """
        return _built("program", architecture, artifact, document, out)

    def precision_of(self, path: Path) -> str:
        return "fp32"


TARGET_OF = {"armv7l": "armv7-linux", "armv8l": "armv7-linux", "arm64": "aarch64-linux", "amd64": "x86_64-linux"}
"""Architectures as systems name them, where the target of a build has another name."""


def _built(kind: Kind, architecture: str, artifact: Path, document: ArtifactDocument, out: Path) -> Path:
    """A folder with what the C beside an artifact becomes for another architecture, and its document."""
    from edgeproof.spike.toolchain.build import build
    from edgeproof.spike.toolchain.targets import TARGETS

    target = TARGETS.get(TARGET_OF.get(architecture, f"{architecture}-linux"))
    if target is None:
        known = ", ".join(name.removesuffix("-linux") for name in TARGETS if name.endswith("-linux"))
        raise ConversionError(f"the engine is not built for {architecture}", hint=f"it is for {known}")
    folder = artifact if artifact.is_dir() else artifact.parent
    source = next(iter(sorted(folder.glob("*.c"))), None)
    if source is None:
        raise ArtifactError(f"{artifact} is built for this machine, and its C source is not beside it")
    hold(folder, document.file, document.sha256, document.sources)  # what is compiled will run
    made = build(source, out, kind, target).file
    digest, size = fingerprint(made)
    told = msgspec.structs.replace(document, file=made.name, sha256=digest, bytes=size, beside={}, sources={})
    write_bytes(out / ArtifactDocument.FILE, encode(told.marked()))
    return out


def _shape_of_calls(spine: Spine) -> tuple[str, str] | None:
    """What in the shape of a call the engine does not take, and what to do; None where it is no matter of that."""
    signature = spine.document.signature
    shapes = [spec.shape for spec in spine.inputs[: len(signature.inputs)]]
    for shape in shapes:
        if spine.document.loop is None and len(shape) > 1 and shape[0] > 1:
            why = signature.whole_because or "it keeps no state from one call to the next"
            return (
                f"the model takes {list(shape)} in one call, and its first axis cannot be taken for time steps: {why}",
                "say inputs with a batch of 1; or let it compute one time step and carry its state on, inside or as "
                "module(x, state) -> (output, state) with explicit_state=True in edgeproof.Model; or let "
                "`edgeproof nir MODEL --out net.nir` find the step, and give net.nir as MODEL",
            )
        if len(shape) > 1 and shape[0] > 1 and spine.document.loop is not None:
            return (
                f"a call has a batch of {shape[0]}",
                "the engine takes one sample a call: say inputs with a batch of 1",
            )
    return None


def _source(spine: Spine, precision: str, name: str) -> Source:
    """The C, which depends on samples: int8 units on what they reach, how layers take inputs on how busy these are."""
    from edgeproof.model.step_program import program_of
    from edgeproof.spike.engine.activity import measure_activity
    from edgeproof.spike.engine.emit import emit
    from edgeproof.spike.fixed.emit import emit_fixed
    from edgeproof.spike.fixed.quantise import quantise

    program = program_of(spine)
    if precision == "int8":
        return emit_fixed(quantise(program, _calls(spine, CALIBRATION)), name)
    return emit(program, name, measure_activity(program, _calls(spine, OBSERVED)))


def _calls(spine: Spine, limit: int) -> list[dict[str, Array]]:
    """Inputs of whole calls, evenly chosen from the samples."""
    chosen = evenly(min(map(len, spine.samples.values())), limit)
    return [{name: values[at] for name, values in spine.samples.items()} for at in chosen]


class _Runner:
    def __init__(self, engine: Engine) -> None:
        self._engine: Engine | None = engine
        self._shapes = [port.shape for port in engine.outputs]

    def __call__(self, arrays: Sequence[Array]) -> Sequence[Array]:
        engine = self._engine
        assert engine is not None
        given = [np.ascontiguousarray(array) for array in arrays]
        results = [np.empty(shape, np.float32) for shape in self._shapes]
        engine.call([array.ctypes.data for array in given], [array.ctypes.data for array in results])
        return results

    def close(self) -> None:
        self._engine = None


FORMAT = SdkNative()
