"""Beside phase 3: where the operators of a run's candidates run that passed."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from edgeproof.documents.delegation import CandidateDelegation, DelegationDocument
from edgeproof.documents.validation import ValidationDocument
from edgeproof.model.workspace import Workspace
from edgeproof.phases.delegation.lines import with_lines
from edgeproof.phases.delegation.telling import Telling
from edgeproof.phases.validation.untimed import Untimed
from edgeproof.rundir import RUNS, RunDir

__all__ = ["tell_delegation"]


def tell_delegation(run: RunDir, report: Callable[[str], None] = lambda _: None) -> DelegationDocument:
    """Ask every candidate that passed its validation and write ``phase3_delegation.json``."""
    validation = run.read(ValidationDocument)
    passed = [result for result in validation.results if result.status == "passed" and result.artifact]
    workspace = Workspace(run.root)
    telling = Telling(workspace.held_out, report, trust=run.trust, untimed=Untimed(run.path(RUNS)))
    told = telling.tell([run.path(str(result.artifact)) for result in passed])
    candidates = tuple(msgspec.structs.replace(found, artifact=run.written(found.artifact)) for found in told)
    others = tuple(
        CandidateDelegation(candidate=result.candidate, artifact=result.artifact, reason="it did not pass")
        for result in validation.results
        if result not in passed
    )
    forms = {result.candidate: result.form for result in passed if result.form is not None}
    found = (*with_lines(candidates, forms, workspace), *others)
    document = DelegationDocument(model=run.options().model, candidates=found)
    run.write(document)
    return document
