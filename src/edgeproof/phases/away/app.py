"""What the app of ``phases.away.iphone`` told, brought into the run: outputs are held against the eager model and this
machine, and the document is that of any other device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from edgeproof.devices.base import Effort
from edgeproof.devices.iphone.reported import ReportedPhone
from edgeproof.devices.iphone.results import read_app_report
from edgeproof.documents.device import DeviceDocument
from edgeproof.documents.validation import ValidationDocument
from edgeproof.errors import DocumentError
from edgeproof.phases.device import Work
from edgeproof.phases.measurement.record import chosen_candidates, targets_of
from edgeproof.rundir import RunDir

__all__ = ["bring_app_back"]


def bring_app_back(
    run: RunDir, files: Sequence[Path], report: Callable[[str], None] = lambda _line: None
) -> DeviceDocument:
    """Write ``phase4_devices/iphone-<model>.json`` from what the app wrote, a file for each of its processes.

    Args:
        run: the run that the app was made of.
        files: its JSON files, of one phone.
        report: takes a line of progress.

    Raises:
        DocumentError: a file is none of the app's, or of another run.
        DeviceError: they are of several phones.
    """
    phone = ReportedPhone([read_app_report(file) for file in files])
    try:
        known = {result.candidate for result in chosen_candidates(run, ())[0]}
        others = [candidate for candidate in phone.candidates if candidate not in known]
        if others:
            raise DocumentError(
                f"the app measured {', '.join(others)}, and the run has no such candidate",
                hint="bring it to its own run",
            )
        chosen, skipped = chosen_candidates(run, phone.candidates)
        validation = run.read_if_there(ValidationDocument)
        for result in validation.results if validation is not None else ():
            if result.checked_by is not None and result.status in {"passed", "failed"}:
                skipped.pop(result.candidate, None)  # a stand-in ran it here, and its own runtime there
        effort = Effort(rounds=phone.rounds)
        return Work(run, chosen, skipped, targets_of(run, chosen, skipped), effort, report, again=True).on(phone)
    finally:
        phone.close()
