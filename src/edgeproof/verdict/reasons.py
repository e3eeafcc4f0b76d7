"""Why a verdict is as it is: its sentence, the lines below it, and what is not known. Decides nothing."""

from __future__ import annotations

from edgeproof.documents.device import DeviceDocument
from edgeproof.documents.evaluation import Confidence, Standing
from edgeproof.verdict.cases import Case
from edgeproof.verdict.confidence import secondary_gaps
from edgeproof.verdict.contest import Contest
from edgeproof.verdict.wording import TITLES, and_list, figure, shortened

__all__ = ["missing", "reasons", "sentence_of"]


def sentence_of(contest: Contest, confidence: Confidence) -> str:
    """The verdict in one sentence."""
    where, mark, chosen = TITLES[contest.device], f"(confidence: {confidence})", contest.chosen
    if chosen is None:
        names = and_list([standing.candidate for standing in contest.undecided[:3]])
        if names:
            return f"On {where}, undecided: {names} could qualify, {what_is_lacking(contest)} {mark}."
        if not contest.made:
            return f"On {where}, there is nothing to ship: no candidate could be made of this model {mark}."
        if contest.standings:
            return f"On {where}, nothing qualifies: every candidate that ships there misses the policy {mark}."
        return f"On {where}, there is nothing to choose from: no candidate of this run ships there {mark}."
    action = "run it with its own engine," if chosen.sdk else "convert, and ship"
    grounds = grounds_of(chosen)
    if contest.measured:
        return f"On {where}, {action} {chosen.candidate}: {', '.join(grounds) or 'it meets the policy'} {mark}."
    basis = grounds[0] if grounds else "its outputs are within the policy"
    return f"On {where}, provisionally {action} {chosen.candidate}: {basis}, but nothing was measured there {mark}."


def what_is_lacking(contest: Contest) -> str:
    """Why nobody is recommended although some could be: figures that do not count, or none."""
    lacking = [
        point
        for standing in contest.undecided
        for point in standing.points
        if point.state in ("not measured", "unsupported")
    ]
    if lacking and all(point.state == "unsupported" for point in lacking):
        return f"but {shortened(lacking[0].text)}"
    return "and what would tell was not measured"


def grounds_of(chosen: Standing) -> list[str]:
    """The two points that say most for a candidate: latency and task score, else the difference."""
    met = {point.name: point.text for point in chosen.points if point.state == "met"}
    return [
        met[name].replace(", limit", " against a limit of") for name in ("latency", "task", "difference") if name in met
    ][:2]


def reasons(contest: Contest) -> list[str]:
    """Why: the rule that applied, the points of the chosen candidate, who else qualifies, who fails on what."""
    lines, where = [], TITLES[contest.device]
    if contest.chosen is not None:
        lines.append(rule_in_words(contest, contest.chosen))
        lines += [point.text for point in contest.chosen.points if point.state == "met"]
        for other in contest.order[1:3]:
            lines.append(f"{other.candidate} qualifies too{compared(contest, contest.chosen, other)}")
    elif not contest.standings:
        unconverted = contest.evidence.conversion is None
        lines.append("nothing was converted yet" if unconverted else f"no candidate of this run ships to {where}")
    if not contest.measured:
        lines.append(f"nothing was measured on {where}: latency of another machine says nothing about it")
    for failed in [standing for standing in contest.standings if standing.status == "fails"][:4]:
        against = next(point.text for point in failed.points if point.state == "not met")
        lines.append(f"{failed.candidate} is out: {shortened(against)}")
    if contest.device == "host" and contest.chosen is not None:
        lines += elsewhere_lines(contest.cases[contest.chosen.candidate])
    for device in contest.evidence.devices:
        if device.emulated and device.device_class == contest.device:
            lines += emulated_lines(device)
    return lines


def rule_in_words(contest: Contest, chosen: Standing) -> str:
    kind = "spiking" if contest.spiking else "dense" if contest.evidence.samples is not None else "(unknown kind of)"
    family = (
        "the model's own engine is preferred where it meets the policy"
        if contest.prefers_sdk
        else "a conversion is preferred where it is within the policy"
    )
    rule = f"for a {kind} model on {TITLES[contest.device]} {family}"
    if chosen.sdk == contest.prefers_sdk:
        return rule
    ships = any(standing.sdk == contest.prefers_sdk for standing in contest.standings)
    return f"{rule}; {'none of that family does' if ships else 'none of that family ships there'}"


def compared(contest: Contest, chosen: Standing, other: Standing) -> str:
    """Median latency of ``other`` over ``chosen``, where one device measured both interleaved."""
    of_other = {device.device: found for device, found in contest.cases[other.candidate].on(contest.device)}
    for device, found in contest.cases[chosen.candidate].on(contest.device):
        against = of_other.get(device.device)
        if against is not None and against.ratio_to_baseline and found.ratio_to_baseline:
            ratio = against.ratio_to_baseline / found.ratio_to_baseline
            return f" (median latency {figure(ratio)} × that of {chosen.candidate}, interleaved on {device.device})"
    return ""


def elsewhere_lines(case: Case) -> list[str]:
    """On which other computers the recommended candidate is wrong, though it is right on this one."""
    if case.validation is None:
        return []
    return [
        f"on {found.title} ({found.processor}, emulated) {case.candidate} "
        + ("does not run" if found.agreement == "does not run" else f"is wrong: {found.reason}")
        + (f"; {found.remedy}" if found.remedy else "")
        for found in case.validation.processors
        if not found.classes and found.speaks_against
    ]


def emulated_lines(device: DeviceDocument) -> list[str]:
    """What an emulated device tells: that candidates run, and never how fast."""
    lines = []
    ran = [found.candidate for found in device.measurements if found.status == "ok"]
    broke = [found.candidate for found in device.measurements if found.status == "failed"]
    if ran:
        lines.append(f"{device.device} ran {', '.join(ran)}; an emulated device has no latency or power")
    if broke:
        lines.append(f"{device.device} could not run {', '.join(broke)}")
    return lines


def missing(contest: Contest) -> list[str]:
    """What was asked for and not measured, for the chosen candidate, or for those that could still qualify."""
    lines = [
        f"{standing.candidate}: {point.text}"
        for standing in (contest.order[:1] or contest.undecided[:4])
        for point in standing.points
        if point.state in ("not measured", "unsupported")
    ]
    lines += [gap for gap in secondary_gaps(contest) if gap != "power"]
    if contest.evidence.samples is None:
        lines.append("whether the model is spiking: the run has no document of its samples and signature")
    return list(dict.fromkeys(lines))
