"""A run's documents, built small and typed: a spiking model with a dozen candidates, and every part replaceable.

The figures are invented; they stand for no machine. Loaded by the ``build`` fixtures.
"""

from __future__ import annotations

import json
import random
from pathlib import Path

from edgeproof.documents.artifact import Rewrite
from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.device import DeviceDocument, DeviceMeasurement
from edgeproof.documents.environment import EnvironmentDocument, Feasibility, Machine, Tool
from edgeproof.documents.evaluation import Evidence
from edgeproof.documents.latency import ColdStart, LatencySummary, Percentile, ProcessUse, Served, Steady
from edgeproof.documents.manifest import Manifest, PhaseRecord, RunOptions
from edgeproof.documents.samples import Check, HeldOut, SamplesDocument
from edgeproof.documents.shipping import Library, RuntimeSize, ShippingDocument
from edgeproof.documents.signature import Signature, TensorSpec
from edgeproof.documents.validation import Differences, SpikeDifference, ValidationDocument, ValidationResult

EVERYWHERE = ("host", "raspberry-pi", "android", "iphone")
PLATFORMS = {
    "sdk-eager": ("host", "raspberry-pi"),
    "sdk-native": EVERYWHERE,
    "torchscript-fp32": ("host", "raspberry-pi"),
    "onnx-fp32": EVERYWHERE,
    "onnx-int8": EVERYWHERE,
    "litert-fp32": ("host", "raspberry-pi", "android"),
    "litert-fp16": ("host", "raspberry-pi", "android"),
    "litert-int8": ("host", "raspberry-pi", "android"),
    "executorch-fp32": ("host", "raspberry-pi", "android", "iphone"),
    "openvino-fp32": ("host",),
    "coreml-fp16": ("iphone",),
    "coreml-fp32": ("iphone",),
}
SUFFIX = {"onnx": "onnx", "litert": "tflite", "executorch": "pte", "openvino": "xml", "torchscript": "pt"}
# candidate: relative L2, spike agreement, task drop, bytes, median µs, cold start ms, memory MB
FIGURES: dict[str, tuple[float, float, float, int, float, float, int]] = {
    "sdk-eager": (0.0, 1.0, 0.0, 48_210, 1128.0, 1721.0, 402),
    "sdk-native": (8.1e-8, 0.99996, 0.0, 41_120, 1.7, 79.0, 38),
    "torchscript-fp32": (6.2e-8, 1.0, 0.0, 61_004, 402.0, 1390.0, 371),
    "onnx-fp32": (9.4e-7, 0.9998, 0.0, 44_871, 115.0, 548.0, 96),
    "onnx-int8": (0.083, 0.861, 0.56, 21_330, 131.0, 561.0, 98),
    "litert-fp32": (9.4e-7, 0.9998, 0.0, 39_660, 33.0, 388.0, 71),
    "litert-fp16": (3.9e-3, 0.991, 0.0, 22_108, 35.4, 391.0, 72),
    "litert-int8": (0.19, 0.742, 3.33, 14_400, 29.0, 385.0, 70),
    "executorch-fp32": (1.1e-6, 0.9997, -0.28, 46_976, 61.0, 702.0, 120),
}


def format_of(candidate: str) -> str:
    return candidate if candidate.startswith("sdk") else candidate.rpartition("-")[0]


def precision_of(candidate: str) -> str:
    return "fp32" if candidate.startswith("sdk") else candidate.rpartition("-")[2]


def machine(**changes) -> Machine:
    return Machine(
        **{
            "system": "Linux",
            "release": "6.1.0",
            "architecture": "x86_64",
            "cpu_model": "Example CPU @ 2.50GHz",
            "logical_cores": 4,
            "usable_cores": 2,
            "memory_bytes": 8_000_000_000,
            "python": "3.11.9",
            "governor": None,
            "max_mhz": None,
            "virtual": True,
            "temperature_c": None,
        }
        | changes
    )


def percentile(value: float, count: int, needed: int) -> Percentile:
    return Percentile(value_us=value) if count >= needed else Percentile(value_us=None, needs_more=needed - count)


