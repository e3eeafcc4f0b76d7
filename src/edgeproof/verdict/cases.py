"""A candidate's case: what every phase of a run says of it, gathered once. Judges nothing."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from edgeproof.documents.conversion import ConversionResult
from edgeproof.documents.device import DeviceClass, DeviceDocument, DeviceMeasurement
from edgeproof.documents.evaluation import CandidateStatus, Evidence
from edgeproof.documents.signature import Form
from edgeproof.documents.validation import Differences, ValidationResult

__all__ = ["ROUNDING", "Case", "Measured", "cases_of"]

ROUNDING = 1e-5
"""Relative L2 below which fp32 runtimes differ by the order of their sums alone."""


class Measured(NamedTuple):
    """What a real device found of a candidate."""

    device: DeviceDocument
    found: DeviceMeasurement


@dataclass(frozen=True)
class Case:
    """One candidate before the policy.

    Attributes:
        candidate: its name.
        evidence: the documents of the whole run.
        conversion: what phase 3 says of its conversion.
        validation: what phase 3 says of its numbers.
        measured: its measurements on real devices, of all classes. An emulated device measures nothing, and figures
            that are told and not seen count only where nothing was seen on a device of the class.
    """

    candidate: str
    evidence: Evidence
    conversion: ConversionResult | None = None
    validation: ValidationResult | None = None
    measured: tuple[Measured, ...] = ()

    def on(self, device_class: DeviceClass) -> list[Measured]:
        """The measurements on every real device of the class."""
        return [measured for measured in self.measured if measured.device.device_class == device_class]

    @cached_property
    def host(self) -> DeviceMeasurement | None:
        """The host's measurement."""
        return next((found for _, found in self.on("host")), None)

    @property
    def sdk(self) -> bool:
        """Whether the candidate runs the model with our own engine, as its conversion says."""
        return self.conversion is not None and self.conversion.sdk

    @property
    def eager(self) -> bool:
        """Whether the candidate is PyTorch itself, as the model runs today."""
        return self.conversion is not None and self.conversion.eager

    @property
    def format(self) -> str:
        """The candidate's format, or what its name says where no phase does."""
        said = [result.format for result in (self.conversion, self.validation) if result is not None and result.format]
        return said[0] if said else self.candidate.rpartition("-")[0] or self.candidate

    @property
    def precision(self) -> str:
        """The candidate's precision; ``fp32`` where no phase says and its name does not end in another."""
        if self.conversion is not None:
            return self.conversion.precision
        if self.validation is not None and self.validation.precision is not None:
            return self.validation.precision
        tail = self.candidate.rpartition("-")[2]
        return tail if tail in ("fp16", "int8") else "fp32"

    @property
    def form(self) -> Form:
        """The form it was made in; ``whole`` where no phase says."""
        return next((said.form for said in (self.conversion, self.validation) if said is not None), None) or "whole"

    @property
    def differences(self) -> Differences | None:
        """The worst over all outputs."""
        return self.validation.differences if self.validation is not None else None

    @property
    def outputs(self) -> tuple[Differences, ...]:
        """Output by output; the worst over all of them when they are not told apart."""
        apart = self.validation.outputs if self.validation is not None else ()
        return apart or ((self.differences,) if self.differences is not None else ())

    @property
    def scored(self) -> Differences | None:
        """Those of the output that is scored; the worst over all where it is not told apart, or all are scored."""
        samples = self.evidence.samples
        name = samples.signature.score_output if samples is not None else None
        return next((output for output in self.outputs if output.name == name), self.differences)

    @property
    def exact(self) -> bool:
        """Whether what is scored is the eager model's output but for rounding."""
        off = self.scored.relative_l2 if self.scored is not None else None
        return off is not None and off <= ROUNDING

    @cached_property
    def agreement(self) -> float | None:
        """The lowest share of equal spike counts over all spike outputs, 0..1."""
        shares = [output.spikes.agreement for output in self.outputs if output.spikes is not None]
        return min(shares) if shares and all(math.isfinite(share) for share in shares) else None

    @cached_property
    def ending(self) -> tuple[CandidateStatus, str | None]:
        """The candidate's status and the reason for it, conversion first."""
        if self.conversion is not None and self.conversion.status == "failed":
            return "not converted", self.conversion.reason
        if self.conversion is not None and self.conversion.status == "skipped":
            return "skipped", self.conversion.reason
        if self.validation is not None:
            return self.validation.status, self.validation.reason
        return "skipped", "its outputs were not compared with the eager model"


def cases_of(evidence: Evidence) -> dict[str, Case]:
    """The case of every candidate that any phase speaks of, PyTorch and our own engine first, then in order of
    appearance."""
    conversion, validation, latency = evidence.conversion, evidence.validation, evidence.latency
    conversions = {result.candidate: result for result in (conversion.candidates if conversion is not None else ())}
    validations = {result.candidate: result for result in (validation.results if validation is not None else ())}
    measured: dict[str, list[Measured]] = {}
    seen = {
        device.device_class
        for device in evidence.devices
        for measurement in device.measurements
        if not device.emulated and measurement.told is None and measurement.steady is not None
    }
    for device in evidence.devices:
        for measurement in device.measurements:
            found = measured.setdefault(measurement.candidate, [])
            if not device.emulated and (measurement.told is None or device.device_class not in seen):
                found.append(Measured(device, measurement))
    served = [proof.candidate for proof in (latency.served if latency is not None else ())]
    cases = [
        Case(name, evidence, conversions.get(name), validations.get(name), tuple(measured.get(name, ())))
        for name in dict.fromkeys([*conversions, *validations, *measured, *served])
    ]
    return {case.candidate: case for case in sorted(cases, key=lambda case: not (case.sdk or case.eager))}
