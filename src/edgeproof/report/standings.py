"""Where each candidate stands on each device class: the points that speak against it by name. The points themselves
stand in the candidate's own section."""

from __future__ import annotations

from edgeproof.documents.evaluation import EvaluationDocument, Standing, Verdict
from edgeproof.report.columns import Field, named, table_of
from edgeproof.report.content import DEVICE_TITLES, Cell, Column, Table
from edgeproof.verdict.wording import and_list

__all__ = ["table"]

CAPTION = "Every candidate against the policy, by device class, and the points of the policy that decide."
ABSENT = Cell("does not ship there", tone="absent")


def table(evaluation: EvaluationDocument) -> Table | None:
    """A row a candidate, a column a device class; None where nothing ships anywhere."""
    names = list(dict.fromkeys(standing.candidate for verdict in evaluation.verdicts for standing in verdict.standings))
    if not names:
        return None
    fields: tuple[Field[str], ...] = (named("Candidate", str), *map(_on, evaluation.verdicts))
    return table_of("standings", CAPTION, fields, names)


def _on(verdict: Verdict) -> Field[str]:
    found = {standing.candidate: standing for standing in verdict.standings}
    return Field(
        Column(DEVICE_TITLES[verdict.device_class]),
        lambda name, _: _cell(found[name], chosen=name == verdict.candidate) if name in found else ABSENT,
    )


def _cell(standing: Standing, *, chosen: bool) -> Cell:
    if standing.status == "meets":
        return Cell("recommended" if chosen else "meets it", tone="good")
    against = [point.name for point in standing.points if point.state == "not met"]
    if against:
        return Cell(f"out: {and_list(list(dict.fromkeys(against)))}", tone="bad")
    lacking = [point.name for point in standing.points if point.state != "met"]
    told = f"open: {and_list(list(dict.fromkeys(lacking)))}"
    return Cell(f"recommended; {told}" if chosen else told, tone="open")
