"""A run's candidates asked where their operators run, after their validation."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from edgeproof.documents.delegation import DelegationDocument
from edgeproof.phases.convert import convert
from edgeproof.phases.evaluate import conclude, read_evidence
from edgeproof.phases.prepare import prepare
from edgeproof.phases.validate import validate
from edgeproof.rundir import REPORT_MD, RunDir


@pytest.mark.slow
def test_what_passed_is_asked_and_the_report_says_what_was_seen_and_predicted(new_run: Callable[..., RunDir]) -> None:
    run = new_run("torchscript-fp32", "onnx-fp32", "executorch-fp32", body="x = (x > 0.1).float()")
    prepare(run)
    convert(run)
    validate(run)
    document = run.read(DelegationDocument)
    assert read_evidence(run).delegation == document
    found = {told.candidate: told for told in document.candidates}
    assert found["torchscript-fp32"].undivided
    assert found["onnx-fp32"].artifact == "artifacts/onnx-fp32/small.onnx"
    assert all(told.told for told in found.values())
    seen, nnapi, _ = found["onnx-fp32"].delegations
    assert (seen.how, seen.outside) == ("seen", 0)
    assert nnapi.how == "predicted"
    (greater,) = (operator for operator in nnapi.operators if not operator.inside)
    assert (greater.name, greater.operator) == ("Greater", "aten.gt")
    assert [line.rpartition("/")[2].partition(":")[0] for line in greater.lines] == ["small.py"]
    (told,) = found["executorch-fp32"].delegations
    assert (told.how, told.partitions) == ("seen", 1)
    compared = next(operator for operator in told.operators if operator.name == "aten.gt")
    assert compared.cause == "XNNPACK's partitioner has no rule for gt"
    assert [line.rpartition("/")[2].partition(":")[0] for line in compared.lines] == ["small.py"]

    conclude(run)
    text = run.path(REPORT_MD).read_text()
    assert text.index("#### Seen in the runtime here") < text.index("#### Predicted for runtimes that are not here")
    assert "torchscript-fp32: PyTorch runs every operator on its own kernels" in text.replace("\\", "")
