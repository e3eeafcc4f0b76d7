"""Phase 4 on this host: what is measured, what is skipped, and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.phases.run_folder import add_conversion, add_validation, make_run

from edgeproof.devices.base import Effort
from edgeproof.documents.base import read_document
from edgeproof.documents.conversion import ConversionResult
from edgeproof.documents.device import DeviceDocument
from edgeproof.documents.validation import ValidationResult
from edgeproof.errors import DeviceError, DocumentError, UsageError
from edgeproof.phases.device import measure_devices
from edgeproof.phases.measurement.record import why_not
from edgeproof.process import Limits

QUICK = Effort(rounds=2, count=30, warmup=2, seconds=1.0, limits=Limits(seconds=60))


def test_candidates_are_measured_against_the_sdk_or_skipped_with_a_reason(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    add_conversion(run, ["onnx-fp32", "sdk-eager", "coreml-fp16", "onnx-int8"], failed=["litert-fp32"])
    add_validation(run, {"onnx-fp32": "passed", "sdk-eager": "passed", "coreml-fp16": "skipped", "onnx-int8": "failed"})
    (document,) = measure_devices(run, effort=QUICK)
    assert run.device("host") == document
    assert read_document(run.path("phase4_devices/host.json"), DeviceDocument) == document
    assert document.baseline == "sdk-eager"
    by_name = {measured.candidate: measured for measured in document.measurements}
    assert by_name["coreml-fp16"].status == "skipped"
    assert "because skipped" in (by_name["coreml-fp16"].reason or "")
    assert by_name["litert-fp32"].reason == "not converted: unsupported operator"
    assert by_name["sdk-eager"].ratio_to_baseline == 1.0
    for name in ("onnx-fp32", "onnx-int8"):
        measured = by_name[name]
        assert measured.status == "ok"
        assert measured.steady is not None
        assert measured.steady.count == 60
        assert measured.steady.warmup == 4
        assert measured.cold_start is not None
        assert measured.cold_start.processes == 2
        assert measured.ratio_to_baseline is not None
        assert measured.process is not None
        assert (measured.process.peak_memory_bytes or 0) > 10 << 20
        assert measured.threads == 1
        assert measured.energy_mj is None
        assert len(json.loads(run.path(measured.steady.raw).read_bytes())) == 60
    assert "energy" in document.not_measured


def test_one_that_breaks_is_failed_and_the_rest_is_measured(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    add_conversion(run, ["sdk-eager", "onnx-fp32"])
    run.path("artifacts/sdk-eager/tiny.onnx").write_bytes(b"damaged")
    (document,) = measure_devices(run, effort=QUICK)
    eager, onnx = document.measurements
    assert (eager.status, eager.steady) == ("failed", None)
    assert eager.reason
    assert onnx.status == "ok"
    assert document.baseline == "onnx-fp32"


def test_measuring_one_again_keeps_the_others_without_their_ratios(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    add_conversion(run, ["sdk-eager", "onnx-fp32", "onnx-fp16"])
    measure_devices(run, effort=QUICK)
    (document,) = measure_devices(run, candidates=["onnx-fp32"], effort=QUICK)
    assert [(measured.candidate, measured.ratio_to_baseline) for measured in document.measurements] == [
        ("sdk-eager", None),
        ("onnx-fp16", None),
        ("onnx-fp32", 1.0),
    ]
    add_conversion(run, ["onnx-fp32"])
    (document,) = measure_devices(run, effort=QUICK)
    assert [measured.candidate for measured in document.measurements] == ["onnx-fp32"]


def test_the_default_effort_supports_p99(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    add_conversion(run, ["onnx-fp32"])
    (document,) = measure_devices(run)
    steady = document.measurements[0].steady
    assert steady is not None
    assert steady.count == 702
    assert steady.p99.value_us is not None


def test_devices_that_cannot_be_measured_are_said(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    add_conversion(run, ["onnx-fp32"])
    away = "ssh:pi@127.0.0.1:1"
    with pytest.raises(DeviceError, match="Connection refused"):
        measure_devices(run, devices=[away], effort=QUICK)
    lines: list[str] = []
    documents = measure_devices(run, devices=[away, "host"], effort=QUICK, report=lines.append)
    assert [device.device for device in documents] == ["host"]
    assert away in lines[0]


def test_phase_3_comes_first(tmp_path: Path) -> None:
    run = make_run(tmp_path)
    with pytest.raises(DocumentError, match=r"phase3_conversion\.json"):
        measure_devices(run)
    add_conversion(run, ["onnx-fp32"])
    with pytest.raises(UsageError, match="no candidate nope"):
        measure_devices(run, candidates=["onnx-fp32", "nope"])


def test_what_a_stand_in_ran_is_not_measured() -> None:
    made = ConversionResult(
        candidate="coreml-fp32", format="coreml", precision="fp32", form="whole", status="ok", artifact="a"
    )
    validated = ValidationResult(candidate="coreml-fp32", artifact="a", status="passed", checked_by="a stand-in")
    assert why_not(made, None) is None
    reason = why_not(made, validated)
    assert reason is not None
    assert "only a stand-in runs it here, and its times say nothing" in reason
