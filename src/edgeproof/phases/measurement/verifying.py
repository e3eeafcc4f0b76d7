"""Outputs before times: what candidates give on a device for the held-out samples, held against the eager model and
against the same candidate on this machine. One whose outputs miss the policy there is not timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from edgeproof.devices.base import Device
from edgeproof.devices.patience import patiently
from edgeproof.differences.outputs import NotFinite, compare_outputs, worst_of
from edgeproof.documents.device import OutputsThere
from edgeproof.documents.policy import PolicyValue
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.documents.validation import ValidationDocument, ValidationResult
from edgeproof.model.arrays import read_npz
from edgeproof.model.workspace import Workspace
from edgeproof.phases.measurement.choosing import Chosen
from edgeproof.phases.prepare import limits_of
from edgeproof.phases.validation.against import Reference, by_position, held_against, load_reference
from edgeproof.phases.validation.artifacts import inputs_for
from edgeproof.phases.validation.scoring import Scored, score, with_scores
from edgeproof.phases.validation.untimed import run_untimed
from edgeproof.process import Limits
from edgeproof.rundir import RunDir

__all__ = ["Verifying", "lost"]

UNSEEN = "a benchmark program of its runtime's times it there on inputs of its own, and gives no outputs"
Outputs = dict[str, npt.NDArray[Any]]

LIMITS = Limits(seconds=600)
EMULATED_LIMITS = Limits(seconds=3600)
SECONDS = 300.0
"""In which samples are begun; those of an emulated device are a hundred times slower."""


class Verifying:
    """What outputs of a device are held against.

    Args:
        reference: the eager model's outputs.
        policy: the thresholds.
        scratch: folder for the outputs of each.
        report: takes a line of progress.
        trust: whether artifacts of unknown origin may run code.
        score: the task score of outputs, an npz for each candidate.
    """

    def __init__(
        self,
        reference: Reference,
        policy: PolicyValue,
        scratch: Path,
        report: Callable[[str], None],
        *,
        trust: bool = False,
        score: Callable[[Mapping[str, Path]], Scored | None] = lambda _: None,
    ) -> None:
        self._reference, self._policy, self._scratch = reference, policy, scratch
        self._report, self._trust, self._score = report, trust, score

    @classmethod
    def of_run(cls, run: RunDir, scratch: Path, report: Callable[[str], None]) -> Verifying | None:
        """With the run's reference, policy and metric; None where it has no reference to hold anything against."""
        workspace = Workspace(run.root)
        if not workspace.reference.is_file():
            return None
        manifest = run.manifest()
        source, bounds = manifest.options.source(manifest.working_directory), limits_of(manifest.options)
        return cls(
            load_reference(workspace),
            run.policy()[0],
            scratch,
            report,
            trust=run.trust,
            score=lambda outputs: score(workspace, source, outputs, bounds),
        )

    def verify(self, device: Device, chosen: Sequence[Chosen]) -> dict[str, OutputsThere]:
        """What each candidate gives there, whatever its outputs are worth.

        Raises:
            DeviceError: the device was lost.
        """
        self._scratch.mkdir(parents=True, exist_ok=True)
        results: dict[str, ValidationResult] = {}
        found: dict[str, OutputsThere] = {}
        candidates = {one.target.candidate: one for one in chosen}
        for number, (candidate, one) in enumerate(candidates.items(), 1):
            if one.timed_only:
                found[candidate] = OutputsThere(status="unseen", reason=UNSEEN)
                self._report(f"{device.name}: outputs of {candidate}: unseen ({number} of {len(candidates)})")
                continue
            began = time.monotonic()
            told, result = self._outputs(device, one)
            seconds = time.monotonic() - began
            results[candidate], found[candidate] = result, told
            words = told.status if told.same_bits is not True else f"{told.status}, the bits of this machine"
            self._report(
                f"{device.name}: outputs of {candidate}: {words}, in {seconds:.1f} s ({number} of {len(candidates)})"
            )
        for name, scored in self._scored(results).items():
            found[name] = msgspec.structs.replace(found[name], task=scored.task)
            if scored.outweighed:
                found[name] = msgspec.structs.replace(found[name], status="passed", reason=None)
        return found

    def _outputs(self, device: Device, one: Chosen) -> tuple[OutputsThere, ValidationResult]:
        candidate, document = one.target.candidate, one.document
        there, here = (self._scratch / f"{candidate}-{where}.npz" for where in ("there", "here"))
        told = told_of(one)
        with inputs_for(document, self._reference, there) as inputs:
            job = RunnerJob(
                artifact=str(one.here),
                inputs=str(inputs),
                outputs=str(here),
                seconds=SECONDS,
                served=True,
                trust=self._trust,
            )
            ran = patiently(lambda: _run_there(device, one, job, there), self._report)
            if ran.error:
                reason = f"it does not run there: {ran.error}"
                return OutputsThere(status="error", reason=reason, built=one.built), told
            beside = run_untimed(job, one.kind, LIMITS)
        beside_outputs = read_npz(here) if beside.error is None else None
        return self.judge(one, read_npz(there), beside_outputs, there)

    def judge(
        self, one: Chosen, outputs: Outputs, beside: Outputs | None, there: Path
    ) -> tuple[OutputsThere, ValidationResult]:
        """What outputs of a device say.

        Args:
            one: the candidate.
            outputs: of the first held-out samples, sample axis first.
            beside: of this machine; None where it does not run here.
            there: file for them under the model's names, which the task score is taken of.
        """
        document, told = one.document, told_of(one)
        count = len(next(iter(outputs.values())))
        reference = replace(
            self._reference, outputs={name: values[:count] for name, values in self._reference.outputs.items()}
        )
        result = held_against(told, document, outputs, reference, self._policy)
        verified = OutputsThere(
            status="passed" if result.status == "passed" else "failed",
            reason=result.reason,
            samples=count,
            differences=result.differences,
            promised=one.kind.sdk,
            built=one.built,
        )
        named = by_position(outputs, document, reference.signature)
        np.savez(there, allow_pickle=False, **named)
        if beside is not None:
            ours = {name: values[:count] for name, values in by_position(beside, document, reference.signature).items()}
            same = ours.keys() == named.keys() and all(named[name].tobytes() == ours[name].tobytes() for name in ours)
            try:
                apart = worst_of(compare_outputs(reference.signature.outputs, ours, named))
            except (NotFinite, ValueError):
                apart = None
            verified = msgspec.structs.replace(verified, same_bits=same, from_here=apart)
            if one.kind.sdk and not same and verified.status == "passed":
                reason = "it does not give the bits of this machine there, as our engine does everywhere: a fault"
                verified = msgspec.structs.replace(verified, status="failed", reason=reason)
        if count < len(next(iter(self._reference.outputs.values()))):
            result = msgspec.structs.replace(result, status="error")  # of some samples there is no task score
        return verified, result

    def _scored(self, results: Mapping[str, ValidationResult]) -> dict[str, ValidationResult]:
        whole = {name: result for name, result in results.items() if result.status in {"passed", "failed"}}
        if not whole:
            return {}
        document = ValidationDocument(
            model="",
            samples=0,
            sample_source=self._reference.source,
            task=None,
            reference_score=None,
            results=tuple(whole.values()),
        )
        outputs = {name: self._scratch / f"{name}-there.npz" for name in whole}
        scored = with_scores(document, self._score(outputs), self._policy)
        return {result.candidate: result for result in scored.results}


def _run_there(device: Device, one: Chosen, job: RunnerJob, there: Path) -> RunnerReport:
    """Run the job of this machine on a device, and bring its outputs back."""
    wanted = msgspec.structs.replace(
        job,
        artifact=device.put(one.target.artifact),
        inputs=device.put(Path(job.inputs)),
        outputs=f"{one.target.candidate}.npz",
        trust=True,  # it was opened here as trusted, and is nobody else's there
    )
    ran = device.run(wanted, EMULATED_LIMITS if device.emulated else LIMITS)
    if not ran.error:
        device.get(f"{one.target.candidate}.npz", there)
    return ran


def told_of(one: Chosen) -> ValidationResult:
    """What is known of a candidate before its outputs are."""
    return ValidationResult(
        candidate=one.target.candidate,
        artifact=one.target.candidate,
        status="error",
        format=one.document.format,
        precision=one.document.precision,
        form=one.document.form,
    )


def lost(outputs: OutputsThere) -> str | None:
    """Why a candidate with such outputs is not timed; None where it is."""
    if outputs.status in {"passed", "unseen"}:
        return None
    return outputs.reason if outputs.status == "error" else f"its outputs there miss the policy: {outputs.reason}"