def steady(median: float, *, count: int = 700, raw: str = "raw.json") -> Steady:
    return Steady(
        count=count,
        warmup=50,
        min_us=median * 0.9,
        mean_us=median * 1.05,
        max_us=median * 4,
        median_us=median,
        p50=percentile(median * 1.01, count, 11),
        p90=percentile(median * 1.2, count, 64),
        p95=percentile(median * 1.4, count, 130),
        p99=percentile(median * 2.1, count, 662),
        raw=raw,
    )


def cold(median: float) -> ColdStart:
    return ColdStart(
        processes=5,
        exec_to_first_ms=(median * 0.9, median, median, median, median * 1.2),
        load_ms=(median / 2,) * 5,
        first_inference_us=(900.0,) * 5,
        median_ms=median,
    )


def measurement(candidate: str, median: float | None = None, *, count: int = 700, **changes) -> DeviceMeasurement:
    figures = FIGURES.get(candidate)
    median = median if median is not None else figures[4] if figures else 100.0
    return DeviceMeasurement(
        **{
            "candidate": candidate,
            "status": "ok",
            "cold_start": cold(figures[5] if figures else 400.0),
            "steady": steady(median, count=count, raw=f"phase4_devices/raw/{candidate}.json"),
            "process": ProcessUse(
                cpu_percent=99.1,
                peak_memory_bytes=(figures[6] if figures else 80) * 1_000_000,
                baseline_memory_bytes=30_000_000,
            ),
            "ratio_to_baseline": median / 1128.0,
            "threads": 1,
            "cpus": (1,),
        }
        | changes
    )


def device(
    measurements: tuple[DeviceMeasurement, ...] | None = None,
    *,
    name: str = "host",
    device_class: str = "host",
    emulated: bool = False,
) -> DeviceDocument:
    if measurements is None:
        measurements = tuple(measurement(candidate) for candidate in FIGURES)
    return DeviceDocument(
        device=name,
        device_class=device_class,
        emulated=emulated,
        machine=machine(),
        baseline="sdk-eager",
        measurements=measurements,
        not_measured={"power": "no meter: this machine has neither RAPL nor hwmon"},
    )


def samples(**changes) -> SamplesDocument:
    held_out = changes.pop("held_out", HeldOut(count=360, labelled=True, source="model", file="phase3_heldout.npz"))
    spiking = changes.pop("spiking", True)
    return SamplesDocument(
        **{
            "signature": Signature(
                inputs=(TensorSpec(name="x", dtype="float32", shape=(1, 64)),),
                outputs=(
                    TensorSpec(name="counts", dtype="float32", shape=(1, 10), kind="spikes" if spiking else "real"),
                ),
                timesteps=25 if spiking else None,
                spiking=spiking,
                stateful=spiking,
                score_output="counts",
            ),
            "source": "model",
            "origin": "handwritten digits, 8×8 pixels, training split",
            "folder": "rep_samples",
            "count": 256,
            "labelled": True,
            "seed": 0,
            "per_class": {str(digit): 25 for digit in range(10)},
            "synthetic": False,
            "under_sampled": False,
            "checks": (Check(name="finite", status="ok", detail="no NaN, no Inf"),),
            "held_out": held_out,
        }
        | changes
    )


