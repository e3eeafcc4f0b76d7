"""Puts a report together out of a run's documents, in the order a reader needs them. Renders nothing."""

from __future__ import annotations

from collections.abc import Sequence

from edgeproof.report import (
    activity,
    batches,
    delegation,
    details,
    front,
    networks,
    on_devices,
    outputs_there,
    over_time,
    power,
    processors,
    provenance,
    shipping,
    standings,
    tables,
    verdicts,
)
from edgeproof.report.content import Plot, Report, ReportInput
from edgeproof.report.over_time_plots import draw_over_time
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
        brief=provenance.brief(given.evidence),
        summary=provenance.summary(given.evidence),
        verdicts=verdicts.said(evaluation.verdicts),
        in_common=verdicts.in_common(evaluation.verdicts),
        changes=verdicts.changes(evaluation.verdicts),
        front=front.section(evaluation.front, evaluation.candidates, given.evidence),
        standings=standings.table(evaluation),
        contents=shipping.contents(evaluation.candidates, given.evidence),
        shipping=shipping.section(evaluation.candidates, given.evidence.shipping),
        devices=on_devices.table(cases.values()),
        outputs_there=outputs_there.table(given.evidence.devices, tables.metric_of(given.evidence)),
        power=power.table(cases.values()),
        candidates=tables.candidates(evaluation.candidates, given.evidence),
        processors=processors.table(given.evidence.validation),
        over_time=over_time.section(cases, given.evidence, evaluation.policy, draw_over_time(given)),
        batches=batches.table(given.evidence.batches),
        served=tables.served(given.evidence.latency),
        served_notes=(
            *tables.served_notes(given.evidence.latency),
            *networks.capacity_notes(given.evidence.latency),
        ),
        networks=networks.table(given.evidence.latency),
        plots=tuple(plots),
        details=tuple(details.detail(row, cases[row.candidate], evaluation) for row in evaluation.candidates),
        failures=tables.failures(evaluation.candidates),
        policy_source=evaluation.policy_source,
        policy_toml=given.policy_toml.rstrip("\n"),
        reproduce=provenance.reproduce(given.evidence),
        versions=provenance.versions(given.evidence),
        not_measured=provenance.told_once(evaluation.not_measured),
        delegation=delegation.section(given.evidence.delegation),
        activity=None if given.activity is None else activity.section(given.activity, given.raster),
    )
