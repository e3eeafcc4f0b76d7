"""Phase 4, the devices: every candidate of phase 3 that can run, on every device that can be measured, interleaved.

What cannot be measured is written down with its reason: a candidate that has no artifact, a figure that has no sensor.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgeproof.devices.base import Effort
from edgeproof.devices.discover import open_device
from edgeproof.devices.measuring import measure
from edgeproof.documents.device import DeviceDocument
from edgeproof.documents.samples import SamplesDocument
from edgeproof.errors import DeviceError
from edgeproof.phases.measurement.record import Recorded, chosen_candidates, record, targets_of
from edgeproof.rundir import RunDir

__all__ = ["measure_devices", "measure_run"]


def measure_run(run: RunDir, report: Callable[[str], None] = lambda _line: None) -> None:
    """Measure the run's candidates on the devices it asks for; the host, where it asks for none."""
    options = run.options()
    effort = Effort(paces=options.paces, hold=options.hold)
    measure_devices(run, devices=options.devices or ("host",), effort=effort, threads=options.threads, report=report)


def measure_devices(
    run: RunDir,
    *,
    devices: Sequence[str] = ("host",),
    candidates: Sequence[str] = (),
    effort: Effort | None = None,
    threads: Sequence[int] = (),
    report: Callable[[str], None] = lambda _line: None,
) -> list[DeviceDocument]:
    """Measure the candidates and write ``phase4_devices/<device>.json`` for each device, raw values beside it.

    Args:
        run: the run; phases 1 and 3 are done.
        devices: addresses, as ``edgeproof devices`` lists them.
        candidates: which to measure; empty: all of phase 3.
        effort: how hard to measure; by default 2 fresh processes of 351 calls each, 5 s at most per candidate.
        threads: counts of threads to measure each with, interleaved; empty: the effort's.
        report: takes a line of progress.

    Raises:
        DocumentError: an earlier phase has written nothing, or nothing readable.
        UsageError: a candidate or a device is unknown.
        DeviceError: no device could be measured.
    """
    chosen, skipped = chosen_candidates(run, candidates)
    inputs = run.path(run.read(SamplesDocument).held_out.file)
    targets = targets_of(run, chosen, skipped, threads)
    documents = []
    refused = []
    for address in devices:
        try:
            device = open_device(address)
            reason = device.available()
            if reason:
                raise DeviceError(f"{address}: {reason}")
            measured = measure(device, targets, inputs, effort or Effort(), report, trust=run.trust)
            recorded = Recorded(device.name, device.device_class, device.machine(), emulated=device.emulated)
        except DeviceError as error:
            report(str(error))
            refused.append(str(error))
            continue
        documents.append(record(run, chosen, skipped, measured, recorded))
    if not documents:
        raise DeviceError("; ".join(refused) or "no device was named", hint="`edgeproof devices` lists them")
    return documents
