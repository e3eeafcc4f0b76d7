"""The decision: evidence and policy in, an evaluation out. Pure; reads and writes no file.

The rule. A spiking model runs with its own engine where that meets the policy; a dense one takes what the policy
prefers, the fastest that qualifies where latency was measured. A device class that was not measured is judged on
outputs and size alone, and the verdict is provisional: a conversion of a dense model, the most faithful one.
"""

from __future__ import annotations

from collections.abc import Mapping

from edgeproof.documents.device import DEVICE_CLASSES, EVERY_CLASS, DeviceClass, ships_as
from edgeproof.documents.evaluation import Decision, EvaluationDocument, Evidence, Verdict
from edgeproof.documents.policy import PolicyValue
from edgeproof.verdict.cases import cases_of
from edgeproof.verdict.changes import would_change
from edgeproof.verdict.confidence import confidence_of
from edgeproof.verdict.contest import Contest
from edgeproof.verdict.pareto import front_of
from edgeproof.verdict.points import standing_of
from edgeproof.verdict.reasons import missing, reasons, sentence_of
from edgeproof.verdict.rows import candidate_row, not_measured
from edgeproof.verdict.served import offer_of

__all__ = ["decide", "verdict_of"]

Platforms = Mapping[str, tuple[str, ...]]
"""Candidate to the device classes its format ships to."""


def decide(evidence: Evidence, policy: PolicyValue, platforms: Platforms, *, policy_source: str) -> EvaluationDocument:
    """Hold the evidence against the policy.

    Args:
        evidence: the run's documents; a missing one makes its figures not measured.
        policy: the thresholds.
        platforms: per candidate, the device classes it ships to. A candidate that is not named ships nowhere.
        policy_source: where the policy comes from, for the document.
    """
    cases = cases_of(evidence)
    contests = [
        Contest(
            device=device,
            evidence=evidence,
            policy=policy.on(device),
            cases=cases,
            standings=tuple(
                standing_of(case, policy.on(device), device)
                for name, case in cases.items()
                if ships_as(device) in platforms.get(name, ())
            ),
        )
        for device in classes_of(evidence)
    ]
    return EvaluationDocument(
        model=evidence.model,
        policy=policy,
        policy_source=policy_source,
        verdicts=tuple(verdict_of(contest) for contest in contests),
        candidates=tuple(candidate_row(case, platforms.get(name, ())) for name, case in cases.items()),
        not_measured=not_measured(evidence),
        metric=evidence.validation.metric if evidence.validation is not None else None,
        front=front_of(cases.values()),
    )


def classes_of(evidence: Evidence) -> list[DeviceClass]:
    """The device classes that there is a verdict on: the usual ones, and what else was measured."""
    seen = {document.device_class for document in evidence.devices}
    return [known for known in EVERY_CLASS if known in DEVICE_CLASSES or known in seen]


def verdict_of(contest: Contest) -> Verdict:
    """The verdict for one device class."""
    chosen, confidence = contest.chosen, confidence_of(contest)
    decision: Decision = "undecided" if contest.undecided or contest.evidence.conversion is None else "none"
    if chosen is not None:
        eager = contest.cases[chosen.candidate].eager
        decision = "sdk" if chosen.sdk else "eager" if eager else "convert"
    offer = offer_of(contest)
    if offer is not None and offer.state == "met":
        decision = "served"
    return Verdict(
        device_class=contest.device,
        decision=decision,
        candidate=chosen.candidate if chosen is not None else None,
        confidence=confidence,
        sentence=sentence_of(contest, confidence, offer),
        reasons=tuple(reasons(contest)),
        missing=tuple(missing(contest)),
        would_change=would_change(contest),
        standings=contest.standings,
        served=offer,
    )
