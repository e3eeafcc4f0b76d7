"""What would change a verdict: each missing measurement, its effect, and the command that makes it."""

from __future__ import annotations

import shlex

from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import Evidence, PolicyPoint, PolicyValue, Standing, WouldChange
from edgeproof.verdict.confidence import has_real_labels, secondary_gaps
from edgeproof.verdict.evidence import conversion_of, measurements_of
from edgeproof.verdict.wording import TITLES, and_list

__all__ = ["would_change"]

HELD_OUT = "phase3_heldout.npz"


def would_change(
    device: DeviceClass,
    evidence: Evidence,
    policy: PolicyValue,
    order: list[Standing],
    undecided: list[Standing],
    standings: tuple[Standing, ...],
) -> tuple[WouldChange, ...]:
    """The measurements that could change the verdict, the most telling first.

    Args:
        device: the device class of the verdict.
        evidence: the run's documents.
        policy: the thresholds.
        order: qualified candidates, the recommended one first; empty when nothing is recommended.
        undecided: candidates without a point against them that are not qualified yet.
        standings: every candidate that ships to the class.
    """
    changes: list[WouldChange] = []
    if not standings and evidence.conversion is None:
        changes.append(
            WouldChange(
                measurement="conversion and validation",
                effect="gives this device class candidates to choose from",
                command=f"edgeproof run --resume {quoted(evidence.folder)}",
            )
        )
    if order:
        changes += changes_of_chosen(device, evidence, policy, order)
    changes += changes_of_open(device, evidence, undecided, recommended=bool(order))
    changes += [
        WouldChange(
            measurement=f"int8 on {max(policy.minimum_samples, 200)} or more real representative samples",
            effect=f"{standing.candidate} could qualify; as it stands it cannot",
            command=f"edgeproof run {model_reference(evidence)} --samples SAMPLES.npz",
        )
        for standing in standings
        if (failed := against(standing)) and all(point.name == "samples" for point in failed)
    ][:1]
    return tuple(dict.fromkeys(changes))


def changes_of_chosen(
    device: DeviceClass, evidence: Evidence, policy: PolicyValue, order: list[Standing]
) -> list[WouldChange]:
    """What could overturn the recommendation, or raise its confidence."""
    chosen = order[0]
    rival = next((other for other in order[1:] if other.sdk != chosen.sdk), order[1] if len(order) > 1 else None)
    otherwise = (
        f"the choice falls to {rival.candidate}, if that one does better" if rival else "nothing else qualifies so far"
    )
    changes = []
    for point in chosen.points:
        if point.state not in ("not measured", "unsupported"):
            continue
        beyond = {
            "latency": f"at {policy.latency_ms:g} ms or more",
            "power": f"above {policy.power_mw or 0:g} mW",
            "memory": f"above {policy.memory_mb or 0:g} MB",
            "task": f"with more than {policy.task_drop_points:g} points lost",
        }.get(point.name, "outside the policy")
        changes.append(
            WouldChange(
                measurement=f"{what(point, policy)} of {chosen.candidate} on {TITLES[device]}"
                if point.name in ("latency", "power", "memory")
                else f"{what(point, policy)} of {chosen.candidate}",
                effect=f"{beyond} {otherwise}; within the policy the confidence rises",
                command=command_for(point, device, evidence, chosen.candidate),
            )
        )
    for gap in secondary_gaps(evidence, chosen, device):
        if gap.startswith("thermal"):
            changes.append(
                WouldChange(
                    measurement=f"temperature and throttling of {TITLES[device]} while it runs {chosen.candidate}",
                    effect="a throttled measurement does not count and would have to be made again; "
                    "without throttling the confidence rises",
                    command=None if device == "host" else f"edgeproof runbook {quoted(evidence.folder)}",
                )
            )
        elif gap.startswith("held-out"):
            changes.append(relabel(evidence, "a held-out split apart from the representative samples"))
    task_asked = any(point.name == "task" and point.state != "met" for point in chosen.points)
    if not has_real_labels(evidence) and not task_asked:
        changes.append(relabel(evidence, "task score on real, labelled samples"))
    return changes


