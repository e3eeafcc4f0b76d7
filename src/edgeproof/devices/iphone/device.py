"""``iphone:[id]``: an iPhone from a Mac with Xcode. The app of ``project`` is built around what is brought; jobs are
launches of it.

It has never run: there was neither a Mac nor an iPhone. Tests hold its commands against a script that stands for them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from edgeproof.devices.base import Place, Report
from edgeproof.devices.iphone import commands
from edgeproof.devices.iphone.project import AppEffort, Shipped, write_project
from edgeproof.devices.iphone.reported import TAKEN
from edgeproof.devices.iphone.results import machine_of, outputs_of, read_app_report, reports_of
from edgeproof.documents.app import AppReport
from edgeproof.documents.artifact import ArtifactDocument
from edgeproof.documents.base import read_document
from edgeproof.documents.device import Board, DeviceClass
from edgeproof.documents.environment import Machine
from edgeproof.documents.parsing import parse_json
from edgeproof.documents.runner import RunnerJob, RunnerReport
from edgeproof.errors import DeviceError, EdgeProofError, ProcessError
from edgeproof.process import Limits, ask
from edgeproof.scratch import scratch_folder

__all__ = ["DEVICE", "TEAM", "IphoneDevice"]

TEAM = "EDGEPROOF_TEAM"
"""The environment variable that names the developer team whose signature the phone takes."""
MAC = sys.platform == "darwin"
BUILD_S, COMMAND_S = 1800.0, 120.0
IN_FOLDER = 'cd "$1" && shift && exec "$@"'
EVERY_SAMPLE = 1 << 20


class IphoneDevice:
    """A phone that is paired with this Mac.

    Args:
        address: its identifier, as ``xcrun devicectl list devices`` tells it; empty: the only one there is.
    """

    device_class: DeviceClass = "iphone"
    emulated = False

    def __init__(self, address: str = "") -> None:
        self._id = address
        self._found: Mapping[str, Any] | None = None
        self._brought: dict[str, Path] = {}
        self._built: frozenset[str] = frozenset()
        self._outputs: dict[str, Path] = {}
        self._told: AppReport | None = None
        self._folders = contextlib.ExitStack()
        self._scratch: Path | None = None
        self._report: Report = lambda _line: None

    @property
    def name(self) -> str:
        return f"iphone:{self._id}"

    def available(self) -> DeviceError | None:
        try:
            self._phone()
        except DeviceError as error:
            return error
        return None

    def board(self) -> Board:
        return Board(name=self.machine().cpu_model, emulated="no")

    def machine(self) -> Machine:
        """What the app tells, once it has run; before that, what the Mac knows of the phone."""
        if self._told is not None:
            return machine_of(self._told)
        hardware, properties = (self._phone().get(key, {}) for key in ("hardwareProperties", "deviceProperties"))
        return Machine(
            system="iOS",
            release=str(properties.get("osVersionNumber", "unknown")),
            architecture="arm64",
            cpu_model=str(hardware.get("productType", hardware.get("marketingName", "iPhone"))),
            logical_cores=0,
            usable_cores=0,
            memory_bytes=0,
            python="none",
            governor=None,
            max_mhz=None,
            virtual=False,
            temperature_c=None,
        )

    def place(self) -> Place:
        return Place(system="ios", architecture="aarch64", python=None, taken=TAKEN)

    def equip(self, requirements: Sequence[str], report: Report) -> Mapping[str, str]:
        """An app brings all that it needs."""
        self._report = report
        return {}

    def put(self, path: Path) -> str:
        """Kept here, and built into the app with the first job that takes it."""
        self._brought[str(path)] = path
        return str(path)

    def run(self, job: RunnerJob, limits: Limits) -> RunnerReport:
        """Launch the app for one artifact, which is built into it first where it is not.

        Raises:
            DeviceError: Xcode or the phone failed.
        """
        folder = self._brought[job.artifact]
        document = read_document(folder / ArtifactDocument.FILE, ArtifactDocument)
        candidate = document.candidate
        if candidate not in self._built:
            try:
                self._build(self._brought[job.inputs])
            except DeviceError:
                raise
            except EdgeProofError as error:
                return RunnerReport(artifact=job.artifact, error=str(error))
        effort = {
            "warmup": job.warmup,
            "measure": 0 if job.pace is not None else job.measure,
            "seconds": job.seconds or 1e6,
            "pace": job.pace or 0.0,
            "paced": job.measure if job.pace is not None else 0,
            "hold": job.hold or 0.0,
        }
        asked = msgspec.json.encode(effort).decode()
        self._ask(commands.launch(self._id, candidate, effort=asked), limits.wall)
        results = self._local() / "results"
        shutil.rmtree(results, ignore_errors=True)
        self._ask(commands.copy(self._id, str(results)), COMMAND_S)
        newest = max(results.rglob("edgeproof-*.json"), key=lambda path: path.name, default=None)
        if newest is None:
            return RunnerReport(artifact=job.artifact, error="the app wrote no report")
        try:
            self._told = told = read_app_report(newest)
            report = reports_of(told)[candidate]
            measured = next(found for found in told.candidates if found.candidate == candidate)
            if job.outputs is not None and report.error is None:
                self._keep(job.outputs, outputs_of(measured))
        except (EdgeProofError, KeyError, StopIteration) as error:
            return RunnerReport(artifact=job.artifact, error=f"the app's report cannot be used: {error}")
        if job.pace is not None:
            report = msgspec.structs.replace(report, steady_us=measured.paced_us)
        return msgspec.structs.replace(report, artifact=job.artifact)

    def get(self, path: str, to: Path) -> None:
        if path not in self._outputs:
            raise DeviceError(f"{self.name} has no {path}")
        shutil.copyfile(self._outputs[path], to)

    def close(self) -> None:
        """Take the app off the phone."""
        if self._built:
            with contextlib.suppress(DeviceError):
                self._ask(commands.remove(self._id), COMMAND_S)
            self._built = frozenset()
        self._folders.close()
        self._scratch = None

    def _phone(self) -> Mapping[str, Any]:
        """What the Mac knows of the phone.

        Raises:
            DeviceError: this is no Mac, or it has no such phone that can be used.
        """
        if self._found is not None:
            return self._found
        if not MAC or shutil.which("xcrun") is None:
            raise DeviceError(
                "an iPhone is measured from a Mac with Xcode", hint="edgeproof runbook RUN --iphone DIR writes the app"
            )
        if not os.environ.get(TEAM):
            raise DeviceError(
                "an app has to be signed by a developer team", hint=f"set {TEAM} to the team's identifier"
            )
        file = self._local() / "devices.json"
        self._ask(commands.listing(str(file)), COMMAND_S)
        told: Any = parse_json(file.read_bytes())
        phones: dict[str, Mapping[str, Any]] = {
            str(found.get("identifier")): found
            for found in told.get("result", {}).get("devices", ())
            if found.get("hardwareProperties", {}).get("platform") == "iOS"
        }
        if not self._id and len(phones) != 1:
            known = ", ".join(f"iphone:{number}" for number in phones)
            raise DeviceError(f"this Mac knows {len(phones)} iPhones; expected one", hint=known or "pair one in Xcode")
        number = self._id or next(iter(phones))
        if number not in phones:
            raise DeviceError(f"this Mac knows no iPhone {number}", hint=f"it knows: {', '.join(phones) or 'none'}")
        found = phones[number]
        pairing = found.get("connectionProperties", {}).get("pairingState")
        mode = found.get("deviceProperties", {}).get("developerModeStatus", "enabled")
        if pairing != "paired":
            raise DeviceError(
                f"the iPhone {number} is {pairing}", hint="unlock it, trust this Mac, and pair it in Xcode"
            )
        if mode != "enabled":
            raise DeviceError(
                f"developer mode of the iPhone {number} is {mode}", hint="Settings, Privacy & Security, Developer Mode"
            )
        self._id, self._found = number, found
        return found

    def _local(self) -> Path:
        if self._scratch is None:
            self._scratch = self._folders.enter_context(scratch_folder("iphone"))
        return self._scratch

    def _build(self, samples: Path) -> None:
        """The app with everything that was brought so far, on the phone."""
        self._phone()
        shipped = []
        for path in self._brought.values():
            if path.is_dir() and (path / ArtifactDocument.FILE).is_file():
                document = read_document(path / ArtifactDocument.FILE, ArtifactDocument)
                shipped.append(Shipped(document.candidate, path, document))
        project = self._local() / "app"
        effort = AppEffort(samples=EVERY_SAMPLE, pace=0.0, paced=0)
        skipped = write_project(project, "edgeproof", shipped, samples, effort)
        self._report(f"{self.name}: building the app for {', '.join(one.candidate for one in shipped)}")
        self._ask(commands.build(os.environ[TEAM]), BUILD_S, folder=project)
        self._ask(commands.install(self._id), COMMAND_S, folder=project)
        self._built = frozenset(one.candidate for one in shipped) - skipped.keys()

    def _keep(self, name: str, outputs: Mapping[str, Any]) -> None:
        import numpy as np

        file = self._local() / f"outputs-{len(self._outputs)}.npz"
        np.savez(file, allow_pickle=False, **outputs)
        self._outputs[name] = file

    def _ask(self, words: Sequence[str], timeout_s: float, *, folder: Path | None = None) -> None:
        """Run one of Xcode's commands.

        Raises:
            DeviceError: it failed, with the last line that it said.
        """
        there = [*(("sh", "-c", IN_FOLDER, "sh", str(folder)) if folder is not None else ()), *words]
        try:
            done = ask(there, timeout_s=timeout_s)
        except ProcessError as error:
            raise DeviceError(f"{self.name}: {error.message}") from error
        if done.returncode != 0:
            lines = (done.stdout + b"\n" + done.stderr).decode(errors="replace").splitlines()
            said = next((line for line in lines if "error:" in line.lower()), next(filter(None, reversed(lines)), ""))
            raise DeviceError(f"{self.name}: {' '.join(words[1:4])} failed: {said.strip()}")


DEVICE = IphoneDevice
