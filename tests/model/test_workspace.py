"""The folder that conversions start from: what was done is read back."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeproof.documents.signature import Form
from edgeproof.documents.source import ModelSource
from edgeproof.errors import DocumentError
from edgeproof.model.drawing import Draw
from edgeproof.model.workspace import FormResult, ModelJob, Prepared, Workspace


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path)


def job(workspace: Workspace, *forms: Form, reference: bool = True) -> ModelJob:
    return ModelJob(
        root=str(workspace.root), source=ModelSource(model="net.py:make"), draw=Draw(), reference=reference, forms=forms
    )


def test_what_was_done_is_read_back_and_a_damaged_note_is_none(workspace: Workspace) -> None:
    assert workspace.prepared == Prepared()
    workspace.note(FormResult(form="step", reason="no"), name="net")
    workspace.note(FormResult(form="unrolled"), FormResult(form="step"))
    assert workspace.prepared == Prepared(name="net", forms=(FormResult(form="unrolled"), FormResult(form="step")))
    (workspace.spines / "result.json").write_bytes(b"{half")
    assert workspace.prepared == Prepared()


def test_a_temporary_one_goes_with_its_block() -> None:
    with Workspace.temporary() as workspace:
        assert workspace.root.is_dir()
        assert not workspace.has_samples
    assert not workspace.root.exists()


def test_a_form_that_is_tried_again_replaces_what_was_there() -> None:
    prepared = Prepared().with_form(FormResult(form="step", reason="no")).with_form(FormResult(form="unrolled"))
    assert prepared.failure("step") == FormResult(form="step", reason="no")
    again = prepared.with_form(FormResult(form="step", seconds=2.0))
    assert again.failure("step") is None
    assert [result.form for result in again.forms] == ["unrolled", "step"]


def test_an_empty_one_lacks_everything_and_says_that_no_samples_are_drawn(workspace: Workspace) -> None:
    assert not workspace.has_samples
    assert workspace.lacks(job(workspace))
    assert workspace.lacks_reference(job(workspace))
    assert not workspace.lacks_reference(job(workspace, reference=False))
    with pytest.raises(DocumentError, match=r"phase1_samples\.json"):
        _ = workspace.samples


def test_a_model_that_does_not_run_lacks_no_reference(workspace: Workspace) -> None:
    workspace.note(broken="it raised")
    assert not workspace.lacks_reference(job(workspace))
