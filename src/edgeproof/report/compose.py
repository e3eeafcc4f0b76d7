"""Puts a report together out of a run's documents, in the order a reader needs them. Renders nothing."""

from __future__ import annotations

from collections.abc import Sequence

from edgeproof.report import activity, delegation, details, processors, provenance, tables
from edgeproof.report.content import Fact, Plot, Report, ReportInput
from edgeproof.verdict.cases import cases_of

__all__ = ["build"]


def build(given: ReportInput, plots: Sequence[Plot]) -> Report:
    """Put the report together.

    Args:
        given: the documents.
        plots: drawings made by ``edgeproof.report.plots.draw``.
    """
    evaluation, cases = given.evaluation, cases_of(given.evidence)
    return Report(
        model=evaluation.model,
        summary=provenance.summary(given.evidence),
        verdicts=evaluation.verdicts,
        candidates=tables.candidates(evaluation.candidates, given.evidence),
        processors=processors.table(given.evidence.validation),
        served=tables.served(given.evidence.latency),
        served_notes=tables.served_notes(given.evidence.latency),
        plots=tuple(plots),
        details=tuple(details.detail(row, cases[row.candidate], evaluation) for row in evaluation.candidates),
        failures=tables.failures(evaluation.candidates),
        policy_source=evaluation.policy_source,
        policy_toml=given.policy_toml.rstrip("\n"),
        reproduce=provenance.reproduce(given.evidence),
        versions=provenance.versions(given.evidence),
        not_measured=tuple(Fact(label, reason) for label, reason in evaluation.not_measured.items()),
        delegation=delegation.section(given.evidence.delegation),
        activity=None if given.activity is None else activity.section(given.activity, given.raster),
    )
