"""Phase 4, the devices: every candidate of phase 3 that can run, on every device that can be measured, interleaved.

A device is probed, what exists for it is chosen, its runtimes are brought there, outputs are held against the eager
model and against this machine, and what passes is timed. What cannot be measured is written down with its reason: a
candidate that has no artifact, or none for that processor, a figure that has no sensor.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgeproof.devices.base import Device, Effort, Measured, RecordsPower, Target
from edgeproof.devices.discover import open_device
from edgeproof.devices.journal import Journal
from edgeproof.devices.measuring import measure
from edgeproof.devices.patience import patiently
from edgeproof.devices.telling import described
from edgeproof.documents.base import plain_name
from edgeproof.documents.conversion import ConversionDocument, ConversionResult
from edgeproof.documents.device import DeviceDocument, OutputsThere
from edgeproof.documents.samples import SamplesDocument
from edgeproof.errors import DeviceError, UsageError
from edgeproof.meters.traces import Trace, read_trace
from edgeproof.phases.measurement import verifying
from edgeproof.phases.measurement.choosing import Chosen, choose
from edgeproof.phases.measurement.record import Recorded, chosen_candidates, record, targets_of
from edgeproof.phases.measurement.verifying import Verifying
from edgeproof.phases.power.joining import ONE_CLOCK, TraceGiven, join
from edgeproof.phases.quick import QUICK_EFFORT
from edgeproof.rundir import RunDir

__all__ = ["measure_devices", "measure_run"]

WORK = "work/devices"
"""What a measurement that ends early leaves in the run, a folder a device."""


def measure_run(run: RunDir, report: Callable[[str], None] = lambda _line: None) -> None:
    """Measure the run's candidates on the devices it asks for; the host, where it asks for none."""
    options = run.options()
    effort = QUICK_EFFORT if options.quick else Effort(paces=options.paces, hold=options.hold)
    stands = next((record.stands for record in run.manifest().phases if record.name == "devices"), ())
    further = tuple(
        result.candidate for result in run.read(ConversionDocument).candidates if result.candidate not in stands
    )
    if stands and not further:
        return
    measure_devices(
        run,
        devices=options.devices or ("host",),
        candidates=further if stands else (),
        effort=effort,
        threads=options.threads,
        again=False,
        report=report,
    )


def measure_devices(
    run: RunDir,
    *,
    devices: Sequence[str] = ("host",),
    candidates: Sequence[str] = (),
    effort: Effort | None = None,
    threads: Sequence[int] = (),
    again: bool = True,
    report: Callable[[str], None] = lambda _line: None,
) -> list[DeviceDocument]:
    """Measure the candidates and write ``phase4_devices/<device>.json`` for each device, raw values beside it.

    Args:
        run: the run; phases 1 and 3 are done.
        devices: addresses, as ``edgeproof devices`` lists them.
        candidates: which to measure; empty: all of phase 3.
        effort: how hard to measure; by default 2 fresh processes of 351 calls each, 5 s at most per candidate.
        threads: counts of threads to measure each with, interleaved; empty: the effort's.
        again: whether what a measurement that ended early left is measured anew, instead of gone on with.
        report: takes a line of progress.

    Raises:
        DocumentError: an earlier phase has written nothing, or nothing readable.
        UsageError: a candidate or a device is unknown.
        DeviceError: no device could be measured, or one was lost on the way; what was measured is kept.
    """
    chosen, skipped = chosen_candidates(run, candidates)
    work = Work(run, chosen, skipped, targets_of(run, chosen, skipped, threads), effort or Effort(), report, again)
    documents: list[DeviceDocument] = []
    refused: list[str] = []
    lost: list[str] = []
    for address in devices:
        device = None
        try:
            device = open_device(address)
            why_not = device.available()
            if why_not is not None:
                refused.append(str(why_not))
                report(refused[-1])
                continue
            documents.append(work.on(device))
        except DeviceError as error:
            report(str(error))
            (refused if device is None else lost).append(str(error))
        finally:
            if device is not None:
                device.close()
    if lost:
        raise DeviceError("; ".join(lost), hint=f"what was measured is kept: edgeproof run --resume {run.root}")
    if not documents:
        raise DeviceError("; ".join(refused) or "no device was named", hint="`edgeproof devices` lists them")
    return documents


