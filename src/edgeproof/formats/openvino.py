"""OpenVINO IR; run in f32 unless the artifact's options say otherwise: the runtime's own choice can be bf16."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeproof.documents.artifact import ArtifactDocument, Binding
from edgeproof.documents.delegation import Delegation
from edgeproof.formats.base import Array, Calls, Conversion, Format, GraphRunner, Produced, converting, opening
from edgeproof.formats.bindings import bind, plain, safe_names
from edgeproof.formats.narrowing import sample_as
from edgeproof.formats.telemetry import silent_import

if TYPE_CHECKING:
    from edgeproof.formats.rewrites.base import Prepared
    from edgeproof.model.spine import Spine

__all__ = ["FORMAT"]

PRECISION_HINT = "INFERENCE_PRECISION_HINT"


class OpenVino(Format):
    """An ``.xml`` with its ``.bin``. fp16 stores the weights in half precision and computes in f32."""

    name = "openvino"
    title = "OpenVINO"
    precisions = ("fp32", "fp16", "int8")
    requires = ("openvino>=2026.1,<2026.5", "nncf>=3.0,<3.5", "torch==2.13.0")
    runtime_requires = ("openvino>=2026.1,<2026.5",)
    opens_with = ("openvino",)
    extra = "openvino"
    shipping = "openvino.toml"
    suffix = ".xml"
    preload = ("torch", "openvino", "openvino.frontend.pytorch.fx_decoder", "nncf")
    platforms = ("host", "raspberry-pi")
    rewrites = (
        "fourier:FOURIER",
        "fourier:UNFOLD",
        "arithmetic:REPEATED_OUTPUT",
        *("functions:ROUNDING", "functions:SIGNS", "functions:EXP2", "functions:SHIFTS", "functions:EXCLUSIVE_OR"),
        *("functions:FAKE_QUANTISED", "reductions:RUNNING", "reductions:RUNNING_PRODUCT", "reductions:RUNNING_SUM"),
        *("reductions:ORDER", "reductions:PLACES", "moving:DIAGONAL", "moving:TRIANGLE", "moving:INDEXED"),
        *("reductions:DISTANCES", "attention:GROUPED_HEADS", "resizing:ANTIALIASED"),
    )
    input_dtypes = MappingProxyType({"float64": "float32", "int16": "int32"})
    """The CPU plugin does not open what NNCF quantises beside inputs of these."""

    blames = (
        r"No conversion rule found for operations: (?P<operator>[^\n]+)",
        r"during conversion of operation [\w.]+/(?P<operator>aten\.[\w.]+)",
        r"call_function\[target=torch\.ops\.(?P<operator>[\w.]+)\]",
    )

    def convert(self, conversion: Conversion) -> Produced:
        openvino = silent_import("openvino")

        spine = conversion.spine
        inputs = safe_names(spine.inputs)
        outputs = safe_names(spine.outputs, inputs)
        if conversion.base is not None:
            model = openvino.Core().read_model(conversion.base)
        else:
            model = _convert(conversion.prepare(), inputs, outputs)
        if conversion.precision == "int8":
            model = _quantise(model, spine, self.input_dtypes)
        file = f"{conversion.name}.xml"
        openvino.save_model(model, conversion.folder / file, compress_to_fp16=conversion.precision == "fp16")
        options = {PRECISION_HINT: "f32"}
        dtypes = [self.input_dtypes.get(spec.dtype, spec.dtype) for spec in spine.inputs]
        return Produced(file, bind(spine.inputs, inputs, dtypes=dtypes), bind(spine.outputs, outputs), options=options)

    def open(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> GraphRunner:
        return _Runner(_compiled(folder / artifact.file, threads, artifact.options.get(PRECISION_HINT, "f32")))

    def delegations(
        self, artifact: ArtifactDocument, folder: Path, calls: Calls, *, threads: int
    ) -> Sequence[Delegation]:
        from edgeproof.formats.delegation.openvino import seen

        hint = artifact.options.get(PRECISION_HINT, "f32")
        return [seen(_compiled(folder / artifact.file, threads, hint, profiled=True), calls)]

    def ports(self, path: Path) -> tuple[tuple[Binding, ...], tuple[Binding, ...]]:
        model = _compiled(path, 1, "f32")
        inputs, outputs = (
            tuple(_described(port, f"{kind}{number}") for number, port in enumerate(ports))
            for kind, ports in (("input", model.inputs), ("output", model.outputs))
        )
        return inputs, outputs

    def parts(self, path: Path) -> tuple[Path, ...]:
        return path, path.with_suffix(".bin")


def _convert(prepared: Prepared, inputs: Sequence[str], outputs: Sequence[str]) -> Any:
    openvino = silent_import("openvino")

    with converting("OpenVINO's conversion"):
        model = openvino.convert_model(prepared.program)
    for port, name in (*zip(model.inputs, inputs, strict=True), *zip(model.outputs, outputs, strict=True)):
        port.get_tensor().set_names({name})
    return model


def _quantise(model: Any, spine: Spine, casts: Mapping[str, str]) -> Any:
    """Static int8 with the true minimum and maximum: NNCF's own mean of minima and maxima clips them.

    No bias correction: estimated from few samples, it made the outputs of a small network ten times worse.
    """
    import logging

    nncf = silent_import("nncf")
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    logging.getLogger("nncf").setLevel(logging.ERROR)

    def calls() -> Iterator[list[Array]]:
        for call in spine.calls():
            yield [
                sample_as(array, casts.get(array.dtype.name, array.dtype.name), spec.name)
                for array, spec in zip(call, spine.inputs, strict=True)
            ]

    with converting("NNCF's quantisation", hint="ship fp16, or int8 in another format"):
        return nncf.quantize(
            model,
            nncf.Dataset(list(calls())),
            subset_size=1024,
            preset=nncf.QuantizationPreset.MIXED,
            advanced_parameters=nncf.AdvancedQuantizationParameters(
                activations_range_estimator_params=RangeEstimatorParametersSet.MINMAX,
                disable_bias_correction=True,
            ),
        )


def _compiled(path: Path, threads: int, hint: str, *, profiled: bool = False) -> Any:
    openvino = silent_import("openvino")

    with opening("OpenVINO", path):
        return openvino.Core().compile_model(
            path,
            "CPU",
            {
                PRECISION_HINT: hint,
                "INFERENCE_NUM_THREADS": threads,
                "PERFORMANCE_HINT": "LATENCY",
                "NUM_STREAMS": "1",
                **({"PERF_COUNT": True} if profiled else {}),
            },
        )


def _described(port: Any, otherwise: str) -> Binding:
    name = next(iter(sorted(port.get_names())), otherwise)
    shape = tuple(dim.get_length() if dim.is_static else 1 for dim in port.get_partial_shape())
    return plain(name, np.dtype(port.get_element_type().to_dtype()).name, shape)


class _Runner:
    def __init__(self, compiled: Any) -> None:
        self._compiled = compiled
        self._request = compiled.create_infer_request()
        self._outputs = list(compiled.outputs)

    def __call__(self, arrays: Sequence[Array]) -> Sequence[Array]:
        results = self._request.infer(dict(enumerate(arrays)), share_inputs=True)
        return [np.array(results[port]) for port in self._outputs]

    def close(self) -> None:
        self._request = None
        self._compiled = None


FORMAT = OpenVino()
