"""What would change a verdict: each missing measurement, its effect, and the command that makes it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import Evidence, PolicyPoint, Standing, WouldChange
from edgeproof.documents.samples import HELD_OUT_FILE
from edgeproof.verdict.cases import Case
from edgeproof.verdict.confidence import has_real_labels, secondary_gaps
from edgeproof.verdict.contest import SCORES, Contest
from edgeproof.verdict.drops import beyond_words
from edgeproof.verdict.on_devices import DEVICE_LIMITS
from edgeproof.verdict.task import metric_of, rounded
from edgeproof.verdict.wording import TITLES, and_list

__all__ = ["would_change"]

OPEN = ("not measured", "unsupported")
ADDRESSES: dict[DeviceClass, str] = {"raspberry-pi": "ssh:USER@HOST", "android": "adb:"}
"""How a device of a class is named that was not measured before; ``adb:`` is the only phone that is attached."""
OVER_A_LINK = ("ssh:", "adb:")
"""Addresses of devices that can be measured again; the others are files that were brought in."""


def would_change(contest: Contest) -> tuple[WouldChange, ...]:
    """The measurements that could change the verdict, the most telling first."""
    changes: list[WouldChange] = []
    evidence = contest.evidence
    if not contest.standings and evidence.conversion is None:
        changes.append(
            WouldChange(
                measurement="conversion and validation",
                effect="gives this device class candidates to choose from",
                command=f"edgeproof run --resume {shlex.quote(evidence.folder)}",
            )
        )
    if contest.chosen is not None:
        changes += changes_of_chosen(contest, contest.chosen)
    changes += changes_of_open(contest)
    changes += [
        WouldChange(
            measurement=f"int8 on {max(contest.policy.minimum_samples, 200)} or more real representative samples",
            effect=f"{standing.candidate} could qualify; as it stands it cannot",
            command=f"{asked(evidence)} --samples SAMPLES.npz",
        )
        for standing in contest.standings
        if {point.name for point in standing.points if point.state == "not met"} == {"samples"}
    ][:1]
    return tuple(dict.fromkeys(changes))


def changes_of_chosen(contest: Contest, chosen: Standing) -> list[WouldChange]:
    """What could overturn the recommendation, or raise its confidence."""
    evidence, where = contest.evidence, TITLES[contest.device]
    changes = []
    for point in chosen.points:
        if point.state in OPEN:
            measurement, beyond = lack(contest, chosen, point)
            changes.append(
                WouldChange(
                    measurement=measurement,
                    effect=f"{beyond} {otherwise(contest, chosen, point)}; within the policy the confidence rises",
                    command=command_for(contest, point, *[standing.candidate for standing in contest.order]),
                )
            )
    for gap in secondary_gaps(contest):
        if gap.startswith("thermal"):
            changes.append(
                WouldChange(
                    measurement=f"temperature and throttling of {where} while it runs {chosen.candidate}",
                    effect="a throttled measurement does not count and would have to be made again; "
                    "without throttling the confidence rises",
                    command=None if contest.device == "host" else there_command(contest, [chosen.candidate]),
                )
            )
        elif gap.startswith("busy"):
            changes.append(quiet(contest))
        elif gap.startswith("held-out"):
            changes.append(relabel(evidence, "a held-out split apart from the representative samples"))
    task_asked = any(point.name == "task" and point.state != "met" for point in chosen.points)
    if not has_real_labels(evidence) and not task_asked:
        changes.append(relabel(evidence, "task score on real, labelled samples"))
    return changes


def otherwise(contest: Contest, chosen: Standing, point: PolicyPoint) -> str:
    """Who is next where the recommended candidate misses a point; of a score the next that is no less faithful."""
    others = contest.order[1:]
    if point.name in SCORES:
        least = contest.faithfulness(contest.cases[chosen.candidate])
        others = [other for other in others if contest.faithfulness(contest.cases[other.candidate]) <= least] or others
    if not others:
        return "nothing else qualifies so far"
    return f"the choice falls to {others[0].candidate}, if that one does better"


def quiet(contest: Contest) -> WouldChange:
    """The measurement again, of the candidates that qualify, on a machine that does nothing else."""
    folder = shlex.quote(contest.evidence.folder)
    names = [standing.candidate for standing in contest.order]
    on_host = f"edgeproof measure {folder} --candidates {','.join(names)}"
    return WouldChange(
        measurement=f"latency of those that qualify while nothing else runs on {TITLES[contest.device]}",
        effect="it was busy when they were timed, so another may be the fastest; else the confidence rises",
        command=on_host if contest.device == "host" else there_command(contest, names),
    )


def lack(contest: Contest, chosen: Standing, point: PolicyPoint) -> tuple[str, str]:
    """The measurement that a point lacks, and which outcome of it would be beyond the policy."""
    policy, of_chosen = contest.policy, f"of {chosen.candidate}"
    there = f"{of_chosen} on {TITLES[contest.device]}"
    if point.name == "latency":
        more = f" ({point.needs_more} more measurements)" if point.needs_more else ""
        return f"{policy.latency_percentile} latency{more} {there}", f"at {policy.latency_ms:g} ms or more"
    if point.name == "task":
        return score_lack(contest, chosen, point)
    for limit in DEVICE_LIMITS:
        if limit.point == point.name:
            return f"{limit.title} {there}", f"above {limit.asked(policy):g} {limit.unit}"
    return f"{point.name} {of_chosen}", "outside the policy"


def score_lack(contest: Contest, chosen: Standing, point: PolicyPoint) -> tuple[str, str]:
    """The same of a score that was not measured, or on too few samples."""
    document, result = contest.evidence.validation, contest.cases[chosen.candidate].validation
    task = result.task if result is not None else None
    if point.limit is None:
        beyond = "with more lost than the policy allows"
    else:
        beyond = beyond_words(metric_of(document), point.limit)
    more = f" on about {rounded(task.count + point.needs_more):,} labelled samples" if task and point.needs_more else ""
    return f"task score of {chosen.candidate}{more or ' on labelled samples'}", beyond


def changes_of_open(contest: Contest) -> list[WouldChange]:
    """What open candidates lack before they could be recommended: the first lack of each, and equal ones together."""
    groups: dict[str, list[tuple[str, PolicyPoint]]] = {}
    for standing in contest.rivals:
        lacking = next(iter(contest.lacking(standing)), None)
        if lacking is not None:
            groups.setdefault(told_of(contest, standing, lacking), []).append((standing.candidate, lacking))
    what_then = "replace the recommendation" if contest.order else "be recommended"
    changes = []
    for text, found in groups.items():
        names = [candidate for candidate, _ in found]
        changes.append(
            WouldChange(
                measurement=f"{and_list(names)}: {text}",
                effect=f"{'it' if len(names) == 1 else 'each'} could {what_then} if it is within the policy",
                command=command_for(contest, found[0][1], *names),
            )
        )
    return changes


def told_of(contest: Contest, standing: Standing, point: PolicyPoint) -> str:
    """What a point lacks, in words that are equal where it is the same: a busy machine gives each its own figures."""
    if point.name == "latency" and contest.starved(standing):
        return f"latency on {TITLES[contest.device]} while nothing else runs there: it was busy when they were timed"
    return point.text


def command_for(contest: Contest, point: PolicyPoint, *candidates: str) -> str | None:
    """The command that makes the measurement a point lacks, for all the candidates where one command can; None where
    none does."""
    evidence = contest.evidence
    folder = shlex.quote(evidence.folder)
    if point.name == "difference":
        found = [artifact_of(contest.cases[candidate]) for candidate in candidates]
        artifacts = [artifact for artifact in found if artifact is not None]
        if not artifacts:
            return f"edgeproof run --resume {folder}"
        return f"edgeproof validate {model_address(evidence)} {' '.join(artifacts)} --samples {held_out(evidence)}"
    if point.name in ("task", "slice"):
        return f"{asked(evidence)} --held-out LABELLED.npz"
    if point.name in ("evidence", "samples"):
        return f"{asked(evidence)} --samples SAMPLES.npz --held-out LABELLED.npz"
    if point.name == "soak":
        artifact = artifact_of(contest.cases[candidates[0]])
        hours = contest.policy.soak_hours or 1.0
        address = None if contest.device == "host" else real_device(contest)
        if artifact is None or (address is None and contest.device != "host"):
            return None
        there = "" if address is None else f" --device {shlex.quote(address)}"
        return f"edgeproof soak {artifact} --duration {hours:g}h{there} --into {folder}"
    if point.name == "power" and contest.device == "host":
        return f"edgeproof measure {folder} --candidates {','.join(candidates)} --hold 60s --meter METER"
    if contest.device == "host":
        return host_command(contest, point, candidates)
    return there_command(contest, candidates, point)


def there_command(contest: Contest, candidates: Sequence[str], point: PolicyPoint | None = None) -> str:
    """The measurement of candidates on a device of the class: on the one that lacks the point, on another that was
    measured before, else on the reader's, whose address stands in capitals where it has to be filled in."""
    folder = shlex.quote(contest.evidence.folder)
    of_point = point.device if point is not None and (point.device or "").startswith(OVER_A_LINK) else None
    address = of_point or real_device(contest) or ADDRESSES.get(contest.device)
    if address is None:
        return f"edgeproof runbook {folder}"
    more = " --hold 60s --meter METER" if point is not None and point.name == "power" else ""
    return f"edgeproof measure {folder} --devices {shlex.quote(address)} --candidates {','.join(candidates)}{more}"


