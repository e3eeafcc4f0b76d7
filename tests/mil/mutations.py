"""Packages with one fault planted each, and what the validation says of them.

    python -m tests.mil.mutations            # 200 damaged packages and the clean ones, with a table

A fault keeps the package well-formed: names, shapes and dtypes fit, it opens and runs. Kinds: a swapped axis, a wrong
padding, a dropped bias, a scale off by 2 %, a permuted weight. Each is held against the eager model by the very
functions that phase 3 uses.
"""

from __future__ import annotations

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from tests.mil import networks

from edgeproof.documents.artifact import ArtifactDocument, Binding
from edgeproof.documents.policy import DifferenceLimits, PolicyValue
from edgeproof.documents.runner import RunnerJob
from edgeproof.documents.signature import Signature, TensorSpec
from edgeproof.documents.validation import ValidationResult
from edgeproof.errors import EdgeProofError
from edgeproof.formats.coreml import FORMAT
from edgeproof.mil.compression import compare_weights
from edgeproof.mil.model import Model, read_model
from edgeproof.mil.plan import Precision
from edgeproof.phases.validation.against import Reference, held_against, unexplained
from edgeproof.phases.validation.variants import Usual, judge_variant

__all__ = ["Clean", "Fault", "clean_packages", "faults_of", "flagged", "planted"]

Array = np.ndarray[Any, np.dtype[Any]]
SAMPLES = 16
"""Samples that each package is held against the eager model on."""
COUNT = 200
KINDS = ("axis", "padding", "bias", "scale", "permuted")
WEIGHTS = {"linear": ("weight",), "conv": ("weight",), "conv_transpose": ("weight",), "layer_norm": ("gamma",),
           "lstm": ("weight_ih", "weight_hh")}  # fmt: skip
BIASES = {"linear": "bias", "conv": "bias", "conv_transpose": "bias", "layer_norm": "beta", "lstm": "bias"}


@dataclass(frozen=True)
class Clean:
    """A package as the converter made it, and what it is held against."""

    name: str
    precision: str
    message: Any
    weights: bytes
    inputs: list[dict[str, Array]]
    reference: Reference
    base: Clean | None = None
    """The same network in fp32, beside which a run holds the weights of the others."""


@dataclass(frozen=True)
class Fault:
    """``change`` gives a constant's new value."""

    kind: str
    where: str
    constant: str
    change: Callable[[Array], Array]


def clean_packages(folder: Path) -> Iterator[Clean]:
    """Every network in fp32, and those without thresholds in fp16: there a value near one flips by rounding alone."""
    for name in networks.CASES:
        case = networks.build(name)
        inputs = networks.samples(case, SAMPLES)
        outputs = np.stack([networks.eager(case, x) for x in inputs])
        signature = Signature(
            inputs=tuple(TensorSpec(name=key, dtype="float32", shape=tuple(x.shape)) for key, x in case.inputs.items()),
            outputs=(TensorSpec(name="result", dtype="float32", shape=outputs.shape[1:]),),
        )
        reference = Reference(signature, {"result": outputs}, None, folder, "seeded")
        base = None
        for precision in ("fp32", "fp16"):
            if precision == "fp16" and name.startswith("spiking"):
                continue
            path = networks.saved(networks.converted(case, half=precision == "fp16"), folder, f"{name}-{precision}")
            data = path / "Data" / "com.apple.CoreML"
            message, weights = ((data / file).read_bytes() for file in ("model.mlmodel", "weights/weight.bin"))
            clean = Clean(name, precision, message, weights, inputs, reference, base)
            base = base or clean
            yield clean


