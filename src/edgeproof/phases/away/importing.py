"""What was measured elsewhere, brought into a run: each file becomes a device's measurement or its power.

A runner's report says on which machine it ran; with the outputs of the same candidate it is seen as if measured from
here. Without either, and of a mere list of latencies, its figures are *told*: the verdict's confidence is low, and they
push aside nothing that was measured.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from edgeproof.devices.base import Measured
from edgeproof.documents.app import AppReport
from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.device import DeviceClass, DeviceDocument, OutputsThere, Provenance
from edgeproof.documents.environment import Machine
from edgeproof.documents.parsing import file_bytes, parse_json, strictly
from edgeproof.documents.power import PowerTrace
from edgeproof.documents.runner import RunnerReport
from edgeproof.errors import DocumentError, UsageError
from edgeproof.model.arrays import read_npz
from edgeproof.phases.away.app import bring_app_back
from edgeproof.phases.away.bring_back import bring_back, unknown_machine
from edgeproof.phases.away.seen import seen
from edgeproof.phases.evaluate import conclude
from edgeproof.phases.measurement.record import Recorded, record
from edgeproof.phases.power.joining import TraceGiven, join_trace
from edgeproof.rundir import RunDir

__all__ = ["Given", "Imported", "import_files"]

APP = "iPhone app"
NO_MACHINE = "the machine that measured is not known"
NO_OUTPUTS = "its outputs were not seen: give the runner's npz, --outputs FILE, or name it as the report"


def doubts_of(machine: Machine | None, device_class: DeviceClass) -> list[str]:
    """Why a machine is not believed to be of the class: it is not told, or says that it is something else."""
    if machine is None:
        return [NO_MACHINE]
    named = machine.cpu_model or machine.architecture
    if machine.virtual:
        return [f"its machine, {named}, is a virtual one"]
    if device_class == "raspberry-pi" and "Raspberry Pi" not in named:
        return [f"its machine, {named}, does not say that it is a Raspberry Pi"]
    return []


@dataclass(frozen=True)
class Given:
    """What is said of files.

    Attributes:
        candidate: that they are of, where they do not say.
        device_class: that they were measured on, where they do not say.
        outputs: npz of what the runner left; None: the one beside the report, of the same name, where there is one.
        provenance: who measured, on what, and how.
    """

    candidate: str | None = None
    device_class: DeviceClass | None = None
    outputs: Path | None = None
    provenance: Provenance = field(default_factory=Provenance)


@dataclass(frozen=True)
class Imported:
    """What came of a file.

    Attributes:
        file: its name.
        kind: what it was taken for.
        device: whose document has it now.
        candidates: what it is of.
        told: why its figures are told and not seen; None where they are seen.
    """

    file: str
    kind: str
    device: str
    candidates: tuple[str, ...]
    told: str | None = None


def import_files(
    folder: str | Path,
    files: Sequence[str | Path],
    *,
    given: Given | None = None,
    report: Callable[[str], None] = lambda _line: None,
) -> list[Imported]:
    """Bring files into a run, and write its report again.

    Args:
        folder: the run.
        files: reports of the runner, the document of the iPhone app, lists of latencies, tables or traces of a meter.
        given: what is said of all of them.
        report: takes a line of progress.

    Raises:
        RunFolderError: it is no run folder, or another process is at work in it.
        UsageError: candidate or device class is not to be known from a file, or the run has no such candidate.
        DocumentError: a file is none of these, has a field that is not known, or impossible figures.
    """
    given = given or Given()
    run = RunDir.open(Path(folder))
    bringing = Bringing(run, given, report)
    plans = [bringing.plan(Path(file)) for file in files]  # all are read before anything is written
    with run.held():
        done = bringing.apps([plan for plan in plans if plan.kind == APP])
        done += [bringing.take(plan) for plan in plans if plan.kind != APP]
        conclude(run)
    return done


@dataclass(frozen=True)
class Plan:
    """A file that was read: what it is, and what it holds."""

    file: Path
    kind: str
    value: Any = None
    candidate: str = ""


@dataclass(frozen=True)
class Bringing:
    """The files of one call.

    Attributes:
        run: where they go.
        given: what is said of them.
        report: takes a line of progress.
    """

    run: RunDir
    given: Given
    report: Callable[[str], None]

    def plan(self, file: Path) -> Plan:
        """What a file is.

        Raises:
            DocumentError: it is none that is taken. UsageError: it does not say of which candidate it is.
        """
        try:
            head = parse_json(file_bytes(file))
        except OSError as error:
            raise DocumentError(f"cannot read {file}: {error.strerror}") from error
        except msgspec.MsgspecError:
            return Plan(file, "power")  # a table, or text of Android's
        name = str(head.get("schema", "")).partition("/")[0] if isinstance(head, dict) else None
        try:
            if name == AppReport.SCHEMA[0]:
                return Plan(file, APP, strictly(head, AppReport))
            if name == PowerTrace.SCHEMA[0]:
                return Plan(file, "power")
            if name == RunnerReport.SCHEMA[0]:
                told = strictly(head, RunnerReport)
                return Plan(file, "runner", told, self._candidate(file, told.artifact))
        except msgspec.MsgspecError as error:
            raise DocumentError(f"{file} is no {name}: {error}") from error
        return Plan(file, "by hand", None, self._candidate(file, ""))

    def take(self, plan: Plan) -> Imported:
        """Bring one in."""
        if plan.kind == "power":
            return self._power(plan)
        if plan.kind == "by hand":
            device_class = self._class_of(plan.file, None)
            bring_back(self.run, device_class, {plan.candidate: plan.file}, self.given.provenance)
            return Imported(
                plan.file.name, plan.kind, f"{device_class} by hand", (plan.candidate,), f"{NO_MACHINE}; {NO_OUTPUTS}"
            )
        return self._runner(plan)

    def apps(self, plans: Sequence[Plan]) -> list[Imported]:
        """Bring in what the iPhone app told; files of one phone are its processes."""
        phones: dict[str, list[Plan]] = {}
        for plan in plans:
            phones.setdefault(plan.value.phone.model, []).append(plan)
        done = []
        for found in phones.values():
            document = bring_app_back(self.run, [plan.file for plan in found], self.report)
            self.run.write(msgspec.structs.replace(document, provenance=self.given.provenance))
            names = tuple(measured.candidate for measured in document.measurements if measured.steady is not None)
            done += [Imported(plan.file.name, APP, document.device, names) for plan in found]
        return done

    def _power(self, plan: Plan) -> Imported:
        candidates = [self.given.candidate] if self.given.candidate is not None else []
        device = next(
            (
                document.device
                for document in self.run.devices()
                if document.device_class == self.given.device_class and document.provenance is None
            ),
            None,
        )
        _, joined = join_trace(self.run.root, plan.file, candidates=candidates, device=device, given=TraceGiven())
        names = tuple(one.candidate for one in joined)
        missing = "; ".join(dict.fromkeys(one.energy.reason for one in joined if one.energy.reason is not None))
        return Imported(plan.file.name, plan.kind, device or "host", names, missing or None)

    def _runner(self, plan: Plan) -> Imported:
        told: RunnerReport = plan.value
        machine = told.machine
        device_class = self._class_of(plan.file, machine)
        beside = plan.file.with_suffix(".npz")
        outputs = self.given.outputs or (beside if beside.is_file() else None)
        found = seen(self.run, plan.candidate, read_npz(outputs), self.report) if outputs is not None else None
        lacking = [*doubts_of(machine, device_class), *([NO_OUTPUTS] if found is None else [])]
        measured = Measured(plan.candidate, (told,), failure=told.error)
        self._record(f"{device_class} by hand", device_class, machine, [measured], {plan.candidate: found}, lacking)
        why = "; ".join(lacking) or None
        return Imported(plan.file.name, plan.kind, f"{device_class} by hand", (plan.candidate,), why)

    def _record(
        self,
        device: str,
        device_class: DeviceClass,
        machine: Machine | None,
        measured: Sequence[Measured],
        outputs: dict[str, OutputsThere | None],
        lacking: Sequence[str],
    ) -> DeviceDocument:
        names = {one.candidate for one in measured}
        results: list[ConversionResult] = [
            result for result in self.run.read(ConversionDocument).candidates if result.candidate in names
        ]
        recorded = Recorded(
            device,
            device_class,
            machine or unknown_machine(),
            emulated=False,
            outputs={name: found for name, found in outputs.items() if found is not None},
        )
        document = record(self.run, results, {}, measured, recorded)
        why = "; ".join(lacking) or None
        document = msgspec.structs.replace(
            document,
            provenance=self.given.provenance,
            baseline=None,
            measurements=tuple(
                msgspec.structs.replace(known, told=why, ratio_to_baseline=None) if known.candidate in names else known
                for known in document.measurements
            ),
        )
        self.run.write(document)
        return document

    def _candidate(self, file: Path, artifact: str) -> str:
        known = [result.candidate for result in self.run.read(ConversionDocument).candidates]
        named = [self.given.candidate] if self.given.candidate is not None else [file.stem, *Path(artifact).parts]
        found = next((name for name in named if name in known), None)
        if found is None:
            raise UsageError(
                f"{file} does not say of which candidate it is, or the run has no such candidate",
                hint=f"--candidate NAME, one of {', '.join(known)}",
            )
        return found

    def _class_of(self, file: Path, machine: Machine | None) -> DeviceClass:
        if self.given.device_class is not None:
            return self.given.device_class
        if machine is not None and machine.cpu_model is not None and "Raspberry Pi" in machine.cpu_model:
            return "raspberry-pi"
        raise UsageError(f"{file} does not say what it was measured on", hint="--device CLASS, such as raspberry-pi")
