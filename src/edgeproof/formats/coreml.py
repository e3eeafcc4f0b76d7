"""Core ML ``.mlpackage``: converted and checked in structure anywhere; run on Apple's systems only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.errors import ArtifactError, ConversionError
from edgeproof.formats.base import Conversion, Format, GraphRunner, Produced
from edgeproof.formats.bindings import bind, safe_names

__all__ = ["FORMAT"]

DTYPES = {"float32": "float32", "float16": "float16", "int32": "int32", "int64": "int32", "bool": "float32"}


class CoreML(Format):
    """An ML program for iOS 16 and later. int8 quantises the weights: activations need a Mac."""

    name = "coreml"
    title = "Core ML"
    precisions = ("fp32", "fp16", "int8")
    requires = ("coremltools>=9.0,<9.1", "torch==2.13.0")
    runtime_requires = ("coremltools>=9.0,<9.1",)
    extra = "coreml"
    suffix = ".mlpackage"
    preload = ("torch", "coremltools", "coremltools.optimize.coreml")
    runs_here: str | None = (
        "Core ML packages run on macOS and iOS only; this one was converted, reloaded and checked in structure"
    )
    platforms = ("iphone",)
    streams = True

    def convert(self, conversion: Conversion) -> Produced:
        from edgeproof.formats.rewrites.coreml import prepare

        spine = conversion.spine
        prepared = prepare(spine)
        inputs = safe_names(spine.inputs)
        outputs = safe_names(spine.outputs, inputs)
        model = _convert(prepared, inputs, outputs, conversion.precision)
        if conversion.precision == "int8":
            model = _weights_int8(model)
        file = f"{conversion.name}.mlpackage"
        model.save(str(conversion.folder / file))
        found = [one.name for one in model.get_spec().description.output]
        shapes = [spec.shape or (1,) for spec in spine.inputs]
        return Produced(
            file,
            bind(spine.inputs, inputs, dtypes=prepared.input_dtypes, shapes=shapes),
            bind(spine.outputs, found),
            rewrites=prepared.rewrites,
            notes=prepared.notes,
        )

    def open(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> GraphRunner:
        raise ArtifactError(f"{artifact.candidate}: {self.runs_here}")

    def inspect(self, artifact: ArtifactDocument, folder: Path) -> tuple[str, ...]:
        return _inspect(artifact, folder / artifact.file)


def _convert(prepared: Any, inputs: Sequence[str], outputs: Sequence[str], precision: str) -> Any:
    import logging
    import warnings

    import coremltools as ct
    import numpy as np
    import torch

    logging.getLogger("coremltools").setLevel(logging.ERROR)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            traced = torch.jit.trace(prepared.module, prepared.example, check_trace=False, strict=False)  # type: ignore[no-untyped-call]
            return ct.convert(
                traced,
                convert_to="mlprogram",
                minimum_deployment_target=ct.target.iOS16,
                compute_precision=ct.precision.FLOAT16 if precision == "fp16" else ct.precision.FLOAT32,
                compute_units=ct.ComputeUnit.ALL,
                inputs=[
                    ct.TensorType(name=name, shape=tuple(tensor.shape) or (1,), dtype=np.dtype(dtype).type)
                    for name, tensor, dtype in zip(inputs, prepared.example, prepared.input_dtypes, strict=True)
                ],
                outputs=[ct.TensorType(name=name) for name in outputs],
                skip_model_load=True,
            )
    except Exception as error:
        raise ConversionError(
            f"coremltools could not convert the program: {type(error).__name__}: {' '.join(str(error).split())[:500]}"
        ) from error


def _weights_int8(model: Any) -> Any:
    import coremltools.optimize.coreml as cto

    config = cto.OptimizationConfig(
        global_config=cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=512)
    )
    try:
        return cto.linear_quantize_weights(model, config)
    except Exception as error:
        raise ConversionError(f"the weight quantisation failed: {type(error).__name__}: {error}") from error


def _inspect(artifact: ArtifactDocument, path: Path) -> tuple[str, ...]:
    import coremltools as ct
    from coremltools.converters.mil.frontend.milproto.load import load as load_program

    try:
        model = ct.models.MLModel(str(path), skip_model_load=True)
        spec = model.get_spec()
        program = load_program(
            spec, specification_version=spec.specificationVersion, file_weights_dir=model.weights_dir
        )
    except Exception as error:
        raise ArtifactError(f"{path} cannot be read back: {error}") from error
    main = program.functions["main"]
    checks = [f"reloaded: specification version {spec.specificationVersion}, {len(list(main.operations))} operations"]
    for kind, bindings, described in (
        ("input", artifact.inputs, spec.description.input),
        ("output", artifact.outputs, spec.description.output),
    ):
        names = {one.name for one in described}
        lost = [one.graph_name for one in bindings if one.graph_name not in names]
        if lost:
            raise ArtifactError(
                f"{path}: the package has no {kind} {', '.join(lost)}; it has {', '.join(sorted(names))}"
            )
        checks.append(f"{kind}s: {', '.join(one.graph_name for one in bindings)}")
    shapes = {one.name: tuple(one.type.multiArrayType.shape) for one in spec.description.input}
    for one in artifact.inputs:
        if shapes[one.graph_name] != one.graph_shape:
            raise ArtifactError(f"{path}: {one.graph_name} is {shapes[one.graph_name]}; expected {one.graph_shape}")
    checks.append("input shapes agree with the model's signature")
    return tuple(checks)


FORMAT = CoreML()