def changes_of_open(
    device: DeviceClass, evidence: Evidence, undecided: list[Standing], *, recommended: bool
) -> list[WouldChange]:
    """What open candidates lack before they could be recommended: the first lack of each, and equal ones together."""
    groups: dict[str, list[tuple[str, PolicyPoint]]] = {}
    for standing in undecided:
        lacking = next((point for point in standing.points if point.state in ("not measured", "unsupported")), None)
        if lacking is not None:
            groups.setdefault(lacking.text, []).append((standing.candidate, lacking))
    changes = []
    for text, found in groups.items():
        names = [candidate for candidate, _ in found]
        what_then = "replace the recommendation" if recommended else "be recommended"
        changes.append(
            WouldChange(
                measurement=f"{and_list(names)}: {text}",
                effect=f"{'it' if len(names) == 1 else 'each'} could {what_then} if it is within the policy",
                command=command_for(found[0][1], device, evidence, *names),
            )
        )
    return changes


def what(point: PolicyPoint, policy: PolicyValue) -> str:
    if point.name == "latency":
        more = f" ({point.needs_more} more measurements)" if point.needs_more else ""
        return f"{policy.latency_percentile} latency{more}"
    return {"task": "task score on labelled samples", "power": "mean power", "memory": "peak memory"}.get(
        point.name, point.name
    )


def command_for(point: PolicyPoint, device: DeviceClass, evidence: Evidence, *candidates: str) -> str:
    """The command that makes the measurement a point lacks, for all the candidates where one command can."""
    folder = quoted(evidence.folder)
    if point.name == "difference":
        found = [conversion_of(evidence, candidate) for candidate in candidates]
        artifacts = [
            quoted(f"{evidence.folder}/{one.artifact}") for one in found if one is not None and one.artifact is not None
        ]
        if not artifacts:
            return f"edgeproof run --resume {folder}"
        held_out = quoted(f"{evidence.folder}/{HELD_OUT}")
        return f"edgeproof validate {model_reference(evidence)} {' '.join(artifacts)} --samples {held_out}"
    if point.name in ("task", "samples"):
        return f"edgeproof run {model_reference(evidence)} --samples SAMPLES_WITH_LABELS.npz"
    if point.name == "power":
        return f"edgeproof runbook {folder}"
    if device == "host":
        return host_command(point, evidence, candidates[0])
    if device == "raspberry-pi":
        return f"scripts/device/rpi_setup_and_bench.sh USER@HOST {folder} --candidates {','.join(candidates)}"
    return f"edgeproof runbook {folder}"


def host_command(point: PolicyPoint, evidence: Evidence, candidate: str) -> str:
    """More measurements of one artifact where some exist, the whole phase where none does."""
    conversion = conversion_of(evidence, candidate)
    counts = [found.steady.count for _, found in measurements_of(evidence, candidate, "host") if found.steady]
    if conversion is None or conversion.artifact is None or not counts:
        return f"edgeproof run --resume {quoted(evidence.folder)}"
    artifact = quoted(f"{evidence.folder}/{conversion.artifact}")
    held_out = quoted(f"{evidence.folder}/{HELD_OUT}")
    measure = max(counts) + point.needs_more
    return f"python -m edgeproof.devices.runner {artifact} --inputs {held_out} --measure {measure} --json out.json"


def relabel(evidence: Evidence, measurement: str) -> WouldChange:
    return WouldChange(
        measurement=measurement,
        effect="a loss beyond the policy would change the choice; within it the confidence rises",
        command=f"edgeproof run {model_reference(evidence)} --samples SAMPLES_WITH_LABELS.npz",
    )


def against(standing: Standing) -> list[PolicyPoint]:
    return [point for point in standing.points if point.state == "not met"]


def model_reference(evidence: Evidence) -> str:
    """The model as the run was given it, quoted for a shell; ``MODEL`` when no manifest tells."""
    return quoted(evidence.manifest.options.model) if evidence.manifest is not None else "MODEL"


def quoted(text: str) -> str:
    return shlex.quote(text)
