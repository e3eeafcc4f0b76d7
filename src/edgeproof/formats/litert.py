"""LiteRT (``.tflite``) through litert-torch; fp16 and full int8 through the AI Edge quantiser, min-max calibrated."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeproof.documents.artifact import ArtifactDocument, Binding
from edgeproof.documents.delegation import Delegation
from edgeproof.documents.signature import Form, TensorSpec
from edgeproof.formats.base import (
    BUILT_FOR,
    Array,
    Calls,
    Conversion,
    Format,
    GraphRunner,
    Produced,
    converting,
    opening,
)
from edgeproof.formats.narrowing import sample_as

if TYPE_CHECKING:
    from edgeproof.model.spine import Spine

__all__ = ["FORMAT"]

SIGNATURE = "serving_default"


class LiteRT(Format):
    """One ``.tflite`` file with one signature; the graph's tensors are ``args_0…`` and ``output_0…``."""

    name = "litert"
    title = "LiteRT (TFLite)"
    precisions = ("fp32", "fp16", "int8")
    requires = (
        "litert-torch>=0.9,<0.11",
        f"litert-converter>=0.5,<0.6; {BUILT_FOR}",
        "ai-edge-litert>=2.1,<2.4",
        "ai-edge-quantizer>=0.9,<0.11",
        "torch==2.13.0",
    )
    runtime_requires = ("ai-edge-litert>=2.1,<2.4",)
    opens_with = ("ai_edge_litert.interpreter",)
    extra = "litert"
    shipping = "litert.toml"
    suffix = ".tflite"
    preload = (
        "litert_torch",
        "torch._inductor.decomposition",
        "scipy.sparse.linalg",
        "ai_edge_quantizer.quantizer",
        "ai_edge_quantizer.calibrator",
    )
    platforms = ("host", "raspberry-pi", "android", "iphone")
    rewrites = (
        *("convolution:TRANSPOSED_CONVOLUTION", "fourier:FOURIER", "resizing:ANTIALIASED", "pooling:ADAPTIVE_MAX_POOL"),
        *("pooling:ADAPTIVE_AVERAGE_POOL_3D", "functions:SIGNS", "functions:ERFINV", "functions:COMPLEMENT"),
        *("functions:EXP2", "functions:SLOPE", "functions:FAKE_QUANTISED", "functions:SHIFTS"),
        *(
            "reductions:RUNNING",
            "reductions:RUNNING_PRODUCT",
            "reductions:RUNNING_SUM",
            "reductions:ORDER_BY_RANK",
            "reductions:TOP_BY_RANK",
        ),
        *(
            "reductions:PLACES",
            "moving:DIAGONAL",
            "moving:TRIANGLE",
            "moving:BILINEAR",
            "moving:FOLD",
            "moving:ONE_HOT",
        ),
    )
    input_dtypes = MappingProxyType({"int64": "int32"})
    blames = (
        r"Lowering not found: (?P<operator>[\w.]+)",
        r"(?P<location>[^\s:'\"]+:\d+):\d+: error: failed to legalize operation '(?P<operator>[\w.]+)'",
        r"TF Select ops: (?P<operator>[\w, ]+)",
        r"call_function\[target=torch\.ops\.(?P<operator>[\w.]+)\]",
    )
    streams = True

    def forms(self, precision: str) -> tuple[Form, ...]:
        return ("step", "unrolled") if precision == "int8" else ("unrolled", "step")

    def convert(self, conversion: Conversion) -> Produced:
        spine = conversion.spine
        if conversion.base is not None:
            flat = conversion.base.read_bytes()
        else:
            prepared = conversion.prepare()
            flat = _convert(prepared.program, prepared.example)
        if conversion.precision == "fp16":
            flat = _weights_fp16(flat)
        elif conversion.precision == "int8":
            flat = _quantise(flat, spine)
        file = f"{conversion.name}.tflite"
        (conversion.folder / file).write_bytes(flat)
        inputs, outputs = _details(_interpreter(conversion.folder / file, 1))
        return Produced(file, _bindings(spine.inputs, inputs), _bindings(spine.outputs, outputs))

    def open(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> GraphRunner:
        interpreter = _interpreter(folder / artifact.file, threads)
        return _Runner(
            interpreter,
            [binding.graph_name for binding in artifact.inputs],
            [binding.graph_name for binding in artifact.outputs],
        )

    def degraded(self, runner: GraphRunner) -> str | None:
        from edgeproof.formats.delegation.litert import fallen_back

        return fallen_back(runner.interpreter) if isinstance(runner, _Runner) else None

    def delegations(
        self, artifact: ArtifactDocument, folder: Path, calls: Calls, *, threads: int
    ) -> Sequence[Delegation]:
        from edgeproof.formats.delegation.litert import delegations

        return delegations(artifact, folder / artifact.file, calls, threads=threads)

    def ports(self, path: Path) -> tuple[tuple[Binding, ...], tuple[Binding, ...]]:
        inputs, outputs = _details(_interpreter(path, 1))
        return tuple(map(_plain, inputs)), tuple(map(_plain, outputs))


@dataclass(frozen=True)
class _Tensor:
    """A signature tensor; ``scale`` is None where its values are what they are."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    scale: float | None
    zero_point: int


def _bindings(specs: Sequence[TensorSpec], tensors: Sequence[_Tensor]) -> tuple[Binding, ...]:
    """By the number at the end of the name. An input that the graph does not use is dropped by the converter."""
    by_number = {int(tensor.name.rpartition("_")[2]): tensor for tensor in tensors}
    unused = _Tensor("", "float32", (), None, 0)
    return tuple(_binding(spec, by_number.get(number, unused)) for number, spec in enumerate(specs))


def _binding(spec: TensorSpec, tensor: _Tensor) -> Binding:
    if not tensor.name:
        return Binding(tensor=spec, graph_name="", graph_dtype=spec.dtype, graph_shape=spec.shape)
    return Binding(
        tensor=spec,
        graph_name=tensor.name,
        graph_dtype=tensor.dtype,
        graph_shape=tensor.shape,
        scale=tensor.scale,
        zero_point=tensor.zero_point,
    )


def _plain(tensor: _Tensor) -> Binding:
    dtype = tensor.dtype if tensor.scale is None else "float32"
    return _binding(TensorSpec(name=tensor.name, dtype=dtype, shape=tensor.shape), tensor)


def _convert(program: Any, example: tuple[Any, ...]) -> bytes:
    import tempfile

    import litert_torch

    with converting("litert-torch", hint="ship another format, or replace the operation that it names"):
        model = litert_torch.convert(program.module(), example)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.tflite"
            model.export(str(path))
            return path.read_bytes()


def _weights_fp16(flat: bytes) -> bytes:
    from ai_edge_quantizer import qtyping, quantizer

    tool = quantizer.Quantizer(flat)
    tool.update_quantization_recipe(
        regex=".*",
        operation_name=qtyping.TFLOperationName.ALL_SUPPORTED,
        op_config=qtyping.OpQuantizationConfig(
            weight_tensor_config=qtyping.TensorQuantizationConfig(num_bits=16, dtype=qtyping.TensorDataType.FLOAT),
            compute_precision=qtyping.ComputePrecision.FLOAT,
            explicit_dequantize=True,
        ),
        algorithm_key="float_casting",
    )
    with converting("the fp16 cast"):
        return bytes(tool.quantize().quantized_model)


def _quantise(flat: bytes, spine: Spine) -> bytes:
    """Static int8 with the true minimum and maximum: the quantiser's own moving average clips them."""
    from ai_edge_quantizer import calibrator, quantizer, recipe
    from ai_edge_quantizer.utils import qsv_utils

    tool = quantizer.Quantizer(flat)
    tool.load_quantization_recipe(recipe.static_wi8_ai8())
    wanted = _signature_inputs(flat)

    def calls() -> Iterator[dict[str, Array]]:
        for call in spine.calls():
            yield {name: sample_as(call[position], dtype, name) for position, name, dtype in wanted}

    with converting("the AI Edge quantiser", hint="ship fp16, or int8 in another format"):
        calibration: dict[str, Any] = {}
        if tool.need_calibration:
            watch = calibrator.Calibrator(flat, num_threads=1, qsv_update_func=qsv_utils.min_max_update)
            watch.calibrate({SIGNATURE: list(calls())}, tool._recipe_manager)
            calibration = {name: _ranged(found) for name, found in watch.get_model_qsvs().items()}
        return bytes(tool.quantize(calibration).quantized_model)


def _ranged(found: dict[str, Any]) -> dict[str, Any]:
    """A tensor's least and largest value, where it was always zero from 0 to 1: the quantiser makes a range of 1e-9 of
    it, and a bias added in steps that small passes int32."""
    if not {"min", "max"} <= found.keys() or np.any(found["min"]) or np.any(found["max"]):
        return found
    return {**found, "max": np.ones_like(found["max"])}


def _signature_inputs(flat: bytes) -> list[tuple[int, str, str]]:
    """(graph position, name, dtype) of the inputs that the signature kept."""
    from ai_edge_litert.interpreter import Interpreter

    inputs, _ = _details(Interpreter(model_content=flat))
    return [(int(tensor.name.rpartition("_")[2]), tensor.name, tensor.dtype) for tensor in inputs]


def _interpreter(path: Path, threads: int) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    with opening("LiteRT", path):
        interpreter = Interpreter(model_path=str(path), num_threads=threads)
        interpreter.allocate_tensors()
        return interpreter


def _details(interpreter: Any) -> tuple[list[_Tensor], list[_Tensor]]:
    """Each signature tensor; of the graph's own tensors where there is no signature."""
    signatures = interpreter.get_signature_list()
    if SIGNATURE in signatures:
        runner = interpreter.get_signature_runner(SIGNATURE)
        inputs, outputs = runner.get_input_details(), runner.get_output_details()
    else:
        inputs = {told["name"]: told for told in interpreter.get_input_details()}
        outputs = {told["name"]: told for told in interpreter.get_output_details()}
    return _listed(inputs), _listed(outputs)


def _listed(details: dict[str, Any]) -> list[_Tensor]:
    found = []
    for name, told in details.items():
        dtype = np.dtype(told["dtype"])
        scale, zero_point = told["quantization"]
        quantised = np.issubdtype(dtype, np.integer) and scale > 0
        shape = tuple(int(size) for size in told["shape"])
        found.append(_Tensor(name, dtype.name, shape, float(scale) if quantised else None, int(zero_point)))
    return found


class _Runner:
    """Feeds by tensor index: a signature runner costs tens of microseconds a call more."""

    def __init__(self, interpreter: Any, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        self.interpreter = interpreter
        signatures = interpreter.get_signature_list()
        if SIGNATURE in signatures:
            runner = interpreter.get_signature_runner(SIGNATURE)
            ins = {name: told["index"] for name, told in runner.get_input_details().items()}
            outs = {name: told["index"] for name, told in runner.get_output_details().items()}
        else:
            ins = {told["name"]: told["index"] for told in interpreter.get_input_details()}
            outs = {told["name"]: told["index"] for told in interpreter.get_output_details()}
        self._inputs = [(i, ins[name]) for i, name in enumerate(inputs) if name in ins]
        self._outputs = [outs[name] for name in outputs]

    def __call__(self, arrays: Sequence[Array]) -> Sequence[Array]:
        interpreter = self.interpreter
        for position, index in self._inputs:
            interpreter.set_tensor(index, arrays[position])
        interpreter.invoke()
        return [interpreter.get_tensor(index) for index in self._outputs]

    def close(self) -> None:
        self.interpreter = None


FORMAT = LiteRT()