def conversion(*changed: ConversionResult, leave_out: tuple[str, ...] = ()) -> ConversionDocument:
    results = [
        ConversionResult(
            candidate=name,
            format=format_of(name),
            precision=precision_of(name),
            form="step" if name == "litert-int8" else "unrolled",
            status="ok",
            sdk=name == "sdk-native",
            eager=name == "sdk-eager",
            artifact=f"artifacts/{name}",
            bytes=figures[3],
            seconds=3.2,
            peak_memory_bytes=900_000_000,
            sha256=f"{index:02x}" * 32,
            rewrites=(
                Rewrite(name="reset by subtraction", why="the runtime has no in-place update", max_abs=3.1e-8),
                Rewrite(name="batch axis", why="the runtime wants a static batch", max_abs=None),
            )
            if "litert" in name
            else (),
            notes=("quantised with 256 representative samples, min-max calibration",) if "int8" in name else (),
            versions={"torch": "2.13.0"},
        )
        for index, (name, figures) in enumerate(FIGURES.items())
    ]
    results += [
        ConversionResult(
            candidate="openvino-fp32", format="openvino", precision="fp32", form="unrolled", status="failed",
            reason="the converter does not know the operator aten::cumulative_trapezoid of the read-out",
            remedy="sum over time in the model's forward instead",
        ),
        ConversionResult(
            candidate="coreml-fp16", format="coreml", precision="fp16", form="unrolled", status="ok",
            artifact="artifacts/coreml-fp16", bytes=27_800, sha256="c" * 64, seconds=6.0,
        ),
        ConversionResult(
            candidate="coreml-fp32", format="coreml", precision="fp32", form="unrolled", status="ok",
            artifact="artifacts/coreml-fp32", bytes=51_200, sha256="d" * 64, seconds=6.1,
        ),
    ]  # fmt: skip
    replaced = {result.candidate: result for result in changed}
    return ConversionDocument(
        model="digits_snn",
        limit_seconds=300.0,
        limit_memory_bytes=8 << 30,
        candidates=tuple(
            replaced.get(result.candidate, result) for result in results if result.candidate not in leave_out
        ),
    )


def differences(relative: float | None, agreement: float | None, name: str | None = None) -> Differences:
    return Differences(
        name=name,
        kind="spikes" if agreement is not None else "real",
        max_abs=None if relative is None else relative * 8,
        l2_mean=None if relative is None else relative * 2,
        l2_max=None if relative is None else relative * 5,
        relative_l2=relative,
        cosine_min=None if relative is None else 1 - relative**2,
        snr_db=None if not relative else 120.0,
        argmax_agreement=None if relative is None else 1 - relative / 10,
        smallest_passing_tolerance=None if relative is None else 1 - (agreement or 1),
        spikes=None
        if agreement is None
        else SpikeDifference(count_mean_abs=(1 - agreement) * 1.3, count_max_abs=2.0, agreement=agreement),
    )


def result(candidate: str, *, spiking: bool = True, **changes) -> ValidationResult:
    relative, agreement, drop = FIGURES.get(candidate, (1e-6, 1.0, 0.0, 0, 0.0, 0.0, 0))[:3]
    found = differences(relative, agreement if spiking else None)
    tolerance = {"fp32": 0.001, "fp16": 0.02, "int8": 0.2}[precision_of(candidate)]
    failed = (1 - agreement if spiking else relative) > tolerance
    return ValidationResult(
        **{
            "candidate": candidate,
            "artifact": f"artifacts/{candidate}",
            "status": "failed" if failed else "passed",
            "reason": f"25.8 % of spike counts differ, 20 % allowed at {precision_of(candidate)}" if failed else None,
            "format": format_of(candidate),
            "precision": precision_of(candidate),
            "form": "unrolled",
            "tolerance": tolerance,
            "differences": found,
            "task_score": (97.22 - drop) / 100,
            "task_drop": drop,
            "outputs": (differences(relative, agreement if spiking else None, "counts"),),
        }
        | changes
    )


def validation(*changed: ValidationResult, spiking: bool = True, labelled: bool = True) -> ValidationDocument:
    results = [result(name, spiking=spiking) for name in FIGURES]
    for name in ("coreml-fp16", "coreml-fp32"):
        results.append(
            ValidationResult(
                candidate=name, artifact=f"artifacts/{name}", status="skipped", format="coreml",
                precision=precision_of(name), form="unrolled", structure=("program has 1 input and 1 output",),
                reason="Core ML runs only on Apple systems; the package was checked structurally",
            )
        )  # fmt: skip
    replaced = {result.candidate: result for result in changed}
    results = [replaced.get(result.candidate, result) for result in results]
    if not labelled:
        import msgspec

        results = [msgspec.structs.replace(result, task_score=None, task_drop=None) for result in results]
    return ValidationDocument(
        model="digits_snn",
        samples=360,
        sample_source="held out by the model",
        task="accuracy" if labelled else None,
        reference_score=0.9722 if labelled else None,
        results=tuple(results),
    )