def host_command(contest: Contest, point: PolicyPoint, candidates: Sequence[str]) -> str:
    """The measurement again, of candidates that can be, with as many calls as the point lacks."""
    folder = shlex.quote(contest.evidence.folder)
    cases = [contest.cases[candidate] for candidate in candidates]
    counts = [found.steady.count for case in cases for _, found in case.on("host") if found.steady]
    if not counts and not any(device.device_class == "host" for device in contest.evidence.devices):
        return f"edgeproof run --resume {folder}"
    more = f" --count {max(counts) + point.needs_more}" if point.needs_more and counts else ""
    beside = contest.policy.latency_not_above
    first = [beside] if beside is not None and beside in contest.cases else []
    names = ",".join(dict.fromkeys([*first, *candidates]))
    return f"edgeproof measure {folder} --candidates {names}{more}"


def relabel(evidence: Evidence, measurement: str) -> WouldChange:
    return WouldChange(
        measurement=measurement,
        effect="a loss beyond the policy would change the choice; within it the confidence rises",
        command=f"{asked(evidence)} --held-out LABELLED.npz",
    )


def asked(evidence: Evidence) -> str:
    """The command that asked for the run; words in capitals that are added to it are the reader's to fill in."""
    return evidence.manifest.command if evidence.manifest is not None else "edgeproof run MODEL"


def model_address(evidence: Evidence) -> str:
    """The model as the run was given it, quoted for a shell; ``MODEL`` when no manifest tells."""
    return shlex.quote(evidence.manifest.options.model) if evidence.manifest is not None else "MODEL"


def real_device(contest: Contest) -> str | None:
    """The address of a real device of the class that was measured before; None where none was."""
    return next(
        (
            device.device
            for device in contest.evidence.devices
            if device.device_class == contest.device and not device.emulated and device.device.startswith(OVER_A_LINK)
        ),
        None,
    )


def artifact_of(case: Case) -> str | None:
    """The candidate's artifact from where commands are run, quoted for a shell."""
    artifact = case.conversion.artifact if case.conversion is not None else None
    return shlex.quote(f"{case.evidence.folder}/{artifact}") if artifact is not None else None


def held_out(evidence: Evidence) -> str:
    """The run's held-out samples from where commands are run, quoted for a shell."""
    name = evidence.samples.held_out.file if evidence.samples is not None else HELD_OUT_FILE
    return shlex.quote(f"{evidence.folder}/{name}")
