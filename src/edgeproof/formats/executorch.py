"""ExecuTorch (``.pte``) with the XNNPACK delegate; int8 through XNNPACK's quantiser."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.delegation import Delegation
from edgeproof.documents.signature import Form
from edgeproof.errors import ConversionError
from edgeproof.formats.base import Array, Calls, Conversion, Format, GraphRunner, Produced, converting, opening
from edgeproof.formats.bindings import plain_bindings

if TYPE_CHECKING:
    from edgeproof.formats.rewrites.base import Prepared
    from edgeproof.model.spine import Spine

__all__ = ["FORMAT"]

CALIBRATION_CALLS = 1024


class ExecuTorch(Format):
    """One ``.pte`` file. Time steps ship as the one-step form: partitioning the unrolled graph takes minutes."""

    name = "executorch"
    title = "ExecuTorch (XNNPACK)"
    precisions = ("fp32", "int8")
    requires = ("executorch>=1.5,<1.6", "torchao>=0.18,<0.19", "torch==2.13.0")
    runtime_requires = ("executorch>=1.5,<1.6", "torch==2.13.0")
    opens_with = ("torch", "executorch.extension.pybindings._C")
    extra = "executorch"
    shipping = "executorch.toml"
    suffix = ".pte"
    preload = (
        "torch",
        "executorch.exir",
        "executorch.backends.xnnpack.partition.xnnpack_partitioner",
        "executorch.backends.xnnpack.quantizer.xnnpack_quantizer",
        "torchao.quantization.pt2e.quantize_pt2e",
    )
    platforms = ("host", "raspberry-pi", "android", "iphone")
    rewrites = (
        "fourier:FOURIER",
        "pooling:ADAPTIVE_MAX_POOL",
        "arithmetic:REPEATED_OUTPUT",
        *("functions:SLOPE", "functions:FAKE_QUANTISED", "functions:SIGNS", "functions:ERFINV", "functions:COMPLEMENT"),
        *("functions:EXP2", "functions:ROUNDING", "functions:SHIFTS", "pooling:ADAPTIVE_AVERAGE_POOL_3D"),
        *("reductions:RUNNING", "reductions:RUNNING_PRODUCT", "reductions:RUNNING_SUM", "reductions:ORDER_BY_RANK"),
        *("reductions:PLACES", "moving:TRIANGLE", "moving:BILINEAR", "moving:FOLD", "moving:PADDING"),
    )

    blames = (
        r"runtime has no kernel of (?P<operator>[^\n]+)",
        r"Missing out variants: \{(?P<operator>[^}]+)\}",
        r"call_function\[target=torch\.ops\.(?P<operator>[\w.]+)\]",
    )

    def warm(self) -> None:
        """The partitioner looks for patterns that it exports itself, three seconds' work, and keeps them."""
        super().warm()
        import torch
        from executorch.backends.xnnpack.partition.graphs import bilinear_2d, sdpa

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        bilinear_2d.get_graphs()
        sdpa.get_graphs()
        torch.set_num_threads(threads)

    def forms(self, precision: str) -> tuple[Form, ...]:
        return ("step", "unrolled")

    def convert(self, conversion: Conversion) -> Produced:
        spine = conversion.spine
        with _refusals() as refused:
            try:
                buffer = _made(conversion.prepare(), spine, conversion.precision)
            except ConversionError as error:
                if "BatchNorm" not in error.message:
                    raise
                buffer = _made(conversion.prepare("arithmetic:BATCH_NORM"), spine, conversion.precision)
        file = f"{conversion.name}.pte"
        (conversion.folder / file).write_bytes(buffer)
        return Produced(file, *plain_bindings(spine), undelegated=refused)

    def open(self, artifact: ArtifactDocument, folder: Path, *, threads: int) -> GraphRunner:
        return _Runner(folder / artifact.file, threads)

    def degraded(self, runner: GraphRunner) -> str | None:
        from edgeproof.formats.delegation.executorch import fallen_back

        return fallen_back(runner.path) if isinstance(runner, _Runner) else None

    def delegations(
        self, artifact: ArtifactDocument, folder: Path, calls: Calls, *, threads: int
    ) -> Sequence[Delegation]:
        from edgeproof.formats.delegation.executorch import delegation

        return [delegation(artifact, folder / artifact.file, calls, threads=threads)]


