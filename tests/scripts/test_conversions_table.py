"""The table of conversions says what happened to each candidate, and never more than the documents do."""

from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest
from tests.phases.run_folder import make_run

from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.environment import EnvironmentDocument
from edgeproof.documents.validation import Differences, SpikeDifference, ValidationDocument, ValidationResult
from edgeproof.phases.preparation.environment import read_environment
from edgeproof.rundir import RunDir

SCRIPT = Path(__file__).parents[2] / "scripts" / "conversions_table.py"
MODEL = "examples/digits_snn.py:model"
WORST = Differences(
    max_abs=0.5,
    l2_mean=0.1,
    l2_max=0.2,
    relative_l2=0.0123,
    cosine_min=0.99,
    snr_db=38.0,
    argmax_agreement=1.0,
    smallest_passing_tolerance=0.0123,
)
SPIKES = SpikeDifference(count_mean_abs=0.1, count_max_abs=2.0, agreement=0.9999)


@pytest.fixture(scope="module")
def script() -> SimpleNamespace:
    return SimpleNamespace(**runpy.run_path(str(SCRIPT)))


@pytest.fixture(scope="module")
def environment() -> EnvironmentDocument:
    return read_environment()


def made(candidate: str, **changes: object) -> ConversionResult:
    told = {"format": "onnx", "precision": "fp32", "form": "whole", "status": "ok", "bytes": 12_345, "seconds": 1.5}
    return ConversionResult(candidate=candidate, **told | changes)


def ran(candidate: str, **changes: object) -> ValidationResult:
    told = {"artifact": "a", "status": "passed", "differences": WORST, "task_score": 0.98, "task_drop": -1e-14}
    return ValidationResult(candidate=candidate, **told | changes)


def documents(
    conversions: list[ConversionResult], results: list[ValidationResult]
) -> tuple[ConversionDocument, ValidationDocument]:
    return (
        ConversionDocument(model=MODEL, limit_seconds=300, limit_memory_bytes=1, candidates=tuple(conversions)),
        ValidationDocument(
            model=MODEL,
            samples=360,
            sample_source="model",
            task="accuracy",
            reference_score=0.98,
            results=tuple(results),
        ),
    )


def written(root: Path, environment: EnvironmentDocument) -> RunDir:
    run = make_run(root)
    conversion, validation = documents([made("onnx-fp32")], [ran("onnx-fp32")])
    run.write(environment)
    run.write(conversion)
    run.write(validation)
    return run


def test_figures_have_units_and_absent_ones_a_dash_and_a_reason(script: SimpleNamespace) -> None:
    failed = made("litert-int8", status="failed", reason="the converter\nfailed", bytes=None, seconds=None)
    unrun = ran("coreml-fp16", status="skipped", reason="not here", differences=None, task_score=None, task_drop=None)
    table = script.candidates(*documents([made("onnx-fp32"), failed, made("coreml-fp16")], [ran("onnx-fp32"), unrun]))
    assert [column.unit for column in table.columns[4:]] == ["relative L2", "%", "points", "kB", "s"]
    good, lost, apple = [[cell.text for cell in row] for row in table.rows]
    assert good == ["onnx-fp32", "whole", "ok", "passed", "0.012", "98.0", "0.00", "12.3", "1.50"]
    assert lost == ["litert-int8", "whole", "failed", "not run", *["—"] * 5]
    assert apple == ["coreml-fp16", "whole", "ok", "not run", "—", "—", "—", "12.3", "1.50"]
    assert table.notes == ("the converter failed", "not here")
    assert (table.rows[1][2].note, table.rows[2][3].note) == (1, 2)


def test_spikes_are_compared_by_equal_counts_and_never_rounded_up(script: SimpleNamespace) -> None:
    spiking = msgspec.structs.replace(WORST, kind="spikes", spikes=SPIKES)
    table = script.candidates(*documents([made("onnx-fp32")], [ran("onnx-fp32", differences=spiking)]))
    assert (table.columns[4].title, table.columns[4].unit) == ("Equal spike counts", "%")
    assert table.rows[0][4].text == "> 99.9"


def test_a_reason_stands_once_shortened_and_without_this_machine_s_paths(script: SimpleNamespace) -> None:
    reason = f"{script.ROOT}/net.py:3 " + "decides " * 100
    reasons: list[str] = []
    first, second = script.noted("failed", reason, reasons), script.noted("failed", reason, reasons)
    assert first == second
    assert len(reasons) == 1
    assert reasons[0].startswith("net.py:3 decides")
    assert len(reasons[0]) <= script.LONGEST_REASON


def test_a_page_is_written_from_runs_of_one_machine_only(
    script: SimpleNamespace, tmp_path: Path, environment: EnvironmentDocument, capsys: pytest.CaptureFixture[str]
) -> None:
    one, out = written(tmp_path / "one", environment), tmp_path / "page.md"
    warmer = msgspec.structs.replace(environment.machine, temperature_c=99.0)
    two = written(tmp_path / "two", msgspec.structs.replace(environment, machine=warmer))
    assert script.main([str(one.root), str(two.root), "--out", str(out)]) == 0
    text = out.read_text()
    assert text.count("1 candidate: 1 converted, 1 passed. Compared on 360 held-out samples of the model.") == 2
    assert "make conversions" in text
    other = msgspec.structs.replace(environment, packages={**environment.packages, "torch": "1.0"})
    two.write(other)
    assert script.main([str(one.root), str(two.root), "--out", str(out)]) == 2
    assert "different machines or versions" in capsys.readouterr().err


def test_a_folder_that_is_no_run_is_said(script: SimpleNamespace, tmp_path: Path) -> None:
    assert script.main([str(tmp_path), "--out", str(tmp_path / "page.md")]) == 2
