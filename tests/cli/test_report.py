"""``report``, ``runbook``, ``compare`` and ``gate`` on run folders, through the real command line."""

from __future__ import annotations

import csv
import json
import runpy
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from edgeproof.cli import main
from edgeproof.documents.base import decode
from edgeproof.documents.device import DeviceDocument
from edgeproof.documents.evaluation import EvaluationDocument

FAST_POLICY = "latency_ms = 0.0001\n"


@pytest.fixture(scope="module")
def build():
    return SimpleNamespace(**runpy.run_path(str(Path(__file__).parents[1] / "report" / "builders.py")))


@pytest.fixture
def run(build, tmp_path):
    return build.write_run(tmp_path / "run")


def edgeproof(capfdbinary, *words):
    """Exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    out, err = capfdbinary.readouterr()
    return left.value.code, out.decode(), err.decode()


def one_object(text):
    found = json.loads(text)
    assert isinstance(found, dict)
    return found


class TestReport:
    @pytest.mark.parametrize("folder", ["plots", "phase4_devices"])
    def test_it_leaves_alone_what_a_link_leads_to(self, run, tmp_path, capfdbinary, folder):
        mine = tmp_path / "mine"
        mine.mkdir()
        (mine / "drawing.svg").write_text("mine")
        (mine / "host.json").write_text("mine")
        if (run / folder).exists():
            (run / folder).rename(tmp_path / "before")
        (run / folder).symlink_to(mine)
        code, out, err = edgeproof(capfdbinary, "report", run)
        assert (code, out) == (2, "")
        assert "leads out of the run folder" in err
        assert {path.name: path.read_text() for path in mine.iterdir()} == {"drawing.svg": "mine", "host.json": "mine"}

    def test_it_writes_everything(self, run, capfdbinary):
        code, out, err = edgeproof(capfdbinary, "report", run)
        assert (code, err) == (0, "")
        assert len([line for line in out.splitlines() if line.startswith("On ")]) == 4
        evaluation = decode((run / "phase5_evaluation.json").read_bytes(), EvaluationDocument)
        assert [verdict.device_class for verdict in evaluation.verdicts] == [
            "host",
            "raspberry-pi",
            "android",
            "iphone",
        ]
        assert (run / "edge_phase1_5_report.md").read_text().startswith("# digits\\_snn")
        assert (run / "edge_phase1_5_report.html").read_text().startswith("<!doctype html>")
        assert sorted(file.name for file in (run / "plots").iterdir()) == [
            "front.svg",
            "latency.svg",
            "size.svg",
            "speed.svg",
            "tolerance.svg",
        ]

    def test_links_to_drawings_lead_to_files(self, run, capfdbinary):
        edgeproof(capfdbinary, "report", run)
        import re

        links = re.findall(r"\]\((plots/[^)]+)\)", (run / "edge_phase1_5_report.md").read_text())
        assert len(links) == 5
        assert all((run / link).is_file() for link in links)

    def test_json_is_one_object(self, run, capfdbinary):
        code, out, err = edgeproof(capfdbinary, "report", run, "--json")
        assert (code, err) == (0, "")
        found = one_object(out)
        assert found["evaluation"]["schema"] == "edgeproof.evaluation/1"
        assert Path(found["html"]).is_file()

    def test_written_again_it_is_the_same(self, run, capfdbinary):
        edgeproof(capfdbinary, "report", run)
        names = ["phase5_evaluation.json", "edge_phase1_5_report.md", "edge_phase1_5_report.html", "plots/latency.svg"]
        before = [(run / name).read_bytes() for name in names]
        edgeproof(capfdbinary, "report", run)
        assert [(run / name).read_bytes() for name in names] == before

    def test_a_run_that_has_only_begun(self, build, tmp_path, capfdbinary):
        run = build.write_run(tmp_path / "run", build.empty())
        code, _, err = edgeproof(capfdbinary, "report", run)
        assert (code, err) == (0, "")
        assert not (run / "plots").exists()

    def test_a_folder_that_is_no_run(self, tmp_path, capfdbinary):
        code, out, err = edgeproof(capfdbinary, "report", tmp_path, "--json")
        assert (code, out) == (2, "")
        assert "is not a run folder" in err

    def test_a_damaged_document(self, run, capfdbinary):
        (run / "phase3_validation.json").write_text('{"schema": "edgeproof.validation/1"}')
        code, _, err = edgeproof(capfdbinary, "report", run)
        assert code == 1
        assert "edgeproof.validation" in err
        assert "Traceback" not in err

    def test_the_runs_own_policy_is_found_from_elsewhere(self, build, tmp_path, capfdbinary):
        project = tmp_path / "project"
        project.mkdir()
        (project / "ship.toml").write_text(FAST_POLICY)
        manifest = build.manifest()
        manifest = msgspec.structs.replace(
            manifest,
            working_directory=str(project),
            options=msgspec.structs.replace(manifest.options, policy="ship.toml"),
        )
        run = build.write_run(tmp_path / "run", build.evidence(manifest=manifest))
        code, _, _ = edgeproof(capfdbinary, "report", run)
        assert code == 0
        evaluation = decode((run / "phase5_evaluation.json").read_bytes(), EvaluationDocument)
        assert evaluation.policy.latency_ms == 0.0001
        assert evaluation.policy_source == "ship.toml"

    def test_raw_files_outside_the_run_are_not_read(self, build, tmp_path, capfdbinary):
        secret = tmp_path / "secret.json"
        secret.write_text("[1.0, 2.0, 3.0]")
        steady = build.steady(10.0, raw="../secret.json")
        device = build.device((build.measurement("sdk-native", steady=steady),))
        run = build.write_run(tmp_path / "run", build.evidence(devices=(device,)))
        assert edgeproof(capfdbinary, "report", run)[0] == 0
        assert not (run / "plots" / "latency.svg").exists()


class TestCsv:
    def test_every_table_is_a_file(self, run, tmp_path, capfdbinary):
        code, out, err = edgeproof(capfdbinary, "report", run, "--csv", tmp_path / "tables")
        assert (code, err) == (0, "")
        assert str(tmp_path / "tables") in out
        names = {path.name for path in (tmp_path / "tables").iterdir()}
        assert {"candidates.csv", "front.csv", "standings.csv", "devices.csv", "served.csv", "failures.csv"} <= names
        with (tmp_path / "tables" / "candidates.csv").open(newline="") as file:
            rows = {row["Candidate"]: row for row in csv.DictReader(file)}
        assert float(rows["sdk-native"]["Host p90 ≤ (µs)"]) == pytest.approx(2.04)
        assert rows["sdk-native"]["Peak memory (bytes)"] == "38000000"
        assert "Failures" in rows["openvino-fp32"]["not measured"]

    def test_the_json_names_the_folder(self, run, tmp_path, capfdbinary):
        _, out, _ = edgeproof(capfdbinary, "report", run, "--csv", tmp_path / "tables", "--json")
        assert one_object(out)["csv"] == str(tmp_path / "tables")


class TestMeasuredByHand:
    def bring(self, capfdbinary, run, words, *results):
        files = []
        for index, result in enumerate(results):
            file = run.parent / f"result{index}.json"
            file.write_text(json.dumps(result))
            files.append(file)
        options = [part for word, file in zip(words, files, strict=True) for part in ("--measured", f"{word}={file}")]
        return edgeproof(capfdbinary, "report", run, *options)

    def test_a_list_of_latencies_makes_a_device_document(self, run, capfdbinary):
        code, out, err = self.bring(capfdbinary, run, ["iphone:onnx-fp32"], [900.0 + value for value in range(100)])
        assert (code, err) == (0, "")
        document = decode((run / "phase4_devices/iphone-by-hand.json").read_bytes(), DeviceDocument)
        found = document.measurements[0]
        assert found.steady.count == 100
        assert found.steady.p90.value_us is not None
        assert found.steady.p99.value_us is None
        assert json.loads((run / found.steady.raw).read_text())[0] == 900.0
        assert "onnx-fp32" in next(line for line in out.splitlines() if "iPhone" in line)

    def test_more_than_latency(self, run, capfdbinary):
        result = {"latency_us": [1000.0] * 70, "mean_power_mw": 1200.0, "throttled": False, "temperature_c": [30, 31.5]}
        assert self.bring(capfdbinary, run, ["android:onnx-fp32"], result)[0] == 0
        found = decode((run / "phase4_devices/android-by-hand.json").read_bytes(), DeviceDocument).measurements[0]
        assert found.energy_mj == pytest.approx(1.2)
        assert found.throttled is False

    def test_a_report_of_the_runner(self, run, capfdbinary):
        result = {"schema": "edgeproof.runner/1", "artifact": "x", "steady_us": [10.0] * 70, "peak_memory_bytes": 5000}
        assert self.bring(capfdbinary, run, ["raspberry-pi:onnx-fp32"], result)[0] == 0
        found = decode((run / "phase4_devices/raspberry-pi-by-hand.json").read_bytes(), DeviceDocument).measurements[0]
        assert found.process.peak_memory_bytes == 5000

    def test_what_was_brought_before_stays(self, run, capfdbinary):
        for candidate in ("onnx-fp32", "sdk-native"):
            assert self.bring(capfdbinary, run, [f"iphone:{candidate}"], [5.0] * 70)[0] == 0
        document = decode((run / "phase4_devices/iphone-by-hand.json").read_bytes(), DeviceDocument)
        assert [found.candidate for found in document.measurements] == ["onnx-fp32", "sdk-native"]

    @pytest.mark.parametrize(
        ("word", "result", "code", "words"),
        [
            ("iphone:nonesuch", [1.0, 2.0], 2, "no candidate nonesuch"),
            ("watch:onnx-fp32", [1.0, 2.0], 2, "expected CLASS:CANDIDATE=FILE"),
            ("iphone", [1.0, 2.0], 2, "expected CLASS:CANDIDATE=FILE"),
            ("iphone:onnx-fp32", [], 1, "expected at least 2"),
            ("iphone:onnx-fp32", [1.0, -2.0], 1, "not above 0"),
            ("iphone:onnx-fp32", ["a", "b"], 1, "is not a result"),
            ("iphone:onnx-fp32", {"mean_ms": 3}, 1, "is not a result"),
            ("iphone:onnx-fp32", {"latency_us": [1.0, 2.0], "mean_power_mw": -1.0}, 1, "above 0"),
            ("iphone:onnx-fp32", 7, 1, "is not a result"),
        ],
    )
    def test_what_is_wrong_is_refused(self, run, capfdbinary, word, result, code, words):
        found, out, err = self.bring(capfdbinary, run, [word], result)
        assert (found, out) == (code, "")
        assert words in err
        assert not list((run / "phase4_devices").glob("*by-hand*"))


class TestRunbook:
    def test_it_is_written_for_this_run(self, run, capfdbinary):
        code, out, err = edgeproof(capfdbinary, "runbook", run, "--json")
        assert (code, err) == (0, "")
        text = Path(one_object(out)["runbook"]).read_text()
        assert str(run) in text
        assert "## Raspberry Pi" in text

    def test_without_artifacts_there_is_none(self, build, tmp_path, capfdbinary):
        run = build.write_run(tmp_path / "run", build.empty())
        code, _, err = edgeproof(capfdbinary, "runbook", run)
        assert code == 2
        assert "has no artifacts yet" in err


class TestCompare:
    def test_a_run_with_itself(self, run, capfdbinary):
        code, out, err = edgeproof(capfdbinary, "compare", run, run)
        assert (code, err) == (0, "")
        assert "No verdict changed." in out
        assert "not measured interleaved" in out

    def test_what_changed(self, build, tmp_path, capfdbinary):
        before = build.write_run(tmp_path / "before")
        rows = (build.measurement("onnx-fp32", 230.0),)
        result = build.result("onnx-fp32", task_score=0.9522, task_drop=2.0)
        later = build.evidence(
            devices=(build.device(rows),),
            validation=build.validation(result),
            conversion=build.conversion(leave_out=("openvino-fp32",)),
        )
        after = build.write_run(tmp_path / "after", later)
        code, out, _ = edgeproof(capfdbinary, "compare", before, after, "--json")
        assert code == 0
        found = one_object(out)
        rows = {row["candidate"]: row for row in found["candidates"]}
        assert rows["onnx-fp32"]["median_ratio"] == pytest.approx(2.0)
        assert rows["onnx-fp32"]["task_score_change_points"] == pytest.approx(-2.0)
        assert (rows["openvino-fp32"]["status_before"], rows["openvino-fp32"]["status_after"]) == (
            "not converted",
            None,
        )
        assert rows["sdk-eager"]["median_ratio"] is None
        assert "indication" in found["note"]
        assert next(verdict for verdict in found["verdicts"] if verdict["device_class"] == "host")["changed"]

    def test_other_policies_are_said_first_and_the_page_is_written(self, build, tmp_path, capfdbinary):
        (tmp_path / "ship.toml").write_text(FAST_POLICY)
        manifest = build.manifest()
        options = msgspec.structs.replace(manifest.options, policy=str(tmp_path / "ship.toml"))
        other = build.evidence(manifest=msgspec.structs.replace(manifest, options=options))
        before, after = build.write_run(tmp_path / "before"), build.write_run(tmp_path / "after", other)
        page = tmp_path / "compared.html"
        code, out, err = edgeproof(capfdbinary, "compare", before, after, "--html", page)
        assert (code, err) == (0, "")
        assert "The policies differ in latency_ms 10 → 0.0001" in out.split("candidate ")[0]
        assert "The policies differ" in page.read_text()


class TestGate:
    def test_files_are_written_whether_it_opens_or_not(self, run, tmp_path, capfdbinary, monkeypatch):
        (tmp_path / "fast.toml").write_text(FAST_POLICY)
        junit, page, summary = tmp_path / "gate.xml", tmp_path / "gate.md", tmp_path / "summary.md"
        summary.write_text("before\n")
        monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
        files = ("--junit", junit, "--markdown", page)
        assert edgeproof(capfdbinary, "gate", run, *files)[0] == 0
        assert (junit.read_text().count("<failure"), summary.read_text()) == (0, "before\n")
        code, _, _ = edgeproof(capfdbinary, "gate", run, *files, "--policy", tmp_path / "fast.toml", "--github-summary")
        assert code == 3
        assert "<failure" in junit.read_text()
        assert summary.read_text() == "before\n" + page.read_text()

    def test_a_summary_without_a_job_is_wrong_use(self, run, capfdbinary, monkeypatch):
        monkeypatch.delenv("GITHUB_STEP_SUMMARY", raising=False)
        code, out, err = edgeproof(capfdbinary, "gate", run, "--github-summary")
        assert (code, out) == (2, "")
        assert "--markdown FILE writes the same" in err

    def test_open(self, run, capfdbinary):
        code, out, err = edgeproof(capfdbinary, "gate", run)
        assert (code, err) == (0, "")
        assert "meets the policy" in out

    def test_closed_by_another_policy(self, run, tmp_path, capfdbinary):
        policy = tmp_path / "fast.toml"
        policy.write_text(FAST_POLICY)
        code, out, err = edgeproof(capfdbinary, "gate", run, "--policy", policy, "--json")
        assert code == 3
        found = one_object(out)
        assert found["met"] is False
        assert found["unmet"][0]["point"] == "latency"
        assert "does not meet" in err

    def test_closed_for_what_was_not_measured(self, run, capfdbinary):
        code, out, _ = edgeproof(capfdbinary, "gate", run, "--device-class", "raspberry-pi")
        assert code == 3
        assert "latency not measured" in out

    def test_it_writes_nothing(self, run, capfdbinary):
        before = sorted(path.name for path in run.rglob("*"))
        edgeproof(capfdbinary, "gate", run)
        assert sorted(path.name for path in run.rglob("*")) == before

    def test_a_bad_policy_is_wrong_use(self, run, tmp_path, capfdbinary):
        policy = tmp_path / "bad.toml"
        policy.write_text("latencyms = 3\n")
        code, out, err = edgeproof(capfdbinary, "gate", run, "--policy", policy, "--json")
        assert (code, out) == (2, "")
        assert "latency_ms" in err


@pytest.mark.parametrize("command", ["report", "runbook", "compare", "gate"])
def test_help_has_an_example(command, capfdbinary):
    code, out, _ = edgeproof(capfdbinary, command, "--help")
    assert code == 0
    assert f"Example:  edgeproof {command} " in out


def test_the_command_line_imports_nothing_heavy():
    script = (
        "import sys, edgeproof.cli.report, edgeproof.phases.evaluate, edgeproof.report.runbook; "
        "print([name for name in ('torch', 'matplotlib', 'jinja2', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_reading_back_the_evaluation_needs_no_report(run, capfdbinary):
    edgeproof(capfdbinary, "report", run)
    evaluation = decode((run / "phase5_evaluation.json").read_bytes(), EvaluationDocument)
    assert msgspec.json.decode((run / "phase5_evaluation.json").read_bytes())["model"] == evaluation.model