def opened(clean: Clean, message: bytes, weights: bytes, precision: Precision) -> Model:
    """The model over this message and these weights."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "weight.bin").write_bytes(weights)
        return read_model(message, Path(folder), precision=precision, name=f"{clean.name}-{clean.precision}")


def flagged(clean: Clean, message: bytes, weights: bytes) -> str | None:
    """What the validation has against a package; None where it passes without a warning."""
    spec = clean.reference.signature
    document = ArtifactDocument(
        candidate=clean.name, format="coreml", precision=clean.precision, form="whole", file="", sha256="", bytes=0,
        inputs=_bindings(spec.inputs), outputs=_bindings(spec.outputs),
    )  # fmt: skip
    limits = DifferenceLimits()
    try:
        usual = _outputs(clean, message, weights, "reference")
        told = ValidationResult(candidate=clean.name, artifact=None, status="error")
        result = held_against(told, document, usual, clean.reference, PolicyValue(difference=limits))
        if result.status != "passed":
            return result.reason or result.status
        warnings = list(unexplained(result, FORMAT.explained(clean.precision)))
        for variation in FORMAT.variants(clean.precision):
            outputs = _outputs(clean, message, weights, cast(Precision, variation.name))
            told = Usual(RunnerJob(artifact="", inputs=""), document, usual, clean.reference, limits)
            warning = judge_variant(variation, outputs, told).warning
            warnings += [warning] if warning else []
        if clean.base is not None:
            before = opened(clean.base, clean.base.message, clean.base.weights, "reference")
            found = compare_weights(before, opened(clean, message, weights, "reference")).differences
            warnings += [difference.fault for difference in found if difference.fault is not None]
        return warnings[0] if warnings else None
    except EdgeProofError as error:
        return f"it does not run: {error}"
    return None


def _outputs(clean: Clean, message: bytes, weights: bytes, precision: Precision) -> dict[str, Array]:
    model = opened(clean, message, weights, precision)
    return {"result": np.stack([model.predict(x)["result"] for x in clean.inputs])}


def _bindings(specs: Sequence[TensorSpec]) -> tuple[Binding, ...]:
    return tuple(
        Binding(tensor=spec, graph_name=spec.name, graph_dtype=spec.dtype, graph_shape=spec.shape) for spec in specs
    )


def faults_of(clean: Clean) -> list[Fault]:
    """All that can be planted in a package."""
    model = opened(clean, clean.message, clean.weights, "reference")
    block = model.program.functions["main"].block
    values: dict[str, Array] = {}
    shapes: dict[str, tuple[Any, ...]] = {}
    found: list[Fault] = []
    for operation in block.operations:
        shapes |= {output.name: output.type.shape for output in operation.outputs}  # type: ignore[union-attr]
        if operation.kind == "const":
            values[operation.outputs[0].name] = operation.inputs["val"][0].value  # type: ignore[union-attr]
            continue
        names = {key: given[0].name for key, given in operation.inputs.items() if hasattr(given[0], "name")}
        constants = {key: name for key, name in names.items() if name in values}
        label = f"{operation.kind} {operation.name}"
        for key in WEIGHTS.get(operation.kind, ()):
            if key in constants:
                found += _weight_faults(label, key, constants[key], values[constants[key]])
        bias = constants.get(BIASES.get(operation.kind, ""))
        if bias and np.abs(values[bias]).max() > 1e-3:
            found.append(Fault("bias", label, bias, np.zeros_like))
        if "pad" in constants and values[constants["pad"]].max() > 0:
            found.append(Fault("padding", label, constants["pad"], _shifted))
        if "perm" in constants:
            found += _axis_faults(
                label, constants["perm"], values[constants["perm"]], shapes[operation.outputs[0].name]
            )
        if operation.kind == "softmax" and "axis" in constants:
            found.append(Fault("axis", label, constants["axis"], lambda axis: axis - 1))
    return found


def _weight_faults(label: str, key: str, constant: str, value: Array) -> Iterator[Fault]:
    yield Fault("scale", f"{label} {key}", constant, lambda weight: (weight * 1.02).astype(weight.dtype))
    if value.ndim >= 2 and value.shape[0] > 1:
        yield Fault("permuted", f"{label} {key} outputs", constant, lambda weight: np.roll(weight, 1, axis=0))
    if value.ndim >= 2 and value.shape[1] > 1:
        yield Fault("permuted", f"{label} {key} inputs", constant, lambda weight: np.roll(weight, 1, axis=1))
    if value.ndim >= 2 and value.shape[-1] == value.shape[-2] > 1:
        yield Fault("axis", f"{label} {key}", constant, lambda weight: np.swapaxes(weight, -1, -2))


def _axis_faults(label: str, constant: str, perm: Array, shape: Sequence[int]) -> Iterator[Fault]:
    """Two axes of the same size exchanged, so that every shape after it stays."""
    for a in range(len(perm)):
        for b in range(a):
            if shape[a] == shape[b] > 1:
                order = list(range(len(perm)))
                order[a], order[b] = b, a
                yield Fault("axis", label, constant, lambda perm, order=order: perm[order])  # type: ignore[misc]


def _shifted(pad: Array) -> Array:
    """One row taken from the end of an axis and put before its start, or the other way round."""
    moved = pad.copy()
    axis = int(np.argmax(pad)) // 2
    step = 1 if moved[2 * axis + 1] > 0 else -1
    moved[2 * axis] += step
    moved[2 * axis + 1] -= step
    return moved


def planted(clean: Clean, fault: Fault) -> tuple[bytes, bytes]:
    """The package's message and weights with the fault in them."""
    from coremltools import proto

    model = proto.Model_pb2.Model.FromString(clean.message)
    function = model.mlProgram.functions["main"]
    (operation,) = (
        operation
        for operation in function.block_specializations[function.opset].operations
        if operation.type == "const" and operation.outputs[0].name == fault.constant
    )
    value = operation.attributes["val"]
    weights = bytearray(clean.weights)
    if value.HasField("blobFileValue"):
        record = value.blobFileValue.offset
        size, start = (int.from_bytes(weights[record + at : record + at + 8], "little") for at in (8, 16))
        shape = [dimension.constant.size for dimension in value.type.tensorType.dimensions]
        dtype = {10: np.float16, 11: np.float32}[value.type.tensorType.dataType]
        old = np.frombuffer(bytes(weights[start : start + size]), dtype).reshape(shape)
        weights[start : start + size] = np.ascontiguousarray(fault.change(old).astype(dtype)).tobytes()
    else:
        tensor = value.immediateValue.tensor
        shape = [dimension.constant.size for dimension in value.type.tensorType.dimensions]
        field = tensor.WhichOneof("value")
        if field == "bytes":
            old = np.frombuffer(tensor.bytes.values, np.float16).reshape(shape)
            tensor.bytes.values = fault.change(old).astype(np.float16).tobytes()
        else:
            held = getattr(tensor, field).values
            new = np.asarray(fault.change(np.array(held).reshape(shape)))
            del held[:]
            held.extend(new.ravel().tolist())
    return model.SerializeToString(), bytes(weights)


