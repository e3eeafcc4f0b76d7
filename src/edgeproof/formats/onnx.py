"""ONNX: the exported program through PyTorch's dynamo exporter, run by ONNX Runtime.

fp16 keeps fp32 at the door; int8 is static QDQ, calibrated with the representative samples; int8w7, on request, is the
same with weights of 7 bits.

On x86 without VNNI, which is every one before Cascade Lake and Zen 4, ONNX Runtime's fast kernels add products of int8
in pairs into 16 bits and saturate: there a right file computes something else. A session that is compared computes what
the standard says; one that is timed has the fast kernels, and what they make of it on this machine is a variant.
Half precision is widened on x86 and not everywhere: what the standard's own evaluator makes of it is a variant too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edgeproof.documents.artifact import ArtifactDocument, Binding
from edgeproof.documents.delegation import Delegation
from edgeproof.documents.device import DeviceClass
from edgeproof.errors import ArtifactError
from edgeproof.formats.base import (
    COMPARED,
    VARIANT,
    Array,
    Calls,
    Conversion,
    Format,
    GraphRunner,
    Produced,
    Variation,
    converting,
    opening,
)
from edgeproof.formats.bindings import bind, plain, safe_names
from edgeproof.formats.telemetry import silent_import
from edgeproof.trust import contained

if TYPE_CHECKING:
    from edgeproof.formats.rewrites.base import Prepared
    from edgeproof.model.spine import Spine

__all__ = ["FORMAT"]

OPSET = 20
PROVIDERS = ("CPUExecutionProvider",)
"""What a session asks for."""
SEVEN_BITS = "int8w7"
"""int8 with weights of 7 bits, of which two products fit the 16 bits of the fast kernels of any x86."""
SATURATES = (
    "ONNX Runtime's fast kernels saturate on x86 without VNNI: weights of 7 bits do not, "
    f"--to onnx --precision {SEVEN_BITS}, or --candidates onnx-{SEVEN_BITS} of a run"
)
FAST_KERNELS = "fast-kernels"
"""The variant with the kernels that a timed session has."""
STANDARD = "standard"
"""The variant that the standard's own evaluator computes, in half precision as the file says."""
INVENTED = re.compile(
    r"graph_(?:in|out)put_cast_?\d*|.*_(?:Dequantize|Quantize)Linear(?:_(?:In|Out)put)?|.*_(?:scale|zero_point|quantized)"
)
"""Names that ONNX Runtime's quantiser and its conversion to half precision give."""
QUANTISED = ("int8", SEVEN_BITS)
NATIVE_HALF: tuple[DeviceClass, ...] = ("raspberry-pi", "android", "iphone")
"""Where ONNX Runtime has kernels for half precision, on processors that compute in it; x86 widens it to single."""