@contextlib.contextmanager
def _refusals() -> Iterator[dict[str, str]]:
    """What XNNPACK's partitioner says while the block runs of operators that it does not take: name → reason."""
    found: dict[str, str] = {}

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            node, reason = getattr(record.msg, "node", None), getattr(record.msg, "reason", None)
            name = str(getattr(getattr(node, "target", None), "_name", node)).partition("::")[2].partition(".")[0]
            if name and reason:
                found.setdefault(name, " ".join(str(reason).split()))

    logger, listener = logging.getLogger("executorch.backends.xnnpack.partition"), Listener(logging.DEBUG)
    level, handed_on = logger.level, logger.propagate
    logger.addHandler(listener)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False
    try:
        yield found
    finally:
        logger.removeHandler(listener)
        logger.setLevel(level)
        logger.propagate = handed_on


def _made(prepared: Prepared, spine: Spine, precision: str) -> bytes:
    return _lower(_quantise(prepared.program, spine) if precision == "int8" else prepared.program)


def _quantise(program: Any, spine: Spine) -> Any:
    import torch
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    with converting("XNNPACK's quantiser", hint="ship fp32, or int8 in another format"):
        quantizer = _without_training(XNNPACKQuantizer)()
        quantizer.set_global(_with_true_ranges(get_symmetric_quantization_config(is_per_channel=True)))
        watched = prepare_pt2e(program.module(), quantizer)
        with torch.no_grad():
            for call in spine.calls(CALIBRATION_CALLS):
                watched(*[torch.from_numpy(array) for array in call])
        quantised = convert_pt2e(watched)
        return torch.export.export(quantised, spine.example())


def _without_training(quantizer: Any) -> Any:
    """The quantiser without its patterns of batch norm in training: each of a dozen is exported anew to be looked for,
    for seconds, and a program that is evaluated has none."""

    class Quantizer(quantizer):  # type: ignore[misc]
        SUPPORTED_PATTERNS: ClassVar[list[Any]] = [each for each in quantizer.SUPPORTED_PATTERNS if not each.is_qat]

        def annotate(self, model: Any) -> Any:
            model.graph.eliminate_dead_code()  # as looking for those does
            model.recompile()
            return super().annotate(model)

    return Quantizer


def _with_true_ranges(config: Any) -> Any:
    """The configuration with activations ranged by their true minimum and maximum: histograms clip rare membranes."""
    import dataclasses

    from torchao.quantization.pt2e import MinMaxObserver

    observer = MinMaxObserver.with_args(eps=2**-12)
    return dataclasses.replace(
        config,
        input_activation=dataclasses.replace(config.input_activation, observer_or_fake_quant_ctr=observer),
        output_activation=dataclasses.replace(config.output_activation, observer_or_fake_quant_ctr=observer),
    )


def _lower(program: Any) -> bytes:
    from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
    from executorch.exir import EdgeCompileConfig, to_edge_transform_and_lower

    with converting("ExecuTorch's lowering"):
        edge = to_edge_transform_and_lower(
            program,
            partitioner=[XnnpackPartitioner()],
            compile_config=EdgeCompileConfig(_check_ir_validity=False),
        )
        program = edge.to_executorch()
        missing = _missing_kernels(program.executorch_program)
    if missing:
        raise ConversionError(
            f"ExecuTorch's runtime has no kernel of {', '.join(missing)}",
            hint="write it with other operators of PyTorch, or ship another format",
        )
    return bytes(program.buffer)


def _missing_kernels(program: Any) -> list[str]:
    """The operators that the file calls and the runtime does not have: it would be made, and never run."""
    from executorch.extension.pybindings import _C

    there = set(_C._get_operator_names())
    called = {
        f"{operator.name}.{operator.overload}" if operator.overload else operator.name
        for plan in program.execution_plan
        for operator in plan.operators
    }
    return sorted(called - there)


class _Runner:
    """ExecuTorch has a pool of threads of its own beside PyTorch's, as large as the machine unless it is told."""

    def __init__(self, path: Path, threads: int) -> None:
        import torch

        torch.set_num_threads(threads)
        with opening("ExecuTorch", path):
            from executorch.extension.pybindings import _C

            _C._unsafe_reset_threadpool(threads)
            self._module: Any = _C._load_for_executorch(str(path))
        self._torch = torch
        self.path = path

    def __call__(self, arrays: Sequence[Array]) -> Sequence[Array]:
        torch = self._torch
        results = self._module.run_method("forward", tuple(torch.from_numpy(array) for array in arrays))
        return [np.array(result.numpy() if hasattr(result, "numpy") else result) for result in results]

    def close(self) -> None:
        self._module = None


FORMAT = ExecuTorch()
