"""``adb:[serial]``: an Android phone. A candidate's own static program runs in a folder of the run's own there.

There is no Python on a phone, so the job is that of ``devices.native_program``. What the phone says of its heat, clocks
and battery is read before and after each process, in the same round trip.
"""

from __future__ import annotations

import contextlib
import hashlib
import secrets
import shlex
import shutil
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from edgeproof.devices.adb.client import Adb, LinkLost
from edgeproof.devices.adb.health import HEALTH, cpu_temperature_c, read_conditions, throttled
from edgeproof.devices.adb.listing import attached, find_adb
from edgeproof.devices.adb.probe import HOME, PROBE, Phone, read_phone
from edgeproof.devices.base import Place, Report
from edgeproof.devices.native_program import open_program, program_words, read_outputs, report_of, write_inputs
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.device import Board, DeviceClass
from edgeproof.documents.environment import Machine
from edgeproof.documents.runner import OutputSummary, RunnerJob, RunnerReport
from edgeproof.errors import DeviceError, EdgeProofError, ProcessError
from edgeproof.process import Limits, outcome_of
from edgeproof.scratch import scratch_folder

__all__ = ["DEVICE", "AdbDevice"]

RUN_TRIES = 2
LOOK_S = 5.0
"""Between two looks at a phone that cools down."""
CANNOT_RUN = (126, 127)
"""What a shell ends with for a program of another architecture, or none."""
ROOM = 4 << 20
"""Left free on the phone beside what is brought."""


