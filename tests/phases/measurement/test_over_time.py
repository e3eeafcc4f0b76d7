"""Paces, a held load and time under load, measured again in a run on this host, up to its report."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.phases.run_folder import add_conversion, add_validation, make_run

from edgeproof import api
from edgeproof.phases.measurement.record import EMULATED
from edgeproof.rundir import REPORT_HTML, REPORT_MD, RunDir


@pytest.fixture
def run(tmp_path: Path) -> RunDir:
    made = make_run(tmp_path)
    add_conversion(made, ["onnx-fp32"])
    add_validation(made, {"onnx-fp32": "passed"})
    return made


def test_what_is_measured_over_time_is_in_the_document_the_verdict_and_the_report(run: RunDir) -> None:
    evaluation = api.measure(run.root, paces=(0.005,), hold=0.2, sustained=1.0, count=100)
    document = run.device("host")
    assert document is not None
    (found,) = document.measurements
    assert [paced.pace_s for paced in found.paced] == [0.005]
    assert len(found.held) == 2, "one a process"
    assert found.sustained is not None
    assert found.stable is not None
    verdict = next(verdict for verdict in evaluation.verdicts if verdict.device_class == "host")
    (standing,) = verdict.standings
    latency = next(point for point in standing.points if point.name == "latency")
    assert "under load on host" in latency.text
    for name in (REPORT_HTML, REPORT_MD):
        text = run.path(name).read_text()
        assert "Over time" in text
        assert "5 ms" in text
    assert run.path("plots/sustained-host.svg").is_file()
    assert EMULATED not in run.path(REPORT_MD).read_text()


def test_a_run_keeps_what_it_was_asked_to_measure(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("def make(): ...\n")
    folder = api.new_run_folder(f"{tmp_path}/net.py:make", out=tmp_path / "run", paces=(0.033, 1.0), hold=60.0)
    options = RunDir.open(folder, trust=True).options()
    assert (options.paces, options.hold) == ((0.033, 1.0), 60.0)
