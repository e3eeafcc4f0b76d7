"""What the app tells, read as a runner's reports, or refused."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeproof.devices.iphone.results import machine_of, outputs_of, read_app_report, reports_of
from edgeproof.errors import DocumentError

VALUES = np.arange(6, dtype="<f4").reshape(2, 1, 3)


def told(**more: Any) -> dict[str, Any]:
    """As Swift's JSONEncoder writes it: what is nil is left out."""
    report = {
        "schema": "edgeproof.runner/1",
        "artifact": "coreml-fp16",
        "samples": 2,
        "load_ms": 31.5,
        "first_inference_us": 812.0,
        "exec_to_first_ms": 410.25,
        "warmup": 50,
        "steady_us": [401.0, 399.5, 402.25],
        "steady_begin_unix_ns": 1796040481765237794,
        "steady_end_unix_ns": 1796040481955248501,
        "cpu_percent": 61.0,
        "baseline_memory_bytes": 9000000,
        "peak_memory_bytes": 31000000,
        "throttled": False,
        "conditions": [
            {"thermal_state": "nominal", "battery_percent": 71.0, "charging": False, "low_power": False},
            {"thermal_state": "fair", "battery_percent": 70.0, "charging": False, "low_power": False},
        ],
        "held": {
            "seconds": 60.0,
            "calls": 150000,
            "begin_unix_ns": 1796040481955419152,
            "end_unix_ns": 1796040541955421122,
            "median_us": 400.0,
            "mean_us": 399.0,
            "busy_share": 0.99,
            "cpu_percent": 62.0,
        },
    }
    measured = {
        "candidate": "coreml-fp16",
        "compute_units": "all",
        "report": report | more.pop("report", {}),
        "pace_s": 0.1,
        "paced_us": [900.0, 910.0],
        "outputs": [{"name": "scores", "shape": [1, 3], "data": base64.b64encode(VALUES.tobytes()).decode()}],
    }
    phone = {"model": "iPhone15,2", "system": "iOS 17.4", "cores": 6, "memory_bytes": 5918212096, "simulator": False}
    return {
        "schema": "edgeproof.app/1",
        "name": "digits",
        "phone": phone | more.pop("phone", {}),
        "created_unix_ns": 1796040480000000000,
        "candidates": [measured | more],
    }


def written(folder: Path, document: dict[str, Any]) -> Path:
    path = folder / "edgeproof-1.json"
    path.write_text(json.dumps(document))
    return path


def test_reports_as_of_any_other_device(tmp_path: Path) -> None:
    document = read_app_report(written(tmp_path, told()))
    report = reports_of(document)["coreml-fp16"]
    assert (report.steady_us, report.load_ms, report.exec_to_first_ms) == ((401.0, 399.5, 402.25), 31.5, 410.25)
    assert report.held is not None
    assert report.held.calls == 150000
    assert [found.thermal_state for found in report.conditions] == ["nominal", "fair"]
    assert report.machine == machine_of(document)
    assert (machine_of(document).system, machine_of(document).cpu_model) == ("iOS", "iPhone15,2")
    (summary,) = report.outputs
    assert (summary.name, summary.shape, summary.nan) == ("scores", (1, 3), 0)
    assert np.array_equal(outputs_of(document.candidates[0])["scores"], VALUES)


def test_the_simulator_gives_outputs_and_no_times(tmp_path: Path) -> None:
    report = reports_of(read_app_report(written(tmp_path, told(phone={"simulator": True}))))["coreml-fp16"]
    assert (report.steady_us, report.load_ms, report.held, report.peak_memory_bytes) == ((), None, None, None)
    assert report.outputs
    assert report.machine is not None
    assert report.machine.virtual is True


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"report": {"steady_us": [1.0, -2.0]}}, "a latency of coreml-fp16 is not above zero"),
        ({"paced_us": [0.0]}, "a latency of coreml-fp16 is not above zero"),
        ({"report": {"samples": 3}}, "has 24 bytes; expected 3 samples of 12"),
        ({"outputs": [{"name": "scores", "shape": [1, 3], "data": "@@"}]}, "is no base64"),
        ({"outputs": [{"name": "scores", "shape": [0], "data": ""}]}, "has 0 bytes"),
        ({"report": {"schema": 3}}, "not a valid edgeproof.app document"),
    ],
)
def test_what_cannot_be_is_refused(more: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match=said):
        reports_of(read_app_report(written(tmp_path, told(**more))))
