"""Artifacts on other processors than this machine's, by emulation: what is true of one is never said of another."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy.typing as npt

from edgeproof.devices.emulation import python_on
from edgeproof.devices.processors import ARM, PROCESSORS, X86, Processor, find_processors
from edgeproof.differences.outputs import NotFinite
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.documents.validation import Agreement, OnProcessor, ValidationResult
from edgeproof.errors import EdgeProofError, MissingDependency
from edgeproof.formats.base import Format
from edgeproof.model.arrays import read_npz
from edgeproof.phases.validation.untimed import Untimed
from edgeproof.phases.validation.variants import Usual, hold_first
from edgeproof.process import Limits
from edgeproof.verdict.wording import and_list

__all__ = ["Elsewhere", "find_elsewhere", "usual_processors"]

SAMPLES = 10
SECONDS = 60.0
"""In which samples are begun: an emulated processor is a hundred times slower."""
LIMITS = Limits(seconds=600)
ROUNDED = ("fp16", "int")
"""Parts of precisions whose results depend on the processor by more than the order of sums."""

Outputs = dict[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Elsewhere:
    """Other processors.

    Attributes:
        pythons: per processor, the words that start Python there.
        lacking: per processor that cannot be had here, why.
        every: whether artifacts of every precision are run there; else those alone that round values.
    """

    pythons: Mapping[str, Sequence[str]] = field(default_factory=dict)
    lacking: Mapping[str, str] = field(default_factory=dict)
    every: bool = True

    @property
    def gaps(self) -> tuple[str, ...]:
        """What cannot be had, in words, each reason once."""
        by_reason: dict[str, list[str]] = {}
        for name, reason in self.lacking.items():
            by_reason.setdefault(reason, []).append(name)
        return tuple(f"nothing is run on {and_list(names)}: {reason}" for reason, names in by_reason.items())

    def results(self, told: ValidationResult, usual: Usual, kind: Format) -> tuple[OnProcessor, ...]:
        """What an artifact does on each of them.

        Args:
            told: what it does on this machine.
            usual: what ran it here, and what it gave.
            kind: its format.
        """
        precision = usual.document.precision
        if (
            not self.pythons
            or kind.stands_in is not None
            or not (self.every or any(part in precision for part in ROUNDED))
        ):
            return ()
        here = _outputs_of(usual.job, kind, usual.untimed)[1]
        return tuple(_held(PROCESSORS[name], python, told, usual, here, kind) for name, python in self.pythons.items())


def usual_processors() -> tuple[str, ...]:
    """What a run looks at unasked: the commonest x86 that computes int8 in another way, and the ends of the Pi's."""
    arm = ("cortex-a53", "cortex-a76")
    return ("x86-64-v3", *arm) if platform.machine() == X86 else arm if platform.machine() == ARM else ()


def find_elsewhere(names: Sequence[str], folder: Path, *, every: bool = True) -> Elsewhere:
    """What is needed to run artifacts on these processors.

    Args:
        names: of processors.
        folder: for what has to lie somewhere while they run.

    Raises:
        UsageError: a name is unknown.
    """
    pythons, lacking = {}, {}
    for processor in find_processors(names):
        try:
            pythons[processor.name] = python_on(processor, folder)
        except MissingDependency as error:
            lacking[processor.name] = str(error)
    return Elsewhere(pythons, lacking, every=every)


def _not_run(processor: Processor, reason: str) -> OnProcessor:
    return msgspec.structs.replace(_known(processor), agreement="not run", reason=reason)


def _known(processor: Processor) -> OnProcessor:
    return OnProcessor(
        processor=processor.name, title=processor.title, agreement="does not run", classes=processor.classes
    )


def _outputs_of(
    job: RunnerJob, kind: Format, untimed: Untimed, python: Sequence[str] = (), processor: str = ""
) -> tuple[RunnerReport, Outputs]:
    """Run the first samples as a server does; no outputs where it does not run."""
    path = Path(str(job.outputs))
    job = msgspec.structs.replace(job, limit=SAMPLES, seconds=SECONDS, served=True, base=None)
    ran = untimed.run(job, kind, LIMITS, python=python, processor=processor)
    if ran.error:
        return ran, {}
    outputs = read_npz(path)
    path.unlink()
    return ran, outputs


def _held(
    processor: Processor, python: Sequence[str], told: ValidationResult, usual: Usual, here: Outputs, kind: Format
) -> OnProcessor:
    """One artifact on one processor, held against the eager model and against this machine."""
    job = usual.job
    if processor.architecture != platform.machine():
        built = Path(str(job.outputs)).with_suffix("") / processor.architecture
        try:
            artifact = kind.built_for(processor.architecture, Path(job.artifact), usual.document, built)
        except EdgeProofError as error:
            return _not_run(processor, str(error))
        job = msgspec.structs.replace(job, artifact=str(artifact))
    ran, outputs = _outputs_of(job, kind, usual.untimed, python, processor.name)
    if ran.missing:
        return _not_run(processor, f"its runtime is not among the packages for {processor.architecture}")
    doubt = processor.doubt(ran.instructions) if ran.error is None else None
    if doubt is not None:
        return _not_run(processor, doubt)
    remedy = kind.remedy_on(processor.architecture, usual.document.precision)
    result = msgspec.structs.replace(_known(processor), reason=ran.error, remedy=remedy)
    return result if ran.error else judge_there(result, outputs, here, told, usual)


def judge_there(
    result: OnProcessor, outputs: Outputs, here: Outputs, told: ValidationResult, usual: Usual
) -> OnProcessor:
    """What the outputs of the first samples on another processor say.

    Args:
        result: what is known of it already; its remedy stands for the case that they are wrong.
        outputs: of that processor, sample axis first.
        here: of this machine, opened the same way; none where it does not run so.
        told: of the whole artifact on this machine.
        usual: what it gave here, of as many samples or more.
    """
    count = len(next(iter(outputs.values())))
    result = msgspec.structs.replace(result, samples=count)
    try:
        held = hold_first(outputs, here, usual)
    except (NotFinite, ValueError) as error:
        return msgspec.structs.replace(result, agreement="wrong", reason=str(error))
    found = msgspec.structs.replace(result, differences=held.worst, spread=held.spread)
    harder = bool(held.usually) and told.status == "passed"  # these samples are, here too
    if held.failed and not harder:
        return msgspec.structs.replace(found, agreement="wrong", reason="; ".join(held.failed))
    equal = outputs.keys() == here.keys() and all(
        outputs[name].tobytes() == here[name][:count].tobytes() for name in outputs
    )
    agreement: Agreement = "same bits" if equal else "within tolerance"
    return msgspec.structs.replace(found, agreement=agreement, remedy=None)
