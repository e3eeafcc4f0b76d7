"""How many times as fast candidates are as each other, in words, of what one device measured interleaved; and what a
lower precision is for."""

from __future__ import annotations

from edgeproof.documents.evaluation import Standing
from edgeproof.verdict.cases import Case
from edgeproof.verdict.contest import NOISE, Contest
from edgeproof.verdict.wording import TITLES, and_list, figure, shortened

__all__ = ["compared", "expectations", "lower_precision", "size_only"]

SLOWER = 1.05
ARM = ("aarch64", "arm64")


def size_only(contest: Contest) -> list[str]:
    """Lower precisions that are measured slower than their format's first: they buy size, and nothing else."""
    slower = []
    for standing in contest.standings:
        case = contest.cases[standing.candidate]
        full = next(
            (
                other
                for other in contest.cases.values()
                if other.format == case.format and other.precision == "fp32" and other.form == case.form
            ),
            None,
        )
        if full is None or "int" not in case.precision:
            continue
        ratio = interleaved(contest, full, case)[0]
        if ratio is not None and ratio > SLOWER:
            slower.append((case.candidate, ratio, full.candidate))
    if not slower:
        return []
    (candidate, ratio, full_name), *rest = slower
    first = f"{candidate} is {figure(ratio)} × slower than {full_name}"
    others = [f"{name} {figure(times)} × than {beside}" for name, times, beside in rest]
    return [f"on {TITLES[contest.device]} int8 buys size only: {and_list([first, *others])}"]


def lower_precision(contest: Contest, chosen: Standing) -> list[str]:
    """What asks for a lower precision than the format's first: a limit that this one misses."""
    case = contest.cases[chosen.candidate]
    if case.precision == "fp32":
        return []
    return [
        f"{chosen.candidate} and not {standing.candidate}: {shortened(point.text)}"
        for standing in contest.standings
        if (full := contest.cases[standing.candidate]).format == case.format and full.precision == "fp32"
        for point in standing.points
        if point.state == "not met"
    ][:1]


def expectations(contest: Contest) -> list[str]:
    """What the host's ratios suggest of a class that was not measured, where the host has such a processor."""
    host = next((device for device in contest.evidence.devices if device.device_class == "host"), None)
    if contest.measured or contest.device == "host" or host is None or host.emulated:
        return []
    if host.machine.architecture not in ARM or contest.chosen is None:
        return []
    ratios = {
        found.candidate: found.ratio_to_baseline for found in host.measurements if found.ratio_to_baseline is not None
    }
    own = ratios.get(contest.chosen.candidate)
    faster = [name for standing in contest.order if (name := standing.candidate) in ratios and own is not None
              and ratios[name] < own * (1 - NOISE)]  # fmt: skip
    if own is None or not faster:
        return []
    best = min(faster, key=lambda name: ratios[name])
    share = figure(own / ratios[best])
    return [f"expected, not measured: on this host, of the same family of processors, {best} is {share} × faster"]


def compared(contest: Contest, chosen: Standing, other: Standing) -> str:
    """Median latency of ``other`` over ``chosen``, where one device measured both interleaved."""
    ratio, device = interleaved(contest, contest.cases[chosen.candidate], contest.cases[other.candidate])
    if ratio is None:
        return ""
    return f" (median latency {figure(ratio)} × that of {chosen.candidate}, interleaved on {device})"


def interleaved(contest: Contest, first: Case, other: Case) -> tuple[float | None, str]:
    """Median latency of the other over the first, and the device of the class that measured both interleaved."""
    of_other = {device.device: found for device, found in other.on(contest.device)}
    for device, found in first.on(contest.device):
        against = of_other.get(device.device)
        if against is not None and against.ratio_to_baseline and found.ratio_to_baseline:
            return against.ratio_to_baseline / found.ratio_to_baseline, device.device
    return None, ""
