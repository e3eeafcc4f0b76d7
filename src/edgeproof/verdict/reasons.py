"""Why a verdict is as it is: its sentence, the lines below it, and what is not known. Decides nothing."""

from __future__ import annotations

from collections.abc import Callable

from edgeproof.documents.device import DeviceDocument
from edgeproof.documents.evaluation import Confidence, PolicyPoint, ServedOffer, Standing
from edgeproof.verdict.batches import batch_lines
from edgeproof.verdict.cases import Case
from edgeproof.verdict.confidence import secondary_gaps
from edgeproof.verdict.contest import SCORES, Contest
from edgeproof.verdict.paces import pace_lines
from edgeproof.verdict.ratios import compared, expectations, lower_precision, size_only
from edgeproof.verdict.served import offer_words
from edgeproof.verdict.shipping import ships_bytes, size_words
from edgeproof.verdict.sustained import sustained_lines
from edgeproof.verdict.task import score_in_short, slice_words
from edgeproof.verdict.wording import TITLES, and_list, shortened

__all__ = ["missing", "reasons", "sentence_of"]


def sentence_of(contest: Contest, confidence: Confidence, offer: ServedOffer | None = None) -> str:
    """The verdict in one sentence.

    Args:
        contest: who is recommended.
        confidence: in that.
        offer: what an edge server could do where nobody is.
    """
    where, mark, chosen = TITLES[contest.device], f"(confidence: {confidence})", contest.chosen
    if chosen is None:
        served = f"; {offer_words(offer, contest.policy.latency_ms)}" if offer is not None else ""
        return f"On {where}, {nobody(contest)}{served} {mark}."
    if not contest.measured:
        why = why_chosen(contest, chosen)
        return f"On {where}, provisionally {action_of(contest, chosen)}: {why}, and nothing was measured there {mark}."
    grounds = [why_chosen(contest, chosen), *grounds_of(contest, chosen)]
    return f"On {where}, {action_of(contest, chosen)}: {', '.join(ground for ground in grounds if ground)} {mark}."


def nobody(contest: Contest) -> str:
    """Why no candidate is recommended."""
    names = and_list([standing.candidate for standing in contest.undecided[:3]])
    if names:
        return f"undecided: {names} could qualify, {what_is_lacking(contest)}"
    if not contest.made:
        return "there is nothing to ship: no candidate could be made of this model"
    nearest = contest.nearest
    if nearest is None:
        return "there is nothing to choose from: no candidate of this run ships there"
    return f"nothing qualifies; {nearest.candidate} misses the policy by least: {shortened(against(nearest))}"


def against(standing: Standing) -> str:
    """The point that speaks against a candidate: what is lost of the task where that is too much, else the first."""
    missed = [point for point in standing.points if point.state == "not met"]
    return max(missed, key=lambda point: point.name in SCORES).text


def action_of(contest: Contest, chosen: Standing) -> str:
    """What to do, and on how many threads where several counts were measured."""
    case = contest.cases[chosen.candidate]
    counts = [found.threads for _, found in case.on(contest.device) if found.other_threads and found.threads]
    threads = f" on {max(counts)} thread{'s' * (max(counts) > 1)}" if counts else ""
    if chosen.sdk:
        return f"run it with its own engine, {chosen.candidate}{threads}"
    if case.eager:
        return f"run it in PyTorch, {chosen.candidate}{threads}"
    return f"convert and ship {chosen.candidate}{threads}"


def why_chosen(contest: Contest, chosen: Standing) -> str:
    """By which rule it comes before the others that qualify."""
    preferred = [standing for standing in contest.order if contest.preferred(standing)] or contest.order
    others = [standing for standing in preferred if standing is not chosen]
    case = contest.cases[chosen.candidate]
    family = ""
    if contest.prefer == "sdk" and chosen.sdk:
        family = "a spiking model's own engine" if contest.spiking else "the engine that the policy prefers"
        if contest.measured or not others:
            return family
        family = f"{family}, in its most faithful precision" if case.precision == "fp32" else ""
    if contest.prefer == "sdk" and not chosen.sdk:
        family = "its own engine does not qualify; "
    if not others:
        return f"{family}the only one that qualifies{' so far' if contest.rivals else ''}"
    if contest.prefer == "smallest":
        return f"{family}{superlative(contest, chosen, others, 'smallest', contest.size)}"
    if contest.prefer == "faithful" or not contest.measured:
        if family.endswith("precision"):
            return family
        kind = "conversions" if not chosen.sdk and not case.eager else "candidates"
        alike = [other for other in others if contest.as_good(other, chosen)]
        if not alike:
            return f"{family}the most faithful of {len(preferred)} {kind} that qualify"
        least = all(contest.size(case) < contest.size(contest.cases[other.candidate]) for other in alike)
        ships = ships_bytes(case, contest.device)
        much = f" ({size_words(ships)})" if ships is not None else ""
        first = f"the one that ships least{much}" if least else "one"
        return f"{family}{first} of the {len(alike) + 1} most faithful {kind}"
    return f"{family}{superlative(contest, chosen, others, 'fastest', contest.median)}"


