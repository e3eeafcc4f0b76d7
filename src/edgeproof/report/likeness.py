"""Whether two runs are of the same thing: model, inputs, samples, policy, machine. What differs is said first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import msgspec

from edgeproof.documents.evaluation import EvaluationDocument, Evidence
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.samples import SamplesDocument
from edgeproof.report.provenance import samples_text, tensor_text
from edgeproof.verdict.wording import and_list

__all__ = ["ComparedRun", "unlike"]


@dataclass(frozen=True)
class ComparedRun:
    """A run that is held against another.

    Attributes:
        name: as the user named it.
        evidence: its documents.
        evaluation: its policy held against them.
        held_out: digest of the held-out samples; None where they are not there.
        outputs: digest of the eager model's outputs on them; None where they are not there.
    """

    name: str
    evidence: Evidence
    evaluation: EvaluationDocument
    held_out: str | None = None
    outputs: str | None = None


def unlike(first: ComparedRun, second: ComparedRun) -> tuple[str, ...]:
    """What makes the runs differ before anything was measured, a sentence each; empty where they are alike."""
    return (
        *models(first, second),
        *samples(first, second),
        *policies(first.evaluation.policy, second.evaluation.policy),
        *machines(first.evidence, second.evidence),
    )


def models(first: ComparedRun, second: ComparedRun) -> Iterator[str]:
    """Name, signature and, on the same samples, what the eager model computes."""
    if first.evaluation.model != second.evaluation.model:
        yield f"These are runs of two models: {first.evaluation.model} before, {second.evaluation.model} after."
    before, after = first.evidence.samples, second.evidence.samples
    if before is None or after is None:
        return
    pairs = (
        ("inputs", tensors(before, "inputs"), tensors(after, "inputs")),
        ("outputs", tensors(before, "outputs"), tensors(after, "outputs")),
        ("time steps", str(before.signature.timesteps or "none"), str(after.signature.timesteps or "none")),
    )
    for what, one, other in pairs:
        if one != other:
            yield f"The {what} differ: {one} before, {other} after."
    alike = before.signature.outputs == after.signature.outputs and first.held_out is not None
    both = first.outputs is not None and second.outputs is not None and first.outputs != second.outputs
    if alike and both and first.held_out == second.held_out:
        yield (
            "On the same samples the eager model gives other outputs: its weights or code, or the PyTorch or processor "
            "that ran it, changed."
        )


def tensors(document: SamplesDocument, which: str) -> str:
    found = document.signature.inputs if which == "inputs" else document.signature.outputs
    return ", ".join(tensor_text(tensor) for tensor in found)


def samples(first: ComparedRun, second: ComparedRun) -> Iterator[str]:
    """Where samples come from and how many they are; their content where both are there."""
    before, after = first.evidence.samples, second.evidence.samples
    if before is None or after is None:
        return
    one, other = (f"{samples_text(found)}, from {found.origin}" for found in (before, after))
    if one != other:
        yield f"The samples differ: {one} before; {other} after."
    elif before.seed != after.seed:
        yield f"The samples were drawn with another seed: {before.seed} before, {after.seed} after."
    elif (
        before.signature.inputs == after.signature.inputs
        and None not in (first.held_out, second.held_out)
        and first.held_out != second.held_out
    ):
        yield "The held-out samples have other values, though they come from the same place: scores are not paired."


def policies(before: PolicyValue, after: PolicyValue) -> Iterator[str]:
    """Every key that was changed."""
    one, other = (flat(msgspec.to_builtins(policy)) for policy in (before, after))
    keys = [key for key in one | other if one.get(key) != other.get(key)]
    changed = [f"{key} {shown(one.get(key))} → {shown(other.get(key))}" for key in keys]
    if changed:
        yield f"The policies differ in {and_list(changed)}: verdicts may change without any figure changing."


def flat(value: dict[str, object], prefix: str = "") -> dict[str, object]:
    """Nested tables as one, with dotted keys."""
    found: dict[str, object] = {}
    for key, part in value.items():
        found |= flat(part, f"{prefix}{key}.") if isinstance(part, dict) else {f"{prefix}{key}": part}
    return found


def shown(value: object) -> str:
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def machines(before: Evidence, after: Evidence) -> Iterator[str]:
    """The processor: on another one no ratio of latencies says anything."""
    if before.environment is None or after.environment is None:
        return
    one, other = (
        f"{found.machine.cpu_model or found.machine.architecture}, {found.machine.usable_cores} cores"
        for found in (before.environment, after.environment)
    )
    if one != other:
        yield f"The hosts differ: {one} before, {other} after; latencies and memory are not comparable."