class Onnx(Format):
    """One ``.onnx`` file, weights inside."""

    name = "onnx"
    title = "ONNX Runtime"
    precisions = ("fp32", "fp16", "int8")
    on_request = (SEVEN_BITS,)
    requires = ("onnx>=1.20,<1.24", "onnxscript>=0.6,<0.8", "onnxruntime>=1.24,<1.32", "torch==2.13.0")
    runtime_requires = ("onnxruntime>=1.24,<1.32",)
    opens_with = ("torch", "onnxruntime", "onnxruntime.tools.mobile_helpers.usability_checker")
    extra = "onnx"
    shipping = "onnx.toml"
    suffix = ".onnx"
    preload = (
        "torch.onnx._internal.exporter._core",
        "torch.onnx._internal.exporter._torchlib.ops",
        "onnxscript.function_libs.torch_lib.ops",
        "onnxscript._framework_apis.torch_2_11",
        "onnx",
        "onnxruntime.quantization",
        "onnxruntime.transformers.onnx_model",
    )
    platforms = ("host", "raspberry-pi", "android", "iphone")
    rewrites = (
        "pooling:ADAPTIVE_MAX_POOL",
        "attention:ATTENTION_FOUR_AXES",
        "arithmetic:CLAMP",
        *("pooling:ADAPTIVE_AVERAGE_POOL_3D", "functions:SIGNS", "functions:ERFINV", "functions:SLOPE"),
        *("functions:FAKE_QUANTISED", "reductions:RUNNING", "reductions:RUNNING_PRODUCT", "reductions:ORDER"),
        *("reductions:PLACES", "reductions:DISTANCES"),
    )
    blames = (
        r"No ONNX function found for <OpOverload\(op='(?P<operator>[^']+)'",
        r"call_function\[target=torch\.ops\.(?P<operator>[\w.]+)\]",
    )
    streams = True

    def convert(self, conversion: Conversion) -> Produced:
        import onnx

        spine = conversion.spine
        inputs = [_apart(name) for name in safe_names(spine.inputs)]
        outputs = [_apart(name) for name in safe_names(spine.outputs, inputs)]
        if conversion.base is not None:
            model = onnx.load(conversion.base)
        else:
            model = _export(conversion.prepare(), inputs, outputs)
        file = f"{conversion.name}.onnx"
        path = conversion.folder / file
        if conversion.precision == "fp16":
            model = _to_fp16(model)
        elif conversion.precision in QUANTISED:
            _quantise(model, spine, inputs, path, seven_bits=conversion.precision == SEVEN_BITS)
            model = onnx.load(path)
        onnx.checker.check_model(model)
        onnx.save(model, path)
        return Produced(file, bind(spine.inputs, inputs), bind(spine.outputs, outputs))

    def open(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> GraphRunner:
        inputs = [binding.graph_name for binding in artifact.inputs]
        outputs = [binding.graph_name for binding in artifact.outputs]
        if artifact.options.get(VARIANT) == STANDARD:
            return _Evaluator(folder / artifact.file, inputs, outputs)
        exact = COMPARED in artifact.options and artifact.precision not in ("fp32", "fp16")
        session = _session(folder / artifact.file, threads, optimised=not exact)
        return _Runner(session, inputs, outputs)

    def variants(self, precision: str) -> tuple[Variation, ...]:
        if precision in QUANTISED:
            remedy = SATURATES if precision == "int8" else None
            return (Variation(FAST_KERNELS, concerns=("host",), remedy=remedy),)
        return (Variation(STANDARD, concerns=NATIVE_HALF, samples=4),) if precision == "fp16" else ()

    def remedy_on(self, architecture: str, precision: str) -> str | None:
        return SATURATES if precision == "int8" and architecture == "x86_64" else None

    def degraded(self, runner: GraphRunner) -> str | None:
        given: list[str] = runner.session.get_providers() if isinstance(runner, _Runner) else list(PROVIDERS)
        lost = [name for name in PROVIDERS if name not in given]
        return f"ONNX Runtime runs without {', '.join(lost)}, on {', '.join(given)}" if lost else None

    def delegations(
        self, artifact: ArtifactDocument, folder: Path, calls: Calls, *, threads: int
    ) -> Sequence[Delegation]:
        from edgeproof.formats.delegation.onnx import predicted, seen

        path = folder / artifact.file
        return [seen(artifact, path, calls, lambda to: _session(path, threads, profile=to)), *predicted(path)]

    def ports(self, path: Path) -> tuple[tuple[Binding, ...], tuple[Binding, ...]]:
        session = _session(path, 1)
        return tuple(map(_described, session.get_inputs())), tuple(map(_described, session.get_outputs()))

    def parts(self, path: Path) -> tuple[Path, ...]:
        """With the files that hold its weights, where it keeps them apart."""
        if not _says(path, b"location"):  # the key of such a file's name
            return (path,)
        import onnx

        with opening("ONNX", path):
            model = onnx.load(path, load_external_data=False)
        named = [entry.value for tensor in model.graph.initializer for entry in tensor.external_data
                 if entry.key == "location"]  # fmt: skip
        for name in dict.fromkeys(named):
            contained(path.parent, name)
        return (path, *(path.parent / name for name in dict.fromkeys(named)))


def _says(path: Path, word: bytes) -> bool:
    """Whether the word stands anywhere in a file."""
    import mmap

    if path.stat().st_size == 0:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        return data.find(word) >= 0


def _apart(name: str) -> str:
    """Another name for one that a tool invents for values of its own, which would then be there twice."""
    return f"{name}_of_model" if INVENTED.fullmatch(name) else name


def _export(prepared: Prepared, inputs: list[str], outputs: list[str]) -> Any:
    """The ONNX model of the program, as a protobuf with its weights inside.

    The exporter renames inputs and outputs to these names whatever else has them, a node called ``linear`` among them:
    then the inner one makes room.
    """
    import contextlib
    import io
    import logging
    import warnings

    import torch
    from onnx_ir.passes.common import NameFixPass

    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    silent = contextlib.redirect_stdout(io.StringIO())
    with converting("torch.onnx.export"), torch.no_grad(), warnings.catch_warnings(), silent:
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            prepared.program,
            prepared.example,
            dynamo=True,
            input_names=inputs,
            output_names=outputs,
            opset_version=OPSET,
            verbose=False,
        )
        assert program is not None
        NameFixPass()(program.model)
    return program.model_proto