def drawn(cleans: Sequence[Clean], count: int, seed: int = 3) -> list[tuple[Clean, Fault]]:
    """Faults in turn of each kind, seeded; none twice."""
    draw = random.Random(seed)
    by_kind: dict[str, list[tuple[Clean, Fault]]] = {kind: [] for kind in KINDS}
    for clean in cleans:
        for fault in faults_of(clean):
            by_kind[fault.kind].append((clean, fault))
    for faults in by_kind.values():
        draw.shuffle(faults)
    chosen: list[tuple[Clean, Fault]] = []
    while len(chosen) < count and any(by_kind.values()):
        chosen += [by_kind[kind].pop() for kind in KINDS if by_kind[kind]]
    return chosen[:count]


def main() -> int:
    """Plant, validate, print; 0 where at least 99 % of the faults and none of the clean packages are flagged."""
    with tempfile.TemporaryDirectory() as folder:
        cleans = list(clean_packages(Path(folder)))
    wrongly = [(clean, told) for clean in cleans if (told := flagged(clean, clean.message, clean.weights))]
    tried, caught = Counter[str](), Counter[str]()
    for clean, fault in drawn(cleans, COUNT):
        told = flagged(clean, *planted(clean, fault))
        tried[fault.kind] += 1
        caught[fault.kind] += told is not None
        if told is None:
            print(f"missed: {clean.name}-{clean.precision}, {fault.kind}: {fault.where}")
    print(f"{'fault':10} {'planted':>8} {'flagged':>8}")
    for kind in KINDS:
        print(f"{kind:10} {tried[kind]:8} {caught[kind]:8}")
    share = sum(caught.values()) / max(1, sum(tried.values()))
    print(f"{'all':10} {sum(tried.values()):8} {sum(caught.values()):8}   {100 * share:.1f} %")
    print(f"clean packages: {len(cleans)}, flagged: {len(wrongly)}")
    for package, told in wrongly:
        print(f"wrongly: {package.name}-{package.precision}: {told}")
    return 0 if share >= 0.99 and not wrongly else 1


if __name__ == "__main__":
    sys.exit(main())
