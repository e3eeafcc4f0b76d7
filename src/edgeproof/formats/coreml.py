"""Core ML ``.mlpackage``: run by Core ML on a Mac, anywhere else by the MIL reference check."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, cast

from edgeproof.documents.artifact import ArtifactDocument, Binding
from edgeproof.documents.delegation import Delegation
from edgeproof.formats.base import (
    BUILT_FOR,
    VARIANT,
    Calls,
    Conversion,
    Format,
    GraphRunner,
    Produced,
    Session,
    StorageFaults,
    Variation,
    converting,
)
from edgeproof.formats.bindings import bind, safe_names

__all__ = ["FORMAT"]

APPLE = sys.platform == "darwin"
CHECK = "the MIL reference check"
SINGLE = 2e-5
"""Hundreds of units of fp32: what sums in another order come to."""
HALF_WEIGHTS = 2e-3
"""Four units of half precision: what the weights of some tens of layers add up to when each is rounded once."""
FOR_OTHERS = ("executorch", "libsvm", "sklearn", "tensorflow", "torchao", "transformers", "xgboost")
"""What coremltools imports where it is there, to convert other kinds of models: most of its fifteen seconds."""


class CoreML(Format):
    """An ML program for iOS 16 and later. int8 quantises the weights: activations need a Mac."""

    name = "coreml"
    title = "Core ML"
    precisions = ("fp32", "fp16", "int8")
    requires = (f"coremltools>=9.0,<9.1; {BUILT_FOR}", "torch==2.13.0")
    runtime_requires = ("protobuf>=5.29,<8",)
    opens_with = ("torch", "edgeproof.mil.execute")
    extra = "coreml"
    shipping = "coreml.toml"
    suffix = ".mlpackage"
    preload = ("torch", "coremltools", "coremltools.optimize.coreml")
    rewrites = (
        *("fourier:FOURIER", "fourier:UNFOLD", "arithmetic:SMALL_OPERATORS", "arithmetic:PASSAGE"),
        *("pooling:AVERAGE_BEYOND_PADDING", "pooling:ADAPTIVE_AVERAGE_POOL_3D", "attention:GROUPED_HEADS"),
        *("functions:ROUNDING", "functions:SIGNS", "functions:HYPERBOLIC", "functions:COMPLEMENT", "functions:ERFINV"),
        *("functions:MIXING", "functions:FAKE_QUANTISED", "functions:SHIFTS"),
        *("reductions:RUNNING", "reductions:PRODUCTS", "reductions:ORDER", "reductions:PLACES"),
        *("reductions:DISTANCES", "reductions:VARIANCE", "moving:DIAGONAL", "moving:INDEXED", "moving:PADDING"),
        *("moving:BILINEAR", "moving:AFFINE_GRID", "moving:FOLD", "resizing:ANTIALIASED"),
    )
    input_dtypes = MappingProxyType(
        {**dict.fromkeys(("int64", "int16", "int8", "uint8", "bool"), "int32"), "float64": "float32"}
    )
    blames = (
        r"convert function for op '(?P<operator>[^']+)' not implemented",
        r"converting '(?P<operator>[^']+)' op",
    )
    fold = "the converter fails on constants that the graph computes"
    stands_in = None if APPLE else CHECK
    platforms = ("iphone",)
    streams = True

    def warm(self) -> None:
        """Import coremltools as if it stood alone with PyTorch."""
        hidden = [name for name in FOR_OTHERS if name not in sys.modules]
        modules = cast("dict[str, ModuleType | None]", sys.modules)
        modules.update(dict.fromkeys(hidden))
        try:
            super().warm()
        finally:
            for name in hidden:
                del modules[name]

    def knows(self, operator: str) -> bool:
        from coremltools.converters.mil.frontend.torch.torch_op_registry import _TORCH_OPS_REGISTRY

        return operator.startswith("aten::") and _TORCH_OPS_REGISTRY.get_func(operator) is not None

    def convert(self, conversion: Conversion) -> Produced:
        spine, prepared = conversion.spine, conversion.prepare()
        inputs = safe_names(spine.inputs)
        outputs = safe_names(spine.outputs, inputs)
        model = _convert(prepared, inputs, outputs, conversion.precision)
        if conversion.precision == "int8":
            model = _weights_int8(model)
        file = f"{conversion.name}.mlpackage"
        model.save(str(conversion.folder / file))
        found = [output.name for output in model.get_spec().description.output]
        shapes = [[spec.shape or (1,) for spec in specs] for specs in (spine.inputs, spine.outputs)]
        return Produced(
            file,
            bind(spine.inputs, inputs, dtypes=prepared.input_dtypes, shapes=shapes[0]),
            bind(spine.outputs, found, shapes=shapes[1]),
        )

    def open(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> GraphRunner:
        from edgeproof.formats.coreml_runners import AppleRunner, ReferenceRunner

        variant = artifact.options.get(VARIANT)
        if APPLE and variant is None:
            return AppleRunner(artifact, folder / artifact.file)
        return ReferenceRunner(artifact, folder / artifact.file, precision=variant or "reference", threads=threads)

    def variants(self, precision: str) -> tuple[Variation, ...]:
        """On a Mac what the reference check gives stands beside Core ML's own answer."""
        usual = (Variation("reference"),) if APPLE else ()
        half = (
            Variation("strict", concerns=("iphone",)),
            Variation("unrounded", exact=HALF_WEIGHTS, concerns=("iphone",)),
        )
        return (*usual, *(half if precision == "fp16" else ()))

    def explained(self, precision: str) -> float | None:
        return SINGLE if precision == "fp32" and self.stands_in else None

    def storage_faults(self, artifact: Path, base: Path) -> StorageFaults:
        from edgeproof.mil.compression import compare_weights
        from edgeproof.mil.model import open_model

        found = compare_weights(open_model(base), open_model(artifact))
        faults = tuple(weight.fault for weight in found.differences if weight.fault is not None)
        if not found.unheld:
            return StorageFaults(faults)
        return StorageFaults(
            faults,
            f"{len(found.unheld)} of {found.constants} constants were held against nothing: the base has "
            f"none of that shape that is read so (first {found.unheld[0]})",
        )

    def cautions(self, artifact: Path) -> tuple[str, ...]:
        from edgeproof.mil.cautions import cautions
        from edgeproof.mil.model import open_model

        return cautions(open_model(artifact)) if self.stands_in else ()

    def delegations(
        self, artifact: ArtifactDocument, folder: Path, calls: Calls, *, threads: int
    ) -> Sequence[Delegation]:
        from edgeproof.formats.delegation.coreml import planned, predicted

        path = folder / artifact.file
        return [*([planned(path)] if APPLE else []), predicted(path)]

    def session(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> Session | None:
        from edgeproof.formats.coreml_package import PackageSession

        if artifact.sha256:
            return None
        precision = artifact.options.get(VARIANT, "reference")
        return PackageSession(folder / artifact.file, precision=precision, threads=threads)

    def ports(self, path: Path) -> tuple[tuple[Binding, ...], tuple[Binding, ...]]:
        from edgeproof.formats.coreml_package import package_ports

        return package_ports(path)

    def precision_of(self, path: Path) -> str:
        from edgeproof.formats.coreml_package import package_precision

        return package_precision(path)


def _convert(prepared: Any, inputs: Sequence[str], outputs: Sequence[str], precision: str) -> Any:
    import warnings

    import coremltools as ct
    import numpy as np
    import torch

    logger = logging.getLogger("coremltools")
    logger.setLevel(logging.ERROR)
    with converting("coremltools' conversion"), _noted(logger), torch.no_grad(), warnings.catch_warnings():
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


@contextlib.contextmanager
def _noted(logger: logging.Logger) -> Iterator[None]:
    """What is logged in the block is noted of the error that ends it: the operator stands in coremltools' log alone."""
    told: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage().strip())  # type: ignore[method-assign]
    logger.addHandler(handler)
    try:
        yield
    except Exception as error:
        for text in told:
            error.add_note(text)
        raise
    finally:
        logger.removeHandler(handler)


def _weights_int8(model: Any) -> Any:
    import coremltools.optimize.coreml as cto

    config = cto.OptimizationConfig(
        global_config=cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=512)
    )
    with converting("the weight quantisation"):
        return cto.linear_quantize_weights(model, config)


FORMAT = CoreML()
