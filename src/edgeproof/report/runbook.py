"""The device runbook: for this run's artifacts, the commands that measure them on a Raspberry Pi, a phone, an iPhone.

Renders text; runs nothing.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

import msgspec

from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.conversion import ConversionResult
from edgeproof.documents.device import DeviceClass
from edgeproof.documents.evaluation import Evidence
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.shipping import ReducedBuild
from edgeproof.documents.signature import Signature, TensorSpec
from edgeproof.documents.task import SHARE
from edgeproof.report import tables
from edgeproof.report.markdown import code, plain
from edgeproof.report.provenance import tensor_text
from edgeproof.report.quantities import written
from edgeproof.report.template import templates
from edgeproof.verdict.cases import Case, cases_of
from edgeproof.verdict.figures import OUTPUTS, Figure, figures_in

__all__ = ["Item", "RunbookInput", "render_runbook"]

MEASURE, WARMUP = 700, 50
"""700 measurements support a p99 at 99 % confidence (662 are needed); 50 calls warm up."""


@dataclass(frozen=True)
class RunbookInput:
    """What a runbook is made of.

    Attributes:
        evidence: the run's documents; the conversion must be there.
        artifacts: ``artifact.json`` per candidate, where it could be read.
        platforms: candidate to the device classes it ships to.
        policy: what the measurements will be held against.
        held_out: path of the samples in the run folder.
    """

    evidence: Evidence
    artifacts: Mapping[str, ArtifactDocument]
    platforms: Mapping[str, tuple[str, ...]]
    policy: PolicyValue
    held_out: str
    reduced: Mapping[str, tuple[ReducedBuild, ...]] = field(default_factory=dict)
    """By candidate, how its runtime is built with the operators of its artifact alone."""


@dataclass(frozen=True)
class Item:
    """One artifact as the commands need it."""

    candidate: str
    folder: str
    """From where the commands are run."""
    name: str
    """The folder's own name, which it keeps on the device."""
    file: str
    """The file a runtime opens, relative to ``folder``; empty when no document names it."""
    suffix: str
    bytes: int | None
    sha256: str
    expected: str
    steps: int | None
    """Time steps of one inference when the file holds a single step; None when it holds a whole inference."""

    @property
    def path(self) -> str:
        """The file from where the commands are run."""
        return f"{self.folder}/{self.file}" if self.file else self.folder


def render_runbook(given: RunbookInput) -> str:
    """The runbook as Markdown.

    Args:
        given: the documents; only candidates that were converted appear.
    """
    evidence = given.evidence
    results = evidence.conversion.candidates if evidence.conversion is not None else ()
    cases = cases_of(evidence)
    items = {
        result.candidate: item(result, cases[result.candidate], given)
        for result in results
        if result.status == "ok" and result.artifact
    }

    def shipping(device: DeviceClass) -> list[Item]:
        return [found for name, found in items.items() if device in given.platforms.get(name, ())]

    environment = templates()
    environment.filters |= {"plain": plain, "code": code, "quote": shlex.quote}
    signature = evidence.samples.signature if evidence.samples is not None else None
    android = shipping("android")
    text = environment.get_template("runbook.md.j2").render(
        model=evidence.model,
        folder=evidence.folder,
        reference=evidence.manifest.options.model if evidence.manifest is not None else "MODEL",
        held_out=f"{evidence.folder}/{given.held_out}",
        held_out_count=evidence.samples.held_out.count if evidence.samples is not None else None,
        policy=given.policy,
        inputs=tuple(tensor_text(tensor) for tensor in signature.inputs) if signature else (),
        outputs=tuple(output_text(tensor, signature) for tensor in signature.outputs) if signature else (),
        spiking=signature is not None and signature.spiking,
        pi=shipping("raspberry-pi"),
        android=android,
        android_by_suffix=by_suffix([found for found in android if found.steps is None]),
        android_steps=[found for found in android if found.steps is not None],
        iphone=shipping("iphone"),
        reduced=reduced_ways(items, given),
        measure=MEASURE,
        warmup=WARMUP,
    )
    return re.sub(r"\n{3,}", "\n\n", text).rstrip() + "\n"


