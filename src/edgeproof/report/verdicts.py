"""The verdicts as they are read: device classes that share a sentence share a line, and nothing is said twice.

What stands in a candidate's own section, point by point, is not said again among the reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import Verdict
from edgeproof.report.classes import SOMEWHERE, named, titles, unnamed
from edgeproof.report.content import Change, Said
from edgeproof.verdict.wording import shortened

__all__ = ["changes", "said"]

S = TypeVar("S")


def said(verdicts: Sequence[Verdict]) -> tuple[Said, ...]:
    """One entry for the device classes that share a verdict, with its confidence beside the sentence."""

    def key(device: DeviceClass, verdict: Verdict) -> Hashable:
        return (verdict.decision, verdict.candidate, verdict.confidence, unnamed(verdict.sentence, device))

    found = []
    for members in grouped(((verdict.device_class, verdict) for verdict in verdicts), key):
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
                reasons=lines(members, lambda verdict: verdict.reasons),
                missing=lines(members, lambda verdict: verdict.missing),
            )
        )
    return tuple(found)


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


def lines(members: Sequence[tuple[DeviceClass, Verdict]], of: Callable[[Verdict], Sequence[str]]) -> tuple[str, ...]:
    """The lines of all members, equal ones once, without those that a candidate's own section has."""
    pairs = [
        (device, line) for device, verdict in members for line in of(verdict) if line not in said_elsewhere(verdict)
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
