"""What an app told of a phone, as that phone: jobs are answered by its reports, so that they are held against the eager
model and recorded as those of any other device. Nothing runs."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from edgeproof.devices.base import Place, Report
from edgeproof.devices.iphone.results import machine_of, outputs_of, reports_of
from edgeproof.documents.app import AppMeasured, AppReport
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import read_document
from edgeproof.documents.device import Board, DeviceClass
from edgeproof.documents.environment import Machine
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.errors import DeviceError
from edgeproof.process import Limits
from edgeproof.scratch import scratch_folder

__all__ = ["TAKEN", "ReportedPhone"]

TAKEN = (".mlpackage", ".so", ".dylib")
"""Files that the app holds; a library stands for the C beside it."""


class ReportedPhone:
    """A phone that was measured before.

    Args:
        told: reports of the app, of one phone.

    Raises:
        DeviceError: there are none, or they are of several phones. DocumentError: their outputs cannot be read.
    """

    device_class: DeviceClass = "iphone"

    def __init__(self, told: Sequence[AppReport]) -> None:
        phones = {report.phone for report in told}
        if len(phones) != 1:
            models = ", ".join(sorted(f"{phone.model} ({phone.system})" for phone in phones)) or "none"
            raise DeviceError(f"expected reports of one phone, found {models}", hint="bring them in one by one")
        self._told = told[0]
        self._reports: dict[str, list[RunnerReport]] = {}
        self._measured: dict[str, AppMeasured] = {}
        for report in told:
            for candidate, found in reports_of(report).items():
                self._reports.setdefault(candidate, []).append(found)
            self._measured |= {measured.candidate: measured for measured in report.candidates}
        self._turns = dict.fromkeys(self._reports, 0)
        self._outputs: dict[str, Path] = {}
        self._folders = contextlib.ExitStack()

    @property
    def name(self) -> str:
        return f"iphone:{self._told.phone.model}"

    @property
    def emulated(self) -> bool:
        return self._told.phone.simulator

    @property
    def rounds(self) -> int:
        """Processes that each of its candidates was in, at the least."""
        return min(map(len, self._reports.values()))

    @property
    def candidates(self) -> tuple[str, ...]:
        """That it told of."""
        return tuple(self._reports)

    def available(self) -> DeviceError | None:
        return None

    def board(self) -> Board:
        return Board(name=self._told.phone.model, emulated="yes" if self.emulated else "no")

    def machine(self) -> Machine:
        return machine_of(self._told)

    def place(self) -> Place:
        return Place(system="ios", architecture="aarch64", python=None, taken=TAKEN)

    def equip(self, requirements: Sequence[str], report: Report) -> Mapping[str, str]:
        """It had all that it needed."""
        return {}

    def put(self, path: Path) -> str:
        """Stays here."""
        return str(path)

    def run(self, job: RunnerJob, limits: Limits) -> RunnerReport:
        """The next of the reports of an artifact's candidate; the last one again, where there are no more."""
        candidate = read_document(Path(job.artifact) / ArtifactDocument.FILE, ArtifactDocument).candidate
        reports = self._reports.get(candidate)
        if reports is None:
            return RunnerReport(artifact=job.artifact, error="the app did not measure it")
        if job.outputs is not None:
            self._keep(job.outputs, self._measured[candidate])
            return msgspec.structs.replace(reports[-1], artifact=job.artifact)
        turn = min(self._turns[candidate], len(reports) - 1)
        self._turns[candidate] += 1
        report = reports[turn]
        if job.pace is not None:
            report = msgspec.structs.replace(report, steady_us=self._measured[candidate].paced_us)
        return msgspec.structs.replace(report, artifact=job.artifact)

    def get(self, path: str, to: Path) -> None:
        if path not in self._outputs:
            raise DeviceError(f"{self.name} has no {path}")
        shutil.copyfile(self._outputs[path], to)

    def close(self) -> None:
        """Nothing of ours runs there."""
        self._folders.close()

    def _keep(self, name: str, measured: AppMeasured) -> None:
        import numpy as np

        outputs = outputs_of(measured)
        if not outputs:
            raise DeviceError(f"{self.name}: the app told no outputs of {measured.candidate}")
        if name not in self._outputs:
            self._outputs[name] = self._folders.enter_context(scratch_folder("app")) / "outputs.npz"
        np.savez(self._outputs[name], allow_pickle=False, **outputs)