def superlative(
    contest: Contest, chosen: Standing, others: list[Standing], word: str, of: Callable[[Case], float]
) -> str:
    """``the fastest of 9 that qualify``; where another is ahead by no more than noise, what decided between the two."""
    case = contest.cases[chosen.candidate]
    ahead = min(others, key=lambda other: of(contest.cases[other.candidate]))
    first, best = contest.cases[ahead.candidate], f"the {word} of {len(others) + 1} that qualify"
    if of(case) <= of(first):
        return best
    less = "ships less"
    if contest.precision(case) < contest.precision(first):
        less = "of a higher precision"
    elif contest.memory(case) < contest.memory(first):
        less = "with less memory"
    return f"level with {ahead.candidate} as {best}, and {less}"


def what_is_lacking(contest: Contest) -> str:
    """Why nobody is recommended although some could be: figures that do not count, or none."""
    lacking = [point for standing in contest.undecided for point in contest.lacking(standing)[:1]]
    if lacking and all(point.state == "unsupported" for point in lacking):
        return f"but {shortened(lacking[0].text)}"
    return "and what would tell was not measured"


def grounds_of(contest: Contest, chosen: Standing) -> list[str]:
    """The two points that say most for a candidate: latency and task score, else the difference."""
    said = {point.name: point for point in chosen.points if point.state == "met" or point.name == "task"}
    known = [said[name] for name in ("latency", "task", "difference") if name in said and said[name].value is not None]
    return [ground_in_short(contest, chosen, point) for point in known][:2]


def ground_in_short(contest: Contest, chosen: Standing, point: PolicyPoint) -> str:
    """A point as a sentence has it; the rest of it stands in the candidate's section."""
    text = point.text
    if point.name == "task":
        text = score_in_short(contest.cases[chosen.candidate], contest.policy, point)
    if point.name == "latency":
        text = text.partition(", though ")[0].replace(", limit", f"{' on a busy machine' * contest.busy}, limit", 1)
    return text.replace(", limit", " against a limit of", 1)


def reasons(contest: Contest) -> list[str]:
    """Why: the rule that applied, who else qualifies, who fails on what. What the sentence or a point says is not said
    again."""
    lines, where = [], TITLES[contest.device]
    if contest.chosen is not None:
        lines.append(rule_in_words(contest, contest.chosen))
        lines += [point.text for point in contest.chosen.points if point.name == "difference" and "warns" in point.text]
        lines += next_ones(contest, contest.chosen)
        worst = slice_words(contest.cases[contest.chosen.candidate], contest.policy)
        lines += [worst] if worst is not None else []
        lines += lower_precision(contest, contest.chosen)
        lines += expectations(contest)
    elif not contest.standings:
        unconverted = contest.evidence.conversion is None
        lines.append("nothing was converted yet" if unconverted else f"no candidate of this run ships to {where}")
    lines += pace_lines(contest)
    lines += sustained_lines(contest)
    lines += fallen_back(contest)
    lines += size_only(contest)
    for failed in [standing for standing in contest.standings if standing.status == "fails"][:4]:
        lines.append(f"{failed.candidate} is out: {shortened(against(failed))}")
    if contest.device == "host" and contest.chosen is not None:
        lines += elsewhere_lines(contest.cases[contest.chosen.candidate])
        lines += batch_lines(contest.evidence.batches, contest.chosen.candidate)
    for device in contest.evidence.devices:
        if device.emulated and device.device_class == contest.device:
            lines += emulated_lines(device)
    return lines


def rule_in_words(contest: Contest, chosen: Standing) -> str:
    kind = "spiking" if contest.spiking else "dense" if contest.evidence.samples is not None else "(unknown kind of)"
    rules = {
        "sdk": "the model's own engine is preferred where it meets the policy",
        "smallest": "what ships least is preferred",
        "faithful": "what is nearest to the eager model is preferred",
        "fastest": "the fastest that meets the policy is preferred"
        if contest.measured
        else "a conversion is preferred, and the most faithful one, where nothing tells which is the fastest",
    }
    rule = f"for a {kind} model on {TITLES[contest.device]} {rules[contest.prefer]}"
    if contest.preferred(chosen):
        return rule
    ships = any(contest.preferred(standing) for standing in contest.standings)
    return f"{rule}; {'none of that family does' if ships else 'none of that family ships there'}"


def next_ones(contest: Contest, chosen: Standing) -> list[str]:
    """The two that come after the recommended one: with their ratios where they were measured, else with what ships."""
    others = contest.order[1:3]
    if contest.measured:
        return [f"{other.candidate} qualifies too{compared(contest, chosen, other)}" for other in others]
    names = []
    for other in others:
        ships = ships_bytes(contest.cases[other.candidate], contest.device)
        names.append(other.candidate if ships is None else f"{other.candidate} (ships {size_words(ships)})")
    return [f"next {'comes' if len(names) == 1 else 'come'} {and_list(names)}"] if names else []


def fallen_back(contest: Contest) -> list[str]:
    """Candidates whose runtime was timed there without its fast kernels, those with the same reason together."""
    found: dict[str, list[str]] = {}
    for standing in contest.standings:
        for _, measurement in contest.cases[standing.candidate].on(contest.device):
            if measurement.degraded is not None:
                found.setdefault(measurement.degraded, []).append(standing.candidate)
    lines = []
    for why, candidates in found.items():
        names = list(dict.fromkeys(candidates))
        lines.append(f"{and_list(names)} ran without {'its' if len(names) == 1 else 'their'} delegate: {why}")
    return lines


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
    lines += [gap for gap in secondary_gaps(contest) if not gap.startswith(("power", "samples"))]
    if contest.evidence.samples is None:
        lines.append("whether the model is spiking: the run has no document of its samples and signature")
    return list(dict.fromkeys(lines))
