"""A soak held against the policy: stable, drifting, leaking, throttling or failing.

Its figures, each beside its limit, are in ``soak_findings``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from msgspec.structs import replace

from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import PolicyPoint
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.soak import SoakReport
from edgeproof.verdict.cases import Case
from edgeproof.verdict.soak_findings import SETTLED_S, Finding, Watched, findings_of, growth_words
from edgeproof.verdict.trends import HOUR_S
from edgeproof.verdict.wording import TITLES, lasting

__all__ = ["SoakJudgement", "SoakWord", "judge_soak", "soak_points"]

SoakWord = Literal["stable", "drifting", "leaking", "throttling", "failing", "undecided"]
WORDS: dict[Watched, SoakWord] = {
    "errors": "failing",
    "memory": "leaking",
    "throttling": "throttling",
    "clock": "throttling",
    "latency": "drifting",
}
"""What a soak is called where that is beyond its limit, the gravest first; temperature alone decides nothing."""


@dataclass(frozen=True)
class SoakJudgement:
    """What a soak is called, and its figures.

    Attributes:
        word: by the gravest of the figures beyond their limits.
        findings: in the order of the words.
    """

    word: SoakWord
    findings: tuple[Finding, ...]

    @property
    def beyond(self) -> list[Finding]:
        """Those beyond their limits, the gravest first."""
        return [finding for finding in self.findings if finding.beyond]

    def of(self, name: Watched) -> Finding | None:
        """The finding of that name."""
        return next((finding for finding in self.findings if finding.name == name), None)


def judge_soak(soak: SoakReport, policy: PolicyValue | None = None) -> SoakJudgement:
    """What a soak is, by a policy's limits.

    Args:
        soak: at least one window of it.
        policy: None: the default one.
    """
    held = policy or PolicyValue()
    findings = findings_of(soak, held)
    beyond = [finding for finding in findings if finding.beyond]
    if beyond:
        return SoakJudgement(WORDS[beyond[0].name], findings)
    settled = soak.seconds >= SETTLED_S and all(finding.beyond is not None for finding in findings)
    return SoakJudgement("stable" if settled else "undecided", findings)


def soak_points(case: Case, policy: PolicyValue, device_class: DeviceClass) -> list[PolicyPoint]:
    """Whether the candidate ran as long as asked on a device of the class, and was stable meanwhile.

    Only a soak of the very artifact counts. A shorter one can miss the policy and cannot meet it.
    """
    hours = policy.soak_hours
    if hours is None:
        return []
    point = PolicyPoint(
        name="soak",
        state="not measured",
        text=f"a soak of {hours:g} h on {TITLES[device_class]} not measured",
        limit=hours,
    )
    soaks = soaks_of(case, device_class)
    if not soaks:
        return [point]
    order = ("not measured", "met", "unsupported", "not met")
    return [max((judged(point, soak, policy, hours) for soak in soaks), key=lambda found: order.index(found.state))]


def judged(point: PolicyPoint, soak: SoakReport, policy: PolicyValue, hours: float) -> PolicyPoint:
    """The point, as one soak decides it."""
    judgement, ran = judge_soak(soak, policy), soak.seconds / HOUR_S
    pieces = f" in {len(soak.segments)} pieces" if len(soak.segments) > 1 else ""
    if judgement.beyond:
        text = f"{judgement.word} after {lasting(ran)}{pieces}: {'; '.join(f.text for f in judgement.beyond)}"
        return replace(point, state="not met", text=text)
    memory = judgement.of("memory")
    if memory is None:
        return replace(point, text=f"soaked {lasting(ran)}, and resident memory could not be read")
    words = growth_words(memory.trend) if memory.trend is not None else "memory has no trend yet"
    if soak.seconds + soak.window_seconds < HOUR_S * hours:
        lacking = lasting(hours - ran)
        settled = memory.trend is not None and memory.trend.span_s >= SETTLED_S
        so_far = f"so far {words}" if settled else f"less than {lasting(SETTLED_S / HOUR_S)} tell no trend"
        text = f"soaked {lasting(ran)}{pieces} of {hours:g} h, {lacking} too short; {so_far}"
        return replace(point, state="unsupported", text=text, value=ran)
    untold = [finding.text for finding in judgement.findings if finding.beyond is None]
    text = "; ".join([f"soaked {lasting(ran)}{pieces}: {memory.text}", *untold])
    return replace(point, state="met", text=text, value=ran)


def soaks_of(case: Case, device_class: DeviceClass) -> list[SoakReport]:
    """The soaks of the candidate's artifact as it is now, on devices of a class."""
    sha256 = case.conversion.sha256 if case.conversion is not None else None
    return [
        soak
        for soak in case.evidence.soaks
        if soak.candidate == case.candidate
        and soak.sha256 == sha256
        and (soak.device_class == device_class or (soak.device == "host" and device_class == "host"))
    ]
