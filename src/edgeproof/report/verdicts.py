"""The verdicts as they are read: device classes that share a sentence share a line, and nothing is said twice.

What stands in a candidate's own section, point by point, is not said again among the reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import Verdict
from edgeproof.report.classes import SOMEWHERE, named, titles, unnamed
from edgeproof.report.content import Change, Fact, Said
from edgeproof.verdict.wording import shortened

__all__ = ["changes", "in_common", "said"]

S = TypeVar("S")

NOT_KNOWN = "not known: "


def said(verdicts: Sequence[Verdict]) -> tuple[Said, ...]:
    """One entry for the device classes that share a verdict, with its confidence beside the sentence."""
    common = set(held_in_common(verdicts))
    found = []
    for members in sharing(verdicts):
        devices = tuple(device for device, _ in members)
        device, first = members[0]
        sentence = first.sentence.replace(f" (confidence: {first.confidence})", "")
        found.append(
            Said(
                devices=devices,
                title=titles(devices),
                decision=first.decision,
                candidate=first.candidate,
                confidence=first.confidence,
                sentence=named(unnamed(sentence, device), devices),
                reasons=lines(members, lambda verdict: verdict.reasons, common),
                missing=lines(members, lambda verdict: verdict.missing, common),
            )
        )
    return tuple(found)


def in_common(verdicts: Sequence[Verdict]) -> tuple[Fact, ...]:
    """What holds for device classes whose verdicts differ, each sentence once, with the classes that it is for."""
    return tuple(Fact(titles(devices), named(text, devices)) for text, devices in held_in_common(verdicts).items())


def held_in_common(verdicts: Sequence[Verdict]) -> dict[str, list[DeviceClass]]:
    """Sentences without their device class that more than one of the verdicts has, and whose they are."""
    holders: dict[str, list[DeviceClass]] = {}
    groups: dict[str, set[int]] = {}
    for at, members in enumerate(sharing(verdicts)):
        for device, verdict in members:
            gaps = [f"{NOT_KNOWN}{gap}" for gap in verdict.missing if gap not in said_elsewhere(verdict)]
            kept = [line for line in verdict.reasons if line not in said_elsewhere(verdict)]
            for text in dict.fromkeys(unnamed(line, device) for line in (*kept, *gaps)):
                holders.setdefault(text, []).append(device)
                groups.setdefault(text, set()).add(at)
    return {text: devices for text, devices in holders.items() if len(groups[text]) > 1}


def sharing(verdicts: Sequence[Verdict]) -> list[list[tuple[DeviceClass, Verdict]]]:
    """The device classes that share decision, candidate, confidence and sentence, together."""

    def key(device: DeviceClass, verdict: Verdict) -> Hashable:
        return (verdict.decision, verdict.candidate, verdict.confidence, unnamed(verdict.sentence, device))

    return grouped(((verdict.device_class, verdict) for verdict in verdicts), key)


def changes(verdicts: Sequence[Verdict]) -> tuple[Change, ...]:
    """What would change verdicts, each measurement once, with its device classes and the commands that make it."""
    pairs = [(verdict.device_class, change) for verdict in verdicts for change in verdict.would_change]
    found = []
    for members in grouped(pairs, lambda at, change: unnamed(f"{change.measurement}: {change.effect}", at)):
        devices = tuple(dict.fromkeys(device for device, _ in members))
        device, first = members[0]
        by_command: dict[str, list[DeviceClass]] = {}
        for where, change in members:
            if change.command is not None:
                by_command.setdefault(change.command, []).append(where)
        found.append(
            Change(
                title=titles(devices),
                measurement=named(unnamed(first.measurement, device), devices),
                effect=named(unnamed(first.effect, device), devices),
                commands=tuple(
                    (titles(where) if len(by_command) > 1 else "", command) for command, where in by_command.items()
                ),
            )
        )
    return tuple(found)


def lines(
    members: Sequence[tuple[DeviceClass, Verdict]], of: Callable[[Verdict], Sequence[str]], common: set[str]
) -> tuple[str, ...]:
    """The lines of all members, equal ones once, without what a candidate's section has, or others in common."""
    pairs = [
        (device, line)
        for device, verdict in members
        for line in of(verdict)
        if line not in said_elsewhere(verdict)
        and not common & {unnamed(line, device), f"{NOT_KNOWN}{unnamed(line, device)}"}
    ]
    texts = []
    for found in grouped(pairs, lambda device, line: unnamed(line, device)):
        devices = tuple(dict.fromkeys(device for device, _ in found))
        text = unnamed(found[0][1], found[0][0])
        for_all = len(devices) == len(members) or SOMEWHERE in text
        texts.append(f"{'' if for_all else f'{titles(devices)}: '}{named(text, devices)}")
    return tuple(texts)


def said_elsewhere(verdict: Verdict) -> set[str]:
    """The sentences that the candidates' sections have: each point, by itself and with whose it is."""
    return {
        line
        for standing in verdict.standings
        for point in standing.points
        for line in (
            point.text,
            f"{standing.candidate}: {point.text}",
            f"{standing.candidate} is out: {point.text}",
            f"{standing.candidate} is out: {shortened(point.text)}",
        )
    }


def grouped(
    pairs: Iterable[tuple[DeviceClass, S]], key: Callable[[DeviceClass, S], Hashable]
) -> list[list[tuple[DeviceClass, S]]]:
    """Pairs with the same key together, in order of appearance."""
    groups: dict[Hashable, list[tuple[DeviceClass, S]]] = {}
    for device, thing in pairs:
        groups.setdefault(key(device, thing), []).append((device, thing))
    return list(groups.values())