class Ran(NamedTuple):
    """What came of a process there."""

    code: int
    said: str
    report: str
    before: str
    after: str


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
        self._folder: str | None = None
        self._here = contextlib.ExitStack()
        self._scratch: Path | None = None
        self._brought: dict[str, Path] = {}
        self._inputs: dict[tuple[str, str, int | None], str] = {}
        self._held: dict[str, str] = {}
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
        return self._told().place

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
            file = self._bring(path / document.file)
            there = file.rpartition("/")[0]
        elif path.suffix == ".npz" or path.is_dir():
            there = f"{self._home()}/samples-{len(self._brought)}"
        else:
            there = self._bring(path)
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
        try:
            program = open_program(folder, trust=job.trust)
            inputs = self._raw_inputs(program.document, job, samples)
        except DeviceError:
            raise
        except EdgeProofError as error:
            return RunnerReport(artifact=job.artifact, error=str(error))
        waited_s = self._cooled(job)
        outputs = f"{self._home()}/outputs" if job.outputs is not None else None
        words = [f"{job.artifact}/{program.document.file}", *program_words(job, inputs, outputs)]
        for attempt in range(1, RUN_TRIES + 1):
            began = time.monotonic()
            try:
                ran = self._process(words, limits)
                break
            except LinkLost as error:
                self._stop()
                if time.monotonic() - began >= limits.wall:
                    said = f"the program was stopped after {limits.wall:.0f} s by the clock"
                    return RunnerReport(artifact=job.artifact, error=said)
                if attempt == RUN_TRIES or not self._client().back():
                    raise
                self._client().report(f"{error.message}: {self.name} was reached again, the process is run again")
        if ran.code != 0:
            return RunnerReport(artifact=job.artifact, error=self._why(ran, program.document))
        summaries: tuple[OutputSummary, ...] = ()
        if outputs is not None and job.outputs is not None:
            summaries = self._fetch(program.document, outputs, job.outputs)
        report = report_of(ran.report.encode(), job, machine=self.machine(), outputs=summaries)
        answers = [found for found in (throttled(ran.before), throttled(ran.after)) if found is not None]
        return msgspec.structs.replace(
            report,
            waited_s=waited_s,
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
        if self._folder is not None and self._adb is not None:
            self._stop()
            with contextlib.suppress(DeviceError, ProcessError):
                self._adb.shell(f"rm -rf {self._folder}")
            self._folder = None
        self._here.close()
        self._scratch = None
        self._brought.clear()
        self._inputs.clear()
        self._held.clear()
        self._outputs.clear()

    def _client(self) -> Adb:
        """The client, with the serial of the device.

        Raises:
            DeviceError: there is no client, no such device, or it cannot be used.
        """
        if self._adb is not None:
            return self._adb
        program = find_adb()
        if program is None:
            raise DeviceError(
                "there is no adb on this machine", hint="apt-get install adb, or Android's platform-tools"
            )
        try:
            found = attached(program)
            ready = [phone for phone in found if phone.ready]
            if not self._serial and len(ready) != 1:
                names = ", ".join(f"adb:{phone.serial}" for phone in ready)
                waits = "; ".join(f"{phone.serial} is {phone.state}: {phone.remedy}" for phone in found)
                raise DeviceError(
                    f"adb has {len(ready)} devices; expected one", hint=names or waits or "plug one in, or adb connect"
                )
            serial = self._serial or ready[0].serial
            client = Adb(program, serial)
            phone = next((phone for phone in found if phone.serial == serial), None)
            if phone is None and client.network:
                said = client.connect()
                phone = next((phone for phone in attached(program) if phone.serial == serial), None)
                if phone is None:
                    raise DeviceError(f"{serial} cannot be connected: {said}", hint="is adb over Wi-Fi on there?")
            if phone is None:
                known = ", ".join(found.serial for found in found) or "none"
                raise DeviceError(f"adb knows no {serial}", hint=f"it knows: {known}")
            if phone.state == "offline" and client.back():
                phone = next((phone for phone in attached(program) if phone.serial == serial), phone)
        except ProcessError as error:
            raise DeviceError(error.message, hint=error.hint) from error
        if not phone.ready:
            raise DeviceError(f"{serial} is {phone.state}", hint=phone.remedy)
        self._serial, self._adb = serial, client
        return client

    def _told(self) -> Phone:
        if self._phone is None:
            client = self._client()
            began = time.time_ns()
            said = client.shell(PROBE).text
            self._phone = phone = read_phone(said, client.serial)
            if phone.clock_unix_ns is not None:  # read at the beginning, before what takes longest
                self._clock_offset_ms = round((phone.clock_unix_ns - began) / 1e6, 1)
        return self._phone

    def _home(self) -> str:
        """The folder of the run's own there."""
        if self._folder is None:
            folder = f"{HOME}/edgeproof-{secrets.token_hex(4)}"
            made = self._client().shell(f"mkdir -p {folder} && chmod 700 {folder}")
            if made.code != 0:
                raise DeviceError(f"{self.name} has no folder to work in: {made.err.decode(errors='replace').strip()}")
            self._folder = folder
        return self._folder

    def _local(self) -> Path:
        """A folder here for what goes there and comes back."""
        if self._scratch is None:
            self._scratch = self._here.enter_context(scratch_folder("adb"))
        return self._scratch

    def _bring(self, path: Path) -> str:
        """Push a file into a folder named by its content, hold what arrived against it, and give its path there."""
        with path.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
        if digest in self._held:
            return self._held[digest]
        size, free = path.stat().st_size, self._told().place.disk_bytes
        if free is not None and size + ROOM > free:
            raise DeviceError(f"{self.name} has {free >> 20} MiB free, and {path.name} has {size >> 20}")
        client, folder = self._client(), f"{self._home()}/{digest[:12]}"
        there = f"{folder}/{path.name}"
        file = shlex.quote(there)
        client.shell(f"mkdir -p {folder}")
        client.push(path, there)
        found = client.shell(f"chmod 755 {file}; sha256sum {file} 2>/dev/null || wc -c < {file}").text.split()
        if not found or found[0] not in (digest, str(size)):
            raise DeviceError(f"{path.name} arrived on {self.name} as something else: {' '.join(found) or 'nothing'}")
        self._held[digest] = there
        return there

    def _raw_inputs(self, document: ArtifactDocument, job: RunnerJob, samples: Path) -> str:
        key = (job.artifact, job.inputs, job.limit)
        if key not in self._inputs:
            raw = self._local() / f"inputs-{len(self._inputs)}"
            write_inputs(document, samples, raw, limit=job.limit)
            self._inputs[key] = self._bring(raw)
            raw.unlink()
        return self._inputs[key]

    def _process(self, words: Sequence[str], limits: Limits) -> Ran:
        """Run a program there, with the phone's conditions around it.

        Raises:
            LinkLost: nothing, or not all of it, came back.
        """
        folder, mark = self._home(), secrets.token_hex(4)
        script = (
            f"{HEALTH}; echo {mark}\n"
            f"{shlex.join(words)} --exec-unix-ns $(date +%s%N) > {folder}/report 2> {folder}/said < /dev/null & "
            f"echo $! > {folder}/pid; wait $!; code=$?; rm -f {folder}/pid\n"
            f"echo {mark}; echo $code; echo {mark}; cat {folder}/said; echo {mark}; cat {folder}/report; echo {mark}\n"
            f"{HEALTH}; echo {mark}"
        )
        answer = self._client().shell(script, timeout_s=limits.wall, again=False)
        parts = answer.text.split(f"{mark}\n")
        if len(parts) != 6 + 1 or not parts[2].strip().isdigit():
            raise LinkLost(f"{self.name} was lost while a process ran there")
        before, _, code, said, report, after, _ = parts
        return Ran(int(code), said.strip(), report, before, after)

    def _cooled(self, job: RunnerJob) -> float:
        """Wait until the phone is as cool as a job asks; seconds that it took."""
        began = time.monotonic()
        while job.below is not None and time.monotonic() - began < job.wait:
            degrees = cpu_temperature_c(self._client().shell(HEALTH).text)
            if degrees is None or degrees <= job.below:
                break
            time.sleep(min(LOOK_S, job.wait))
        return round(time.monotonic() - began, 3) if job.below is not None else 0.0

    def _stop(self) -> None:
        """Kill what runs there, where the device answers."""
        if self._folder is None or self._adb is None:
            return
        with contextlib.suppress(DeviceError, ProcessError):
            self._adb.shell(f"[ -f {self._folder}/pid ] && kill -9 $(cat {self._folder}/pid); rm -f {self._folder}/pid")

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