@dataclass(frozen=True)
class Work:
    """What is done on each device.

    Attributes:
        run: the run.
        results: candidates that stand in the documents.
        skipped: those that cannot be measured anywhere, with the reason.
        targets: the others.
        effort: how hard to measure.
        report: takes a line of progress.
        again: whether what an earlier measurement that ended early left is measured anew.
    """

    run: RunDir
    results: Sequence[ConversionResult]
    skipped: Mapping[str, str]
    targets: Sequence[Target]
    effort: Effort
    report: Callable[[str], None]
    again: bool

    def on(self, device: Device) -> DeviceDocument:
        """Take one device through all steps, and write its document.

        Raises:
            DeviceError: it was lost, or cannot be equipped.
        """
        place = device.place()
        if place is None:
            measured = self._timed(device, self.targets, trust=self.run.trust)
            return self._recorded(device, self.skipped, measured, {})
        self.report(f"note: {device.name}: {described(device)}")
        folder = self.run.path(f"{WORK}/{plain_name(device.name)}")
        if self.again:
            shutil.rmtree(folder, ignore_errors=True)
        chosen, unfit = choose(self.targets, place, device.device_class, folder / "built", trust=self.run.trust)
        lacking = self._equipped(device, chosen)
        chosen = [one for one in chosen if one.target.candidate not in lacking]
        outputs = self._verified(device, chosen, folder)
        failed = {name: reason for name, told in outputs.items() if (reason := verifying.lost(told)) is not None}
        timed = [] if device.emulated else [one.target for one in chosen if one.target.candidate not in failed]
        measured = [Measured(name, (), failure=reason) for name, reason in failed.items()]
        timed = self._on_all_cores(device, timed)
        # What left this machine was opened here as trusted, and is nobody else's there.
        with self._metered(device, folder) as trace:
            measured += self._timed(device, timed, trust=True, journal=Journal(folder / "reports"))
        document = self._recorded(device, {**self.skipped, **unfit, **lacking}, measured, outputs)
        if trace is not None:
            document = self._with_power(document, read_trace(trace()))
        shutil.rmtree(folder, ignore_errors=True)
        return document

    @contextlib.contextmanager
    def _metered(self, device: Device, folder: Path) -> Iterator[Callable[[], Path] | None]:
        """The device's own meter, recorded there while the block runs; None where none is asked for."""
        if self.effort.meter is None or device.emulated:
            yield None
            return
        if not isinstance(device, RecordsPower):
            raise DeviceError(
                f"{device.name} records no meter of its own", hint="leave out board: for one of this machine"
            )
        with device.recorded(self.effort.meter, folder) as trace:
            yield trace

    def _with_power(self, document: DeviceDocument, trace: Trace) -> DeviceDocument:
        """The document with the energy of every load that was held while the trace was recorded."""
        try:
            _, joined = join(
                self.run, trace, device=document.device, given=TraceGiven(within_ms=0.0, clock_by=ONE_CLOCK)
            )
        except UsageError as error:
            self.report(f"warning: {document.device}: {error.message}")
            return document
        for one in joined:
            if one.energy.reason is not None:
                self.report(f"warning: {document.device}: {one.candidate}: no energy: {one.energy.reason}")
        return self.run.device(document.device) or document

    def _on_all_cores(self, device: Device, targets: Sequence[Target]) -> list[Target]:
        """On a board that runs our runner: one thread and as many as there are cores, where the run does not say. Our
        own engine has one."""
        place = device.place()
        cores = device.machine().usable_cores if place is not None and place.python is not None else 1
        known = {result.candidate: result for result in self.results}
        found = []
        for target in targets:
            counts = (None,) if target.threads or cores < 2 or known[target.candidate].sdk else (1, cores)
            found += [replace(target, threads=count or target.threads) for count in counts]
        return found

    def _timed(
        self, device: Device, targets: Sequence[Target], *, trust: bool, journal: Journal | None = None
    ) -> list[Measured]:
        inputs = self.run.path(self.run.read(SamplesDocument).held_out.file)
        return (
            measure(device, targets, inputs, self.effort, self.report, trust=trust, journal=journal) if targets else []
        )

    def _recorded(
        self,
        device: Device,
        skipped: Mapping[str, str],
        measured: Sequence[Measured],
        outputs: Mapping[str, OutputsThere],
    ) -> DeviceDocument:
        recorded = Recorded(
            device.name,
            device.device_class,
            device.machine(),
            emulated=device.emulated,
            board=device.board(),
            outputs=outputs,
        )
        return record(self.run, self.results, skipped, measured, recorded)

    def _equipped(self, device: Device, chosen: Sequence[Chosen]) -> dict[str, str]:
        """Candidates whose runtime is not to be had there, and why."""
        needed = {one.target.candidate: one.kind.runtime_requires for one in chosen}
        wanted = list(dict.fromkeys(itertools.chain(*needed.values())))
        lacking = patiently(lambda: device.equip(wanted, self.report), self.report)
        return {
            name: lacking[first]
            for name, wanted in needed.items()
            if (first := next((word for word in wanted if word in lacking), None)) is not None
        }

    def _verified(self, device: Device, chosen: Sequence[Chosen], folder: Path) -> dict[str, OutputsThere]:
        verifying_run = Verifying.of_run(self.run, folder / "outputs", self.report)
        return verifying_run.verify(device, chosen) if verifying_run is not None else {}
