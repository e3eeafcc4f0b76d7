"""``adb:[serial]``: an Android phone. A candidate's own static program runs in a folder of the run's own there.

There is no Python on a phone, so the job is that of ``devices.native_program``. What the phone says of its heat, clocks
and battery is read before and after each process, in the same round trip.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from edgeproof.devices.adb.benchmarks import Benchmark, benchmarks_here
from edgeproof.devices.adb.client import Adb
from edgeproof.devices.adb.connecting import connect
from edgeproof.devices.adb.health import HEALTH, cpu_temperature_c, read_conditions, throttled
from edgeproof.devices.adb.probe import PROBE, Phone, read_phone
from edgeproof.devices.adb.visit import Ran, Visit
from edgeproof.devices.base import Place, Report
from edgeproof.devices.native_program import open_program, program_words, read_outputs, report_of, write_inputs
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import read_document
from edgeproof.documents.device import Board, DeviceClass
from edgeproof.documents.environment import Machine
from edgeproof.documents.runner import OutputSummary, RunnerJob, RunnerReport
from edgeproof.errors import DeviceError, EdgeProofError
from edgeproof.process import Limits, outcome_of
from edgeproof.scratch import scratch_folder

__all__ = ["DEVICE", "AdbDevice"]

LOOK_S = 5.0
"""Between two looks at a phone that cools down."""
CANNOT_RUN = (126, 127)
"""What a shell ends with for a program of another architecture, or none."""


class AdbDevice:
    """A phone.

    Args:
        address: its serial, or ``host:port`` in the network; empty: the only one there is.
    """

    device_class: DeviceClass = "android"

    def __init__(self, address: str = "") -> None:
        self._serial = address
        self._adb: Adb | None = None
        self._phone: Phone | None = None
        self._clock_offset_ms: float | None = None
        self._visit: Visit | None = None
        self._here = contextlib.ExitStack()
        self._scratch: Path | None = None
        self._brought: dict[str, Path] = {}
        self._inputs: dict[tuple[str, str, int | None], str] = {}
        self._outputs: dict[str, Path] = {}

    @property
    def name(self) -> str:
        return f"adb:{self._serial}"

    @property
    def emulated(self) -> bool:
        return self._told().emulated is not None

    def available(self) -> DeviceError | None:
        try:
            self._told()
        except EdgeProofError as error:
            return error if isinstance(error, DeviceError) else DeviceError(error.message, hint=error.hint)
        return None

    def machine(self) -> Machine:
        return self._told().machine

    def board(self) -> Board:
        told = self._told()
        return Board(
            name=told.machine.cpu_model,
            libc=told.place.libc,
            disk_free_bytes=told.place.disk_bytes,
            emulated="no" if told.emulated is None else "yes",
            signs=() if told.emulated is None else (told.emulated,),
            clock_offset_ms=self._clock_offset_ms,
        )

    def place(self) -> Place:
        return dataclasses.replace(self._told().place, timed_only=tuple(benchmarks_here()))

    def equip(self, requirements: Sequence[str], report: Report) -> Mapping[str, str]:
        """A static program needs nothing there."""
        self._client().report = report
        return {}

    def put(self, path: Path) -> str:
        """Bring a program there. Samples are kept here, and go there as raw numbers with the first job that takes them.

        Raises:
            DeviceError: the device was lost, has no room, or what arrived is something else.
        """
        if path.is_dir() and (path / ArtifactDocument.FILE).is_file():
            document = msgspec.json.decode((path / ArtifactDocument.FILE).read_bytes(), type=ArtifactDocument)
            file = self._there().bring(path / document.file)
            there = file.rpartition("/")[0]
        elif path.suffix == ".npz" or path.is_dir():
            there = f"{self._there().folder}/samples-{len(self._brought)}"
        else:
            there = self._there().bring(path)
        self._brought[there] = path
        return there

    def run(self, job: RunnerJob, limits: Limits) -> RunnerReport:
        """Run the program of ``job.artifact``, once more where the link was lost in it.

        Raises:
            DeviceError: the device was lost, and did not come back.
        """
        folder, samples = self._brought.get(job.artifact), self._brought.get(job.inputs)
        if folder is None or samples is None:
            raise DeviceError(f"{self.name}: {job.artifact} and {job.inputs} have to be put there first")
        document = read_document(folder / ArtifactDocument.FILE, ArtifactDocument)
        benchmark = benchmarks_here().get(Path(document.file).suffix)
        if benchmark is not None:
            return self._benchmark(benchmark, document, job, limits)
        try:
            program = open_program(folder, trust=job.trust)
            inputs = self._raw_inputs(program.document, job, samples)
        except DeviceError:
            raise
        except EdgeProofError as error:
            return RunnerReport(artifact=job.artifact, error=str(error))
        waited_s = self._cooled(job)
        outputs = f"{self._there().folder}/outputs" if job.outputs is not None else None
        words = [f"{job.artifact}/{program.document.file}", *program_words(job, inputs, outputs)]
        ran = self._there().run(words, limits, start=True)
        if isinstance(ran, str) or ran.code != 0:
            return RunnerReport(artifact=job.artifact, error=ran if isinstance(ran, str) else self._why(ran, document))
        summaries: tuple[OutputSummary, ...] = ()
        if outputs is not None and job.outputs is not None:
            summaries = self._fetch(program.document, outputs, job.outputs)
        report = report_of(ran.report.encode(), job, machine=self.machine(), outputs=summaries)
        return msgspec.structs.replace(self._around(report, ran), waited_s=waited_s)

    def _benchmark(
        self, benchmark: Benchmark, document: ArtifactDocument, job: RunnerJob, limits: Limits
    ) -> RunnerReport:
        """Times of a runtime's own program; it gives no outputs, and calls at a pace are none of its."""
        if job.outputs is not None or job.pace is not None or job.hold is not None:
            said = f"{benchmark.title} gives times of calls back to back alone"
            return RunnerReport(artifact=job.artifact, error=said)
        waited_s, results = self._cooled(job), f"{self._there().folder}/results"
        self._client().shell(f"rm -f {results}")
        program = self._there().bring(benchmark.program)
        words = benchmark.words(program, f"{job.artifact}/{document.file}", results, job)
        ran = self._there().run(words, limits, start=False)
        if isinstance(ran, str) or ran.code != 0:
            return RunnerReport(artifact=job.artifact, error=ran if isinstance(ran, str) else self._why(ran, document))
        told = self._client().shell(f"cat {results}").text
        report = benchmark.read(f"{ran.report}\n{ran.said}", told, job)
        return msgspec.structs.replace(self._around(report, ran), waited_s=waited_s, machine=self.machine())

    def _around(self, report: RunnerReport, ran: Ran) -> RunnerReport:
        """The report with what the phone said before and after."""
        answers = [found for found in (throttled(ran.before), throttled(ran.after)) if found is not None]
        return msgspec.structs.replace(
            report,
            conditions=(read_conditions(ran.before), read_conditions(ran.after)),
            temperature_before_c=cpu_temperature_c(ran.before) or report.temperature_before_c,
            temperature_after_c=cpu_temperature_c(ran.after) or report.temperature_after_c,
            throttled=any(answers) if answers else None,
        )

    def get(self, path: str, to: Path) -> None:
        """Bring outputs, or any other file, from there."""
        if path in self._outputs:
            shutil.copyfile(self._outputs[path], to)
            return
        self._client().pull(path, to)

    def close(self) -> None:
        """Stop what runs there, and remove the folder; a phone that is gone keeps it."""
        if self._visit is not None:
            self._visit.close()
            self._visit = None
        self._here.close()
        self._scratch = None
        self._brought.clear()
        self._inputs.clear()
        self._outputs.clear()

    def _client(self) -> Adb:
        """The client of the device.

        Raises:
            DeviceError: there is none, or it cannot be used.
        """
        if self._adb is None:
            self._adb = connect(self._serial)
            self._serial = self._adb.serial
        return self._adb

    def _there(self) -> Visit:
        """The folder of the run's own there."""
        if self._visit is None:
            self._visit = Visit(self._client(), self._told().place.disk_bytes)
        return self._visit

    def _told(self) -> Phone:
        if self._phone is None:
            client = self._client()
            began = time.time_ns()
            said = client.shell(PROBE).text
            self._phone = phone = read_phone(said, client.serial)
            if phone.clock_unix_ns is not None:  # read at the beginning, before what takes longest
                self._clock_offset_ms = round((phone.clock_unix_ns - began) / 1e6, 1)
        return self._phone

    def _local(self) -> Path:
        """A folder here for what goes there and comes back."""
        if self._scratch is None:
            self._scratch = self._here.enter_context(scratch_folder("adb"))
        return self._scratch

    def _raw_inputs(self, document: ArtifactDocument, job: RunnerJob, samples: Path) -> str:
        key = (job.artifact, job.inputs, job.limit)
        if key not in self._inputs:
            raw = self._local() / f"inputs-{len(self._inputs)}"
            write_inputs(document, samples, raw, limit=job.limit)
            self._inputs[key] = self._there().bring(raw)
        return self._inputs[key]

    def _cooled(self, job: RunnerJob) -> float:
        """Wait until the phone is as cool as a job asks; seconds that it took."""
        began = time.monotonic()
        while job.below is not None and time.monotonic() - began < job.wait:
            degrees = cpu_temperature_c(self._client().shell(HEALTH).text)
            if degrees is None or degrees <= job.below:
                break
            time.sleep(min(LOOK_S, job.wait))
        return round(time.monotonic() - began, 3) if job.below is not None else 0.0

    def _why(self, ran: Ran, document: ArtifactDocument) -> str:
        """Why a process failed, in words."""
        if ran.code in CANNOT_RUN:
            told = self._told()
            return f"{document.file} cannot be run on {told.machine.cpu_model}, {told.place.architecture}: {ran.said}"
        ended = outcome_of(128 - ran.code if ran.code > 128 else ran.code)
        return f"the program {ended}{f'; it said: {ran.said}' if ran.said else ''}"

    def _fetch(self, document: ArtifactDocument, there: str, name: str) -> tuple[OutputSummary, ...]:
        """Pull outputs, and keep them as the npz that ``get`` gives under that name."""
        raw, npz = self._local() / "outputs", self._local() / f"outputs-{len(self._outputs)}.npz"
        self._client().pull(there, raw)
        summaries = read_outputs(document, raw, npz)
        raw.unlink()
        self._outputs[name] = npz
        return summaries


DEVICE = AdbDevice
