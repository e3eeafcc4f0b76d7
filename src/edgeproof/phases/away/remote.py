"""The two ends of a device that a script reaches over SSH: what to send, and what came back.

    python -m edgeproof.phases.away.remote send RUN            one line a candidate: name, artifact, requirements
    python -m edgeproof.phases.away.remote take RUN FOLDER     runner reports of FOLDER become a device document

It opens no connection: ``scripts/device/rpi_setup_and_bench.sh`` does.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from edgeproof.devices.base import Measured
from edgeproof.documents.base import decode
from edgeproof.documents.conversion import ConversionResult
from edgeproof.documents.device import DeviceClass, DeviceDocument
from edgeproof.documents.runner import RunnerReport
from edgeproof.documents.samples import SamplesDocument
from edgeproof.errors import DeviceError, DocumentError
from edgeproof.formats.registry import formats
from edgeproof.measure.machine import Throttling, throttled_between
from edgeproof.phases.measurement.record import Recorded, chosen_candidates, record, targets_of
from edgeproof.process import child_main
from edgeproof.rundir import RunDir

__all__ = ["Shipment", "main", "shipments", "take_reports"]

DEVICE_CLASS: DeviceClass = "raspberry-pi"
TORCH = "this script does not install torch on the device unless it is asked to (--torch)"
THROTTLE_LOG = "vcgencmd.log"
REPORT_NAME = re.compile(r"(?P<candidate>[\w.-]+)\.(?P<round>\d+)\.json")


class Shipment(NamedTuple):
    """A candidate to send: its name, its artifact relative to the run, and what its runtime needs on the device."""

    candidate: str
    artifact: str
    requirements: tuple[str, ...]


def shipments(run: RunDir, names: Sequence[str], *, with_torch: bool) -> tuple[list[Shipment], dict[str, str]]:
    """What to send to a Raspberry Pi, the baseline first, and why the rest stays here.

    Args:
        run: the run; phase 3 is done.
        names: which candidates; empty: all.
        with_torch: send those that need torch too.

    Raises:
        DocumentError: phase 3 is not done.
        UsageError: it has no such candidate.
    """
    chosen, skipped = chosen_candidates(run, names)
    for result in chosen:
        reason = _stays(result, with_torch)
        if reason and result.candidate not in skipped:
            skipped[result.candidate] = reason
    by_name = {result.candidate: result for result in chosen}
    sent = [by_name[target.candidate] for target in targets_of(run, chosen, skipped)]
    return [
        Shipment(result.candidate, result.artifact or "", formats()[result.format].runtime_requires) for result in sent
    ], skipped


def take_reports(
    run: RunDir, folder: Path, *, device: str, names: Sequence[str], with_torch: bool, other_board: bool
) -> DeviceDocument:
    """Turn the runner reports ``<candidate>.<round>.json`` of a folder into the device's document.

    A candidate with a report that cannot be read, or with none, has failed; the reason stands in the document.

    Args:
        run: the run.
        folder: the reports.
        device: the device's address, ``ssh:user@host``.
        names: candidates that were asked for; empty: all.
        with_torch: whether those that need torch were sent.
        other_board: take figures of a board that does not say that it is a Raspberry Pi.

    Raises:
        DeviceError: no report is of use, or the board is another.
    """
    sent, skipped = shipments(run, names, with_torch=with_torch)
    chosen, _ = chosen_candidates(run, names)
    throttled = _throttled(folder / THROTTLE_LOG)
    measured = [_measured(shipment.candidate, folder, throttled) for shipment in sent]
    machine = next((report.machine for taken in measured for report in taken.reports if report.machine), None)
    if machine is None:
        reasons = "; ".join(f"{taken.candidate}: {taken.failure}" for taken in measured) or "nothing was sent"
        raise DeviceError(f"{device} brought back no usable report: {reasons}")
    if "Raspberry Pi" not in (machine.cpu_model or "") and not other_board:
        raise DeviceError(
            f"{device} is {machine.cpu_model or machine.architecture}, not a Raspberry Pi",
            hint="--other-board takes its figures for a Raspberry Pi's all the same",
        )
    return record(run, chosen, skipped, measured, Recorded(device, DEVICE_CLASS, machine, emulated=False))


def _stays(result: ConversionResult, with_torch: bool) -> str | None:
    found = formats().get(result.format)
    if found is None:
        return f"the format {result.format} is not registered here"
    if DEVICE_CLASS not in found.platforms:
        return f"{found.title} does not ship to a Raspberry Pi"
    if not with_torch and any(requirement.startswith("torch") for requirement in found.runtime_requires):
        return TORCH
    return None


def _throttled(log: Path) -> bool | None:
    """What ``vcgencmd get_throttled`` said before and after; None without it. Kernels tell it in /sys only lately."""
    try:
        said = dict(
            re.findall(r"^(before|after) throttled=0x([0-9a-fA-F]+)$", log.read_text(errors="replace"), re.MULTILINE)
        )
    except OSError:
        return None
    if set(said) != {"before", "after"}:
        return None
    before, after = (Throttling(raspberry_bits=int(said[when], 16), events=None) for when in ("before", "after"))
    return throttled_between(before, after)


def _measured(candidate: str, folder: Path, throttled: bool | None) -> Measured:
    files = sorted(folder.glob(f"{candidate}.*.json"))
    reports = []
    for path in files:
        match = REPORT_NAME.fullmatch(path.name)
        if not match or match["candidate"] != candidate:
            continue
        try:
            report = decode(path.read_bytes(), RunnerReport)
        except DocumentError as error:
            return Measured(candidate, (), f"{path.name}: {error}")
        if report.error:
            return Measured(candidate, (), report.error)
        if throttled is not None:
            report = msgspec.structs.replace(report, throttled=bool(report.throttled) or throttled)
        reports.append(report)
    return Measured(candidate, tuple(reports), None if reports else "no report came back")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m edgeproof.phases.away.remote", description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    send = commands.add_parser("send", help="print what to send: candidate, artifact, requirements, tab-separated")
    take = commands.add_parser("take", help="turn runner reports into a device document")
    for command in (send, take):
        command.add_argument("run", type=Path, help="the run folder")
        command.add_argument(
            "--candidates", default="", help="comma-separated; default: all that ship to a Raspberry Pi"
        )
        command.add_argument("--torch", action="store_true", help="include candidates that need torch on the device")
    take.add_argument("folder", type=Path, help="folder of <candidate>.<round>.json")
    take.add_argument("--device", required=True, help="the device's address, ssh:user@host")
    take.add_argument("--other-board", action="store_true", help="take figures of a board that is no Raspberry Pi")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Send or take. Wrong use exits 2.

    Raises:
        EdgeProofError: as ``shipments`` and ``take_reports``; the device throttled.
    """
    options = _parser().parse_args(arguments)
    names = tuple(name for name in options.candidates.split(",") if name)
    run = RunDir.open(options.run)
    if options.command == "send":
        _send(run, names, options.torch)
        return 0
    document = take_reports(
        run,
        options.folder,
        device=options.device,
        names=names,
        with_torch=options.torch,
        other_board=options.other_board,
    )
    for measured in document.measurements:
        median = f"median {measured.steady.median_us:.1f} µs" if measured.steady else measured.reason
        print(f"{measured.candidate}: {measured.status}: {median}")
    if any(measured.throttled for measured in document.measurements):
        raise DeviceError(
            f"{options.device} throttled while it was measured: these figures do not count",
            hint="a better power supply or cooling, then measure again",
        )
    return 0


def _send(run: RunDir, names: Sequence[str], with_torch: bool) -> None:
    found, skipped = shipments(run, names, with_torch=with_torch)
    for candidate, reason in skipped.items():
        print(f"not sent: {candidate}: {reason}", file=sys.stderr)
    if not found:
        raise DeviceError("there is no candidate to send to a Raspberry Pi")
    print(f"samples\t{run.read(SamplesDocument).held_out.file}\t")
    for shipment in found:
        print(f"{shipment.candidate}\t{shipment.artifact}\t{' '.join(shipment.requirements)}")


if __name__ == "__main__":
    child_main(main)