def reduced_ways(items: Mapping[str, Item], given: RunbookInput) -> list[tuple[list[str], ReducedBuild]]:
    """Each way to build a runtime with fewer operators, with the commands for all artifacts that it is for.

    In the runtime's checkout, a path of the run starts at ``$RUN``: there is no telling where the checkout lies.
    """
    ways: dict[ReducedBuild, list[tuple[str, Item]]] = {}
    for name, found in items.items():
        for way in given.reduced.get(name, ()) if found.file else ():
            ways.setdefault(way, []).append((name, found))
    return [([name for name, _ in found], for_artifacts(way, found)) for way, found in ways.items()]


def for_artifacts(way: ReducedBuild, found: list[tuple[str, Item]]) -> ReducedBuild:
    """The way with its placeholders filled in: a command that names an artifact comes once for each."""

    def lines(templates: Iterable[str], start: str) -> tuple[str, ...]:
        texts = []
        for template in templates:
            for name, item in found:
                path = PurePosixPath(item.path)
                texts.append(
                    template.format(
                        artifact=shlex.quote(item.path) if path.is_absolute() else f"{start}{shlex.quote(item.path)}",
                        stem=path.stem,
                        candidate=name,
                    )
                )
        return tuple(dict.fromkeys(texts))

    return msgspec.structs.replace(way, here=lines(way.here, ""), commands=lines(way.commands, '"$RUN"/'))


def item(result: ConversionResult, case: Case, given: RunbookInput) -> Item:
    artifact = given.artifacts.get(result.candidate)
    path = result.artifact or ""
    if artifact is not None:
        path = path.removesuffix(artifact.file).rstrip("/")
    folder = f"{given.evidence.folder}/{path}"
    file = artifact.file if artifact is not None else ""
    return Item(
        candidate=result.candidate,
        folder=folder,
        name=PurePosixPath(folder).name,
        file=file,
        suffix=PurePosixPath(file).suffix,
        bytes=artifact.bytes if artifact is not None else result.bytes,
        sha256=(artifact.sha256 if artifact is not None else result.sha256) or "not recorded",
        expected=expected(case),
        steps=artifact.loop.timesteps if artifact is not None and artifact.loop is not None else None,
    )


def output_text(tensor: TensorSpec, signature: Signature) -> str:
    """An output and the range its values must lie in."""
    text = tensor_text(tensor)
    if tensor.kind == "spikes":
        most = f"{signature.timesteps}" if signature.timesteps else "the number of time steps"
        return f"{text}: whole numbers from 0 to {most}"
    scored = "; the largest is the predicted class" if tensor.name == signature.score_output else ""
    return f"{text}: finite numbers{scored}"


def expected(case: Case) -> str:
    """What the host saw of the candidate's outputs, for the device to be held against."""
    if case.differences is None:
        reason = case.validation.reason if case.validation is not None else None
        return f"not known: {reason or 'no comparison was made'}"
    parts = [
        f"{figure.words} {written(figure.unit, value)}{unit_after(figure)}"
        for figure in figures_in(tables.metric_of(case.evidence), OUTPUTS)
        if figure.key in ("relative_l2", "spike_agreement", "argmax_agreement", "task_score")
        and (value := figure.value(case)) is not None
    ]
    return ", ".join(parts) or "no finite differences"


def unit_after(figure: Figure) -> str:
    """The unit behind a value, where its words are not its unit."""
    unit = "%" if figure.unit == SHARE else figure.unit
    return f" {unit}" if unit not in ("", figure.words) else ""


def by_suffix(items: list[Item]) -> dict[str, list[Item]]:
    """The artifacts grouped by the suffix of the file a runtime opens, in order of appearance."""
    groups: dict[str, list[Item]] = {}
    for found in items:
        groups.setdefault(found.suffix, []).append(found)
    return groups