def environment() -> EnvironmentDocument:
    return EnvironmentDocument(
        created="2026-11-20T09:30:00Z",
        edgeproof="0.1.0",
        machine=machine(),
        packages={"torch": "2.13.0", "numpy": "2.3.5", "onnxruntime": "1.30.0"},
        tools=(
            Tool(name="adb", path="/usr/bin/adb", version="29.0.6", purpose="Android", remedy="apt install adb"),
            Tool(name="xcrun", path=None, version=None, purpose="iPhone", remedy="install Xcode on a Mac"),
        ),
        candidates=(Feasibility(candidate="onnx-fp32", format="onnx", precision="fp32", possible=True),),
    )


def latency() -> LatencySummary:
    def served(name: str, client: float, inner: float | None, start: ColdStart | None) -> Served:
        return Served(
            candidate=name, artifact=f"artifacts/{name}", requests=100, errors=0, cold_start=start,
            steady=steady(client, count=100), server_inference=steady(inner, count=100) if inner else None,
            server=ProcessUse(cpu_percent=61.0, peak_memory_bytes=402_000_000), body_bytes=420, threads=1,
            client_cpus=(0,), server_cpus=(1,),
        )  # fmt: skip

    return LatencySummary(
        model="digits_snn",
        url="http://127.0.0.1:8080",
        machine=machine(),
        protocol="Open Inference Protocol, binary tensors",
        transport="HTTP/1.1 keep-alive over loopback",
        served=(served("sdk-eager", 1310.0, 1150.0, cold(1820.0)), served("sdk-native", 42.0, None, None)),
        not_measured={"energy": "no meter on this machine"},
    )


def manifest() -> Manifest:
    return Manifest(
        created="2026-11-20T09:30:00Z",
        edgeproof="0.1.0",
        command="edgeproof run examples/digits_snn.py:model",
        working_directory="/home/engineer/project",
        options=RunOptions(model="examples/digits_snn.py:model", model_name="digits_snn"),
        phases=(PhaseRecord(name="prepare", status="done", seconds=2.0),),
    )


def evidence(**changes) -> Evidence:
    return Evidence(
        **{
            "model": "digits_snn",
            "folder": "bench_output/edge_phase_runs/20261120-093000",
            "manifest": manifest(),
            "environment": environment(),
            "samples": samples(),
            "latency": latency(),
            "conversion": conversion(),
            "validation": validation(),
            "devices": (device(),),
        }
        | changes
    )


def shipping(bytes: int = 0) -> ShippingDocument:
    """Every runtime takes as much on every device class."""
    library = Library(name="librun.so", role="runtime", version="1.0", bytes=bytes, how="measured", source="its wheel")
    formats = dict.fromkeys(format_of(candidate) for candidate in PLATFORMS)
    return ShippingDocument(
        runtimes=tuple(
            RuntimeSize(format=name, device_class=device, libraries=(library,) if bytes else ())
            for name in formats
            for device in EVERYWHERE
        )
    )


def empty() -> Evidence:
    """A run in which no phase has written."""
    return Evidence(model="digits_snn", folder="run")


def raw_latencies() -> dict[str, list[float]]:
    generator = random.Random(0)
    return {
        name: [figures[4] * generator.lognormvariate(0, 0.12) for _ in range(700)] for name, figures in FIGURES.items()
    }


def write_run(root: Path, given: Evidence | None = None) -> Path:
    """A run folder with the evidence's documents, raw latencies beside them."""
    from edgeproof.documents.base import write_document
    from edgeproof.rundir import RunDir

    given = given or evidence()
    run = RunDir.create(given.manifest or manifest(), root)
    for document in (given.environment, given.samples, given.latency, given.conversion, given.validation):
        if document is not None:
            run.write(document)
    for index, document in enumerate(given.devices):
        write_document(root / "phase4_devices" / f"device{index}.json", document)
    raw = root / "phase4_devices" / "raw"
    raw.mkdir(parents=True)
    for name, values in raw_latencies().items():
        (raw / f"{name}.json").write_text(json.dumps(values))
    return root