def _to_fp16(model: Any) -> Any:
    """Average pooling stays in single precision: on ARM with half-precision arithmetic, as in a Raspberry Pi 5, ONNX
    Runtime has no kernel of it for the operators of this opset, and does not open a file that asks for one."""
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16
    from onnxruntime.transformers.onnx_model import OnnxModel

    with converting("the fp16 conversion"):
        half = OnnxModel(
            convert_float_to_float16(
                model,
                keep_io_types=True,
                disable_shape_infer=True,
                op_block_list=[*DEFAULT_OP_BLOCK_LIST, "AveragePool"],
            )
        )
        half.topological_sort()
        return half.model


def _quantise(model: Any, spine: Spine, inputs: list[str], path: Path, *, seven_bits: bool) -> None:
    import logging

    import onnx
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    logging.getLogger().setLevel(logging.ERROR)
    del model.graph.value_info[:]
    plain = path.with_name("float.onnx")
    prepared = path.with_name("prepared.onnx")
    try:
        with converting("ONNX Runtime's static quantisation"):
            onnx.save(model, plain)
            quant_pre_process(str(plain), str(prepared), skip_symbolic_shape=True)
            quantize_static(
                str(prepared),
                str(path),
                _Reader(spine, inputs),
                quant_format=QuantFormat.QDQ,
                activation_type=QuantType.QInt8,
                weight_type=QuantType.QInt8,
                per_channel=True,
                reduce_range=seven_bits,
                calibrate_method=CalibrationMethod.MinMax,
            )
    finally:
        plain.unlink(missing_ok=True)
        prepared.unlink(missing_ok=True)


class _Reader:
    """Hands the calibration inputs to ONNX Runtime one by one."""

    def __init__(self, spine: Spine, names: list[str]) -> None:
        self._calls: Iterator[tuple[Array, ...]] = spine.calls()
        self._names = names

    def get_next(self) -> dict[str, Array] | None:
        call = next(self._calls, None)
        return None if call is None else dict(zip(self._names, call, strict=True))

    def set_range(self, start_index: int, end_index: int) -> None:
        """Part of ONNX Runtime's interface; the whole set is always read."""

    def __len__(self) -> int:
        return 0

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> dict[str, Array]:
        call = self.get_next()
        if call is None:
            raise StopIteration
        return call


def _session(path: Path, threads: int, *, optimised: bool = True, profile: Path | None = None) -> Any:
    """``optimised``: pairs of quantisation around an operator are fused into ONNX Runtime's kernels for int8; else each
    operator is computed in float between them, as the standard says. ``profile``: how the names of files begin that it
    writes its profile to."""
    onnxruntime = silent_import("onnxruntime")
    onnxruntime.disable_telemetry_events()  # for where somebody else has imported it before
    options = onnxruntime.SessionOptions()
    if not optimised:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if profile is not None:
        options.enable_profiling = True
        options.profile_file_prefix = str(profile)
    with opening("ONNX Runtime", path):
        return onnxruntime.InferenceSession(str(path), options, providers=list(PROVIDERS))


_DTYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(int16)": "int16",
    "tensor(int8)": "int8",
    "tensor(uint64)": "uint64",
    "tensor(uint32)": "uint32",
    "tensor(uint16)": "uint16",
    "tensor(uint8)": "uint8",
    "tensor(bool)": "bool",
}


def _described(value: Any) -> Binding:
    if value.type not in _DTYPES:
        raise ArtifactError(f"{value.name} is of the type {value.type}, which is not known")
    shape = tuple(size if isinstance(size, int) else 1 for size in value.shape)
    return plain(value.name, _DTYPES[value.type], shape)


class _Runner:
    def __init__(self, session: Any, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        known = {told.name for told in session.get_inputs()}
        self.session = session
        self._inputs = [(i, name) for i, name in enumerate(inputs) if name in known]
        self._outputs = list(outputs)

    def __call__(self, arrays: Sequence[Array]) -> Sequence[Array]:
        results: list[Array] = self.session.run(self._outputs, {name: arrays[i] for i, name in self._inputs})
        return [np.asarray(result) for result in results]

    def close(self) -> None:
        self.session = None


class _Evaluator:
    """The standard's own evaluator, operator by operator in numpy."""

    def __init__(self, path: Path, inputs: Sequence[str], outputs: Sequence[str]) -> None:
        from onnx.reference import ReferenceEvaluator

        with opening("ONNX's evaluator", path):
            self._evaluator: Any = ReferenceEvaluator(str(path))
        self._inputs = [(i, name) for i, name in enumerate(inputs) if name in self._evaluator.input_names]
        self._outputs = list(outputs)

    def __call__(self, arrays: Sequence[Array]) -> Sequence[Array]:
        with np.errstate(all="ignore"):  # what overflows shows in the results
            results = self._evaluator.run(self._outputs, {name: arrays[i] for i, name in self._inputs})
        return [np.asarray(result) for result in results]

    def close(self) -> None:
        self._evaluator = None


FORMAT = Onnx()
